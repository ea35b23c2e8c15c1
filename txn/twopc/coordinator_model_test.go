package twopc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

const (
	bankShards   = 3
	bankAccounts = 6
	bankOpening  = 100
	bankReplicas = 3
)

// bank is coordinators against real participants, with nothing between them but a network that loses,
// doubles, delays and reorders. Each shard is one participant whose log takes everything at once; which of
// three replicas it is said to be changes with the view.
//
//	client 0 ─┐                    ┌─ shard 0 (replica view mod 3) ─┐
//	client 1 ─┼─ loss, copies, ... ┼─ shard 1 ──────────────────────┼─ the same
//	client 2 ─┘                    └─ shard 2 ──────────────────────┘
//
// Clients die, too, and others take their place.
type bank struct {
	t       checker
	rand    *rand.Rand
	now     wire.Time
	keys    shard.Map
	shards  [bankShards]*bankShard
	tellers []*teller
	wires   []packet
	healed  bool
	trouble uint64 // chance of a fault, in percent
	// sessions is the age at which sessions expire: longer than any packet is late, or than a run takes.
	sessions wire.Duration
	hired    int
	// estates are the transactions that dead clients left open, with the client's index.
	estates []estate
	// inherited counts them by what was found: committed, aborted, nobody can say.
	inherited [3]int
	// ended counts how often a client gave up its sessions, to open others at once.
	ended int
}

type estate struct {
	id     txn.ID
	teller int
}

type bankShard struct {
	*Participant
	view wire.View
}

// packet is a datagram on its way: to a shard, or back to whoever asked.
type packet struct {
	due    wire.Time
	target Target
	asker  wire.Addr
	back   bool
	kind   wire.Kind
	body   []byte
}

// teller is one client: it moves money, one transaction at a time, and counts what it moved on a key of its
// own, so that a transfer made twice would show.
type teller struct {
	b         *bank
	index     int
	life      int
	c         *Coordinator
	token     uint64
	answers   map[uint64]int
	then      func(Completion)
	committed int
	// unclear counts transfers of the dead of which nobody can say whether they happened.
	unclear int
	unknown []txn.ID
	left    int
}

// bankAddr is a client's address. A dead client's is not used again, nor is its port known to anyone.
func bankAddr(index, life int) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(index)}), uint16(life))
}

// shardAddr is the address of a replica.
func shardAddr(t Target) wire.Addr {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(t.Group)}), uint16(t.Replica))
}

func account(i int) []byte { return fmt.Appendf(nil, "account/%d", i) }

// checker is what a bank needs of a test.
type checker interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

func newBank(t checker, seed, trouble uint64, clients int) *bank {
	b := &bank{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)),
		keys: shard.Map{Version: 1, Shards: bankShards}, trouble: trouble,
	}
	b.sessions = []wire.Duration{300 * wire.Millisecond, 3 * wire.Second}[b.rand.IntN(2)]
	for g := range b.shards {
		p := NewParticipant(ParticipantConfig{
			Group: wire.GroupID(g), Map: b.keys, SessionBound: b.sessions,
			Replicas: func(wire.GroupID) int { return bankReplicas },
		})
		p.Lead(b.now, 0)
		b.shards[g] = &bankShard{p, 0}
	}
	for i := range clients {
		b.tellers = append(b.tellers, b.hire(i))
	}
	return b
}

func (b *bank) hire(i int) *teller {
	s := &teller{b: b, index: i, left: 20}
	s.begin()
	return s
}

// begin is a new life of a client, under a new name.
func (s *teller) begin() {
	b := s.b
	b.hired++
	s.life, s.answers, s.then = b.hired, map[uint64]int{}, nil
	s.c = NewCoordinator(CoordinatorConfig{
		Client: txn.ClientID(b.hired), Map: b.keys, Replicas: func(wire.GroupID) int { return bankReplicas },
		Rand: rand.New(rand.NewPCG(b.rand.Uint64(), 1)), SessionIdle: b.sessions / 4,
	})
}

// die ends a client at once, and another one takes its place. What it has sent is on its way.
func (s *teller) die() {
	for _, d := range s.c.launch.all[s.c.launch.passed:] {
		if d.stage != stageFinished && d.outcome.Result == 0 {
			s.b.estates = append(s.b.estates, estate{s.c.id(d), s.index})
			s.unknown = slices.DeleteFunc(s.unknown, func(id txn.ID) bool { return id == s.c.id(d) })
		}
	}
	for _, id := range s.unknown {
		s.b.estates = append(s.b.estates, estate{id, s.index})
	}
	s.unknown = nil
	s.begin()
}

func (b *bank) fault() bool { return !b.healed && b.rand.Uint64N(100) < b.trouble }

// put hands a packet to the network.
func (b *bank) put(p packet) {
	copies := 1
	if b.fault() {
		copies = b.rand.IntN(3)
	}
	for range copies {
		p.due = b.now.Add(wire.Duration(b.rand.Int64N(int64(wire.Millisecond))))
		if b.fault() {
			p.due = p.due.Add(wire.Duration(b.rand.Int64N(int64(200 * wire.Millisecond))))
		}
		b.wires = append(b.wires, p)
	}
}

