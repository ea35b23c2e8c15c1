package torture

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/shard/server"
)

// victim is the node that all strikes of the test are aimed at, and marker a file that stands on every disk.
const (
	victim = 1
	marker = "marker"
)

// bites are what is seen from outside while a strike falls on the victim, and nothing else is.
var bites = map[Kind][]string{
	Kill:    {"n1 is another process"},
	Stop:    {"n1 is another process"},
	Wipe:    {"n1 is another process", "n1's disk is empty"},
	Roll:    {"n0 is another process", "n1 is another process", "n2 is another process"},
	Turn:    nil, // the leaders are other processes, see the test
	Pause:   {"n1 stands still"},
	Press:   {"n1 stands still", "n1 stands still for long"},
	Slow:    {"n1 stands still", "n1 stands still now and then"},
	Starve:  {"n1 is held back"},
	CutOff:  {"clients-n1", "n0-n1", "n1-clients", "n1-n0", "n1-n2", "n2-n1"},
	CutOut:  {"n1-clients", "n1-n0", "n1-n2"},
	CutIn:   {"clients-n1", "n0-n1", "n2-n1"},
	Split:   {"clients-n1", "n0-n1", "n0-n2", "clients-n2", "n1-clients", "n1-n0", "n2-clients", "n2-n0"},
	Flap:    {"clients-n1", "n0-n1", "n1-clients", "n1-n0", "n1-n2", "n2-n1", "what is cut changes again and again"},
	Deaf:    {"n1 is deaf"},
	Loss:    {"packets are dropped"},
	Corrupt: {"packets are changed"},
	Repeat:  {"packets are repeated"},
	Late:    {"packets are late"},
	Clock:   {"n1 is told another time", "n1 says that its clock was set"},
	Drift:   {"n1's clocks gain"},
	Full:    {"n1 is another process", "n1's disk is full", "n1 has no room for a promise", "six ways are cut"},
	Offload: {"n1's kernel path is switched"},
	Clients: {"clients are killed"},
}

// Every strike does what it is called after and nothing else, and when it is over the cluster comes to rest. Where there is none, nothing is seen.
func TestStrikesBite(t *testing.T) {
	if os.Getenv("ANODE_BPF_REQUIRED") != "1" {
		t.Skip("make bpf-test does it")
	}
	if err := bpf.Probe(); err != nil || os.Getuid() != 0 {
		t.Fatalf("as root: %v", err)
	}
	n := struckLab(t)
	if seen := n.watched(t, func(ctx context.Context) error { pause(ctx, time.Second); return nil }); len(seen) != 0 {
		t.Fatalf("in peace is seen: %q", seen)
	}
	for _, k := range Kinds() {
		s := Strike{Kind: k, For: 400 * time.Millisecond, Victim: Victim{Role: Any, Index: victim}, Degree: 0.9, Part: len(families) - 1}
		want := slices.Sorted(slices.Values(bites[k]))
		switch k {
		case Turn:
			want = n.otherLeaders(t)
		case Slow, Starve:
			s.Degree = 0
		case Flap:
			s.For = 1500 * time.Millisecond
		case Split:
			s.Part = 0b1001 // n0 and the clients are one side
		case Offload:
			s.Part = 0
		case Drift:
			s.Part = 2
		case Full:
			s.For = 1500 * time.Millisecond
		}
		seen := n.watched(t, func(ctx context.Context) error {
			done, err := n.carryOut(ctx, s)
			if !done && err == nil {
				err = fmt.Errorf("it is spared")
			}
			return err
		})
		if k == Full { // who leads, and is cut off, is chance
			ways := len(seen)
			seen = slices.DeleteFunc(seen, func(what string) bool { return strings.Contains(what, "-") })
			if ways-len(seen) == 6 {
				seen = append(seen, "six ways are cut")
			}
			slices.Sort(seen)
		}
		if !slices.Equal(seen, want) {
			t.Errorf("%s: what is seen is %q, and not %q", k, seen, want)
		}
		if err := n.heal(t.Context()); err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		if err := rest(t.Context(), n.lab); err != nil {
			t.Fatalf("%s: %v", k, err)
		}
	}
	if broken := n.failures(); len(broken) != 0 {
		t.Errorf("%q", broken)
	}
}

// struck is a nemesis that is looked at.
type struck struct {
	*nemesis
	killed bool

	mu    sync.Mutex
	seen  map[string]bool
	stood time.Time // since when the victim stands still
	halts int
	cuts  []string // that were seen last
	turns int
}

