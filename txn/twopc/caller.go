package twopc

import (
	"math/rand/v2"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

const (
	// maxDoublings bounds the shift in a back-off; retryMax cuts it long before.
	maxDoublings = 16
	// patience is how often a leader may say that it is not ready before another replica is asked.
	patience = 6
	// electionShare is the part of a pause after which a leader that is not ready is asked again: one that has just been
	// elected serves after a round trip.
	electionShare = 4
	// carriedBytes is what is carried and logged in a millisecond at least: a large request is not sent
	// again before it can have been answered.
	carriedBytes = 64 << 10
)

// caller keeps requests to groups going until they are answered: it guesses who leads, follows hints, and
// sends again with back-off. A coordinator has one for its shards, and the leader of a shard one for the
// groups that it inquires of.
type caller struct {
	rand *rand.Rand
	// retry is how long an answer is waited for before the request is sent again, doubling up to retryMax.
	retry, retryMax wire.Duration

	out     *[]Outgoing // where copies go
	stamp   uint64      // orders calls that are due at one time
	timers  timers
	counted callStats
}

// callStats counts the copies of requests.
type callStats struct {
	Sent, Resent uint64
	// Overdue counts answers that did not come in time.
	Overdue uint64
}

// call is one request to one group that waits for an answer, and is sent again until it has one. The bytes
// never change.
type call struct {
	kind  wire.Kind
	route *route
	nonce uint64 // reads and validations
	body  []byte

	to     wire.ReplicaID // where the last copy went
	sentAt wire.Time
	due    wire.Time
	stamp  uint64
	timer  int // index in the timers
	place  int // index in route.calls
	// tries counts the copies that brought nothing since the group's view was last seen to change.
	tries int
	// loose counts the copies that were sent and not refused: so many may yet arrive, or be answered.
	loose int
	// paused: the last copy was refused, and the next is held back on purpose.
	paused bool
	cause  Cause

	// The call belongs to one of these; to none when it opens or ends a session.
	gather *gather
	probe  *probe
	slots  []int // reads: which of the gather's values these keys are
	party  *party
}

// start sends a call for the first time.
func (c *caller) start(now wire.Time, k *call) {
	c.stamp++
	k.stamp = c.stamp
	k.place = len(k.route.calls)
	k.route.calls = append(k.route.calls, k)
	k.timer = untimed
	c.counted.Sent++
	c.transmit(now, k, k.route.leader)
}

// transmit sends a copy to one replica, and sets the time by which an answer is expected.
func (c *caller) transmit(now wire.Time, k *call, to wire.ReplicaID) {
	k.to, k.sentAt, k.paused = to, now, false
	k.loose++
	*c.out = append(*c.out, Outgoing{Target{k.route.group, to}, k.kind, k.body})
	tries := k.tries
	if k.route.suspects(to) {
		tries = 0 // its turn is to be short: it seems to be dead, and the others will know the next leader
	}
	c.reschedule(k, now.Add(c.backoff(tries)+wire.Duration(len(k.body)/carriedBytes)*wire.Millisecond))
}

func (c *caller) resend(now wire.Time, k *call) {
	c.counted.Resent++
	c.transmit(now, k, k.route.leader)
}

// pause holds the next copy back.
func (c *caller) pause(now wire.Time, k *call, d wire.Duration) {
	k.paused = true
	c.reschedule(k, now.Add(d))
}

// pushBack holds a call back longer each time.
func (c *caller) pushBack(now wire.Time, k *call) {
	c.pause(now, k, c.backoff(k.tries))
	k.tries++
}

func (c *caller) reschedule(k *call, due wire.Time) {
	k.due = due
	if k.timer == untimed {
		c.timers.push(k)
	} else {
		c.timers.fix(k.timer)
	}
}

// backoff is the wait after that many fruitless copies: doubled each time, and spread by half around its
// mean so that callers which failed together do not return together.
func (c *caller) backoff(tries int) wire.Duration {
	d := min(c.retry<<min(tries, maxDoublings), c.retryMax)
	return d*3/4 + wire.Duration(c.rand.Int64N(int64(d)/2+1))
}

// end forgets a call: it is answered, or nobody wants the answer any more.
func (c *caller) end(k *call) {
	c.timers.remove(k.timer)
	calls := k.route.calls
	last := len(calls) - 1
	calls[k.place] = calls[last]
	calls[k.place].place = k.place
	calls[last] = nil
	k.route.calls = calls[:last]
}

// resendDue sends again, in order, all calls whose time has come.
func (c *caller) resendDue(now wire.Time) {
	for len(c.timers) > 0 && c.timers[0].due <= now {
		c.overdue(now, c.timers[0])
	}
}

// overdue is a call whose time has come: its pause is over, or its answer did not arrive.
func (c *caller) overdue(now wire.Time, k *call) {
	if !k.paused {
		c.counted.Overdue++
		k.tries++
		k.cause = Cause{Group: k.route.group, Silent: true}
		k.route.silent(k)
	}
	c.resend(now, k)
}

// nextDue is when resendDue has something to do, and false when it never will.
func (c *caller) nextDue() (wire.Time, bool) {
	if len(c.timers) == 0 {
		return 0, false
	}
	return c.timers[0].due, true
}

// refused acts on the word of a replica that it did not carry out a call, which is never a vote. It reports
// false if asking again will not change that.
func (c *caller) refused(now wire.Time, k *call, from wire.ReplicaID, reason txn.Reason, view wire.View) bool {
	switch reason {
	case txn.ReasonNotLeader:
		c.notLeader(now, k, from, view)
	case txn.ReasonNotReady:
		c.notReady(now, k, from, view)
	case txn.ReasonWaited:
		k.route.hear(now, from)
		c.pause(now, k, c.backoff(0))
	case txn.ReasonWrongShard, txn.ReasonTooLarge, txn.ReasonMalformed, txn.ReasonTooOld:
		k.route.hear(now, from)
		return false
	default: // overloaded, and what a newer server may think of
		k.route.hear(now, from)
		c.pushBack(now, k)
	}
	return true
}

// learn takes in a view. When it is new, everything that waits at another replica is sent to its leader.
func (c *caller) learn(now wire.Time, r *route, v wire.View) bool {
	if v <= r.view {
		return false
	}
	r.view, r.leader, r.suspect, r.heardAt = v, r.leaderOf(v), false, now
	for _, k := range r.calls {
		k.tries = 0
		if k.to != r.leader {
			c.resend(now, k)
		}
	}
	return true
}

// notLeader follows a hint, unless it leads back to where it came from or to a replica that is silent:
// then the next one is asked, after a pause.
func (c *caller) notLeader(now wire.Time, k *call, from wire.ReplicaID, v wire.View) {
	r := k.route
	if c.learn(now, r, v) {
		if k.to == from { // it names itself, and says it is not
			c.pause(now, k, c.backoff(0))
		}
		return
	}
	if k.to != from {
		return // a copy was already sent elsewhere
	}
	if hinted := r.leaderOf(r.view); !r.suspect && hinted != from {
		r.leader = hinted
		c.resend(now, k)
		return
	}
	if r.leader == from {
		r.rotate()
	}
	c.pause(now, k, c.backoff(0))
}

// notReady waits for the leader of a new view to begin to serve. One that does not, or that reigns in an
// older view than another has told of, is not waited for: it may be cut off from its group.
func (c *caller) notReady(now wire.Time, k *call, from wire.ReplicaID, v wire.View) {
	c.learn(now, k.route, v)
	if v < k.route.view || k.tries >= patience {
		k.route.giveUpOn(from)
	} else {
		k.route.answered(now, k, from)
	}
	c.pause(now, k, c.backoff(k.tries)/electionShare)
	k.tries++
}

// obstacle is what the first of some calls that met anything met last; failing that, that they are not
// answered.
func obstacle(calls []*call) Cause {
	for _, k := range calls {
		if k.cause != (Cause{}) {
			return k.cause
		}
	}
	return Cause{Group: calls[0].route.group, Silent: true}
}

// untimed is the place among the timers of a call that has none yet.
const untimed = -1

// timers is a heap of calls by the time they are due; the stamp decides between equals, so that a replay makes the same choice. It
// is container/heap without its calls through an interface, of which each request took dozens.
type timers []*call

func (t timers) less(i, j int) bool {
	return t[i].due < t[j].due || t[i].due == t[j].due && t[i].stamp < t[j].stamp
}

func (t timers) swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].timer, t[j].timer = i, j
}

func (t *timers) push(k *call) {
	k.timer = len(*t)
	*t = append(*t, k)
	t.up(k.timer)
}

// fix puts a call in its place whose time has changed.
func (t timers) fix(i int) {
	if !t.down(i) {
		t.up(i)
	}
}

func (t *timers) remove(i int) {
	last := len(*t) - 1
	k := (*t)[i]
	t.swap(i, last)
	(*t)[last] = nil
	*t = (*t)[:last]
	if i < last {
		t.fix(i)
	}
	k.timer = untimed
}

func (t timers) up(i int) {
	for i > 0 {
		above := (i - 1) / 2
		if !t.less(i, above) {
			return
		}
		t.swap(i, above)
		i = above
	}
}

// down reports whether the call has moved.
func (t timers) down(i int) (moved bool) {
	for {
		next := 2*i + 1
		if next >= len(t) {
			return moved
		}
		if next+1 < len(t) && t.less(next+1, next) {
			next++
		}
		if !t.less(next, i) {
			return moved
		}
		t.swap(i, next)
		i, moved = next, true
	}
}
