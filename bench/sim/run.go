package sim

import (
	"fmt"
	"maps"
	"math/rand"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// Report tells what happened in one run.
type Report struct {
	Seed      int64
	Plan      Plan
	Simulated wire.Duration
	// Messages were sent; Lost of them never arrived, and Duplicated arrived twice.
	Messages, Lost, Duplicated uint64
	// Faults counts the nemesis' strikes by kind.
	Faults map[string]int
	// Operations counts transactions and single operations, by outcome.
	Committed, Aborted, Unknown int
	ViewChanges                 int
	// Situations counts what the run met that is worth meeting.
	Situations map[string]int
	// LongestDoubt is how long a transaction about which the participants had to ask each other stayed
	// prepared, of what one leader saw.
	LongestDoubt wire.Duration
	// Trace is a digest of every delivery: equal for equal seeds.
	Trace uint64
}

// Operations is the number of operations that clients finished.
func (r *Report) Operations() int { return r.Committed + r.Aborted + r.Unknown }

func (r *Report) count(o check.Outcome) {
	switch o {
	case check.Committed:
		r.Committed++
	case check.Aborted:
		r.Aborted++
	default:
		r.Unknown++
	}
}

// simulation is one run.
type simulation struct {
	w        *world
	c        *cluster
	clients  []*client
	nemesis  *nemesis
	history  check.History
	memory   memory
	report   Report
	cut      Cut
	stopping bool // clients begin nothing new
	// mortality is the share of the clients' commits that end with the client's death.
	mortality float64
	healed    bool
}

// Run plays one seed. The error says what went wrong; the report is complete as far as the run went.
func Run(seed int64) (Report, error) { return RunCut(seed, false, Cut{}) }

// guarded makes a panic the failure of its run: who plays thousands of seeds must learn which one it was.
func guarded(seed int64, play func() (Report, error)) (r Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = Report{Seed: seed}, fmt.Errorf("seed %d: panic: %v\n%s", seed, p, debug.Stack())
		}
	}()
	return play()
}

func (s *simulation) run() (Report, error) {
	return s.finish(s.play())
}

// finish completes the report of a run that ended so.
func (s *simulation) finish(err error) (Report, error) {
	s.report.Simulated = wire.Duration(s.w.now)
	s.report.Messages, s.report.Lost, s.report.Duplicated = s.c.net.sent, s.c.net.lost, s.c.net.dup
	s.report.Faults = s.nemesis.count
	s.c.tallySettled()
	s.c.tallyKernels()
	s.report.Situations, s.report.LongestDoubt = s.c.situations, s.c.longestDoubt
	for _, v := range s.c.views {
		s.report.ViewChanges += int(v - v.Epoch().First())
	}
	s.report.Trace = s.w.trace.Sum64()
	if err != nil {
		return s.report, fmt.Errorf("seed %d: %w", s.report.Seed, err)
	}
	return s.report, nil
}

func newSimulation(seed int64) *simulation { return newCutSimulation(seed, false, Cut{}) }

func newCutSimulation(seed int64, swarm bool, cut Cut) *simulation {
	w := newWorld(seed)
	plan := drawPlan(w.rand)
	plan.drawLeases(seed)
	plan.drawKernel(seed)
	if swarm {
		plan.drawSizes(seed)
	}
	cut.plan(&plan)
	s := &simulation{w: w, c: newCluster(w, plan), cut: cut, mortality: deathShare, report: Report{Seed: seed, Plan: plan}}
	s.c.giveKernels(seed)
	s.memory.seen = map[txn.Timestamp]string{}
	for i := range plan.Clients {
		s.clients = append(s.clients, newClient(s, i))
	}
	s.nemesis = &nemesis{c: s.c, hosts: plan.Hosts + plan.Clients, count: map[string]int{}, mix: faults, cut: cut}
	if swarm {
		s.nemesis.draw(rand.New(rand.NewSource(seed ^ swarmSource)))
	}
	return s
}

