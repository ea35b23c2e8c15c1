package twopc

import (
	"math/rand/v2"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// newCaller returns a caller with one call to a group of three, sent at 0 to replica 0, and what it sends.
func newCaller(seed uint64) (*caller, *call, *[]Outgoing) {
	sent := &[]Outgoing{}
	c := &caller{rand: rand.New(rand.NewPCG(seed, 0)), retry: defaultRetry, retryMax: defaultRetryMax, out: sent}
	k := &call{kind: wire.KindSubmit, route: &route{replicas: 3}}
	c.start(0, k)
	return c, k, sent
}

// While a leader is dead its followers are asked again and again at short intervals, however long it takes: one of them
// will know the next leader.
func TestFollowersOfADeadLeaderAreAskedOften(t *testing.T) {
	for seed := range uint64(20) {
		c, k, sent := newCaller(seed)
		var asked, longest wire.Duration
		for now := wire.Time(0); now < wire.Time(wire.Second); now = now.Add(wire.Millisecond) {
			c.resendDue(now)
			for _, m := range *sent {
				if m.To.Replica == 0 {
					continue
				}
				longest = max(longest, now.Sub(0)-asked)
				asked = now.Sub(0)
				c.refused(now, k, m.To.Replica, txn.ReasonNotLeader, 0)
			}
			*sent = (*sent)[:0]
		}
		if limit := 5 * defaultRetry / 2; longest > limit {
			t.Errorf("seed %d: nobody who lives was asked for %d ms", seed, longest/wire.Millisecond)
		}
	}
}

// A leader that has just been elected serves a moment later: it is asked again soon, and then less and less often.
func TestALeaderThatIsNotReadyIsAskedAgainSoon(t *testing.T) {
	for seed := range uint64(20) {
		c, k, sent := newCaller(seed)
		now, before := wire.Time(0), wire.Duration(0)
		for n := range patience {
			*sent = (*sent)[:0]
			c.refused(now, k, 0, txn.ReasonNotReady, 3)
			due, _ := c.nextDue()
			pause := due.Sub(now)
			if pause <= before || n == 0 && pause > 2*defaultRetry/electionShare {
				t.Errorf("seed %d: pause %d takes %d us after one of %d", seed, n, pause/wire.Microsecond, before/wire.Microsecond)
			}
			now, before = due, pause
			if c.resendDue(now); len(*sent) != 1 || (*sent)[0].To.Replica != 0 {
				t.Fatalf("seed %d: asked %+v", seed, *sent)
			}
		}
		*sent = (*sent)[:0]
		c.refused(now, k, 0, txn.ReasonNotReady, 3)
		due, _ := c.nextDue()
		if c.resendDue(due); (*sent)[0].To.Replica != 1 {
			t.Errorf("seed %d: one that is never ready is still asked", seed)
		}
	}
}

// The leader of a group of one has nobody beside it: it is asked less and less often when it is silent.
func TestALoneReplicaIsNotPressed(t *testing.T) {
	c, k, sent := newCaller(1)
	c.end(k)
	k.route = &route{replicas: 1}
	*sent = nil
	c.start(0, k)
	for now := wire.Time(0); now < wire.Time(3*wire.Second); now = now.Add(wire.Millisecond) {
		c.resendDue(now)
	}
	if len(*sent) > 15 {
		t.Errorf("asked %d times in 3 s", len(*sent))
	}
}
