package twopc

import (
	"fmt"
	"math/rand/v2"

	"github.com/anodekv/anode/internal/mutant"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

// ParticipantConfig fixes one participant for its life. It is the same on all replicas of the group.
type ParticipantConfig struct {
	Group wire.GroupID
	Map   shard.Map
	// Epoch is the group's: how often it has begun anew, having lost its memory.
	Epoch wire.Epoch
	// Replicas tells how many replicas a group has, and 0 of one that there is not. If nil, every group
	// has one.
	Replicas func(wire.GroupID) int
	// Rand spreads what the participant sends again to other groups.
	Rand *rand.Rand
	// DoubtBound is how long a transaction stays prepared before the other participants are asked what
	// became of it; zero is 250 ms.
	DoubtBound wire.Duration
	// SessionBound is how long a client's session may rest before it expires; zero is 10 minutes. It must
	// be far longer than the time after which clients open a session anew.
	SessionBound wire.Duration
	// WaitBound is how long a prepare waits for a lock before it is proposed; zero is 10 ms.
	WaitBound wire.Duration
	// ReadBound is how long a read waits before it is refused, and a submit for a lock before it is proposed; zero is
	// 500 ms.
	ReadBound wire.Duration
	// Retention is how long old versions are kept for reads of the past; zero is 30 s. They go earlier when
	// they take more than GarbageBytes (zero is 4 MB) and more than an eighth of the live data.
	Retention    wire.Duration
	GarbageBytes int64
}

// Participant is one shard's part in transactions. Every replica applies the log to it ([Apply]). On the
// leader it also takes requests and says what to propose and to answer ([Ready]).
//
// Everything that [Ready] asks to be proposed must be appended to the log, in order, or handed back with
// [Participant.TurnedAway], unless [Participant.Follow] comes first.
type Participant struct {
	machine
	desk
	terminator
	cfg ParticipantConfig
	// closed: the group has lost its memory, and those who ask are told so.
	closed   bool
	applying submission // of the command that is applied
}

// NewParticipant returns a participant with an empty log, following view 0.
func NewParticipant(cfg ParticipantConfig) *Participant {
	if cfg.Map.Shards == 0 {
		panic("twopc: a shard map without shards")
	}
	cfg.setDefaults()
	p := &Participant{
		machine: newMachine(realm{cfg.Group, cfg.Map, cfg.Epoch}),
		desk:    newDesk(),
		cfg:     cfg,
	}
	p.terminator = newTerminator(&p.cfg, &p.ready.Ask)
	return p
}

func (cfg *ParticipantConfig) setDefaults() {
	orElse(&cfg.WaitBound, defaultWaitBound)
	orElse(&cfg.ReadBound, defaultReadBound)
	orElse(&cfg.DoubtBound, defaultDoubtBound)
	orElse(&cfg.SessionBound, defaultSessionBound)
	orElse(&cfg.Retention, defaultRetention)
	orElse(&cfg.GarbageBytes, defaultGarbageBytes)
	if cfg.Replicas == nil {
		cfg.Replicas = func(wire.GroupID) int { return 1 }
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(uint64(cfg.Group), 0))
	}
}

// SetEpoch tells the group's epoch, before the first entry of the epoch is applied. Ops, and with them versions
// and sessions, go on from a base of the epoch's own: nothing that a client read in an earlier one is taken
// for something of this. The floor is there because nobody remembers what was deleted before.
func (p *Participant) SetEpoch(epoch wire.Epoch) {
	if epoch == p.realm.epoch {
		return
	}
	p.realm.epoch, p.applied = epoch, epoch.Base()
	floor := txn.Position{}
	if epoch > 0 {
		floor = txn.After(p.applied)
	}
	p.store.LoadFloor(floor)
}

// Close tells whether the group has lost its memory. It changes what is said to those who are refused, and nothing
// else: they ask again, for a replica that remembers may come back.
func (p *Participant) Close(closed bool) { p.closed = closed }

