package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/paxos/wire"
)

// roll stops and starts all nodes in turn, as an upgrade does.
func (n *nemesis) roll(ctx context.Context, s Strike) (bool, error) {
	return n.oneByOne(ctx, Stop, s, n.all())
}

// turn kills the leaders of all groups, one after the other.
func (n *nemesis) turn(ctx context.Context, s Strike) (bool, error) {
	all := look(ctx, n.lab)
	var leaders []int
	for g := range n.plan.Shards {
		if leader := leaderOf(all, g); leader >= 0 && !slices.Contains(leaders, leader) {
			leaders = append(leaders, leader)
		}
	}
	return n.oneByOne(ctx, Kill, s, leaders)
}

// oneByOne ends and starts nodes, each when the one before takes part again. It gives up when that takes long, for other strikes may
// keep it from doing so.
func (n *nemesis) oneByOne(ctx context.Context, kind Kind, s Strike, nodes []int) (done bool, err error) {
	for _, node := range nodes {
		if !n.claim(node, true) {
			continue
		}
		one := s
		one.Kind, one.For = kind, s.For/4
		err := n.restart(ctx, one, node)
		n.release(node)
		if err != nil {
			return done, err
		}
		done = true
		for until := time.Now().Add(5 * time.Second); n.isWeak(node) && time.Now().Before(until) && ctx.Err() == nil; {
			pause(ctx, 10*time.Millisecond)
		}
	}
	return done, nil
}

func (n *nemesis) isWeak(node int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.weak[node]
}

func (n *nemesis) pause(ctx context.Context, node int, d time.Duration) error {
	if err := n.lab.Pause(node); err != nil {
		return err
	}
	pause(ctx, d)
	return n.lab.Resume(node)
}

// slow gives a process a part of its time, in slices of some milliseconds.
func (n *nemesis) slow(ctx context.Context, node int, s Strike) error {
	const slice = 20 * time.Millisecond
	runs := time.Duration((0.05 + 0.6*s.Degree) * float64(slice))
	for until := time.Now().Add(2 * s.For); time.Now().Before(until) && ctx.Err() == nil; {
		if err := n.pause(ctx, node, slice-runs); err != nil {
			return err
		}
		pause(ctx, runs)
	}
	return nil
}

// throttle has the scheduler hold a process back.
func (n *nemesis) throttle(ctx context.Context, node int, s Strike) error {
	if err := n.lab.Throttle(node, lab.LeastShare+0.6*s.Degree); err != nil {
		return err
	}
	pause(ctx, 2*s.For)
	return n.lab.Unthrottle(node)
}

// offload switches what the kernel does for one node, and later all of it on again.
func (n *nemesis) offload(ctx context.Context, node int, s Strike) error {
	ways := []string{"none", "ack", "broadcast", "quorum", "ack,quorum", "ack,broadcast", "broadcast,quorum"}
	n.switchTo(ctx, node, ways[s.Part%len(ways)])
	pause(ctx, s.For)
	n.switchTo(ctx, node, lab.All)
	return nil
}

// switchTo may fail: the node may be down.
func (n *nemesis) switchTo(ctx context.Context, node int, way string) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_ = n.lab.SetOffload(ctx, node, way)
}

// disconnect does something to the network.
func (n *nemesis) disconnect(ctx context.Context, node int, s Strike) (err error) {
	self, others, forever := []string{n.lab.Nodes()[node].Name}, n.others(node), context.WithoutCancel(ctx)
	switch s.Kind {
	case CutOff:
		err = n.lab.Split(ctx, self, others)
	case CutOut:
		err = n.lab.Cut(ctx, self, others)
	case CutIn:
		err = n.lab.Cut(ctx, others, self)
	case Split:
		self, others = n.sides(s.Part)
		err = n.lab.Split(ctx, self, others)
	case Flap:
		for until := time.Now().Add(s.For); time.Now().Before(until) && ctx.Err() == nil && err == nil; {
			err = n.lab.Split(ctx, self, others)
			pause(ctx, 20*time.Millisecond+time.Duration(s.Degree*float64(150*time.Millisecond)))
			err = errors.Join(err, n.lab.Join(forever, self, others))
			pause(ctx, 50*time.Millisecond)
		}
		return err
	case Deaf:
		err = n.lab.Deafen(ctx, self[0])
		pause(ctx, s.For)
		return errors.Join(err, n.lab.Undeafen(forever, self[0]))
	default:
		return fmt.Errorf("nobody knows how to do it")
	}
	pause(ctx, s.For)
	return errors.Join(err, n.lab.Join(forever, self, others))
}

// others are all members but a node; the clients are one of them.
func (n *nemesis) others(node int) (all []string) {
	for i, other := range n.lab.Nodes() {
		if i != node {
			all = append(all, other.Name)
		}
	}
	return append(all, lab.Clients)
}

