package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/shard/server"
)

// Config says what is run.
type Config struct {
	Plan Plan
	For  time.Duration
	// Name is that of the lab; Program is the anode binary, Self the laboratory's.
	Name, Program, Self string
	// Folder takes what is left of a run that failed.
	Folder string
	// Env is added to the nodes' environment.
	Env []string
	// Log takes what happens.
	Log io.Writer
}

// run is a run that is under way.
type run struct {
	*Config
	lab     *lab.Lab
	nemesis *nemesis
	dir     string // of this run
	disks   string
	began   time.Time
	rounds  []Round
	lasts   []LastRound
	final   map[string]check.Value
	report  *Report

	judging sync.WaitGroup
	mu      sync.Mutex // guards what judges write into the report
}

// Run plays a plan on a new lab. An error means that it could not be played; whether the promises were kept stands in the report.
func Run(ctx context.Context, cfg Config) (_ *Report, err error) {
	r := &run{Config: &cfg, began: time.Now(), final: map[string]check.Value{}, report: &Report{Plan: cfg.Plan}}
	r.report.Faults = map[Kind]int{}
	if err := os.MkdirAll(cfg.Folder, 0o700); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp(cfg.Folder, fmt.Sprintf("seed-%d-", cfg.Plan.Seed)); err != nil {
		return nil, err
	}
	if err := r.up(ctx); err != nil {
		return nil, errors.Join(err, r.down(ctx), os.RemoveAll(r.dir))
	}
	err = r.play(ctx)
	r.judging.Wait()
	return r.conclude(ctx, err)
}

// up makes all that a run needs.
func (r *run) up(ctx context.Context) (err error) {
	if r.disks, err = makeDisks(r.Name, r.Plan.Replicas); err != nil {
		return err
	}
	clocks := newClocks(filepath.Join(r.dir, "clocks"))
	if err := os.Mkdir(clocks.dir, 0o700); err != nil {
		return err
	}
	if r.lab, err = lab.Up(ctx, r.labConfig(clocks.dir)); err != nil {
		return err
	}
	if r.nemesis, err = newNemesis(r.lab, &r.Plan, clocks, r.say); err != nil {
		return err
	}
	r.report.Limits = r.nemesis.limits
	return nil
}

// down takes it away, whole or as much of it as there is.
func (r *run) down(ctx context.Context) (err error) {
	if r.nemesis != nil {
		err = r.nemesis.faults.Close()
	}
	if r.lab != nil {
		err = errors.Join(err, lab.Down(context.WithoutCancel(ctx), r.Name))
	}
	if r.disks != "" {
		err = errors.Join(err, dropDisks(r.disks))
	}
	return err
}

func (r *run) labConfig(clocks string) lab.Config {
	c := lab.Config{Name: r.Name, Replicas: r.Plan.Replicas, Shards: r.Plan.Shards, Program: r.Program, Owned: true,
		BatchCommands: r.Plan.Batch, DataDir: r.disks, Env: append([]string{clocksVariable + "=" + clocks}, r.Env...),
		Offload: server.OffloadOn, Settings: map[string]string{"lease": r.Plan.Lease.String()}}
	if r.Plan.Way == KernelOff {
		c.Offload = server.OffloadOff
	}
	return c
}

// say tells what happens, with the time since the beginning.
func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.Log, "%7.2f  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// fail makes the run one that failed.
func (r *run) fail(why ...string) {
	for _, w := range why {
		r.say("FAILED: %s", w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.fail(why...)
}

func (r *run) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.report.Failures) > 0
}

// play plays rounds, one at least, as long as there is time for another and none fails.
func (r *run) play(ctx context.Context) error {
	r.say("%d replicas of %d shards, kernel path %s, leases of %v", r.Plan.Replicas, r.Plan.Shards, r.Plan.Way, r.Plan.Lease)
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { r.nemesis.watch(watch) })
	defer watching.Wait()
	defer stop()
	for number := 1; !r.failed(); number++ {
		round := r.Plan.Round(number)
		if number > 1 && time.Since(r.began)+round.Length > r.For {
			break
		}
		if err := r.round(ctx, round); err != nil {
			return err
		}
	}
	if r.failed() {
		return nil
	}
	return r.again(ctx)
}

// round plays one round.
func (r *run) round(ctx context.Context, round Round) error {
	r.rounds = append(r.rounds, round)
	r.say("round %d: %v of strikes %v under %v", round.Number, round.Length.Round(time.Millisecond), round.Kinds, round.Mix)
	dir := r.roundDir(round.Number)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	c := newCrew(r.lab, r.Self, &r.Plan, &round, dir)
	defer c.abandon()
	if err := c.start(ctx); err != nil {
		return err
	}
	r.nemesis.killClients = func() { c.killOne() }
	r.nemesis.play(ctx, &round)
	if err := r.nemesis.heal(ctx); err != nil {
		return err
	}
	pause(ctx, time.Second) // what has been healed works for a while
	tally, lasted, err := c.stop()
	if err != nil {
		r.fail(err.Error())
	}
	r.report.Tally.Add(tally)
	r.report.Rounds++
	r.report.ClientsKilled += c.killed
	r.say("round %d: %d committed, %d aborted, %d unknown", round.Number, tally.Committed, tally.Aborted, tally.Unknown)
	r.fail(r.nemesis.failures()...)
	if ctx.Err() != nil || r.failed() {
		return ctx.Err()
	}
	return r.settle(ctx, round, lasted)
}

