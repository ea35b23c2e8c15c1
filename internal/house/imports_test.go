package house

import (
	"fmt"
	"strings"
	"testing"
)

func TestEveryImportIsInTheTable(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.imports() {
			if err := check(p.path, imported); err != nil {
				t.Error(err)
			}
		}
		if _, ok := rowOf(p.path); !ok {
			t.Errorf("%s has no row in internal/house/table_test.go: decide what it may import", p.path)
		}
	}
}

// Each rule of the table is seen to bite, so that an edit which makes it toothless does not pass unseen.
func TestTheTableRefuses(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"./shard", "./paxos/wire"},
		{"./paxos/wire", "./txn"},
		{"./paxos", "./txn"},
		{"./paxos", "time"},
		{"./paxos", "net/netip"},
		{"./paxos", "log/slog"},
		{"./paxos", "sync/atomic"},
		{"./txn", "./paxos"},
		{"./txn/occ", "context"},
		{"./txn/twopc", "./txn/tapir"},
		{"./txn/tapir", "./txn/twopc"},
		{"./shard/mvcc", "os"},
		{"./bpf/model", "github.com/cilium/ebpf"},
		{"./paxos/transport", "./paxos"},
		{"./paxos/transport", "./txn/twopc"},
		{"./bpf", "./client"},
		{"./shard/replica", "./bpf"},
		{"./shard/replica", "./client"},
		{"./shard/server", "./client"},
		{"./shard/server", "github.com/spf13/viper"},
		{"./client", "./shard/server"},
		{"./client", "./bpf"},
		{"./client", "./cmd/anode"},
		{"./client", "./bench/runner"},
		{"./bench/sim", "./cmd/anode-lab"},
		{"./bench/ycsb", "github.com/spf13/cobra"},
		{"./bench/sim", "github.com/cilium/ebpf/link"},
		{"./cmd/anode", "github.com/spf13/viper"},
		{"./cmd/anode", "github.com/hashicorp/go-msgpack/v2/codec"},
		{"./client", "github.com/prometheus/client_golang/prometheus"},
		{"./attic", "./shard"},
	} {
		if check(c.from, c.to) == nil {
			t.Errorf("%s may import %s: the table has lost a rule", c.from, c.to)
		}
	}
}

func TestTheTableAllows(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"./paxos", "./paxos/wire"},
		{"./paxos", "math/rand/v2"},
		{"./txn", "./shard"},
		{"./txn/tapir", "./txn/ir"},
		{"./shard/mvcc", "./txn"},
		{"./shard/mvcc", "github.com/tidwall/btree"},
		{"./paxos/wire", "net/netip"},
		{"./paxos/wire", "github.com/hashicorp/go-msgpack/v2/codec"},
		{"./paxos/transport", "golang.org/x/sys/unix"},
		{"./bench/lab", "github.com/cilium/ebpf"},
		{"./shard/server", "github.com/prometheus/client_golang/prometheus"},
		{"./cmd/anode", "./cmd/anode/internal/config"},
		{"./cmd/anode/internal/config", "github.com/spf13/viper"},
		{"./cmd/anode-lab", "github.com/spf13/viper"},
	} {
		if err := check(c.from, c.to); err != nil {
			t.Error(err)
		}
	}
}

// check says why a package may not import another.
func check(from, to string) error {
	if err := kept(from, to); err != nil {
		return err
	}
	r, ok := rowOf(from)
	if !ok {
		return fmt.Errorf("%s imports %s but has no row in the table", from, to)
	}
	if matchAny(r.never, to) {
		return fmt.Errorf("%s imports %s, which its row in the table forbids", from, to)
	}
	if strings.HasPrefix(to, "./") && !matchAny(r.may, to) {
		return fmt.Errorf("%s imports %s, which its row in the table does not allow", from, to)
	}
	return nil
}

// kept says why a package may not import one that belongs to another room.
func kept(from, to string) error {
	if match("./cmd/anode-lab/...", from) {
		return nil
	}
	for _, k := range keepers {
		if match(k.of, to) && !matchAny(k.rooms, from) {
			return fmt.Errorf("%s imports %s, which only %s may do", from, to, strings.Join(k.rooms, " and "))
		}
	}
	return nil
}

func rowOf(path string) (row, bool) {
	for _, r := range table {
		if matchAny(r.rooms, path) {
			return r, true
		}
	}
	return row{}, false
}

func matchAny(patterns []string, path string) bool {
	for _, p := range patterns {
		if match(p, path) {
			return true
		}
	}
	return false
}

// match understands the go command's patterns as far as the table uses them: "./a/b" and "./a/b/...".
func match(pattern, path string) bool {
	below, tree := strings.CutSuffix(pattern, "/...")
	return path == below || tree && strings.HasPrefix(path, below+"/")
}