// step lets time pass to the next event.
func (b *bank) step() {
	next := b.now.Add(5 * wire.Millisecond)
	for _, p := range b.wires {
		next = min(next, p.due)
	}
	b.now = max(b.now, next)
	b.deliver()
	if b.fault() && b.rand.IntN(20) == 0 {
		b.election()
	}
	for _, s := range b.shards {
		s.Tick(b.now)
		b.log(s)
	}
	for _, s := range b.tellers {
		s.c.Tick(b.now)
		s.turn()
	}
}

func (b *bank) deliver() {
	var due []packet
	b.wires = slices.DeleteFunc(b.wires, func(p packet) bool {
		if p.due <= b.now {
			due = append(due, p)
			return true
		}
		return false
	})
	for _, p := range due {
		switch {
		case !p.back:
			b.arrive(p)
		case p.asker.Addr().As4()[2] == 1:
			s := b.shards[p.asker.Addr().As4()[3]]
			s.Found(b.now, p.target, p.body)
			b.log(s)
		default:
			if s := b.tellers[p.asker.Addr().As4()[3]]; int(p.asker.Port()) == s.life {
				s.c.Step(b.now, p.target, p.kind, p.body)
				s.turn()
			}
		}
	}
}

// arrive is a request at one replica. Those that do not lead say so.
func (b *bank) arrive(p packet) {
	s := b.shards[p.target.Group]
	if p.target.Replica != s.leader() {
		b.notHere(p, s.view)
		return
	}
	s.take(b.now, &p)
	b.log(s)
}

func (s *bankShard) take(now wire.Time, p *packet) {
	if p.kind == wire.KindInquire {
		s.Inquired(now, p.asker, p.body)
	} else {
		s.Request(now, p.asker, p.kind, p.body)
	}
}

func (s *bankShard) leader() wire.ReplicaID { return wire.ReplicaID(s.view % bankReplicas) }

func (b *bank) notHere(p packet, view wire.View) {
	other := &bankShard{NewParticipant(ParticipantConfig{Group: p.target.Group, Map: b.keys}), view}
	other.Follow(view)
	other.take(b.now, &p)
	for _, r := range other.Ready().Replies {
		b.put(packet{target: p.target, asker: r.To, back: true, kind: r.Kind, body: r.Body})
	}
}

// log makes an entry of what is proposed, until nothing is, and sends the answers.
func (b *bank) log(s *bankShard) {
	for {
		r := s.Ready()
		for _, a := range r.Replies {
			b.put(packet{target: Target{s.cfg.Group, s.leader()}, asker: a.To, back: true, kind: a.Kind, body: bytes.Clone(a.Body)})
		}
		for _, m := range r.Ask {
			b.put(packet{target: m.To, asker: shardAddr(Target{s.cfg.Group, s.leader()}), kind: m.Kind, body: m.Body})
		}
		s.Confirmed(b.now, r.Confirm.Number)
		if len(r.Propose) == 0 && r.Confirm.Reads == 0 {
			return
		}
		if len(r.Propose) > 0 {
			s.Apply(s.Applied()+1, txn.Timestamp(b.now), r.Propose)
		}
	}
}

// election moves one shard's leadership.
func (b *bank) election() {
	s := b.shards[b.rand.IntN(bankShards)]
	s.view++
	s.Follow(s.view)
	b.log(s)
	s.Lead(b.now, s.view)
}

// turn carries out what the coordinator wants, and begins the next transaction when one has ended.
func (s *teller) turn() {
	for {
		r := s.c.Ready()
		for _, m := range r.Send {
			s.b.put(packet{target: m.To, asker: bankAddr(s.index, s.life), kind: m.Kind, body: bytes.Clone(m.Body)})
		}
		for _, done := range r.Done {
			if s.answers[done.Token]++; s.answers[done.Token] > 1 {
				s.b.t.Fatalf("token %d is answered twice", done.Token)
			}
			if done.Token == s.token {
				then := s.then
				s.then = nil
				then(done)
			}
		}
		if s.then == nil && s.left > 0 {
			if s.b.fault() && s.b.rand.IntN(2) == 0 {
				s.c.End(s.b.now)
				s.b.ended++
			}
			s.left--
			s.transfer()
			continue
		}
		if len(r.Send)+len(r.Done) == 0 {
			break
		}
	}
	if s.then != nil && s.b.fault() {
		switch s.b.rand.IntN(20) {
		case 0, 1:
			s.c.Cancel(s.b.now, s.token)
		case 2:
			s.die()
		}
	}
}

func (s *teller) ask(then func(Completion)) uint64 {
	s.token++
	s.then = then
	return s.token
}

func (s *teller) tally() []byte { return fmt.Appendf(nil, "moved/%d", s.index) }

