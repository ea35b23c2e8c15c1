package twopc

import (
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func (p *Participant) reply(to wire.Addr, kind wire.Kind, body []byte) {
	p.ready.Replies = append(p.ready.Replies, Reply{to, kind, body})
}

// tell answers a command with what the log says.
func (p *Participant) tell(to asker, c *command, v verdict) {
	if to.replica {
		p.report(to, &Finding{ID: c.id, Status: v.status, Time: v.time, Frozen: v.frozen})
		return
	}
	kind, body := p.encode(c, v)
	p.reply(to.addr, kind, body)
}

// report answers a replica of another group.
func (p *Participant) report(to asker, f *Finding) {
	p.reply(to.addr, wire.KindInquiryReply, FindingBody.Append(nil, f))
}

func (p *Participant) tellAll(f *flight, c *command, v verdict) {
	for _, to := range f.from {
		p.tell(to, c, v)
	}
}

func (p *Participant) encode(c *command, v verdict) (wire.Kind, []byte) {
	switch {
	case v.session != 0:
		r := txn.SessionReply{Client: c.id.Client, First: c.id.Seq, Session: v.session, Epoch: p.epoch, Reserved: v.reserved}
		return wire.KindSessionReply, txn.SessionReplyBody.Append(nil, &r)
	case v.status == 0:
		return p.refusal(c, *malformed("%s", v.objection))
	}
	p.letter = txn.TxnReply{ID: c.id, Status: v.status, Time: v.time, Key: v.key}
	return wire.KindTxnReply, p.sheet.text(func(to []byte) []byte { return txn.TxnReplyBody.Append(to, &p.letter) })
}

// decline refuses a command that was not appended.
func (p *Participant) decline(to asker, c *command, why fault) {
	if to.replica {
		p.report(to, &Finding{ID: c.id, Reason: why.reason, View: p.view})
		return
	}
	kind, body := p.refusal(c, why)
	p.reply(to.addr, kind, body)
}

func (p *Participant) declineAll(f *flight, why fault) {
	for _, to := range f.from {
		p.decline(to, &f.command, why)
	}
}

func (p *Participant) refusal(c *command, why fault) (wire.Kind, []byte) {
	return p.encodeRefusal(txn.Refusal{Kind: c.kind, ID: c.id}, why)
}

func (p *Participant) refuseQuestion(q *question, why fault) {
	kind, body := p.encodeRefusal(txn.Refusal{Kind: q.kind, Nonce: q.nonce}, why)
	p.reply(q.from, kind, body)
}

func (p *Participant) encodeRefusal(r txn.Refusal, why fault) (wire.Kind, []byte) {
	p.traffic.Refused[why.reason]++
	r.Reason, r.View, r.Shard, r.Detail = why.reason, p.view, uint32(why.shard), why.detail
	return wire.KindRefusal, txn.RefusalBody.Append(nil, &r)
}
