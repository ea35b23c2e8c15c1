package workload

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func make1(t *testing.T, cfg Config) *Workload {
	t.Helper()
	if cfg.Keys == 0 {
		cfg.Keys = 1000
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Every workload deals its published mix, each kind with its numbers of keys.
func TestMixes(t *testing.T) {
	type keys struct{ reads, writes int } // -1: from 1 to 10
	for name, mix := range map[string]map[Kind]struct {
		percent float64
		keys
	}{
		"put":    {Update: {100, keys{0, 1}}},
		"get":    {Read: {100, keys{1, 0}}},
		"rmw2":   {ReadModifyWrite: {100, keys{2, 2}}},
		"ycsb-a": {Read: {50, keys{1, 0}}, Update: {50, keys{0, 1}}},
		"ycsb-b": {Read: {95, keys{1, 0}}, Update: {5, keys{0, 1}}},
		"ycsb-c": {Read: {100, keys{1, 0}}},
		"ycsb-d": {Read: {95, keys{1, 0}}, Insert: {5, keys{0, 1}}},
		"ycsb-e": {Scan: {95, keys{1, 0}}, Insert: {5, keys{0, 1}}},
		"ycsb-f": {Read: {50, keys{1, 0}}, ReadModifyWrite: {50, keys{1, 1}}},
		"retwis": {AddUser: {5, keys{1, 3}}, Follow: {15, keys{2, 2}}, PostTweet: {30, keys{3, 5}}, Timeline: {50, keys{-1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			const ops = 40_000
			d := make1(t, Config{Name: name, ValueBytes: 9}).Dealer(1)
			seen := map[Kind]float64{}
			for range ops {
				op := d.Next()
				seen[op.Kind]++
				want := mix[op.Kind].keys
				if len(op.Writes) != want.writes || want.reads >= 0 && len(op.Reads) != want.reads {
					t.Fatalf("%v reads %d keys and writes %d", op.Kind, len(op.Reads), len(op.Writes))
				}
				if (len(op.Value) == 9) != (want.writes > 0) {
					t.Fatalf("%v has a value of %d bytes", op.Kind, len(op.Value))
				}
				for _, list := range [][]string{op.Reads, op.Writes} {
					if len(slices.Compact(slices.Sorted(slices.Values(list)))) != len(list) {
						t.Fatalf("%v names a key twice: %v", op.Kind, list)
					}
				}
				d.Done(&op)
			}
			for kind, n := range seen {
				share := mix[kind].percent / 100
				if math.Abs(n-ops*share) > 5*math.Sqrt(ops*share*(1-share)) {
					t.Errorf("%v: %.0f of %d, want %.0f %%", kind, n, ops, mix[kind].percent)
				}
			}
			if len(seen) != len(mix) {
				t.Errorf("dealt %v", seen)
			}
		})
	}
	if len(Names()) != 10 {
		t.Errorf("a workload is not tested: %v", Names())
	}
}

// Scans want 1 to 100 keys and timelines 1 to 10, all equally often.
func TestLengths(t *testing.T) {
	for name, want := range map[string]struct {
		kind   Kind
		most   int
		length func(*Op) int
	}{
		"ycsb-e": {Scan, 100, func(op *Op) int { return op.ScanKeys }},
		"retwis": {Timeline, 10, func(op *Op) int { return len(op.Reads) }},
	} {
		d := make1(t, Config{Name: name}).Dealer(0)
		seen, all := make([]float64, want.most+1), 0.0
		for range 50_000 {
			op := d.Next()
			if op.Kind == want.kind {
				seen[want.length(&op)]++
				all++
			}
			d.Done(&op)
		}
		p := 1 / float64(want.most)
		for n, got := range seen {
			if n == 0 && got > 0 || n > 0 && math.Abs(got-all*p) > 5*math.Sqrt(all*p) {
				t.Errorf("%v of %d keys: %.0f times of %.0f", want.kind, n, got, all)
			}
		}
	}
}

// numbers turns names back into numbers.
func numbers(w *Workload, keys uint64) map[string]uint64 {
	m := map[string]uint64{}
	for n := range keys {
		m[w.Key(n)] = n
	}
	return m
}

func TestUniform(t *testing.T) {
	w := make1(t, Config{Name: "get", Keys: 100})
	d, of := w.Dealer(0), numbers(w, 100)
	var seen [100]float64
	for range draws {
		seen[of[d.Next().Reads[0]]]++
	}
	for n, got := range seen {
		near(t, fmt.Sprint("key ", n), got, 0.01)
	}
}

// Latest draws the key inserted last most often, and what is inserted meanwhile becomes the latest; what is on its
// way is never read.
func TestLatestFollowsTheInserts(t *testing.T) {
	w := make1(t, Config{Name: "ycsb-d", Keys: 100})
	d, of := w.Dealer(0), numbers(w, 3000)
	var held Op
	for inserted := 0; inserted < 2000; {
		op := d.Next()
		if op.Kind == Insert {
			if inserted++; inserted == 1500 {
				held = op
				held.inserted = op.inserted
				continue // not told to be done
			}
		} else if n, ok := of[op.Reads[0]]; !ok || n >= w.space.done.Load() {
			t.Fatalf("read key %d of %d", n, w.space.done.Load())
		}
		d.Done(&op)
	}
	if done := w.space.done.Load(); done != held.inserted {
		t.Errorf("keys below %d are read, though %d is not inserted yet", done, held.inserted)
	}
	d.Done(&held)
	newest := w.space.done.Load()
	if newest != 2100 {
		t.Fatalf("%d keys", newest)
	}
	var first, reads float64
	for reads < draws/4 {
		op := d.deal(Read)
		reads++
		if of[op.Reads[0]] == newest-1 {
			first++
		}
	}
	if share, want := first/reads, 1/NewZipf(newest).zetan; math.Abs(share-want) > 0.005 {
		t.Errorf("the latest key has a share of %.3f, want %.3f", share, want)
	}
}

// The popular keys of a zipfian workload stay the same while others are inserted.
func TestZipfianReadsOnlyWhatExists(t *testing.T) {
	w := make1(t, Config{Name: "ycsb-e", Keys: 500})
	d, of := w.Dealer(0), numbers(w, 4000)
	popular := func() string {
		seen, best := map[string]int{}, ""
		for range 20_000 {
			op := d.deal(Scan)
			if n, ok := of[op.Reads[0]]; !ok || n >= w.space.done.Load() {
				t.Fatalf("read key %d of %d", n, w.space.done.Load())
			}
			if seen[op.Reads[0]]++; seen[op.Reads[0]] > seen[best] {
				best = op.Reads[0]
			}
		}
		return best
	}
	before := popular()
	for range 300 {
		op := d.deal(Insert)
		d.Done(&op)
	}
	if after := popular(); after != before {
		t.Errorf("the most popular key was %s and is %s", before, after)
	}
}

func TestInsertsAreBounded(t *testing.T) {
	w := make1(t, Config{Name: "ycsb-d"})
	d := w.Dealer(0)
	for range recent {
		if op := d.deal(Insert); op.Kind != Insert {
			t.Fatal("an insert was turned away too early")
		}
	}
	if op := d.deal(Insert); op.Kind != Update {
		t.Error("there is no bound to the inserts under way")
	}
}

func TestSameSeedSameOps(t *testing.T) {
	deal := func(seed uint64, client int) string {
		d := make1(t, Config{Name: "retwis", Seed: seed}).Dealer(client)
		var b strings.Builder
		for range 50 {
			op := d.Next()
			fmt.Fprintf(&b, "%v %q %q %x\n", op.Kind, op.Reads, op.Writes, op.Value)
		}
		return b.String()
	}
	first, again := deal(1, 1), deal(1, 1)
	if first != again || first == deal(2, 1) || first == deal(1, 2) {
		t.Error("operations depend on the seed and the client, and on nothing else")
	}
}

func TestInsertOrder(t *testing.T) {
	hashed, ordered := make1(t, Config{Name: "put"}), make1(t, Config{Name: "put", Ordered: true})
	if got := hashed.Key(0); got != "user6284781860667377211" {
		t.Error(got)
	}
	for _, n := range []uint64{0, 9, 10, MaxKeys, 999_999_999_999} {
		if got, want := ordered.Key(n), fmt.Sprintf("user%012d", n); got != want {
			t.Errorf("key %d is called %s, not %s", n, got, want)
		}
	}
	d := ordered.Dealer(0)
	if op := d.Load(7); op.Writes[0] != ordered.Key(7) || len(op.Value) != valueBytes {
		t.Errorf("%+v", op)
	}
}

func TestMistakesAreTold(t *testing.T) {
	for want, cfg := range map[string]Config{
		`no workload is called "ycsb-z": choose one of put, get`: {Name: "ycsb-z", Keys: 10},
		"9 keys":                        {Name: "get", Keys: 9},
		"values of -1 bytes":            {Name: "get", Keys: 10, ValueBytes: -1},
		`no distribution is called "x"`: {Name: "get", Keys: 10, Distribution: "x"},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	own := make1(t, Config{Name: "ycsb-d"}).Config()
	if own.Distribution != Latest || own.ValueBytes != 1000 {
		t.Errorf("%+v", own)
	}
}
