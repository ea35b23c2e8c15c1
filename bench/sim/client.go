package sim

import (
	"fmt"
	"net/netip"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// client is one client process: a coordinator with its port, and a script that it follows. A script is a
// chain of callbacks; one transaction at a time.
type client struct {
	s       *simulation
	id      int
	port    *port
	clock   clock
	coord   *twopc.Coordinator
	token   uint64
	wait    map[uint64]func(twopc.Completion)
	planned bool
	inbox   []transport.Datagram
	busy    bool
	attempt *attempt // under way, or nil
	torn    int      // if not 0: the process ends when it is about to send this many requests more
	written int      // makes values unique
	proof   proof
}

// endEvery is after how many questions a client may give up its sessions, if it ends a transaction just then.
const endEvery = 8

func newClient(s *simulation, id int) *client {
	c := &client{s: s, id: id, clock: s.c.drawClock()}
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(id + 1)}), 9000)
	c.port = &port{addr: addr, host: len(s.c.hosts) + id, receive: c.receive}
	s.c.net.ports[addr] = c.port
	c.born()
	c.tick()
	return c
}

func (c *client) now() wire.Time { return c.clock.read(c.s.w.now).Now }

func (c *client) tick() {
	c.plan()
	c.s.w.after(tickEvery, c.tick)
}

func (c *client) receive(d transport.Datagram) {
	if len(c.inbox) < inboxLimit {
		c.inbox = append(c.inbox, d)
	}
	c.plan()
}

func (c *client) plan() {
	if c.planned {
		return
	}
	c.planned = true
	c.s.w.after(c.s.w.between(2*wire.Microsecond, 20*wire.Microsecond), func() {
		c.planned = false
		c.turn()
	})
}

// turn is what the SDK's loop does: take what has come, pass time, hand out completions, send.
func (c *client) turn() {
	defer func() {
		if p := recover(); p != nil {
			c.s.w.fail("client %d panics: %v", c.id, p)
		}
	}()
	for _, d := range c.inbox {
		_, _ = transport.Each(d.Data, wire.Keys{Client: c.s.c.keys.Client}, func(f wire.Frame) {
			c.coord.Step(c.now(), twopc.Target{Group: f.Group, Replica: f.Sender}, f.Kind, f.Body)
		})
	}
	c.inbox = nil
	c.coord.Tick(c.now())
	c.flush()
}

func (c *client) flush() {
	out := transport.NewOutbox(1400)
	dead := false
	for !dead {
		r := c.coord.Ready()
		if len(r.Done)+len(r.Send) == 0 {
			break
		}
		for _, m := range r.Send {
			if dead = c.ends(); dead {
				break
			}
			f := wire.Frame{Header: wire.Header{Kind: m.Kind, Cluster: c.s.c.clusterID(), Group: m.To.Group, Sender: wire.ClientSender}, Body: m.Body}
			if err := out.Put(c.s.c.peers(m.To.Group)[m.To.Replica], &f, c.s.c.keys.Client); err != nil {
				c.s.w.fail("client %d: %v", c.id, err)
			}
		}
		for _, done := range r.Done {
			if dead {
				break // the process ends before it can tell anybody
			}
			then := c.wait[done.Token]
			delete(c.wait, done.Token)
			then(done)
		}
	}
	if err := out.Flush(sender{c.s.c.net, c.port}); err != nil {
		c.s.w.fail("client %d: %v", c.id, err)
	}
	if dead {
		c.s.c.situations[diedSending]++
		c.die()
	}
}

// await registers what follows a completion, and gives up on it after a while, as a caller's context does.
func (c *client) await(then func(twopc.Completion)) uint64 {
	c.token++
	token := c.token
	c.wait[token] = then
	if !c.s.healed {
		c.s.w.after(c.s.w.between(300*wire.Millisecond, 3*wire.Second), func() {
			if c.wait[token] != nil {
				c.coord.Cancel(c.now(), token)
				c.plan()
			}
		})
	}
	return token
}

