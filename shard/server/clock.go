package server

import (
	"log/slog"
	"sync"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// clockToldEvery is for how long the replicas of a node, which all see the same clock, leave it to the one that saw it first
// to tell that it was set.
const clockToldEvery = time.Second

// clockTold is when it was told last that the wall clock was set.
type clockTold struct {
	mu sync.Mutex
	at time.Time
}

// due reports whether it may be told now, which it then is.
func (c *clockTold) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < clockToldEvery {
		return false
	}
	c.at = time.Now()
	return true
}

// clockSet tells that the wall clock was set.
func (n *Node) clockSet(by wire.Duration) {
	if n.clockTold.due() {
		n.cfg.Log.Warn("the wall clock of this host was set: nothing is lost, but times of commits follow a clock that is ahead, and reads "+
			"of the past go by them; keep the clocks of all nodes together, with chrony or ntpd", slog.Duration("by", time.Duration(by)))
	}
}
