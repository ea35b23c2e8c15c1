package paxos

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/anodekv/anode/paxos/wire"
)

// The stories in testdata are told in these commands. A replica is its number, R; a link is "R->R",
// where * stands for any.
//
//	group N [batch=bytes] [window=ops] [burst=entries] [keep=entries] [lease=ms] [drift=ppm] [cold|new]
//	                          N replicas; 0 serves; or not yet; or with new disks
//	propose R command...      put commands to a replica, one call each, and take what is Ready once
//	read R ticket
//	deliver [LINK] [KIND] [op=N] [first] [copy] [backwards]     hand over what is under way and fits
//	drop [same]               lose it
//	hold [same]               keep it back from deliver, stabilize and run
//	release [same]            put it back under way
//	stabilize                 deliver until nothing is under way
//	tick [R] [for=ms]         let time pass; R alone, or all, look at the clock once, at the end
//	run for=ms                let time pass and deliver everything, every 5 ms
//	crash R / restart R       take the log and all else but the disk / start again, without memory
//	wipe R / accept-loss R    take the disk, too / tell the operator's decision to R
//	cut LINK / heal           packets on the link are lost when they should arrive / no link is cut
//	partition R R             cut these off from the others, both ways
//	fast R / slow R           the fast path takes Accepts at R / passes everything on
//	hold-drain R / drain R    keep back the drain after a fence / do it
//	lease R ms                R starts the next time with leases of this length
//	clock R too-fast=n / too-slow=n   the clock of R counts n thousandths too many or too few from now on
//	state / log R / pool / ignored R
//
// deliver and its like print each frame and, indented, what came of it. stabilize and run print only what
// the replicas did. The word quiet after any of them prints nothing.
func TestStories(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { tellStory(t, path) })
	}
}

func tellStory(t testing.TB, path string) {
	s := &story{}
	datadriven.RunTestAny(t, path, func(t testing.TB, d *datadriven.TestData) string {
		out := s.do(t, d)
		if s.group != nil && s.auditor.err != nil {
			t.Fatalf("%s: %s: %v", d.Pos, d.Cmd, s.auditor.err)
		}
		return out
	})
}

// story is a group whose network stands still until it is told to move.
type story struct {
	*group
	pool, held []packet
	cuts       map[[2]ReplicaID]bool
	out        strings.Builder
	indent     string
}

var storyCommands = map[string]func(*story, *arguments){
	"group": (*story).begin, "propose": (*story).propose, "read": (*story).read,
	"deliver": (*story).deliver, "drop": (*story).drop, "hold": (*story).hold, "release": (*story).release,
	"stabilize": (*story).stabilize, "tick": (*story).tick, "run": (*story).run,
	"crash": (*story).crash, "restart": (*story).restart, "wipe": (*story).wipe, "accept-loss": (*story).acceptLoss,
	"cut": (*story).cut, "heal": (*story).heal, "partition": (*story).partition,
	"fast": (*story).fast, "slow": (*story).slow, "hold-drain": (*story).holdDrain, "drain": (*story).drain,
	"lease": (*story).setLease, "clock": (*story).setClock,
	"state": (*story).state, "log": (*story).log, "pool": (*story).listPool, "ignored": (*story).ignoredAt,
}

func (s *story) do(t testing.TB, d *datadriven.TestData) string {
	command, ok := storyCommands[d.Cmd]
	if !ok {
		t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
	}
	a := &arguments{t: t, d: d}
	s.out.Reset()
	s.indent = ""
	command(s, a)
	a.finish()
	if s.out.Len() == 0 || d.HasArg("quiet") {
		return "ok"
	}
	return s.out.String()
}

func (s *story) printf(format string, args ...any) {
	fmt.Fprintf(&s.out, s.indent+format+"\n", args...)
}

func (s *story) begin(a *arguments) {
	limits := DefaultLimits()
	limits.BatchBytes = a.number("batch", limits.BatchBytes)
	limits.BatchCommands = a.number("batch-commands", limits.BatchCommands)
	limits.Window = a.number("window", limits.Window)
	limits.Burst = a.number("burst", limits.Burst)
	limits.KeepEntries = a.number("keep", limits.KeepEntries)
	timing := DefaultTiming()
	timing.Lease = Duration(a.number("lease", 0)) * wire.Millisecond
	timing.DriftPPM = a.number("drift", timing.DriftPPM)
	n := int(a.replica())
	s.group = newGroup(n, 1, timing, limits)
	s.carry = func(p packet) { s.pool = append(s.pool, p) }
	s.pool, s.held, s.cuts = nil, nil, map[[2]ReplicaID]bool{}
	switch {
	case a.flag("new"):
		s.group.tell = s.printf
		s.loud(s.startAll)
		return
	case a.flag("cold"):
		s.startFormed()
	default:
		s.startFormed()
		s.runFor(20 * wire.Millisecond)
	}
	s.group.tell = s.printf
}

