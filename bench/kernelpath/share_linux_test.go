package kernelpath

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/shard/server"
)

// Puts go the fast way, with an address per node and with one for all.
func TestPutsGoTheFastWay(t *testing.T) {
	for name, hosts := range map[string]func(int) string{"own addresses": own, "one address": nil} {
		t.Run(name, func(t *testing.T) {
			c := start(t, local.Config{Nodes: 3, Shards: 2, HostOf: hosts, Offload: server.OffloadOn})
			db := c.open()
			const n = 2000
			beforeFast, before := c.entries()
			for i := range n {
				if err := db.Put(within(t, patience), fmt.Sprint("key", i), []byte(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			fast, all := c.entries()
			if fast, all = fast-beforeFast, all-before; all < 2*n || float64(fast) < 0.95*float64(all) {
				t.Errorf("%d of %d entries came the fast way", fast, all)
				c.show()
			}
			for i := range n {
				v, err := db.Get(within(t, patience), fmt.Sprint("key", i))
				if err != nil || string(v) != fmt.Sprint(i) {
					t.Fatalf("key%d is %q, %v", i, v, err)
				}
			}
		})
	}
}
