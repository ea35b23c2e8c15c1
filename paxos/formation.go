package paxos

import (
	"slices"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
)

// The forming of a group at its first boot. An empty log is the right one only if there never was another,
// and a replica that finds no promise on its disk cannot know: the disk may be new because the cluster is,
// or because the old one broke. So it asks all others, and starts with an empty log only when nobody has
// served.
//
// That takes two rounds. In the first a replica hears that no other has served, and notes the births of
// their disks: it is formed. In the second it hears that all have formed with the very same disks: then
// it has served, in the sense that it may. One round would not do, because the answers are of different
// moments: in a group that is alive one disk after the other may be replaced, each answering "unformed"
// once, and a replica that kept missing all else would put them together to a group that was never there.
// With two rounds over the same disks, any two of the disks were unformed or formed at a common moment,
// so all of them were at one moment (intervals that meet pairwise all meet): at that moment nobody
// remembered anything.
//
// A formed replica that finds another disk in the place of one with which it has formed cannot come to
// serve with it, and forms again, in a new epoch, so that what was said in the attempt before is void. Should
// the attempt before have succeeded elsewhere, somebody tells it to have served: the formed replica was
// among its founders, has acknowledged nothing since, and goes on in it.
//
// A question has a new nonce after every change of the asker's charter. So an answer is never older than the
// state that it is held against.

// forming is a round of questions under way.
type forming struct {
	nonce    uint64
	repeatAt Time
	answers  [wire.MaxReplicas]*answer
	// returned holds the nonce of another's question upon which it was asked in return.
	returned [wire.MaxReplicas]uint64
}

// answer is a FormReply and what its header says.
type answer struct {
	FormReply
	view        View
	incarnation Incarnation
}

// tellsSame reports whether another answer of a replica has nothing new.
func (a *answer) tellsSame(other *answer) bool {
	return a.view == other.view && a.incarnation == other.incarnation && a.Status == other.Status && a.Copying == other.Copying &&
		a.Charter.Birth == other.Charter.Birth && a.Charter.Stage == other.Charter.Stage && a.Charter.sameGroup(&other.Charter) &&
		slices.Equal(a.Vector, other.Vector)
}

// startForming begins to ask. A group of one has nobody to ask.
func (c *Core) startForming() {
	c.promised = c.charter.Epoch.First()
	if c.cfg.Replicas == 1 {
		c.charter.Members = []uint64{c.charter.Birth}
		c.found()
		return
	}
	c.inquire()
}

// inquire asks all others anew; what they answered before counts no more.
func (c *Core) inquire() {
	nonce := c.cfg.Rand.Uint64() | 1
	if mutant.On("one-nonce-for-all") && c.forming.nonce != 0 {
		nonce = c.forming.nonce
	}
	c.forming = forming{nonce: nonce}
	c.askForm(Everyone)
}

func (c *Core) askForm(to ReplicaID) {
	if to == Everyone {
		c.forming.repeatAt = c.now.Add(c.cfg.Timing.Heartbeat)
	}
	body := formBody.Append(nil, &Form{c.forming.nonce, c.charter})
	c.send(to, frame(wire.KindForm, c.promised, c.log.last(), c.log.chosen, body))
}

func (c *Core) tickForming() {
	if c.now >= c.forming.repeatAt {
		c.askForm(Everyone)
	}
}

// stepForm tells the sender how things stand here. A replica that is forming itself asks in return when
// the question shows that it does not know the sender's standing: so that all form within a few round
// trips of the last one's start, and not of the next retry.
func (c *Core) stepForm(m *Message) {
	var f Form
	if formBody.Decode(m.Body, &f) != nil || !f.Charter.wellFormed(c.cfg.Replicas) {
		c.ignore(IgnoredMalformed)
		return
	}
	disagrees := c.disagrees(m, &f.Charter)
	if !disagrees && c.obeys(&f.Charter) {
		return
	}
	reply := FormReply{Nonce: f.Nonce, Charter: c.charter, Status: c.status, Copying: c.installing(), Vector: c.vector}
	c.send(m.Sender, frame(wire.KindFormReply, c.promised, c.log.last(), c.log.chosen, formReplyBody.Append(nil, &reply)))
	if !disagrees && c.status == Forming && c.forming.returned[m.Sender] != f.Nonce && !c.knows(m.Sender, &f.Charter) {
		c.forming.returned[m.Sender] = f.Nonce
		c.askForm(m.Sender)
	}
}

// knows reports whether a replica has answered from this standing.
func (c *Core) knows(r ReplicaID, ch *Charter) bool {
	a := c.forming.answers[r]
	return a != nil && a.Charter.Birth == ch.Birth && a.Charter.Stage == ch.Stage && a.Charter.Epoch == ch.Epoch
}