// loud prints the frames that are sent while f runs.
func (s *story) loud(f func()) {
	s.tellSent = s.printf
	f()
	s.tellSent = nil
}

func (s *story) propose(a *arguments) {
	h := s.host(a)
	for _, c := range a.rest() {
		if err := s.group.propose(h, c); err != nil {
			s.printf("%v", err)
		}
	}
	s.loud(func() { s.carryOut(h) })
}

func (s *story) read(a *arguments) {
	h := s.host(a)
	if err := s.group.read(h, uint64(a.replica())); err != nil {
		s.printf("%v", err)
	}
	s.loud(func() { s.carryOut(h) })
}

func (s *story) deliver(a *arguments) {
	copies := a.flag("copy")
	backwards := a.flag("backwards")
	chosen := s.pick(a, &s.pool)
	if copies {
		s.pool = append(s.pool, chosen...)
	}
	if backwards {
		slices.Reverse(chosen)
	}
	s.loud(func() {
		for _, p := range chosen {
			s.hand(p)
		}
	})
}

// hand delivers one packet and prints, indented, what comes of it.
func (s *story) hand(p packet) {
	if s.tellSent != nil {
		s.printf("%s%s", describe(p.from, p.to, &p.frame), s.fate(p))
		s.indent = "  "
		defer func() { s.indent = "" }()
	}
	if s.fate(p) == "" {
		s.group.deliver(p)
	}
}

// fate says why a packet will not arrive.
func (s *story) fate(p packet) string {
	switch {
	case s.cuts[[2]ReplicaID{p.from, p.to}]:
		return ", lost on the link"
	case s.hosts[p.to].core == nil:
		return ", nobody there"
	}
	return ""
}

func (s *story) drop(a *arguments) {
	for _, p := range s.pick(a, &s.pool) {
		s.printf("%s, lost", describe(p.from, p.to, &p.frame))
	}
}

func (s *story) hold(a *arguments) {
	for _, p := range s.pick(a, &s.pool) {
		s.printf("%s, held back", describe(p.from, p.to, &p.frame))
		s.held = append(s.held, p)
	}
}

func (s *story) release(a *arguments) {
	for _, p := range s.pick(a, &s.held) {
		s.printf("%s, under way again", describe(p.from, p.to, &p.frame))
		s.pool = append(s.pool, p)
	}
}

func (s *story) stabilize(*arguments) { s.settle() }

// settleLimit is far above what any story needs; it ends a storm of messages that feeds itself.
const settleLimit = 10000

func (s *story) settle() {
	for range settleLimit {
		if len(s.pool) == 0 {
			return
		}
		p := s.pool[0]
		s.pool = s.pool[1:]
		s.hand(p)
	}
	s.auditor.demand(false, "the messages of the group do not come to an end")
}

func (s *story) tick(a *arguments) {
	who := a.replicas()
	s.now = s.now.Add(Duration(a.number("for", 0)) * wire.Millisecond)
	s.loud(func() {
		for _, h := range s.hosts {
			if len(who) == 0 || slices.Contains(who, h.id) {
				s.group.tick(h)
			}
		}
	})
}

func (s *story) run(a *arguments) { s.runFor(Duration(a.number("for", 0)) * wire.Millisecond) }

func (s *story) runFor(d Duration) {
	const step = 5 * wire.Millisecond
	for end := s.now.Add(d); s.now < end; {
		s.now = s.now.Add(step)
		for _, h := range s.hosts {
			s.group.tick(h)
		}
		s.settle()
	}
}

func (s *story) crash(a *arguments) { s.group.crash(s.host(a)) }

func (s *story) restart(a *arguments) {
	h := s.host(a)
	s.loud(func() { s.start(h) })
}

func (s *story) cut(a *arguments) {
	from, to := a.link()
	s.cutAll(from, to)
}

func (s *story) cutAll(from, to []ReplicaID) {
	for _, x := range from {
		for _, y := range to {
			s.cuts[[2]ReplicaID{x, y}] = true
		}
	}
}

func (s *story) heal(*arguments) { clear(s.cuts) }

func (s *story) partition(a *arguments) {
	inside := a.replicas()
	var outside []ReplicaID
	for _, h := range s.hosts {
		if !slices.Contains(inside, h.id) {
			outside = append(outside, h.id)
		}
	}
	s.cutAll(inside, outside)
	s.cutAll(outside, inside)
}

func (s *story) fast(a *arguments) { s.host(a).fast.willing = func() bool { return true } }
func (s *story) slow(a *arguments) { s.host(a).fast.willing = nil }

func (s *story) holdDrain(a *arguments) { s.host(a).fast.held = true }

func (s *story) drain(a *arguments) {
	h := s.host(a)
	h.fast.held = false
	s.loud(func() {
		if h.fast.awaited {
			s.finishFence(h)
		} else {
			s.group.drain(h)
		}
		s.carryOut(h)
	})
}

func (s *story) state(*arguments) {
	for _, h := range s.hosts {
		s.printf("%s", h.standing())
	}
}