// transfer reads two accounts and the count, and writes all three.
func (s *teller) transfer() {
	from := s.b.rand.IntN(bankAccounts)
	to := (from + 1 + s.b.rand.IntN(bankAccounts-1)) % bankAccounts
	keys := [][]byte{account(from), account(to), s.tally()}
	opening := [3]int{bankOpening, bankOpening, 0}
	change := [3]int{-1, 1, 1}
	s.c.Read(s.b.now, s.ask(func(done Completion) {
		if done.Result != ResultValues {
			return
		}
		var w txn.Work
		for i, v := range done.Values {
			n := opening[i]
			if v.Found {
				n, _ = strconv.Atoi(string(v.Value))
			}
			w.Reads = append(w.Reads, txn.Read{Key: keys[i], Found: v.Found, At: v.At})
			w.Writes = append(w.Writes, txn.Write{Key: keys[i], Value: strconv.AppendInt(nil, int64(n+change[i]), 10)})
		}
		s.c.Commit(s.b.now, s.ask(s.ended), w)
	}), keys, false)
}

func (s *teller) ended(done Completion) {
	switch done.Result {
	case ResultCommitted:
		s.committed++
	case ResultUnknown:
		s.unknown = append(s.unknown, done.ID)
	case ResultConflict, ResultCancelled:
	default:
		s.b.t.Fatalf("a transfer ended with %v: %v", done.Result, done.Cause)
	}
}

// settle asks for the outcomes that the callers were not told.
func (s *teller) settle() {
	for _, id := range s.unknown {
		s.c.Outcome(s.b.now, s.ask(func(done Completion) {
			switch done.Result {
			case ResultCommitted:
				s.committed++
			case ResultConflict:
			default:
				if done.Result == ResultUnknown && s.b.sessions < wire.Second {
					s.unclear++ // its session expired while it was under way
					return
				}
				s.b.t.Fatalf("the outcome of %v is still %v: %v", id, done.Result, done.Cause)
			}
		}), id)
		s.turn()
	}
}

func (b *bank) value(key []byte, absent int) int {
	v := b.shards[b.keys.Of(key)].value(key)
	if !v.Found {
		return absent
	}
	n, err := strconv.Atoi(string(v.Value))
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	return n
}

// TestCoordinatorsAgainstParticipants: whatever the network does, money is neither made nor lost, every
// transfer happens as often as its client was told, and nothing stays prepared.
func TestCoordinatorsAgainstParticipants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, trouble := rapid.Uint64().Draw(t, "seed"), rapid.Uint64Range(0, 25).Draw(t, "trouble")
		newBank(t, seed, trouble, rapid.IntRange(1, 4).Draw(t, "clients")).run()
	})
}

// run lets a bank work under faults, heals the network, and audits it when all have finished.
func (b *bank) run() {
	for range 3000 {
		b.step()
	}
	b.healed = true
	for i := 0; !b.idle(); i++ {
		if b.step(); i > 50_000 {
			b.t.Fatalf("the clients never finish")
		}
	}
	b.audit()
}

func (b *bank) idle() bool {
	return len(b.wires) == 0 && !slices.ContainsFunc(b.tellers, func(s *teller) bool {
		return s.then != nil || s.left > 0 || s.c.Unfinished() > 0
	}) && !slices.ContainsFunc(b.shards[:], func(s *bankShard) bool { return len(s.Prepared()) > 0 })
}

// inherit asks what became of the transactions of the dead, of a client that lives.
func (b *bank) inherit() {
	for _, e := range b.estates {
		heir, owner := b.tellers[0], b.tellers[e.teller]
		heir.c.Outcome(b.now, heir.ask(func(done Completion) {
			switch done.Result {
			case ResultCommitted:
				owner.committed++
				b.inherited[0]++
			case ResultConflict:
				b.inherited[1]++
			case ResultUnknown:
				owner.unclear++
				b.inherited[2]++
			default:
				b.t.Fatalf("the outcome of %v is %v: %v", e.id, done.Result, done.Cause)
			}
		}), e.id)
		heir.turn()
		for i := 0; heir.then != nil; i++ {
			if b.step(); i > 10_000 {
				b.t.Fatalf("nobody tells what became of %v", e.id)
			}
		}
	}
}

func (b *bank) audit() {
	b.inherit()
	sum := 0
	for i := range bankAccounts {
		sum += b.value(account(i), bankOpening)
	}
	if sum != bankAccounts*bankOpening {
		b.t.Errorf("the bank holds %d, opened with %d", sum, bankAccounts*bankOpening)
	}
	for _, s := range b.tellers {
		s.settle()
		if moved := b.value(s.tally(), 0); moved < s.committed || moved > s.committed+s.unclear {
			b.t.Errorf("client %d moved %d times, and was told %d, %d unclear", s.index, moved, s.committed, s.unclear)
		}
		if n := s.c.Stats().Ignored[IgnoredContradiction]; n > 0 {
			b.t.Errorf("client %d met %d contradictions", s.index, n)
		}
	}
	for _, s := range b.shards {
		if left := s.Prepared(); len(left) > 0 || s.Stats().Alarms > 0 || s.Stats().Unreadable > 0 {
			b.t.Errorf("%v: prepared %v, alarms %d, unreadable %d", s.cfg.Group, left, s.Stats().Alarms, s.Stats().Unreadable)
		}
	}
}
