package paxos

import (
	"errors"
	"fmt"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// Stage is how far the forming of a group has come, as the disk of one replica tells it.
type Stage uint8

const (
	// Unformed: the disk is new, or its group is being formed anew.
	Unformed Stage = iota
	// Formed: all replicas were heard not to have served. The group may come to serve with these disks at
	// any moment.
	Formed
	// Served: the group has served. A replica that starts in this stage has lost its memory.
	Served
)

func (s Stage) String() string {
	switch s {
	case Unformed:
		return "unformed"
	case Formed:
		return "formed"
	case Served:
		return "served"
	}
	return fmt.Sprintf("Stage(%d)", uint8(s))
}

// Charter is the part of a promise that says which disk this is, and to which life of the group it belongs.
type Charter struct {
	// Birth is drawn when the disk is first written: it tells a disk from the one that it replaces.
	Birth uint64
	Epoch Epoch
	// Loss is the last epoch that began because an operator accepted a loss, or 0. What older epochs hold is
	// given up.
	Loss  Epoch
	Stage Stage
	// Members are the births of all disks, by replica, with which the group is Formed or has Served. They are
	// the founders: a disk among them that has not served yet has acknowledged nothing in its life.
	Members []uint64
	// Layout is that of the replica's configuration, or 0; see [Config].
	Layout uint64
}

// ErrOtherLayout says that a group has served in another layout of the cluster than the one that is configured.
var ErrOtherLayout = errors.New("paxos: the layout of the cluster cannot be changed")

// founder reports whether the disk of a replica is one of those with which the group was formed.
func (ch *Charter) founder(r ReplicaID, birth uint64) bool {
	return len(ch.Members) > int(r) && ch.Members[r] == birth
}

// sameGroup reports whether two disks are formed into the same group.
func (ch *Charter) sameGroup(other *Charter) bool {
	return ch.Epoch == other.Epoch && slices.Equal(ch.Members, other.Members)
}

// after reports whether a disk had this charter later than the other one.
func (ch *Charter) after(other *Charter) bool {
	switch {
	case ch.Birth != other.Birth || ch.Loss != other.Loss:
		return false
	case ch.Stage == Served || other.Stage == Served:
		return other.Stage != Served // a founder returns to the group that serves from attempts in later epochs
	case ch.Epoch != other.Epoch:
		return ch.Epoch > other.Epoch
	}
	return ch.Stage > other.Stage
}

// wellFormed reports whether a charter can be one of a group of n.
func (ch *Charter) wellFormed(n int) bool {
	members := 0
	if ch.Stage > Unformed {
		members = n
	}
	return ch.Birth != 0 && ch.Stage <= Served && ch.Loss <= ch.Epoch && len(ch.Members) == members
}

// NextLife is the promise with which a replica that finds this one on its disk begins. The caller syncs it
// before the replica speaks. The incarnation rises with every start that follows a life in which the replica
// may have promised or acknowledged something. While its group is being formed a replica does neither, and
// keeps the number under which the others may already count it.
func (p Promise) NextLife() Promise {
	if p.Charter.Stage == Served || p.Incarnation == 0 {
		p.Incarnation++
	}
	return p
}

// validate reports why a promise is not one for this configuration.
func (p *Promise) validate(cfg *Config) error {
	ch := &p.Charter
	switch {
	case p.Incarnation == 0 || p.Replica != cfg.Self || p.Group != cfg.Group || p.Cluster != cfg.Cluster:
		return fmt.Errorf("paxos: the promise %+v is not one of replica %d of group %d in cluster %x",
			*p, cfg.Self, cfg.Group, uint64(cfg.Cluster))
	case ch.Stage > Unformed && len(ch.Members) != cfg.Replicas:
		return fmt.Errorf("paxos: by its promise group %d has %d replicas, by its configuration %d: the members of a group cannot be changed, restore the configuration",
			p.Group, len(ch.Members), cfg.Replicas)
	case ch.Stage == Served && differ(ch.Layout, cfg.Layout):
		return fmt.Errorf("%w: by its promise group %d has served with other shards, or with other members of the groups or another order of them: restore the configuration",
			ErrOtherLayout, p.Group)
	case ch.Birth != 0 && !ch.wellFormed(cfg.Replicas), ch.Birth == 0 && ch.Stage != Unformed,
		ch.Stage == Served && p.View.Epoch() != ch.Epoch:
		return fmt.Errorf("paxos: the promise %+v contradicts itself", *p)
	}
	return nil
}

// differ reports whether two layouts are known, and are not the same.
func differ(a, b uint64) bool { return a != 0 && b != 0 && a != b }

// disagrees reports whether a replica has another layout of the cluster, by its charter. What it says is ignored then: keys
// would have two owners. It is told the charter of this one, so that it knows as well.
func (c *Core) disagrees(m *Message, theirs *Charter) bool {
	if !differ(theirs.Layout, c.cfg.Layout) {
		c.disagree[m.Sender] = false
		return false
	}
	c.ignore(IgnoredOtherLayout)
	if !c.disagree[m.Sender] {
		c.disagree[m.Sender] = true
		c.out.Disagrees = append(c.out.Disagrees, m.Sender)
	}
	return true
}

// save writes the promise as it now stands.
func (c *Core) save() {
	c.charter.Layout = c.cfg.Layout
	c.out.Persist = &Promise{Cluster: c.cfg.Cluster, Group: c.cfg.Group, Replica: c.cfg.Self,
		Incarnation: c.incarnation, View: c.promised, Charter: c.charter}
}

// Form asks how far the group has been formed. It binds nobody, and is answered in every status and whatever
// the incarnation of the sender: a replica whose disk was lost does not know its incarnation yet.
type Form struct {
	Nonce   uint64
	Charter Charter
}

// FormReply answers a Form. Header.View is the view promised.
type FormReply struct {
	Nonce   uint64
	Charter Charter
	Status  Status
	// Copying: the sender recovers and has found a log to copy.
	Copying bool
	Vector  []Incarnation
}

var (
	formBody      = wire.Define[Form](wire.KindForm)
	formReplyBody = wire.Define[FormReply](wire.KindFormReply)
)
