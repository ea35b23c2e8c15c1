package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/bench/lab"
)

// clocksVariable tells nodes built with the tag torture where they find how their clocks go wrong, see shard/replica.
const clocksVariable = "ANODE_CLOCKS"

// clocks makes the nodes' clocks wrong. A process that is started has true ones.
type clocks struct {
	dir string

	mu    sync.Mutex
	wrong map[int]*clockError // by process
}

// clockError is what shard/replica reads.
type clockError struct {
	Since                int64
	Wall, Boot           int64
	WallDrift, BootDrift int64
}

func newClocks(dir string) *clocks { return &clocks{dir: dir, wrong: map[int]*clockError{}} }

// step sets a node's wall clock.
func (c *clocks) step(l *lab.Lab, node int, by time.Duration) error {
	return c.change(l, node, func(e *clockError) { e.Wall += int64(by) })
}

// drift has a node's clocks gain, in parts of a million.
func (c *clocks) drift(l *lab.Lab, node, wall, boot int) error {
	return c.change(l, node, func(e *clockError) { e.WallDrift, e.BootDrift = int64(wall), int64(boot) })
}

// mend makes a node's clocks true again: the wall clock is set, and the boot-time clock goes as it should from now on.
func (c *clocks) mend(l *lab.Lab, node int) error {
	return c.change(l, node, func(e *clockError) { e.Wall, e.WallDrift, e.BootDrift = 0, 0, 0 })
}

func (c *clocks) change(l *lab.Lab, node int, by func(*clockError)) error {
	process := l.Nodes()[node].Process
	if process == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.wrong[process.PID]
	if e == nil {
		e = &clockError{}
		c.wrong[process.PID] = e
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return err
	}
	past := ts.Nano() - e.Since
	e.Wall, e.Boot = e.Wall+past*e.WallDrift/1_000_000, e.Boot+past*e.BootDrift/1_000_000
	e.Since = ts.Nano()
	by(e)
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := filepath.Join(c.dir, fmt.Sprint(process.PID))
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
