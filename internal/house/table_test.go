package house

// A row says what the packages of one room may import directly. Patterns are those of the go
// command: "./txn" is that one package of this module, "./txn/..." is it and everything below it. What does
// not begin with a dot belongs to the standard library or to another module.
type row struct {
	rooms []string
	// may lists the packages of this module that the rooms import. Packages of others are allowed unless
	// never or a keeper forbids them.
	may []string
	// never lists packages, ours and others', that stay forbidden whatever may says.
	never []string
	// pure says that the rooms are protocol cores, see pure_test.go.
	pure bool
}

// world is what a core must not reach, because the simulator could not replay what comes from there: other
// machines, the clock, the operating system, the scheduler and chance. Addresses are data, but even they
// come as wire.Addr. Of math/rand only seeded generators are allowed; the syntax check sees to that.
var world = []string{
	"net/...", "time/...", "os/...", "sync/...", "context", "log/...", "syscall", "runtime/...",
	"crypto/rand", "hash/maphash",
	"github.com/cilium/ebpf/...", "github.com/prometheus/...", "golang.org/x/sync/...", "golang.org/x/sys/...",
}

// The first row whose rooms match a package is the package's row.
var table = []row{
	{rooms: []string{"./shard"}, never: world, pure: true},
	{rooms: []string{"./paxos/wire"}},
	{rooms: []string{"./paxos"},
		may:   []string{"./paxos/wire", "./internal/mutant"},
		never: with(world, "./txn/..."), pure: true},

	// The two ways to commit are alternatives: neither leans on the other.
	{rooms: []string{"./txn/twopc/..."},
		may:   transactions,
		never: with(world, "./paxos", "./txn/tapir/..."), pure: true},
	{rooms: []string{"./txn/tapir/..."},
		may:   transactions,
		never: with(world, "./paxos", "./txn/twopc/..."), pure: true},
	{rooms: []string{"./shard/mvcc", "./txn/..."},
		may:   transactions,
		never: with(world, "./paxos"), pure: true},
	{rooms: []string{"./bpf/model"},
		may:   []string{"./shard", "./shard/mvcc", "./paxos/wire", "./internal/mutant"},
		never: with(world, "./paxos"), pure: true},

	// Packets to attack the programs and the model with; only tests import it.
	{rooms: []string{"./bpf/hostile"}, may: []string{"./paxos/wire"}},

	{rooms: []string{"./paxos/transport/..."},
		may:   []string{"./paxos/transport/...", "./paxos/wire"},
		never: []string{"./paxos", "./shard/...", "./txn/..."}},
	{rooms: []string{"./bpf"},
		may:   []string{"./paxos/wire", "./internal/mutant"},
		never: []string{"./paxos", "./txn/...", "./client/..."}},

	// The replica loop knows the fast path only through an interface that it declares itself.
	{rooms: []string{"./shard/replica"},
		may:   []string{"./paxos", "./paxos/transport", "./paxos/wire", "./shard/mvcc", "./txn/...", "./internal/mutant"},
		never: []string{"./bpf/...", "./client/..."}},
	{rooms: []string{"./shard/server"},
		may:   []string{"./bpf", "./paxos/...", "./shard/...", "./txn/..."},
		never: []string{"./client/...", "github.com/spf13/viper/..."}},
	{rooms: []string{"./client"},
		may:   []string{"./paxos/transport", "./paxos/wire", "./shard", "./txn/..."},
		never: []string{"./bpf/...", "./shard/replica", "./shard/server"}},

	{rooms: []string{"./client/anodetest", "./bench/..."}, may: everything, never: []string{"./cmd/..."}},
	{rooms: []string{"./cmd/..."}, may: everything},
	{rooms: []string{"./internal/house", "./internal/mutant"}},
}

var (
	transactions = []string{"./paxos/wire", "./shard", "./shard/mvcc", "./txn/...", "./internal/mutant"}
	everything   = []string{"./..."}
)

// A keeper names the only rooms that may import some packages. cmd/anode-lab is exempt, being a laboratory and
// not a product.
type keeper struct {
	of    string
	rooms []string
}

var keepers = []keeper{
	{"./cmd/...", []string{"./cmd/..."}},
	{"github.com/spf13/cobra/...", []string{"./cmd/..."}},
	{"github.com/spf13/viper/...", []string{"./cmd/anode/internal/config"}},
	{"github.com/hashicorp/go-msgpack/...", []string{"./paxos/wire"}},
	{"github.com/cilium/ebpf/...", []string{"./bpf", "./bench/lab"}},
	{"github.com/prometheus/...", []string{"./shard/server", "./cmd/..."}},
}

// with returns list and more in a new slice, so that rows never share a backing array.
func with(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}
