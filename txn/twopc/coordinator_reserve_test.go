package twopc

import (
	"testing"

	"github.com/anodekv/anode/txn"
)

// The client's own limits leave room for deletes, which is bounded.
func TestDeletesPassTheClientsOwnLimits(t *testing.T) {
	for name, change := range map[string]func(*CoordinatorConfig){
		"open": func(cfg *CoordinatorConfig) { cfg.MaxOpen = 3 },
		"span": func(cfg *CoordinatorConfig) { cfg.MaxSpan = 3 },
		"held": func(cfg *CoordinatorConfig) { cfg.MaxHeld = 3 },
	} {
		c := single(t, change)
		token := uint64(0)
		for ; token < 3; token++ {
			c.Commit(0, token, putWork("k"))
		}
		c.Ready()
		c.Commit(0, token, putWork("k"))
		wantDone(t, c, token, ResultOverloaded)
		for range reservedOpen {
			token++
			c.Commit(0, token, deletes("k"))
		}
		if r := c.Ready(); len(r.Done) != 0 || len(r.Send) != reservedOpen {
			t.Errorf("%s: %d deletes were sent, %+v", name, len(r.Send), r.Done)
		}
		c.Commit(0, token+1, deletes("k"))
		wantDone(t, c, token+1, ResultOverloaded)
		c.Commit(0, token+2, txn.Work{Reads: []txn.Read{{Key: []byte("k")}}, Writes: []txn.Write{{Key: []byte("k"), Value: []byte("v")}}})
		wantDone(t, c, token+2, ResultOverloaded)
	}
}
