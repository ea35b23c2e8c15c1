package sim

import (
	"math"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// The contention that must cost less than one retry per commit: so many clients, each with one transaction at a
// time and no pause between two, that read and write two keys drawn by Zipf's law.
const (
	rivals    = 64
	rivalKeys = 1000
	zipfTheta = 0.99
	// warmUp lets the leaders be found and the pauses grow; then the counting begins.
	warmUp   = 300 * wire.Millisecond
	measured = 500 * wire.Millisecond
)

// rival is a client of the product's coordinator that tries again as the product's client does.
type rival struct {
	*client
	tally *tally
	keys  [2][]byte
	tried wire.Time // when the attempt began
	since wire.Time // when the transaction did
	pause txn.Backoff
}

// tally is what all rivals did.
type tally struct {
	weights          []float64 // cumulative, by key
	commits, retries int
	took             []wire.Duration
}

func newTally() *tally {
	t, sum := &tally{}, 0.0
	for i := range rivalKeys {
		sum += 1 / math.Pow(float64(i+1), zipfTheta)
		t.weights = append(t.weights, sum)
	}
	return t
}

func (v *rival) draw() int {
	weights := v.tally.weights
	i, _ := slices.BinarySearch(weights, v.s.w.rand.Float64()*weights[rivalKeys-1])
	return i
}

// transact begins a transaction on two keys.
func (v *rival) transact() {
	one := v.draw()
	other := v.draw()
	for other == one {
		other = v.draw()
	}
	v.keys = [2][]byte{[]byte(register(one)), []byte(register(other))}
	v.since, v.pause = v.s.w.now, txn.Backoff{}
	v.try()
}

func (v *rival) try() {
	v.tried = v.s.w.now
	token := v.await(func(done twopc.Completion) {
		var w txn.Work
		for i, value := range done.Values {
			w.Reads = append(w.Reads, txn.Read{Key: v.keys[i], Found: value.Found, At: value.At})
			w.Writes = append(w.Writes, txn.Write{Key: v.keys[i], Value: []byte("a value")})
		}
		v.commit(w)
	})
	v.coord.Read(v.now(), token, v.keys[:], false)
	v.plan()
}

func (v *rival) commit(w txn.Work) {
	token := v.await(func(done twopc.Completion) {
		t := v.tally
		if done.Result == twopc.ResultCommitted {
			t.commits++
			t.took = append(t.took, v.s.w.now.Sub(v.since))
			v.transact()
			return
		}
		t.retries++
		v.s.w.after(v.pause.Next(v.s.w.now.Sub(v.tried), v.s.w.rand.Float64()), v.try)
	})
	v.coord.Commit(v.now(), token, w)
	v.plan()
}

// contend lets the rivals run for a while on a network that loses nothing, and returns what they did when all had
// warmed up.
func contend(t *testing.T, groups int, oneWay wire.Duration) *tally {
	w := newWorld(1)
	plan := Plan{
		Hosts: 3, Replicas: 3, Groups: groups, Clients: rivals, Window: 64, Batch: 1336,
		Retention: wire.Second, Garbage: 4 << 20,
	}
	s := &simulation{w: w, c: newCluster(w, plan), healed: true}
	n := s.c.net
	n.base, n.jitter, n.loss, n.duplicate, n.late = oneWay, 0, 0, 0, 0
	tally := newTally()
	for i := range rivals {
		v := &rival{client: newClient(s, i), tally: tally}
		w.after(w.between(0, wire.Millisecond), v.transact)
	}
	never := func() bool { return false }
	w.run(wire.Time(warmUp), never)
	tally.commits, tally.retries, tally.took = 0, 0, nil
	w.run(wire.Time(warmUp+measured), never)
	if w.failed != nil {
		t.Fatal(w.failed)
	}
	slices.Sort(tally.took)
	return tally
}

func TestContentionCostsLessThanOneRetryPerCommit(t *testing.T) {
	for _, groups := range []int{1, 3} {
		for _, oneWay := range []wire.Duration{40 * wire.Microsecond, 200 * wire.Microsecond} {
			got := contend(t, groups, oneWay)
			if got.commits == 0 {
				t.Fatal("nothing commits")
			}
			perCommit := float64(got.retries) / float64(got.commits)
			t.Logf("%d groups, %d us one way: %d commits in half a second, %.2f retries per commit; median %d us, p99 %d us, longest %d us",
				groups, oneWay/wire.Microsecond, got.commits, perCommit, got.took[len(got.took)/2]/wire.Microsecond,
				got.took[len(got.took)*99/100]/wire.Microsecond, got.took[len(got.took)-1]/wire.Microsecond)
			if perCommit >= 1 {
				t.Errorf("%d groups, %d us one way: %.2f retries per commit", groups, oneWay/wire.Microsecond, perCommit)
			}
		}
	}
}
