package twopc

import "github.com/anodekv/anode/paxos/wire"

// route is what a caller knows of the way to one group: who leads it.
type route struct {
	group    wire.GroupID
	replicas int
	// view is the highest view heard of. leader is the replica to ask next: the leader of that view, or
	// another one while the leader is suspected.
	view    wire.View
	leader  wire.ReplicaID
	suspect bool
	heardAt wire.Time // when leader was last heard
	calls   []*call   // unanswered, in no meaningful but a repeatable order
}

func (r *route) leaderOf(v wire.View) wire.ReplicaID {
	return wire.ReplicaID(uint64(v) % uint64(r.replicas))
}

// suspects reports whether a replica leads the view as far as is known, and is silent, where there are others to ask.
func (r *route) suspects(replica wire.ReplicaID) bool {
	return r.suspect && r.replicas > 1 && replica == r.leaderOf(r.view)
}

// rotate turns to the next replica.
func (r *route) rotate() { r.leader = wire.ReplicaID((int(r.leader) + 1) % r.replicas) }

// silent notes that a call was not answered. Only a replica from which nothing at all came since is given
// up on: otherwise one lost datagram would send every caller astray.
func (r *route) silent(k *call) {
	if k.to == r.leader && r.heardAt <= k.sentAt {
		r.giveUpOn(k.to)
	}
}

// giveUpOn turns to the next replica, and does not follow a hint back.
func (r *route) giveUpOn(replica wire.ReplicaID) {
	if replica == r.leaderOf(r.view) {
		r.suspect = true
	}
	if replica == r.leader {
		r.rotate()
	}
}

// hear notes a sign of life.
func (r *route) hear(now wire.Time, from wire.ReplicaID) {
	if from == r.leader {
		r.heardAt = now
	}
}

// answered notes that a replica carried out a call: it leads. An answer that comes late, from a replica
// that is no longer asked, says nothing.
func (r *route) answered(now wire.Time, k *call, from wire.ReplicaID) {
	if k.to == from && r.leader != from {
		r.leader, r.suspect = from, false
	}
	r.hear(now, from)
}
