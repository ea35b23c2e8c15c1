package twopc

import (
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/mvcc"
	"github.com/anodekv/anode/txn"
)

// question is a read or a validation: it is answered from the applied state and never logged.
type question struct {
	questionID
	keys [][]byte         // of a read
	work *txn.Work        // of a validation
	scan *txn.ScanRequest // of a scan
	// since is when it arrived.
	since wire.Time
	time  txn.Timestamp // of a read or scan of the past, else zero
}

// questionID is what copies of one question have in common.
type questionID struct {
	kind  wire.Kind
	from  wire.Addr
	nonce uint64
}

// bytes is about what the question takes while it waits.
func (q *question) bytes() int {
	var size txn.Size
	if q.work != nil {
		size.Add(q.work)
	}
	for _, key := range q.keys {
		size.Entries++
		size.KeyBytes += len(key)
	}
	return size.Memory()
}

func (p *Participant) takeRead(now wire.Time, from wire.Addr, body []byte) {
	r := &p.asked
	// What an older sender leaves out must not be what somebody else asked for.
	*r = txn.ReadRequest{Keys: r.Keys[:0]}
	err := txn.ReadRequestBody.DecodeShared(body, r)
	q := p.question(now, wire.KindRead, from, r.Nonce)
	if err != nil {
		p.refuseQuestion(q, *malformed("%v", err))
		return
	}
	q.keys, q.time = r.Keys, r.Time
	p.take(q, p.checkRead(q.keys), r.Linearizable && r.Time == 0)
}

// question is one that has just come. It lasts, with the bytes of the request that its keys lie in, until the next: where it
// waits it is copied.
func (d *desk) question(now wire.Time, kind wire.Kind, from wire.Addr, nonce uint64) *question {
	d.instant = question{questionID: questionID{kind, from, nonce}, since: now}
	return &d.instant
}

// cloneKeys copies keys into memory of their own.
func cloneKeys(keys [][]byte) [][]byte {
	size := 0
	for _, key := range keys {
		size += len(key)
	}
	clones, _ := copyKeys(make([][]byte, 0, len(keys)), make([]byte, 0, size), keys)
	return clones
}

// copyKeys appends copies of keys to a list, and their bytes to text.
func copyKeys(list [][]byte, text []byte, keys [][]byte) ([][]byte, []byte) {
	for _, key := range keys {
		begin := len(text)
		text = append(text, key...)
		list = append(list, text[begin:len(text):len(text)])
	}
	return list, text
}

func (p *Participant) takeValidate(now wire.Time, from wire.Addr, body []byte) {
	var r txn.ValidateRequest
	err := txn.ValidateRequestBody.Decode(body, &r)
	q := p.question(now, wire.KindValidate, from, r.Nonce)
	q.work = &r.Work
	if err != nil {
		p.refuseQuestion(q, *malformed("%v", err))
		return
	}
	bad := p.checkKeys(&r.Work)
	if bad == nil && len(r.Work.Writes) > 0 {
		bad = malformed("a validation with writes: submit it")
	}
	p.take(q, bad, true)
}

func (r realm) checkRead(keys [][]byte) *fault {
	if len(keys) > txn.MaxReadKeys {
		return &fault{reason: txn.ReasonTooLarge, detail: fmt.Sprintf("a read of %d keys, the limit is %d", len(keys), txn.MaxReadKeys)}
	}
	for _, key := range keys {
		if err := txn.CheckKey(key); err != nil {
			return faultOf(err)
		}
		if f := r.own(key); f != nil {
			return f
		}
	}
	return nil
}

// take lets a sound question in: first to the leader's round, if it asks for one. One who does not lead has nothing to say
// about it, not even that a key is another shard's.
func (p *Participant) take(q *question, bad *fault, confirm bool) {
	switch {
	case p.role != leading:
		p.refuseQuestion(q, p.unready())
		return
	case bad != nil:
		p.refuseQuestion(q, *bad)
	case p.room.asked[q.questionID] != nil: // a copy of one that waits
	case !confirm:
		p.ask(q, nil)
	case p.room.line.holds(q.questionID, q.since.Add(-copyAfter)):
	case p.room.full():
		p.refuseQuestion(q, fault{reason: txn.ReasonOverloaded, detail: "too many reads wait"})
	default:
		p.room.line.join(q)
	}
}

