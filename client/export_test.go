package client

import (
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// SleepFor makes the client's loop sleep for so long when nothing is due, instead of a second.
func (c *Client) SleepFor(d time.Duration) {
	c.loop.turns.Lock()
	defer c.loop.turns.Unlock()
	c.loop.idle = d
}

// Sleeps reports whether the loop sleeps for so long from now on, if nobody wakes it.
func (c *Client) Sleeps(d time.Duration) bool {
	c.loop.turns.Lock()
	defer c.loop.turns.Unlock()
	return c.loop.asleep > c.loop.now().Add(wire.Duration(d))
}
