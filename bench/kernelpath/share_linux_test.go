package kernelpath

import (
	"testing"

	"github.com/anodekv/anode/bench/local"
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