func (s *story) log(a *arguments) {
	h := s.host(a)
	state := h.core.State()
	for op := state.Base + 1; op <= state.Last; op++ {
		mark := ""
		if op <= state.Chosen {
			mark = " chosen"
		}
		s.printf("%d %s%s", opName(op), commands(h.core.Body(op)), mark)
	}
}

func (s *story) listPool(*arguments) {
	for _, p := range s.pool {
		s.printf("%s", describe(p.from, p.to, &p.frame))
	}
	for _, p := range s.held {
		s.printf("%s, held back", describe(p.from, p.to, &p.frame))
	}
}

func (s *story) ignoredAt(a *arguments) {
	for reason, n := range s.host(a).core.Ignored() {
		if n > 0 {
			s.printf("%v: %d", Reason(reason), n)
		}
	}
}

func (s *story) host(a *arguments) *host {
	id := a.replica()
	if int(id) >= s.n {
		a.t.Fatalf("%s: no replica %d", a.d.Pos, id)
	}
	return s.hosts[id]
}

// pick takes the packets that fit out of a pool.
func (s *story) pick(a *arguments, pool *[]packet) (picked []packet) {
	from, to := a.link()
	op, first := a.number("op", -1), a.flag("first")
	kinds := a.rest()
	keep := (*pool)[:0:0]
	for _, p := range *pool {
		fits := slices.Contains(from, p.from) && slices.Contains(to, p.to) &&
			(op < 0 || p.frame.Op == Op(op)) && !(first && len(picked) > 0) &&
			(len(kinds) == 0 || slices.Contains(kinds, p.frame.Kind.String()))
		if fits {
			picked = append(picked, p)
		} else {
			keep = append(keep, p)
		}
	}
	*pool = keep
	return picked
}

// arguments takes the arguments of a command one by one; what is left over is a mistake.
type arguments struct {
	t    testing.TB
	d    *datadriven.TestData
	used [64]bool
}

func (a *arguments) finish() {
	for i, arg := range a.d.CmdArgs {
		if !a.used[i] && arg.Key != "quiet" {
			a.t.Fatalf("%s: %s does not know %q", a.d.Pos, a.d.Cmd, arg.Key)
		}
	}
}

// take returns the first unused argument that fits.
func (a *arguments) take(fits func(datadriven.CmdArg) bool) (datadriven.CmdArg, bool) {
	for i, arg := range a.d.CmdArgs {
		if !a.used[i] && fits(arg) {
			a.used[i] = true
			return arg, true
		}
	}
	return datadriven.CmdArg{}, false
}

func (a *arguments) flag(name string) bool {
	_, ok := a.take(func(c datadriven.CmdArg) bool { return c.Key == name && len(c.Vals) == 0 })
	return ok
}

func (a *arguments) number(name string, otherwise int) int {
	c, ok := a.take(func(c datadriven.CmdArg) bool { return c.Key == name && len(c.Vals) == 1 })
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(c.Vals[0])
	if err != nil {
		a.t.Fatalf("%s: %v", a.d.Pos, err)
	}
	return n
}

func isNumber(c datadriven.CmdArg) bool {
	_, err := strconv.Atoi(c.Key)
	return err == nil && len(c.Vals) == 0
}

func (a *arguments) replica() ReplicaID {
	c, ok := a.take(isNumber)
	if !ok {
		a.t.Fatalf("%s: %s wants a number", a.d.Pos, a.d.Cmd)
	}
	n, _ := strconv.Atoi(c.Key)
	return ReplicaID(n)
}

func (a *arguments) replicas() (all []ReplicaID) {
	for {
		c, ok := a.take(isNumber)
		if !ok {
			return all
		}
		n, _ := strconv.Atoi(c.Key)
		all = append(all, ReplicaID(n))
	}
}

// link reads "R->R"; without one, every link is meant.
func (a *arguments) link() (from, to []ReplicaID) {
	c, ok := a.take(func(c datadriven.CmdArg) bool { return strings.Contains(c.Key, "->") })
	if !ok {
		c.Key = "*->*"
	}
	x, y, _ := strings.Cut(c.Key, "->")
	return a.ends(x), a.ends(y)
}

func (a *arguments) ends(s string) []ReplicaID {
	if s != "*" {
		n, err := strconv.Atoi(s)
		if err != nil {
			a.t.Fatalf("%s: a link is written R->R: %v", a.d.Pos, err)
		}
		return []ReplicaID{ReplicaID(n)}
	}
	all := make([]ReplicaID, wire.MaxReplicas)
	for i := range all {
		all[i] = ReplicaID(i)
	}
	return all
}

// rest returns the words that are left.
func (a *arguments) rest() (words []string) {
	for {
		c, ok := a.take(func(c datadriven.CmdArg) bool { return len(c.Vals) == 0 && c.Key != "quiet" })
		if !ok {
			return words
		}
		words = append(words, c.Key)
	}
}