func (r *run) roundDir(number int) string {
	return filepath.Join(r.dir, fmt.Sprintf("round-%03d", number))
}

// settle waits for rest, reads everything, and has it judged.
func (r *run) settle(ctx context.Context, round Round, lasted time.Duration) error {
	if err := rest(ctx, r.lab); err != nil {
		r.fail(err.Error())
		return ctx.Err()
	}
	last := LastRound{Number: round.Number, Lasted: lasted}
	final, err := r.readLast(ctx, r.roundDir(round.Number), last)
	if err != nil {
		r.fail(err.Error())
		return ctx.Err()
	}
	maps.Copy(r.final, final)
	r.lasts = append(r.lasts, last)
	r.judging.Wait() // at most one round is judged while another is played
	r.judging.Go(func() { r.judge(round.Number) })
	return nil
}

func (r *run) readLast(ctx context.Context, dir string, rounds ...LastRound) (final map[string]check.Value, err error) {
	p, err := launch(ctx, r.lab, r.Self, errand{Last: &lastSpec{Cluster: clusterOf(r.lab), Dir: dir, Rounds: rounds}})
	if err != nil {
		return nil, err
	}
	return final, p.finish(&final)
}

// judge judges a round, and keeps its history only if it is wrong.
func (r *run) judge(number int) {
	dir := r.roundDir(number)
	h, complaints, err := ReadJournals(dir)
	if err != nil {
		r.fail(err.Error())
		return
	}
	began := time.Now()
	j := Judge(number, h, complaints)
	r.say("round %d: %d transactions are judged in %v", number, j.Checked, time.Since(began).Round(time.Millisecond))
	r.mu.Lock()
	r.report.Checked, r.report.Operations, r.report.Anomalies = r.report.Checked+j.Checked, r.report.Operations+j.Operations, r.report.Anomalies+j.Anomalies()
	r.mu.Unlock()
	if j.OK() {
		if err := os.RemoveAll(dir); err != nil {
			r.fail(err.Error())
		}
		return
	}
	r.fail(j.String())
	if err := keepJudgement(dir, j, h); err != nil {
		r.fail(err.Error())
	}
}

// again reads the keys of all rounds once more: nobody has written them since their round.
func (r *run) again(ctx context.Context) error {
	dir := r.roundDir(0)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	now, err := r.readLast(ctx, dir, r.lasts...)
	if err != nil {
		r.fail(err.Error())
		return ctx.Err()
	}
	for _, key := range slices.Sorted(maps.Keys(r.final)) {
		if now[key] != r.final[key] {
			r.fail(fmt.Sprintf("key %q held %v at the end of its round, and holds %v at the end of the run", key, r.final[key], now[key]))
		}
	}
	r.say("%d keys of %d rounds hold at the end what they held then", len(r.final), len(r.lasts))
	return nil
}

// conclude takes a last look, takes the lab away, and keeps the folder of a run that failed.
func (r *run) conclude(ctx context.Context, err error) (*Report, error) {
	patient := context.WithoutCancel(ctx)
	if all, e := hashes(patient, r.lab); e == nil {
		r.fail(wrong(all)...)
		r.lookAt(all)
	} else if err == nil && !r.failed() {
		r.fail(e.Error())
	}
	r.report.Faults, r.report.Spared, r.report.Unpromised = r.nemesis.counts(), r.nemesis.spared, r.nemesis.unpromised
	r.nemesis.noteAll()
	r.report.Seconds = time.Since(r.began).Seconds()
	packets, e := r.nemesis.faults.Count(nil, nil, nil)
	r.report.Packets = Packets{packets.Dropped, packets.Corrupted, packets.Duplicated + packets.Replayed, packets.Delayed}
	err = errors.Join(err, e, r.keepLogs(), r.down(ctx))
	r.fail(r.nemesis.leftovers()...)
	if err != nil {
		return nil, fmt.Errorf("%w; what there is is in %s", err, r.dir)
	}
	r.report.OK = len(r.report.Failures) == 0 && r.report.Checked > 0
	if r.report.OK {
		return r.report, os.RemoveAll(r.dir)
	}
	r.report.Folder = r.dir
	return r.report, keepPlan(r.dir, &r.Plan, r.rounds)
}

// lookAt takes down what the nodes count.
func (r *run) lookAt(all []*server.NodeStatus) {
	views := map[int]uint64{}
	var fast, entries uint64
	for _, s := range all {
		for i := range s.Replicas {
			v := &s.Replicas[i]
			views[int(v.Group)] = max(views[int(v.Group)], v.View)
			fast, entries = fast+v.Offload.Fast, entries+v.Offload.Fast+v.Offload.Claimed+v.Offload.Plain
			if v.Leads {
				r.report.Settled += v.Transactions.SettledCommits + v.Transactions.SettledAborts
			}
		}
	}
	for _, v := range views {
		r.report.LeaderChanges += v
	}
	if entries > 0 {
		r.report.FastShare = float64(fast) / float64(entries)
	}
}

// keepLogs copies the nodes' logs, which the lab takes with it, into the folder.
func (r *run) keepLogs() (err error) {
	for i, n := range r.lab.Nodes() {
		b, e := os.ReadFile(r.lab.LogFile(i))
		err = errors.Join(err, e, os.WriteFile(filepath.Join(r.dir, n.Name+".log"), b, 0o600))
	}
	return err
}