func (c *Core) stepFormReply(m *Message) {
	a := &answer{view: m.View, incarnation: m.Incarnation}
	if formReplyBody.Decode(m.Body, &a.FormReply) != nil || !a.Charter.wellFormed(c.cfg.Replicas) || len(a.Vector) != c.cfg.Replicas {
		c.ignore(IgnoredMalformed)
		return
	}
	if c.disagrees(m, &a.Charter) || c.obeys(&a.Charter) {
		return
	}
	asks := c.status == Forming || c.status == Recovering
	if !asks || a.Nonce == 0 || a.Nonce != c.forming.nonce {
		c.ignore(IgnoredStaleNonce)
		return
	}
	if was := c.forming.answers[m.Sender]; was != nil {
		if was.Charter.after(&a.Charter) {
			c.ignore(IgnoredDuplicate) // the newer answer has overtaken this one
			return
		}
		if was.tellsSame(a) {
			c.ignore(IgnoredDuplicate)
		}
	}
	c.forming.answers[m.Sender] = a
	switch {
	case c.status == Forming:
		c.heardStanding(a)
	case c.stranger:
		c.tryReturn()
	}
}

// heardStanding goes on with the forming after an answer.
func (c *Core) heardStanding(a *answer) {
	switch theirs := &a.Charter; {
	case theirs.Epoch < c.charter.Loss:
		c.ignore(IgnoredOldEpoch) // its group is given up; it is told by the questions of this replica
	case theirs.Stage == Served:
		c.joinServed(a)
	case theirs.Epoch > c.charter.Epoch:
		c.formAgain(theirs.Epoch)
	case c.charter.Stage == Unformed:
		c.tryForm()
	default:
		c.tryServe()
	}
}

// tryForm ends the first round: nobody has served.
func (c *Core) tryForm() {
	members := make([]uint64, c.cfg.Replicas)
	for r := range members {
		a := c.forming.answers[r]
		switch {
		case ReplicaID(r) == c.cfg.Self:
			members[r] = c.charter.Birth
		case a == nil || a.Charter.Epoch != c.charter.Epoch:
			return
		default:
			members[r] = a.Charter.Birth
		}
	}
	c.charter.Stage, c.charter.Members = Formed, members
	if mutant.On("form-in-one-round") {
		c.found()
		return
	}
	c.save()
	c.inquire()
}

// tryServe ends the second round: all have formed with the same disks. When one of these disks has been
// replaced they never will.
func (c *Core) tryServe() {
	agreed := 0
	for r := range c.cfg.Replicas {
		a := c.forming.answers[r]
		switch {
		case a == nil:
		case !c.charter.founder(ReplicaID(r), a.Charter.Birth) && !mutant.On("any-disk-will-do"):
			c.formAgain(c.charter.Epoch + 1)
			return
		case a.Charter.Stage == Formed && (c.charter.sameGroup(&a.Charter) || mutant.On("any-disk-will-do")):
			agreed++
		}
	}
	if agreed == c.cfg.Replicas-1 {
		c.found()
	}
}

// found starts the group with an empty log. The others' incarnations are those under which they formed:
// until they have served they keep them.
func (c *Core) found() {
	for r, a := range c.forming.answers {
		if a != nil {
			c.learnIncarnation(ReplicaID(r), a.incarnation)
		}
	}
	c.charter.Stage = Served
	c.enterFirstView()
}

// formAgain starts over in a later epoch, after an attempt that cannot succeed any more.
func (c *Core) formAgain(e Epoch) {
	c.charter = Charter{Birth: c.charter.Birth, Epoch: e, Loss: c.charter.Loss, Layout: c.cfg.Layout}
	c.promised = e.First()
	c.save()
	c.inquire()
}

// joinServed takes part in a group that has served. One of its founders has done nothing in it yet, and may
// begin with the empty log with which the group began; any other disk stands in the place of one that was lost.
func (c *Core) joinServed(a *answer) {
	birth := c.charter.Birth
	c.charter = a.Charter
	c.charter.Birth, c.charter.Layout = birth, c.cfg.Layout
	c.promised = c.charter.Epoch.First()
	if c.charter.founder(c.cfg.Self, birth) || mutant.On("wiped-as-new") {
		c.learnVector(a.Vector)
		c.enterFirstView()
		return
	}
	c.startReturning()
}

func (c *Core) enterFirstView() {
	c.save()
	c.emptyLog()
	c.become(Normal)
	c.enterView()
}
