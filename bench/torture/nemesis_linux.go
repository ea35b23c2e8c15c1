package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/shard/server"
)

const (
	// lookTime is what a node has to tell its status.
	lookTime = time.Second
	// recoverTime is what a restarted node has to take part again, when nothing disturbs it any more.
	recoverTime = 60 * time.Second
	watchEvery  = 100 * time.Millisecond
	// pressTime is long enough for an election, and for a log of the kernel's to fill up under a load.
	pressTime = 2 * time.Second
)

// nemesis carries out strikes.
type nemesis struct {
	lab    *lab.Lab
	plan   *Plan
	say    func(format string, args ...any)
	faults *lab.Faults
	clocks *clocks
	// limits is by what processes are starved.
	limits string
	starve func(context.Context, int, Strike) error
	// killClients ends a process of clients, and starts another.
	killClients func()

	mu sync.Mutex
	// claimed nodes have something done to their process, and weak ones have no memory: they were ended and have not
	// been seen to take part since.
	claimed, weak map[int]bool
	// deaths counts how often a node has lost its memory.
	deaths map[int]int
	count  map[Kind]int
	spared int
	// unpromised counts nodes that ended because their disks were full.
	unpromised int
	broken     []string
	// objects are what the nodes' processes have held in the kernel.
	objects []lab.KernelObject
}

func newNemesis(l *lab.Lab, p *Plan, c *clocks, say func(string, ...any)) (n *nemesis, err error) {
	n = &nemesis{lab: l, plan: p, clocks: c, say: say, claimed: map[int]bool{}, weak: map[int]bool{}, deaths: map[int]int{}, count: map[Kind]int{}}
	n.limits, err = l.Limits()
	n.starve = n.throttle
	if errors.Is(err, lab.ErrLimits) {
		n.limits, n.starve = "signals, for "+err.Error(), n.slow
	} else if err != nil {
		return nil, err
	}
	if n.faults, err = l.Faults(p.Seed); err != nil {
		return nil, err
	}
	return n, nil
}

// most is how many nodes may be without memory at a time: with more a group is lost, and that is another test.
func (n *nemesis) most() int { return n.plan.Replicas / 2 }

// claim takes a node's process for one strike alone. A costly one takes its memory, too.
func (n *nemesis) claim(node int, costly bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.claimed[node] || costly && len(n.weak) >= n.most() && !n.weak[node] {
		return false
	}
	n.claimed[node] = true
	if costly {
		n.weak[node] = true
		n.deaths[node]++
	}
	return true
}

func (n *nemesis) release(node int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.claimed, node)
}

// strong counts on a node's memory, unless it has been taken again meanwhile.
func (n *nemesis) strong(node, deaths int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deaths[node] == deaths {
		delete(n.weak, node)
	}
}

// breaks takes down what must not happen.
func (n *nemesis) breaks(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broken = append(n.broken, fmt.Sprintf(format, args...))
}

// failures are what must not have happened, and did.
func (n *nemesis) failures() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.broken)
}

func (n *nemesis) counts() map[Kind]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.count)
}

// play lets the strikes of a round fall, each when its time has come, and returns when all are undone.
func (n *nemesis) play(ctx context.Context, round *Round) {
	began := time.Now()
	var all sync.WaitGroup
	for _, s := range round.Strikes {
		pause(ctx, time.Until(began.Add(s.At)))
		if ctx.Err() != nil || len(n.failures()) > 0 {
			break
		}
		all.Go(func() { n.strike(ctx, s) })
	}
	pause(ctx, time.Until(began.Add(round.Length)))
	all.Wait()
}