// ask answers a question, or lets it wait: as w, if it has waited in the room before, else as a copy.
func (p *Participant) ask(q *question, w *waiter) {
	switch {
	case q.work != nil:
		p.answerValidate(q)
	case q.time != 0 && !p.pastReached(q, w): // it waits, or was refused
	case q.scan != nil:
		p.askScan(q, w)
	default:
		p.askRead(q, w)
	}
}

// askRead answers a read, or lets it wait if it meets a prepared write: its writer may know already that it committed, so
// neither the old value nor the new one is a safe answer.
func (p *Participant) askRead(q *question, w *waiter) {
	for i, key := range q.keys {
		if p.unsettled(key, q.time) {
			if w = p.waiterOf(q, w); w.question != q {
				key = w.question.keys[i]
			}
			p.awaitOutcome(w, key)
			return
		}
	}
	p.answerRead(q)
}

// waiterOf is who waits for an answer to a question: w, or if there is none, one with memory of its own.
func (p *Participant) waiterOf(q *question, w *waiter) *waiter {
	if w != nil {
		return w
	}
	own := *q
	own.keys = cloneKeys(q.keys)
	return &waiter{question: &own, until: q.since.Add(p.cfg.ReadBound)}
}

// awaitOutcome lets a question wait for the transaction that writes a key.
func (p *Participant) awaitOutcome(w *waiter, key []byte) {
	if p.room.full() {
		p.refuseQuestion(w.question, fault{reason: txn.ReasonOverloaded, detail: "too many reads wait for other transactions"})
		return
	}
	w.key = key
	p.traffic.Waited++
	p.room.add(w)
}

func (p *Participant) answerRead(q *question) {
	const perValueBytes = 32 // what MessagePack and the position add
	reply, size := &p.reading, 0
	reply.Nonce, reply.Values = q.nonce, reply.Values[:0]
	for _, key := range q.keys {
		var v txn.Value
		if q.time == 0 {
			v = p.value(key)
		} else {
			v = p.shown(p.store.AtTime(key, q.time))
		}
		reply.Values = append(reply.Values, v)
		size += perValueBytes + len(v.Value)
	}
	defer clear(reply.Values)
	if size > txn.MaxReplyBytes {
		p.refuseQuestion(q, fault{reason: txn.ReasonTooLarge, detail: fmt.Sprintf("%d keys hold %d bytes, one answer takes %d: ask for fewer", len(q.keys), size, txn.MaxReplyBytes)})
		return
	}
	p.answered(q.kind, q.since)
	p.reply(q.from, wire.KindReadReply, p.sheet.fit(size, func(to []byte) []byte { return txn.ReadReplyBody.Append(to, reply) }))
}

// value reads one key between two ops: after all commands of the last one.
func (p *Participant) value(key []byte) txn.Value { return p.shown(p.store.Latest(key)) }

// shown is what a client is told of a version.
func (p *Participant) shown(v mvcc.Version, ok bool) txn.Value {
	if !ok || v.Deleted {
		return txn.Value{At: txn.After(p.applied)}
	}
	return txn.Value{Found: true, At: v.At, Value: v.Value}
}

func (p *Participant) answerValidate(q *question) {
	ok, key := p.locks.Check(p.store, txn.ID{}, q.work)
	reply := txn.ValidateReply{Nonce: q.nonce, Valid: ok, Key: key}
	p.answered(q.kind, q.since)
	if !ok {
		p.traffic.Conflicts++
	}
	p.reply(q.from, wire.KindValidateReply, txn.ValidateReplyBody.Append(nil, &reply))
}