// attempt is one transaction in the making, as the SDK's Txn would be.
type attempt struct {
	c     *client
	txn   check.Txn
	reads []txn.Read
	write []txn.Write
	sent  bool // to be committed
	// scanned is what was scanned, by group.
	scanned []twopc.Part
	value   map[string]check.Value
	// forbidden, if not empty: the attempt saw what must never be, and must not commit.
	forbidden string
}

func (c *client) begin() *attempt {
	c.busy = true
	c.attempt = &attempt{c: c, txn: check.Txn{Client: c.id, Start: int64(c.s.w.now)}, value: map[string]check.Value{}}
	return c.attempt
}

// read reads keys and goes on with then, unless the read failed: then the transaction is over, without effect.
func (a *attempt) read(linearizable bool, then func(), keys ...string) {
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		raw[i] = []byte(k)
	}
	token := a.c.await(func(done twopc.Completion) {
		if done.Result != twopc.ResultValues {
			a.end(check.Aborted)
			return
		}
		for i, v := range done.Values {
			a.reads = append(a.reads, txn.Read{Key: raw[i], Found: v.Found, At: v.At})
			value := check.Value{Present: v.Found, Data: string(v.Value)}
			a.value[keys[i]] = value
			a.txn.Ops = append(a.txn.Ops, check.Read(keys[i], value))
		}
		then()
	})
	a.c.coord.Read(a.c.now(), token, raw, linearizable)
	a.c.plan()
}

func (a *attempt) put(key, value string) {
	a.write = append(a.write, txn.Write{Key: []byte(key), Value: []byte(value)})
	a.txn.Ops = append(a.txn.Ops, check.Write(key, value))
}

func (a *attempt) delete(key string) {
	a.write = append(a.write, txn.Write{Key: []byte(key), Delete: true})
	a.txn.Ops = append(a.txn.Ops, check.Delete(key))
}

// append adds a token to the list at a key that was read.
func (a *attempt) append(key, token string) {
	value := token
	if v := a.value[key]; v.Present {
		value = v.Data + " " + token
	}
	a.write = append(a.write, txn.Write{Key: []byte(key), Value: []byte(value)})
	a.txn.Ops = append(a.txn.Ops, check.Append(key, token))
}

// commit ends the transaction at the store.
func (a *attempt) commit() {
	token := a.c.await(func(done twopc.Completion) {
		switch done.Result {
		case twopc.ResultCommitted:
			a.c.committed(a, done.Time)
			a.end(check.Committed)
		case twopc.ResultUnknown:
			a.end(check.Unknown)
		case twopc.ResultMismatch:
			a.c.s.w.fail("client %d: an ID was used twice: %v", a.c.id, done.Cause)
		default:
			a.end(check.Aborted)
		}
	})
	a.sent = true
	a.c.fate()
	a.c.coord.CommitScanned(a.c.now(), token, txn.Work{Reads: a.reads, Writes: a.write}, a.scanned)
	a.c.plan()
}

// end records the transaction, and plans the client's next one.
func (a *attempt) end(outcome check.Outcome) {
	if a.forbidden != "" && outcome == check.Committed {
		a.c.s.w.fail("client %d: write skew: %s committed", a.c.id, a.forbidden)
	}
	a.txn.End, a.txn.Outcome = int64(a.c.s.w.now), outcome
	a.c.s.history = append(a.c.s.history, a.txn)
	a.c.s.report.count(outcome)
	a.c.done()
}

// done plans the client's next transaction.
func (c *client) done() {
	c.busy, c.attempt = false, nil
	if c.token%endEvery == 0 { // as a program does that opens a client for each few transactions
		c.coord.End(c.now())
		c.plan()
	}
	c.s.w.after(c.s.w.between(0, 12*wire.Millisecond), c.next)
}

func (c *client) unique() string {
	c.written++
	return fmt.Sprintf("c%d-%d", c.id, c.written)
}