// strike does one thing and undoes it.
func (n *nemesis) strike(ctx context.Context, s Strike) {
	done, err := n.carryOut(ctx, s)
	if err != nil && ctx.Err() == nil {
		n.breaks("%v: %v", s, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if done {
		n.count[s.Kind]++
	} else {
		n.spared++
	}
}

// carryOut reports false for what cannot be done now.
func (n *nemesis) carryOut(ctx context.Context, s Strike) (bool, error) {
	if s.Kind == Clients {
		n.killClients()
		return true, nil
	}
	node := n.victim(ctx, s.Victim)
	switch s.Kind {
	case Kill, Stop, Wipe, Pause, Press, Slow, Starve, Full:
		if !n.claim(node, s.Kind.costly()) {
			return false, nil
		}
		defer n.release(node)
	}
	n.say("%v: n%d", s, node)
	switch s.Kind {
	case Kill, Stop, Wipe:
		return true, n.restart(ctx, s, node)
	case Roll:
		return n.roll(ctx, s)
	case Turn:
		return n.turn(ctx, s)
	case Pause:
		return true, n.pause(ctx, node, s.For)
	case Press:
		return true, n.pause(ctx, node, pressTime+2*s.For)
	case Full:
		return true, n.fill(ctx, s, node)
	case Loss, Corrupt, Repeat, Late:
		return true, n.harm(ctx, node, s)
	case Clock, Drift:
		return true, n.misset(ctx, node, s)
	case Slow:
		return true, n.slow(ctx, node, s)
	case Starve:
		return true, n.starve(ctx, node, s)
	case Offload:
		return true, n.offload(ctx, node, s)
	default:
		return true, n.disconnect(ctx, node, s)
	}
}

// victim finds who has a role now. Where nobody has, or nobody tells, it is the one with the index.
func (n *nemesis) victim(ctx context.Context, v Victim) int {
	nodes := len(n.lab.Nodes())
	if v.Role == Any {
		return v.Index % nodes
	}
	leader := leaderOf(look(ctx, n.lab), v.Group)
	switch {
	case leader < 0:
		return v.Index % nodes
	case v.Role == Leader:
		return leader
	default:
		return (leader + 1 + v.Index%(nodes-1)) % nodes
	}
}

// look asks all nodes at once; who does not answer is nil.
func look(ctx context.Context, l *lab.Lab) []*server.NodeStatus {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	all := make([]*server.NodeStatus, len(l.Nodes()))
	var asked sync.WaitGroup
	for i := range all {
		asked.Go(func() {
			if s, err := l.Status(ctx, i); err == nil {
				all[i] = s
			}
		})
	}
	asked.Wait()
	return all
}

// leaderOf is the node whose replica leads a group in the highest view, -1 if none says so.
func leaderOf(all []*server.NodeStatus, group int) int {
	leader, view := -1, uint64(0)
	for i, s := range all {
		if s == nil {
			continue
		}
		for _, r := range s.Replicas {
			if int(r.Group) == group && r.Leads && (leader < 0 || r.View > view) {
				leader, view = i, r.View
			}
		}
	}
	return leader
}

// restart ends a claimed node and starts it again.
func (n *nemesis) restart(ctx context.Context, s Strike, node int) error {
	if err := n.end(ctx, s.Kind, node); err != nil {
		return err
	}
	pause(ctx, s.For)
	return n.start(context.WithoutCancel(ctx), node)
}

func (n *nemesis) end(ctx context.Context, kind Kind, node int) error {
	n.note(node)
	if kind == Stop {
		return n.lab.Stop(ctx, node)
	}
	err := n.lab.Kill(ctx, node)
	if err == nil && kind == Wipe {
		err = n.lab.Wipe(node)
	}
	return err
}

func (n *nemesis) start(ctx context.Context, node int) error {
	if err := n.lab.Start(node); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	go n.await(ctx, node, n.deaths[node])
	return nil
}

// await waits until a node that was started takes part, and only then has it a memory that may be counted on.
func (n *nemesis) await(ctx context.Context, node, deaths int) {
	for ; n.isWeak(node) && n.lab.Runs(node); pause(ctx, 20*time.Millisecond) {
		ask, cancel := context.WithTimeout(ctx, lookTime)
		s, err := n.lab.Status(ask, node)
		cancel()
		if err == nil && s.Normal {
			n.strong(node, deaths)
			return
		}
	}
}

// heal ends all faults, and waits until every node takes part.
func (n *nemesis) heal(ctx context.Context) error {
	if err := errors.Join(n.lab.Heal(ctx), n.faults.Clear()); err != nil {
		return err
	}
	for i := range n.lab.Nodes() {
		if !n.lab.Runs(i) {
			n.breaks("n%d has ended by itself: %s", i, lastWords(n.lab.LogFile(i)))
			continue
		}
		if err := n.lab.Resume(i); err != nil {
			return err
		}
		if err := n.clocks.mend(n.lab, i); err != nil {
			return err
		}
		n.switchBack(ctx, i)
	}
	return nil
}

// switchBack has a node's kernel path do what the run wants of it.
func (n *nemesis) switchBack(ctx context.Context, node int) {
	if n.plan.Way == KernelToggled {
		n.switchTo(ctx, node, lab.All)
	}
}

// note takes down what a node's process holds in the kernel: nothing of it may be there when it has ended.
func (n *nemesis) note(node int) {
	held, err := n.lab.KernelObjects(node)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.objects = append(n.objects, held...)
	if err != nil {
		n.broken = append(n.broken, fmt.Sprintf("n%d: what it holds in the kernel: %v", node, err))
	}
}

func (n *nemesis) noteAll() {
	for i := range n.lab.Nodes() {
		n.note(i)
	}
}

// leftovers tells what is still there of what processes held that are no more.
func (n *nemesis) leftovers() []string {
	left, err := lab.Leftovers(n.objects)
	switch {
	case err != nil:
		return []string{err.Error()}
	case len(left) > 0:
		return []string{fmt.Sprintf("of what ended processes held in the kernel is left: %v", left)}
	}
	return nil
}

// watch looks out for nodes that end by themselves, until the context ends.
func (n *nemesis) watch(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, watchEvery) {
		for i := range n.lab.Nodes() {
			n.mu.Lock()
			if !n.claimed[i] && !n.lab.Runs(i) {
				n.claimed[i] = true // it is told once
				n.broken = append(n.broken, fmt.Sprintf("n%d has ended by itself: %s", i, lastWords(n.lab.LogFile(i))))
			}
			n.mu.Unlock()
		}
	}
}

// lastWords is the end of a file.
func lastWords(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const most = 4 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd) // then all of it is read
	}
	b, _ := io.ReadAll(f)
	return string(b)
}
