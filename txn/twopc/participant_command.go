package twopc

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"github.com/cespare/xxhash/v2"
)

// Command builds what a leader proposes to the log: the kind, and the body as the client sent it.
func Command(kind wire.Kind, body []byte) []byte {
	return append(append(make([]byte, 0, 1+len(body)), byte(kind)), body...)
}

// command is a decoded command. Exactly one of the bodies is set.
type command struct {
	kind wire.Kind
	// hash is that of the whole command, kind and participants included. It tells a retry from another
	// request under the same id.
	hash    uint64
	id      txn.ID // of an OpenSession or EndSession: the client and First
	open    *txn.OpenSession
	submit  *txn.Submit
	prepare *Prepare
	commit  *Commit
	abort   *Abort
	resolve *Resolve
	end     *txn.EndSession
	settle  *Settle
	forget  *Forget
	expire  *Expire
	collect *Collect
	advance *Advance
}

// work is what the command would lock or change, or nil.
func (c *command) work() *txn.Work {
	switch {
	case c.submit != nil:
		return &c.submit.Work
	case c.prepare != nil:
		return &c.prepare.Work
	}
	return nil
}

// fresh reports whether the command is new work, which limits may turn away.
func (c *command) fresh() bool { return c.open != nil || c.submit != nil || c.prepare != nil }

// clears reports whether the command may take what is kept in reserve.
func (c *command) clears() bool { return c.submit != nil && clears(&c.submit.Work) }

// clears reports whether work at one shard may take what is kept in reserve: it does nothing but delete, and is
// small, what it depends on included.
func clears(w *txn.Work) bool {
	if len(w.Writes) == 0 || len(w.Ranges) > 0 || len(w.Writes)+len(w.Reads) > maxClearedEntries {
		return false
	}
	var size txn.Size
	size.Add(w)
	if size.KeyBytes > maxClearedBytes {
		return false
	}
	for i := range w.Writes {
		if !w.Writes[i].Delete || len(w.Writes[i].Value) > 0 {
			return false
		}
	}
	return true
}

// fault is why a request can never be carried out here. It follows from the bytes and from what never
// changes, so that a leader and every replica find the same.
type fault struct {
	reason txn.Reason
	shard  shard.ID
	detail string
}

func malformed(format string, args ...any) *fault {
	return &fault{reason: txn.ReasonMalformed, detail: fmt.Sprintf(format, args...)}
}

// realm is what a shard knows about itself for good.
type realm struct {
	group wire.GroupID
	keys  shard.Map
	// epoch counts how often the group has begun anew, having lost its memory.
	epoch wire.Epoch
}

// parse reads a command and checks all that can be checked without state. What it returns with a fault
// may be used to answer, and for nothing else. A submit is read into room, unless that is nil, and its keys and values
// live in b, which nobody changes.
func (r realm) parse(b []byte, room *submission) (command, *fault) {
	if len(b) == 0 {
		return command{}, malformed("a command of no bytes")
	}
	c := command{kind: wire.Kind(b[0]), hash: xxhash.Sum64(b)}
	if len(b) > txn.MaxCommandBytes {
		return c, &fault{reason: txn.ReasonTooLarge, detail: fmt.Sprintf("a %v of %d bytes, the limit is %d", c.kind, len(b), txn.MaxCommandBytes)}
	}
	if err := c.decode(b[1:], room); err != nil {
		return c, malformed("%v", err)
	}
	return c, r.check(&c)
}

func (c *command) decode(body []byte, room *submission) (err error) {
	switch c.kind {
	case wire.KindOpenSession:
		c.open = new(txn.OpenSession)
		err = txn.OpenSessionBody.Decode(body, c.open)
		c.id = txn.ID{Client: c.open.Client, Seq: c.open.First}
	case wire.KindSubmit:
		if room == nil {
			room = new(submission)
		}
		room.clear()
		c.submit = &room.Submit
		err = txn.SubmitBody.DecodeShared(body, c.submit)
		c.id = c.submit.ID
	case wire.KindPrepare:
		c.prepare = new(Prepare)
		err = PrepareBody.Decode(body, c.prepare)
		c.id = c.prepare.ID
	case wire.KindCommit:
		c.commit = new(Commit)
		err = CommitBody.Decode(body, c.commit)
		c.id = c.commit.ID
	case wire.KindAbort:
		c.abort = new(Abort)
		err = AbortBody.Decode(body, c.abort)
		c.id = c.abort.ID
	case wire.KindResolve:
		c.resolve = new(Resolve)
		err = ResolveBody.Decode(body, c.resolve)
		c.id = c.resolve.ID
	case wire.KindEndSession:
		c.end = new(txn.EndSession)
		err = txn.EndSessionBody.Decode(body, c.end)
		c.id = txn.ID{Client: c.end.Client, Seq: c.end.First}
	default:
		return c.decodeOwn(body)
	}
	return err
}

