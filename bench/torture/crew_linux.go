package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/anodekv/anode/bench/lab"
)

// ClientsCommand is the subcommand of the laboratory that [ServeClients] is.
const ClientsCommand = "torture-clients"

// errand is what a process of clients is started for: a load, or the last reads.
type errand struct {
	Load *LoadSpec `json:"load,omitempty"`
	Last *lastSpec `json:"last,omitempty"`
}

type lastSpec struct {
	Cluster Cluster     `json:"cluster"`
	Dir     string      `json:"dir"`
	Rounds  []LastRound `json:"rounds"`
}

// ServeClients is what a process among the clients does: it reads an errand, does it until its input ends, and writes what
// came out of it.
func ServeClients(ctx context.Context, in io.Reader, out io.Writer) error {
	var e errand
	d := json.NewDecoder(in)
	if err := d.Decode(&e); err != nil {
		return fmt.Errorf("what to do: %w", err)
	}
	var result any
	var err error
	switch {
	case e.Load != nil:
		run, stop := context.WithCancel(ctx)
		go func() {
			defer stop()
			_, _ = io.Copy(io.Discard, in) // whoever started this is gone, or wants it to end
		}()
		result, err = RunLoad(run, *e.Load)
	case e.Last != nil:
		result, err = ReadLast(ctx, e.Last.Cluster, e.Last.Dir, e.Last.Rounds...)
	default:
		err = errors.New("there is nothing to do")
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// crew is the clients of one round.
type crew struct {
	lab   *lab.Lab
	self  string
	round *Round
	plan  *Plan
	dir   string
	spec  LoadSpec

	mu       sync.Mutex
	began    time.Time
	steady   *process
	mortals  []*process
	started  int
	killed   int
	failures []string
	over     bool
}

// process is one of them.
type process struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out, err bytes.Buffer
}

func newCrew(l *lab.Lab, self string, p *Plan, r *Round, dir string) *crew {
	return &crew{lab: l, self: self, plan: p, round: r, dir: dir, began: time.Now(), spec: LoadSpec{
		Cluster: clusterOf(l), Dir: dir, Round: r.Number, Workers: r.Workers, Mix: r.Mix, Pause: r.Pause,
		Connections: 3, Doomed: r.Doomed, YCSB: r.YCSB,
	}}
}

func clusterOf(l *lab.Lab) Cluster { return Cluster{Servers: l.Servers(), KeyFile: l.KeyFile()} }

// mortalWorkers are the workers of a process that is killed.
const mortalWorkers = 3

// start starts the processes.
func (c *crew) start(ctx context.Context) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.steady, err = c.another(ctx, c.spec); err != nil {
		return err
	}
	return c.addMortal(ctx)
}

func (c *crew) addMortal(ctx context.Context) error {
	spec := c.spec
	spec.Workers, spec.Connections, spec.Doomed, spec.YCSB, spec.Mortal = mortalWorkers, 1, 0, 0, true
	p, err := c.another(ctx, spec)
	if err == nil {
		c.mortals = append(c.mortals, p)
	}
	return err
}

func (c *crew) another(ctx context.Context, spec LoadSpec) (*process, error) {
	c.started++
	spec.Process, spec.Seed = c.started, c.plan.LoadSeed(c.round.Number, c.started)
	return launch(ctx, c.lab, c.self, errand{Load: &spec})
}

// launch starts a process with an errand.
func launch(ctx context.Context, l *lab.Lab, self string, e errand) (*process, error) {
	p := &process{cmd: l.Command(ctx, self, ClientsCommand)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start clients: %w", err)
	}
	return p, json.NewEncoder(p.in).Encode(e)
}

// finish has a process end what it does, and reads what it says.
func (p *process) finish(into any) error {
	_ = p.in.Close() // it may be dead
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("clients: %w: %s", err, bytes.TrimSpace(p.err.Bytes()))
	}
	return json.Unmarshal(p.out.Bytes(), into)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead
	_ = p.in.Close()
	_ = p.cmd.Wait() // it was killed
}

// killOne kills a mortal process, and starts another.
func (c *crew) killOne() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || len(c.mortals) == 0 {
		return
	}
	victim := c.mortals[0]
	c.mortals = c.mortals[1:]
	victim.kill()
	c.killed++
	if err := c.addMortal(context.Background()); err != nil {
		c.failures = append(c.failures, err.Error())
	}
}

// stop has all end, and adds up what they did.
func (c *crew) stop() (t Tally, lasted time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	lasted = time.Since(c.began)
	for _, p := range append(c.mortals, c.steady) {
		if p == nil {
			continue
		}
		var some Tally
		if e := p.finish(&some); e != nil {
			err = errors.Join(err, e)
		}
		t.Add(some)
	}
	for _, f := range c.failures {
		err = errors.Join(err, errors.New(f))
	}
	return t, lasted, err
}

// abandon kills what is left.
func (c *crew) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	for _, p := range append(c.mortals, c.steady) {
		if p != nil {
			p.kill()
		}
	}
}