func struckLab(t *testing.T) *struck {
	t.Helper()
	dir, name := t.TempDir(), fmt.Sprintf("s%d", os.Getpid())
	program, err := lab.Build(t.Context(), dir, "torture")
	if err != nil {
		t.Fatal(err)
	}
	clocks := newClocks(filepath.Join(dir, "clocks"))
	if err := os.Mkdir(clocks.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	disks, err := makeDisks(name, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dropDisks(disks); err != nil {
			t.Error(err)
		}
	})
	l, err := lab.Up(t.Context(), lab.Config{Name: name, Replicas: 3, Shards: 2, Program: program, Owned: true, Offload: server.OffloadOn,
		DataDir: disks, Env: []string{clocksVariable + "=" + clocks.dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Down(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	s := &struck{}
	if s.nemesis, err = newNemesis(l, &Plan{Replicas: 3, Shards: 2, Way: KernelToggled}, clocks, t.Logf); err != nil {
		t.Fatal(err)
	}
	s.killClients = func() { s.killed = true }
	t.Cleanup(func() { _ = s.faults.Close() })
	return s
}

// watched looks while something is done, and tells what was seen.
func (s *struck) watched(t *testing.T, do func(context.Context) error) []string {
	t.Helper()
	s.seen, s.killed, s.halts, s.turns, s.cuts, s.stood = map[string]bool{}, false, 0, 0, nil, time.Time{}
	for i := range s.lab.Nodes() {
		if err := os.WriteFile(filepath.Join(s.lab.DataDir(i), marker), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before, nodes, log := s.packets(t), s.lab.Nodes(), len(s.log(t))
	unpromised := s.unpromised
	looking, stop := context.WithCancel(t.Context())
	var eyes sync.WaitGroup
	for every, look := range map[time.Duration]func(){3 * time.Millisecond: s.lookAtProcess, 15 * time.Millisecond: s.lookAtNetwork, 40 * time.Millisecond: s.lookAtKernelPath} {
		eyes.Go(func() {
			for ; looking.Err() == nil; pause(looking, every) {
				look()
			}
		})
	}
	if err := do(t.Context()); err != nil {
		t.Error(err)
	}
	pause(t.Context(), 200*time.Millisecond) // clocks are read now and then
	s.lookAtProcess()
	stop()
	eyes.Wait()
	for i, n := range s.lab.Nodes() {
		s.seen[n.Name+" is another process"] = *n.Process != *nodes[i].Process
	}
	after := s.packets(t)
	s.seen["packets are dropped"] = after.Dropped > before.Dropped
	s.seen["packets are changed"] = after.Corrupted > before.Corrupted
	s.seen["packets are repeated"] = after.Duplicated > before.Duplicated && after.Replayed > before.Replayed
	s.seen["packets are late"] = after.Delayed > before.Delayed
	s.seen["n1 says that its clock was set"] = strings.Contains(s.log(t)[log:], "the wall clock of this host was set")
	s.seen["n1 has no room for a promise"] = s.unpromised > unpromised
	s.seen["clients are killed"] = s.killed
	s.seen["n1 stands still now and then"] = s.halts > 3
	s.seen["what is cut changes again and again"] = s.turns > 3
	if _, err := os.Stat(filepath.Join(s.lab.DataDir(victim), marker)); os.IsNotExist(err) {
		s.seen["n1's disk is empty"] = true
	}
	maps.DeleteFunc(s.seen, func(_ string, seen bool) bool { return !seen })
	return slices.Sorted(maps.Keys(s.seen))
}

func (s *struck) packets(t *testing.T) lab.Count {
	t.Helper()
	n, err := s.faults.Count(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// otherLeaders is what is seen when all nodes that lead a group now are killed.
func (s *struck) otherLeaders(t *testing.T) (all []string) {
	nodes := look(t.Context(), s.lab)
	for g := range s.plan.Shards {
		all = append(all, fmt.Sprintf("n%d is another process", leaderOf(nodes, g)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *struck) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(s.lab.LogFile(victim))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s *struck) see(what string, seen bool) {
	if seen {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[what] = true
	}
}

func (s *struck) lookAtProcess() {
	pid := s.lab.Nodes()[victim].Process.PID
	read := func(format string, args ...any) string {
		b, _ := os.ReadFile(fmt.Sprintf(format, args...)) // a process that has gone tells nothing
		return string(b)
	}
	stat := read("/proc/%d/stat", pid)
	still := strings.HasPrefix(stat[strings.LastIndexByte(stat, ')')+1:], " T")
	s.see("n1 stands still", still)
	switch {
	case still && s.stood.IsZero():
		s.stood = time.Now()
		s.halts++
	case still:
		s.see("n1 stands still for long", time.Since(s.stood) > pressTime-100*time.Millisecond)
	default:
		s.stood = time.Time{}
	}
	s.see("n1 is held back", strings.Contains(read("/proc/%d/cgroup", pid), "/anode-lab-"))
	clock := read("%s/%d", s.clocks.dir, pid)
	s.see("n1 is told another time", clock != "" && !strings.Contains(clock, `"Wall":0,`))
	s.see("n1's clocks gain", clock != "" && !strings.Contains(clock, `"WallDrift":0,`))
	var disk unix.Statfs_t
	if unix.Statfs(s.lab.DataDir(victim), &disk) == nil {
		s.see("n1's disk is full", disk.Bavail == 0)
	}
}

// lookAtNetwork reads the rules of the bridge and of the victim's firewall. That they bite is tested where they are made.
func (s *struck) lookAtNetwork() {
	rules := func(member, table string) string {
		name := fmt.Sprintf("anode-lab-s%d-%s", os.Getpid(), member)
		out, _ := exec.Command("ip", append([]string{"netns", "exec", name, "nft", "list", "table"}, strings.Fields(table)...)...).Output() // there may be no such table
		return string(out)
	}
	var cuts []string
	for line := range strings.Lines(rules("hub", "bridge anode_lab")) {
		if f := strings.Split(line, `"`); len(f) == 5 && strings.Contains(line, "drop") {
			s.see(f[1]+"-"+f[3], true)
			cuts = append(cuts, line)
		}
	}
	slices.Sort(cuts)
	if !slices.Equal(cuts, s.cuts) {
		s.cuts = cuts
		s.turns++
	}
	s.see("n1 is deaf", strings.Contains(rules("n1", "inet anode_lab"), "drop"))
}

func (s *struck) lookAtKernelPath() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	status, err := s.lab.Status(ctx, victim)
	for i := 0; err == nil && i < len(status.Replicas); i++ {
		s.see("n1's kernel path is switched", status.Replicas[i].Offload.Wanted == "none")
	}
}
