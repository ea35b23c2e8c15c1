package twopc

import (
	"fmt"
	"math/rand/v2"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// Defaults of a [CoordinatorConfig].
const (
	// defaultRetry is a hundred round trips of a data centre: an answer that takes longer was lost, or
	// waits for another transaction, and a second copy does no harm.
	defaultRetry = 20 * wire.Millisecond
	// defaultRetryMax keeps a client that lost its shard from being a burden, and lets it find the
	// shard again within what a person calls at once.
	defaultRetryMax = 500 * wire.Millisecond
	// defaultSessionIdle lies far below the age at which shards expire sessions, so that a transaction
	// hardly ever meets an expired one: its outcome would be unknown.
	defaultSessionIdle = 30 * wire.Second
	// defaultMaxOpen bounds callers that wait, and transactions that are not finished.
	defaultMaxOpen = 4096
	// defaultMaxSpan bounds how far sequence numbers run ahead of the mark, because this client remembers
	// every transaction above the mark, finished or not.
	defaultMaxSpan = 1 << 16
	// defaultMaxHeld bounds the transactions above the mark that took part at one shard, because it keeps the record of
	// each: so many, and it refuses what goes beyond. A request that is refused for that names the mark with which it was
	// sent first, so that it would go on being refused when the mark has moved, until another one tells of it.
	defaultMaxHeld = maxRecords
	// reservedOpen is how far deletes may go beyond the limits of the client itself.
	reservedOpen = 64
	// maxRemembered bounds the outcomes kept of transactions whose callers were told "unknown".
	maxRemembered = 1024
)

// CoordinatorConfig is what a [Coordinator] is made from. Client, Map, Replicas and Rand must be set;
// zero durations and limits mean the defaults.
type CoordinatorConfig struct {
	Client txn.ClientID
	// First is above every sequence number that the client ever used. Zero means 1, for a new client.
	First uint64
	Map   shard.Map
	// Replicas tells how many replicas a group has.
	Replicas func(wire.GroupID) int
	Rand     *rand.Rand

	// Retry is how long an answer is waited for before the request is sent again, doubling up to RetryMax.
	Retry, RetryMax wire.Duration
	// SessionIdle is how long a session may rest before it is opened anew rather than trusted.
	SessionIdle wire.Duration
	MaxOpen     int
	MaxSpan     int
	// MaxHeld bounds what one shard has to remember of this client; it must not lie above the shard's own limit.
	MaxHeld int
	// MaxBody bounds one request, in bytes.
	MaxBody int
}

func (cfg *CoordinatorConfig) setDefaults() {
	cfg.First = max(cfg.First, 1)
	orElse(&cfg.Retry, defaultRetry)
	orElse(&cfg.RetryMax, max(defaultRetryMax, cfg.Retry))
	orElse(&cfg.SessionIdle, defaultSessionIdle)
	orElse(&cfg.MaxOpen, defaultMaxOpen)
	orElse(&cfg.MaxSpan, defaultMaxSpan)
	orElse(&cfg.MaxHeld, defaultMaxHeld)
	orElse(&cfg.MaxBody, txn.MaxCommandBytes-1) // a command is its kind and its body
}

func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Coordinator is the client's whole side of the protocol: reads, validations, sessions, commits, and what
// is left to do after the caller has its answer. One goroutine owns it.
//
// A caller names each question by a token of its own choice, and gets exactly one [Completion] for it.
type Coordinator struct {
	caller
	cfg     CoordinatorConfig
	nextSeq uint64 // Invariant: above every sequence number ever sent, in a session or a transaction.
	// nonce begins at the client's own number, so that an answer to a process that used the same port before
	// is not taken for one to this.
	nonce uint64

	// These are used again for each transaction or answer; what is in them is of no use in between.
	letter   txn.TxnReply
	values   txn.ReadReply
	submit   txn.Submit
	question txn.ReadRequest
	parts    [1]Part
	keyParts []keyPart
	encoded  []*call
	// spare are used again for other transactions, some time after they have ended.
	spare struct {
		calls   spares[call]
		gathers spares[gather]
		deals   spares[deal]
	}

	links  map[wire.GroupID]*link
	asks   map[uint64]ask   // by token: what a caller waits for
	calls  map[uint64]*call // reads and validations, by nonce
	probes map[txn.ID][]*probe
	deals  map[uint64]*deal // launched and not finished, by sequence number
	launch fifo             // the same in launch order; finished ones stay until all before them are
	// waiting counts the transactions that wait for sessions.
	waiting int

	outcomes remembered
	stats    CoordinatorStats
	out      Ready
	next     Ready // what out is to be next: memory of the last but one
}

// NewCoordinator returns a coordinator that has not spoken yet.
func NewCoordinator(cfg CoordinatorConfig) *Coordinator {
	cfg.setDefaults()
	c := &Coordinator{
		caller:   caller{rand: cfg.Rand, retry: cfg.Retry, retryMax: cfg.RetryMax},
		cfg:      cfg,
		nextSeq:  cfg.First,
		nonce:    uint64(cfg.Client),
		links:    map[wire.GroupID]*link{},
		asks:     map[uint64]ask{},
		calls:    map[uint64]*call{},
		probes:   map[txn.ID][]*probe{},
		deals:    map[uint64]*deal{},
		outcomes: remembered{of: map[uint64]Result{}},
	}
	c.caller.out = &c.out.Send
	return c
}

// ask is one caller's open question: exactly one of the fields is set.
type ask struct {
	gather *gather
	deal   *deal
	// about is the transaction whose outcome was asked for; probe, if it is another client's.
	about *deal
	probe *probe
}

// admit takes in a token, or answers it with an overload when too many callers wait: as many as the limit, and
// those that a reserve is for.
func (c *Coordinator) admit(token uint64, reserve int) bool {
	if _, busy := c.asks[token]; busy {
		panic(fmt.Sprintf("twopc: token %d is in use", token))
	}
	if len(c.asks) < c.cfg.MaxOpen+reserve {
		return true
	}
	c.complete(Completion{Token: token, Result: ResultOverloaded, Cause: Cause{Detail: "too many callers wait in this client"}})
	return false
}

func (c *Coordinator) complete(done Completion) {
	delete(c.asks, done.Token)
	c.out.Done = append(c.out.Done, done)
}

// Cancel ends the wait for a token. What has had no effect, and cannot have any, is dropped. A transaction
// that may have been sent is not: its caller is told "unknown", and the coordinator sees to its outcome.
func (c *Coordinator) Cancel(now wire.Time, token uint64) {
	a := c.asks[token]
	switch {
	case a == (ask{}): // answered already
	case a.gather != nil:
		c.cancelGather(a.gather)
	case a.deal != nil:
		c.cancelDeal(now, a.deal)
	case a.about != nil:
		c.cancelAsker(token, a.about)
	case a.probe != nil:
		c.cancelProbe(a.probe)
	}
	c.check()
}

// Tick sends again what has waited for too long. It does nothing before [Coordinator.NextDeadline].
func (c *Coordinator) Tick(now wire.Time) {
	c.resendDue(now)
	c.check()
}

// NextDeadline is when Tick has something to do, and false when it never will.
func (c *Coordinator) NextDeadline() (wire.Time, bool) { return c.nextDue() }

// Ready hands over what is to be sent and told, and forgets it. The slices, the bodies of what is to be sent, and the lists of
// values are good until the next call, and must not be written to; the values themselves are the caller's for ever.
func (c *Coordinator) Ready() Ready {
	out := c.out
	for i := range c.next.Done { // lets go of values already delivered
		clear(c.next.Done[i].Values)
	}
	clear(c.next.Done)
	clear(c.next.Send)
	c.out = Ready{Send: c.next.Send[:0], Done: c.next.Done[:0]}
	c.next = out
	c.spare.calls.rest()
	c.spare.gathers.rest()
	c.spare.deals.rest()
	return out
}

// Unfinished counts the transactions that some shard may still hold open.
func (c *Coordinator) Unfinished() int { return len(c.deals) }

// Stats tells what the coordinator did and what it ignored.
func (c *Coordinator) Stats() CoordinatorStats {
	s := c.stats
	s.Sent, s.Resent, s.Overdue = c.counted.Sent, c.counted.Resent, c.counted.Overdue
	return s
}

// mark is the smallest sequence number that is not finished.
func (c *Coordinator) mark() uint64 {
	if c.launch.len() == 0 {
		return c.nextSeq
	}
	return c.launch.first().seq
}

func (c *Coordinator) id(d *deal) txn.ID {
	if d.seq == 0 {
		return txn.ID{}
	}
	return txn.ID{Client: c.cfg.Client, Seq: d.seq}
}

// check asserts what must hold between any two calls. A breach is a bug of this file.
func (c *Coordinator) check() {
	switch {
	case c.mark() > c.nextSeq:
		panic("twopc: the mark passed the next sequence number")
	case c.launch.len() > 0 && c.launch.first().stage == stageFinished:
		panic("twopc: a finished transaction holds the mark")
	case len(c.deals) > c.launch.len():
		panic("twopc: an unfinished transaction is not in launch order")
	case len(c.deals)+c.waiting > c.cfg.MaxOpen+reservedOpen:
		panic("twopc: more unfinished transactions than the limit")
	}
}
