package twopc

import (
	"fmt"
	"slices"

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
	err := txn.ReadRequestBody.DecodeShared(body, r)
	if err == nil && p.readAtOnce(now, from, r) {
		return
	}
	// It may wait for longer than the request's bytes last.
	q := &question{questionID: questionID{wire.KindRead, from, r.Nonce}, keys: cloneKeys(r.Keys), time: r.Time}
	if err != nil {
		p.refuseQuestion(q, *malformed("%v", err))
		return
	}
	p.take(now, q, p.checkRead(q.keys), r.Linearizable && r.Time == 0)
}

// readAtOnce answers what a transaction reads, which its commit validates, unless it has to wait or is refused. It takes no memory.
func (p *Participant) readAtOnce(now wire.Time, from wire.Addr, r *txn.ReadRequest) bool {
	if p.role != leading || r.Linearizable || r.Time != 0 || p.checkRead(r.Keys) != nil {
		return false
	}
	q := &p.instant
	*q = question{questionID: questionID{wire.KindRead, from, r.Nonce}, keys: r.Keys, since: now}
	if p.room.asked[q.questionID] != nil || slices.ContainsFunc(q.keys, p.unsettledNow) {
		return false
	}
	p.answerRead(q)
	return true
}

// unsettledNow reports whether a key has a prepared write: its writer may know already that it committed, so neither the old
// value nor the new one is a safe answer.
func (p *Participant) unsettledNow(key []byte) bool { return p.unsettled(key, 0) }

// cloneKeys copies keys into one piece of memory.
func cloneKeys(keys [][]byte) [][]byte {
	size := 0
	for _, key := range keys {
		size += len(key)
	}
	clones, room := make([][]byte, len(keys)), make([]byte, 0, size)
	for i, key := range keys {
		begin := len(room)
		room = append(room, key...)
		clones[i] = room[begin:len(room):len(room)]
	}
	return clones
}

func (p *Participant) takeValidate(now wire.Time, from wire.Addr, body []byte) {
	var r txn.ValidateRequest
	err := txn.ValidateRequestBody.Decode(body, &r)
	q := &question{questionID: questionID{wire.KindValidate, from, r.Nonce}, work: &r.Work}
	if err != nil {
		p.refuseQuestion(q, *malformed("%v", err))
		return
	}
	bad := p.checkKeys(&r.Work)
	if bad == nil && len(r.Work.Writes) > 0 {
		bad = malformed("a validation with writes: submit it")
	}
	p.take(now, q, bad, true)
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
func (p *Participant) take(now wire.Time, q *question, bad *fault, confirm bool) {
	switch {
	case p.role != leading:
		p.refuseQuestion(q, p.unready())
		return
	case bad != nil:
		p.refuseQuestion(q, *bad)
		return
	case p.room.asked[q.questionID] != nil:
		return // a copy of one that waits
	}
	q.since = now
	w := &waiter{question: q, until: now.Add(p.cfg.ReadBound)}
	switch {
	case !confirm:
		p.ask(w)
	case p.room.full():
		p.refuseQuestion(q, fault{reason: txn.ReasonOverloaded, detail: "too many reads wait"})
	default:
		p.tickets++
		w.ticket = p.tickets
		p.room.add(w)
		p.ready.Confirm = append(p.ready.Confirm, w.ticket)
	}
}

// ask answers a question, or lets it wait.
func (p *Participant) ask(w *waiter) {
	switch q := w.question; {
	case q.work != nil:
		p.answerValidate(q)
	case q.time != 0 && !p.pastReached(w): // it waits, or was refused
	case q.scan != nil:
		p.askScan(w)
	default:
		p.askRead(w)
	}
}

// askRead answers a read, or lets it wait if it meets a prepared write, as [Participant.unsettledNow] tells.
func (p *Participant) askRead(w *waiter) {
	q := w.question
	for _, key := range q.keys {
		if p.unsettled(key, q.time) {
			p.awaitOutcome(w, key)
			return
		}
	}
	p.answerRead(q)
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