func (s *simulation) play() error {
	for _, c := range s.clients {
		s.w.after(s.w.between(0, 20*wire.Millisecond), c.next)
	}
	s.nemesis.start()
	met := s.w.run(wire.Time(20*s.plan().Faults), func() bool {
		enough := s.report.Operations() >= minOperations && s.nemesis.total() >= minStrikes
		return s.w.now >= wire.Time(s.plan().Faults) && (enough || s.cut.some())
	})
	if !met && s.w.failed == nil {
		return fmt.Errorf("too little happens: %d operations and %d faults in %d s", s.report.Operations(), s.nemesis.total(), s.w.now/wire.Time(wire.Second))
	}
	s.nemesis.heal()
	s.c.calmKernels()
	s.healed, s.stopping = true, true
	s.c.expectNoDoubt()
	if !s.w.run(s.w.now.Add(healing), s.quiet) && s.w.failed == nil {
		return fmt.Errorf("no rest %d s after all faults were healed: %s", healing/wire.Second, s.unrest())
	}
	if s.w.failed != nil {
		return s.w.failed
	}
	if err := s.goOn(); err != nil {
		return err
	}
	if what := s.c.contradictions(); what != "" {
		return fmt.Errorf("%s", what)
	}
	return s.judge()
}

func (s *simulation) plan() Plan { return s.c.plan }

// quiet reports whether everything has come to rest.
func (s *simulation) quiet() bool { return s.unrest() == "" }

// unrest says what has not come to rest yet.
func (s *simulation) unrest() string {
	for _, c := range s.clients {
		if c.busy || c.coord.Unfinished() > 0 {
			return fmt.Sprintf("client %d: busy %v, %d transactions unfinished", c.id, c.busy, c.coord.Unfinished())
		}
	}
	if what, rest := s.c.atRest(); !rest {
		return what
	}
	for _, group := range s.c.groups {
		hash := group[0].engine.Hash()
		for _, seat := range group {
			if n := len(seat.engine.Participant().Prepared()); n > 0 {
				return fmt.Sprintf("%v holds %d prepared transactions", seat, n)
			}
			if seat.engine.Hash() != hash {
				return fmt.Sprintf("%v differs from its group at rest", seat)
			}
		}
	}
	return ""
}

// held is what the lists hold, those that nobody ever appended to included.
func (s *simulation) held(final map[string]check.Value) map[string]check.Value {
	all := map[string]check.Value{}
	for i := range s.plan().Lists {
		all[list(i)] = final[list(i)]
	}
	return all
}

// judge reads everything once more and checks the whole history.
func (s *simulation) judge() error {
	var final map[string]check.Value
	s.clients[0].readAll(func(v map[string]check.Value) { final = v })
	if !s.w.run(s.w.now.Add(healing), func() bool { return final != nil && !s.clients[0].busy }) {
		if s.w.failed != nil {
			return s.w.failed
		}
		return fmt.Errorf("the last read was not answered")
	}
	keys := make([]string, s.plan().Accounts)
	for i := range keys {
		keys[i] = account(i)
	}
	verdicts := map[string]check.Verdict{
		"registers":    check.Registers(s.history),
		"transactions": check.Transactions(s.history),
		"lists":        check.ExactlyOnce(s.history, s.held(final)),
		"bank":         check.Bank(s.history, check.Accounts{Keys: keys, Total: int64(s.plan().Accounts) * opening, Balance: parseBalance}),
	}
	for i := range counters {
		verdicts[counter(i)] = check.Counter(s.history, counter(i), final[counter(i)])
	}
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		v := verdicts[name]
		if none := s.cut.some() && v.Checked == 0; !v.OK && !none { // little happens in little time
			bad = append(bad, name+": "+v.String())
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("the history is wrong: %s", strings.Join(bad, "\n"))
	}
	return nil
}