// Apply applies one entry of the log: the commands of a batch, in order, and the timestamp that the
// leader wrote into the entry. Entries come in the order of the log and without a gap. Bytes that are no
// command of this shard change nothing and are counted: every replica finds the same.
func (p *Participant) Apply(op wire.Op, proposed txn.Timestamp, commands [][]byte) {
	if op != p.applied+1 {
		panic(fmt.Sprintf("twopc: op %d applied after op %d", op, p.applied))
	}
	p.applied = op
	if epoch := p.realm.epoch; epoch > 0 && op == epoch.Base()+1 {
		p.store.LoadHorizon(max(proposed, p.clock+1)) // what was before the epoch is not known
	}
	for i, b := range commands {
		at, time := txn.Position{Op: op, Index: uint32(i)}, p.tick(proposed)
		f := p.flightOf(b)
		c, bad := p.decoded(f, b)
		if bad != nil {
			p.unreadable++
			continue
		}
		p.landed(f, &c, p.apply(&c, at, time)) // nothing of a submit is needed any longer
	}
	p.wake()
	p.strike()
}

// decoded returns the command that the bytes stand for, without reading them twice where this replica
// took the request itself.
func (p *Participant) decoded(f *flight, b []byte) (command, *fault) {
	if f != nil {
		return f.command, nil
	}
	return p.parse(b, &p.applying)
}

// Applied is the last op that was applied.
func (p *Participant) Applied() wire.Op { return p.applied }

// Clock is the timestamp of the last command that was applied.
func (p *Participant) Clock() txn.Timestamp { return p.clock }

// Hash covers the whole applied state: replicas that applied the same op have the same.
func (p *Participant) Hash() uint64 { return p.machine.hash() }

// Store gives a view of the keys as they stand. It changes with the next entry.
func (p *Participant) Store() *mvcc.Reader { return &p.store.Reader }

// Prepared are the transactions that voted yes here and await their outcome, in a fixed order.
func (p *Participant) Prepared() []txn.ID { return p.locks.IDs() }

// Reply is an answer to be sent.
type Reply struct {
	To   wire.Addr
	Kind wire.Kind
	Body []byte
}

// ParticipantReady is what a [Participant] wants done.
type ParticipantReady struct {
	// Propose holds commands for the log, in order. Each stays as it is until it is applied or turned away, or the reign is
	// over.
	Propose [][]byte
	// Confirm is for the reads that came since the last call. They want a round in which followers confirm the leadership,
	// begun after this, and then [Participant.Confirmed].
	Confirm Ticket
	// Ask holds questions for replicas of other groups.
	Ask []Outgoing
	// Replies may be sent once everything is done that Apply rests on; it rests on nothing unfinished. Their bodies stay as
	// they are until the next call.
	Replies []Reply
}

// Ready returns what is to be done and forgets it. The lists Propose and Replies are used again by the next
// call, and the answers' bodies after it.
func (p *Participant) Ready() ParticipantReady {
	p.ready.Confirm = p.handOut()
	r, spent := p.ready, p.spent
	clear(spent.Propose)
	clear(spent.Replies)
	p.ready = ParticipantReady{Propose: spent.Propose[:0], Replies: spent.Replies[:0]}
	p.spent = r
	if !mutant.On("one-sheet") {
		p.sheet, p.sent = p.sent, p.sheet
	}
	p.sheet.turn()
	return r
}

// ParticipantStats counts what a participant holds, and what it found odd.
type ParticipantStats struct {
	Store                       mvcc.Stats
	Sessions, Records, Prepared int
	Waiting, InFlight           int
	// Doubts counts the prepared transactions that other participants are being asked about, Lost those among them
	// in which a group that lost its memory took part; they are settled when all others have answered.
	Doubts, Lost int
	// LongestDoubt is how long, of all transactions that were asked about, the longest stayed prepared
	// while this replica led.
	LongestDoubt wire.Duration
	// Inquests counts transactions that the other participants were asked about.
	Inquests uint64
	LogStats
	// Unreadable counts commands in the log that are none of this shard's, Alarms outcomes that
	// contradict what is chosen here, Ignored requests that this version does not know.
	Unreadable, Alarms, Ignored uint64
}

// Stats counts what is held.
func (p *Participant) Stats() ParticipantStats {
	return ParticipantStats{
		Store: p.store.Stats(), Sessions: len(p.sessions), Records: p.records, Prepared: p.locks.Len(),
		Waiting: p.room.len(), InFlight: len(p.flights),
		Doubts: p.doubts(), Lost: len(p.lost), LongestDoubt: p.longest, Inquests: p.inquests, LogStats: p.counted,
		Unreadable: p.unreadable, Alarms: p.alarms, Ignored: p.ignored,
	}
}