// sides parts the members by the bits of a number.
func (n *nemesis) sides(bits int) (a, b []string) {
	for i, m := range n.others(-1) {
		if bits>>i&1 == 1 {
			a = append(a, m)
		} else {
			b = append(b, m)
		}
	}
	return a, b
}

// all are the numbers of all nodes.
func (n *nemesis) all() (all []int) {
	for i := range n.lab.Nodes() {
		all = append(all, i)
	}
	return all
}

// families are kinds of frames that go together.
var families = [][]wire.Kind{
	{wire.KindAccept},
	{wire.KindAccepted},
	{wire.KindHeartbeat, wire.KindEcho},
	{wire.KindAsk, wire.KindAnswer, wire.KindSuspect, wire.KindViewChange, wire.KindNewView},
	{wire.KindGap, wire.KindFetch, wire.KindEntries, wire.KindImage},
	{wire.KindRecover, wire.KindRecoverReply},
	{wire.KindInquire, wire.KindInquiryReply},
	{wire.KindRead, wire.KindValidate, wire.KindScan, wire.KindReadReply, wire.KindValidateReply, wire.KindScanReply},
	{wire.KindOpenSession, wire.KindSubmit, wire.KindPrepare, wire.KindCommit, wire.KindAbort, wire.KindResolve, wire.KindEndSession},
	{wire.KindTxnReply, wire.KindSessionReply, wire.KindRefusal},
	nil, // all of them
}

// longestDelays are how long packets are late, at most.
var longestDelays = []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second}

// harm does something to the packets of a family: those of a node, or of all.
func (n *nemesis) harm(ctx context.Context, node int, s Strike) error {
	kinds := families[s.Part%len(families)]
	share := 0.02 + 0.7*s.Degree*s.Degree
	var f lab.Fault
	switch s.Kind {
	case Loss:
		f.Drop = share
	case Corrupt:
		f.Corrupt = share
	case Repeat:
		f.Duplicate, f.Replay, f.Max = share, share/2, longestDelays[s.Part>>4%len(longestDelays)]
	case Late:
		f.Delay, f.Max = share, longestDelays[s.Part>>4%3]
	}
	members, ways := []string{n.lab.Nodes()[node].Name}, []lab.Way{lab.From, lab.To}
	switch s.Part >> 8 % 4 {
	case 0:
		members = nil
	case 1:
		ways = ways[:1]
	case 2:
		ways = ways[1:]
	}
	if err := n.faults.Set(members, ways, kinds, f); err != nil {
		return err
	}
	pause(ctx, 300*time.Millisecond+3*s.For)
	return n.faults.Set(members, ways, kinds, lab.Fault{})
}

// misset makes a node's clocks wrong. They stay so until all is healed.
func (n *nemesis) misset(_ context.Context, node int, s Strike) error {
	if s.Kind == Clock {
		const most = 2 * time.Minute
		return n.clocks.step(n.lab, node, time.Duration((2*s.Degree-1)*float64(most)))
	}
	boot := 0
	if n.plan.Way == KernelOff { // the kernel has a clock of its own, that cannot be made wrong
		boot = int((2*s.Degree - 1) * float64(mostDrift(n.plan.Lease)))
	}
	return n.clocks.drift(n.lab, node, 50_000*(s.Part%3-1), boot)
}

// mostDrift is how far from true a boot-time clock goes, in parts of a million: with leases what a node is told to reckon
// with, between any two of them.
func mostDrift(lease time.Duration) int {
	if lease > 0 {
		return 900
	}
	return 20_000
}

// fill leaves a claimed node's disk without room, cuts a leader off so that the others elect somebody, and makes room again. The
// node has ended by then, if it had something to promise: be it one of the others, or the leader that hears of it.
func (n *nemesis) fill(ctx context.Context, s Strike, node int) error {
	forever := context.WithoutCancel(ctx)
	ballast := filepath.Join(n.lab.DataDir(node), "ballast")
	if err := fillUp(ballast); err != nil {
		return err
	}
	leader := leaderOf(look(ctx, n.lab), s.Victim.Group)
	if leader < 0 {
		leader = node
	}
	self, others := []string{n.lab.Nodes()[leader].Name}, n.others(leader)
	err := n.lab.Split(ctx, self, others)
	pause(ctx, 500*time.Millisecond)
	err = errors.Join(err, n.lab.Join(forever, self, others))
	pause(ctx, s.For)
	if n.lab.Runs(node) {
		err = errors.Join(err, n.lab.Kill(forever, node))
	} else {
		n.mu.Lock()
		n.unpromised++
		n.mu.Unlock()
	}
	return errors.Join(err, os.Remove(ballast), n.start(forever, node))
}

// fillUp writes until there is no room.
func fillUp(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return nil
}