// decodeOwn reads the commands that no client may send.
func (c *command) decodeOwn(body []byte) (err error) {
	switch c.kind {
	case wire.KindSettle:
		c.settle = new(Settle)
		err = SettleBody.Decode(body, c.settle)
		c.id = c.settle.ID
	case wire.KindForget:
		c.forget = new(Forget)
		err = ForgetBody.Decode(body, c.forget)
		c.id = c.forget.ID
	case wire.KindExpire:
		c.expire = new(Expire)
		err = ExpireBody.Decode(body, c.expire)
		c.id = txn.ID{Client: c.expire.Client}
	case wire.KindCollect:
		c.collect = new(Collect)
		err = CollectBody.Decode(body, c.collect)
	case wire.KindAdvance:
		c.advance = new(Advance)
		err = AdvanceBody.Decode(body, c.advance)
	default:
		err = fmt.Errorf("%v is no command", c.kind)
	}
	return err
}

func (r realm) check(c *command) *fault {
	if c.collect != nil || c.advance != nil {
		return nil // they are nobody's
	}
	if c.id.Client == 0 {
		return malformed("client 0 is nobody: draw a client id at random")
	}
	switch {
	case c.submit != nil:
		return r.checkWork(c.id, c.submit.Mark, &c.submit.Work)
	case c.prepare != nil:
		if f := r.checkMembers(c.prepare.Members); f != nil {
			return f
		}
		return r.checkWork(c.id, c.prepare.Mark, &c.prepare.Work)
	}
	return nil
}

// checkMembers: in ascending order, hence each once, and this shard among them.
func (r realm) checkMembers(members []Member) *fault {
	for i := 1; i < len(members); i++ {
		if members[i-1].Group >= members[i].Group {
			return malformed("participants are not in ascending order of group")
		}
	}
	if seat(members, r.group) == nil {
		return malformed("%v is not among the participants", r.group)
	}
	return nil
}

// seat returns a group's entry among the participants, or nil.
func seat(members []Member, group wire.GroupID) *Member {
	for i := range members {
		if members[i].Group == group {
			return &members[i]
		}
	}
	return nil
}

func (r realm) checkWork(id txn.ID, mark uint64, w *txn.Work) *fault {
	if mark > id.Seq {
		return malformed("the mark %d of %v declares it settled before it ran", mark, id)
	}
	if w.Empty() {
		return malformed("%v has nothing to do here", id)
	}
	return r.checkKeys(w)
}

// checkKeys: within the limits, and all of this shard. Ranges run over all shards and belong to each.
func (r realm) checkKeys(w *txn.Work) *fault {
	if err := w.Check(); err != nil {
		return faultOf(err)
	}
	for i := range w.Reads {
		if f := r.own(w.Reads[i].Key); f != nil {
			return f
		}
	}
	for i := range w.Writes {
		if f := r.own(w.Writes[i].Key); f != nil {
			return f
		}
	}
	return nil
}

func (r realm) own(key []byte) *fault {
	if owner := r.keys.Of(key); wire.GroupID(owner) != r.group {
		return &fault{reason: txn.ReasonWrongShard, shard: owner, detail: fmt.Sprintf("key %.64q belongs to %v under map version %d", key, owner, r.keys.Version)}
	}
	return nil
}

func faultOf(err error) *fault {
	f := malformed("%v", err)
	if errors.Is(err, txn.ErrTooLarge) {
		f.reason = txn.ReasonTooLarge
	}
	return f
}
