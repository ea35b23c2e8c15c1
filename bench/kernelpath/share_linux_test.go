package kernelpath

import (
	"errors"
	"testing"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/shard/server"
)

// Puts go the fast way, with an address per node and with one for all.
func TestPutsGoTheFastWay(t *testing.T) {
	for name, hosts := range map[string]func(int) string{"own addresses": own, "one address": nil} {
		t.Run(name, func(t *testing.T) {
			c := start(t, local.Config{Nodes: 3, Shards: 2, HostOf: hosts, Offload: server.OffloadOn})
			c.putFast(2000)
		})
	}
}

// Reads are confirmed by followers' kernels: their processes see no question of the leader's.
func TestReadsAreConfirmedInTheKernel(t *testing.T) {
	c := start(t, local.Config{Nodes: 3, Shards: 1, HostOf: own, Offload: server.OffloadOn})
	c.putFast(100) // now followers are armed
	db := c.open()
	const reads = 500
	before := c.signed()
	for range reads {
		if _, err := db.Get(within(t, patience), "absent"); !errors.Is(err, client.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := c.signed() - before; n < reads*9/10 {
		t.Errorf("kernels gave %d signs for %d reads", n, reads)
		c.show()
	}
}

// signed counts the signs that all kernels have given.
func (c *cluster) signed() (n uint64) {
	for _, s := range c.status() {
		n += s.Offload.Reasons["signed"]
	}
	return n
}
