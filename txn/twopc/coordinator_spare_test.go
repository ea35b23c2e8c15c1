package twopc

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// What Ready hands out is good until the next one, whatever ends and begins meanwhile: a request that is sent again, and
// answered before the copy has left, does not become another request on its way.
func TestWhatIsHandedOutStaysAsItIs(t *testing.T) {
	if why := changesHandedOut(single(t, func(*CoordinatorConfig) {})); why != "" {
		t.Error(why)
	}
}

// changesHandedOut says what was changed that should have stayed as it was, or nothing.
func changesHandedOut(c *Coordinator) string {
	ask := func(token uint64) (nonce uint64) {
		c.Read(0, token, [][]byte{fmt.Appendf(nil, "key%d", token), []byte("other")}, false)
		return c.nonce
	}
	answer := func(nonce uint64) {
		value := txn.Value{Found: true, Value: fmt.Append(nil, nonce)}
		c.Step(0, Target{}, wire.KindReadReply, enc(&txn.ReadReply{Nonce: nonce, Values: []txn.Value{value, value}}))
	}
	for token := uint64(0); token < 30; token += 3 {
		first := ask(token)
		r := c.Ready()
		asked := bytes.Clone(r.Send[0].Body)
		due, _ := c.NextDeadline()
		c.Tick(due) // asks again
		answer(first)
		second := ask(token + 1)
		if !bytes.Equal(r.Send[0].Body, asked) {
			return "what was handed out has changed before the next Ready"
		}
		r = c.Ready()
		if len(r.Send) != 2 || !bytes.Equal(r.Send[0].Body, asked) || bytes.Equal(r.Send[1].Body, asked) {
			return fmt.Sprintf("a copy of %q, which was answered meanwhile, is to be sent as %q", asked, r.Send)
		}
		asked = bytes.Clone(r.Send[1].Body)
		values := r.Done[0].Values
		answer(second)
		ask(token + 2)
		c.Cancel(0, token+2)
		for _, v := range values {
			if string(v.Value) != fmt.Sprint(first) {
				return fmt.Sprintf("a value of read %d became %q before the next Ready", first, v.Value)
			}
		}
		if !bytes.Equal(r.Send[1].Body, asked) {
			return "what was handed out has changed before the next Ready"
		}
		c.Ready()
	}
	return ""
}

// What is large is not kept for small ones.
func TestLargeBodiesAreNotKept(t *testing.T) {
	c := single(t, func(*CoordinatorConfig) {})
	for n := range uint64(100) {
		work := putWork("k")
		work.Writes[0].Value = make([]byte, 1<<16)
		c.Commit(0, n, work)
		c.Ready()
		committed(c, 3+n)
		c.Ready()
	}
	for _, k := range c.spare.calls.free {
		if cap(k.body) > keptBodyBytes {
			t.Errorf("%d bytes are kept", cap(k.body))
		}
	}
	if n := len(c.spare.calls.free); n == 0 || n > 10 {
		t.Errorf("%d calls are kept, of one at a time", n)
	}
}
