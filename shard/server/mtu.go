package server

import (
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

// sizes fills in what depends on the interface: the largest datagram, and a batch that fits one.
func (c *Config) sizes(addr wire.Addr) {
	if c.DatagramBytes == 0 {
		c.DatagramBytes = transport.BytesAt(addr.Addr())
	}
	if c.Limits.BatchBytes == 0 {
		c.Limits.BatchBytes = c.DatagramBytes - wire.HeaderSize
	}
}
