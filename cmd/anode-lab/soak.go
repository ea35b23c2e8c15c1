package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/anodekv/anode/client"
)

const (
	soakNodes   = 3
	soakWorkers = 16
	// soakHeld is how many samples of a server are kept.
	soakHeld = 4096
	// soakAllowance is what a server may hold beyond twice the live data: the log, buffers, the runtime.
	soakAllowance = 64 << 20
	soakSample    = 10 * time.Second
	// soakShortest is how long it takes to tell growth from noise.
	soakShortest = soakLooks * soakSample
)

// soak overwrites keys for a long time and watches what the servers hold.
type soak struct {
	program          string
	length           time.Duration
	keys, valueBytes int
	rate             int
	port             int
	dir              string
	servers          []string
	processes        []*exec.Cmd
	writes           atomic.Int64
	// looks are what each server held, every so often.
	looks [soakNodes][]holding
	every int // samples between two looks that are kept
	seen  int
}

func soakCommand() *cobra.Command {
	s := &soak{}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Overwrite the same keys for a long time and watch what the servers hold",
		Long: `Start three nodes as processes on loopback, overwrite the same keys again and again, and look every 10 s at what each
server holds: resident memory, open files, goroutines, BPF maps. It fails if a server ever held more than twice the live data
plus 64 MB, by the highest figure that the kernel has noted of it, which misses nothing between two looks; and if in the last
quarter of the time a server held a tenth more of anything than in the second quarter, beside a little for noise.
It takes ` + soakShortest.String() + ` to tell growth from noise; a shorter soak judges the memory alone.`,
		Example: "  anode-lab soak --for 1h --keys 100000 --value-bytes 1000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.keys < 1 || s.valueBytes < 1 || s.rate < soakWorkers || s.length < soakSample {
				return fmt.Errorf("--keys and --value-bytes must be positive, --rate at least %d, --for at least %v", soakWorkers, soakSample)
			}
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.program, "program", "", "path of the anode binary; it is built from this tree if none is given")
	f.DurationVar(&s.length, "for", time.Minute, "how long to write")
	f.IntVar(&s.keys, "keys", 100_000, "number of keys, 16 bytes each")
	f.IntVar(&s.valueBytes, "value-bytes", 1000, "size of a value")
	f.IntVar(&s.rate, "rate", 3000, "writes per second")
	f.IntVar(&s.port, "port", 19600, "base port; the ports above it must be free on loopback")
	return cmd
}

func (s *soak) run(ctx context.Context) error {
	defer s.stop()
	if err := s.start(ctx); err != nil {
		return err
	}
	db, err := client.Open(ctx, client.Config{Servers: s.servers})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for first := range s.keys { // every key lives before memory is judged
		if first%64 != 0 {
			continue
		}
		if err := s.fill(ctx, db, first, min(first+64, s.keys)); err != nil {
			return err
		}
	}
	group, load := errgroup.WithContext(ctx)
	load, cancel := context.WithTimeout(load, s.length)
	defer cancel()
	for w := range soakWorkers {
		group.Go(func() error { return s.write(load, db, uint64(w)) })
	}
	group.Go(func() error { return s.watch(load) })
	return group.Wait()
}

func (s *soak) fill(ctx context.Context, db *client.Client, from, to int) error {
	var group errgroup.Group
	for i := from; i < to; i++ {
		group.Go(func() error { return db.Put(ctx, s.key(i), make([]byte, s.valueBytes)) })
	}
	return group.Wait()
}

func (s *soak) key(i int) string { return fmt.Sprintf("%016d", i) }

// write overwrites random keys at this worker's share of the rate.
func (s *soak) write(ctx context.Context, db *client.Client, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	value := make([]byte, s.valueBytes)
	pace := time.NewTicker(time.Second * soakWorkers / time.Duration(s.rate))
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		value[0]++
		if err := db.Put(context.WithoutCancel(ctx), s.key(r.IntN(s.keys)), value); err != nil {
			return err
		}
		s.writes.Add(1)
	}
}

// watch reads the servers' memory until the load ends.
func (s *soak) watch(ctx context.Context) error {
	live := int64(s.keys) * int64(16+s.valueBytes)
	limit := 2*live + soakAllowance
	var highest int64
	began := time.Now()
	tick := time.NewTicker(soakSample)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := s.grew(); err != nil {
				return err
			}
			fmt.Printf("%v, %d writes of %d keys: %d MB live, at most %d MB resident in a server, limit %d MB\n",
				time.Since(began).Round(time.Second), s.writes.Load(), s.keys, live>>20, highest>>20, limit>>20)
			return nil
		case <-tick.C:
		}
		now, most, err := s.resident()
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%6.0f s  %d writes, resident MB: %v, at most %v\n", time.Since(began).Seconds(), s.writes.Load(), now, most)
		if err := s.look(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		highest = max(highest, slices.Max(most)<<20)
		if highest > limit {
			return fmt.Errorf("a server held %d MB, more than twice the %d MB of live data plus 64", highest>>20, live>>20)
		}
	}
}

// look notes what each server holds.
func (s *soak) look(ctx context.Context) error {
	s.seen++
	if s.seen%max(s.every, 1) != 0 {
		return nil
	}
	for i, p := range s.processes {
		f, err := lookAt(ctx, p.Process.Pid, s.admin(i))
		if err != nil {
			return err
		}
		s.looks[i] = append(s.looks[i], f)
	}
	if len(s.looks[0]) >= soakHeld {
		for i := range s.looks {
			s.looks[i] = sparse(s.looks[i], soakHeld)
		}
		s.every = 2 * max(s.every, 1)
	}
	fmt.Fprintf(os.Stderr, "          server 0: %+v\n", s.looks[0][len(s.looks[0])-1])
	return nil
}

// grew judges what was noted, if the soak was long enough for it.
func (s *soak) grew() error {
	for i := range s.looks {
		if s.length <= soakShortest {
			return nil
		}
		if err := grown(s.looks[i]); err != nil {
			return fmt.Errorf("server %d: %w", i, err)
		}
	}
	return nil
}

// admin is where a server's admin endpoint is: at the ports above those of all servers.
func (s *soak) admin(i int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port+2*soakNodes+i))
}

// resident reads the resident memory of the servers as it is, and the highest that it ever was, in MB.
func (s *soak) resident() (now, most []int64, err error) {
	for _, p := range s.processes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
		if err != nil {
			return nil, nil, fmt.Errorf("a server has ended: %w", err)
		}
		for field, list := range map[string]*[]int64{"VmRSS:": &now, "VmHWM:": &most} {
			_, rest, _ := strings.Cut(string(status), field)
			words := strings.Fields(rest)
			if len(words) == 0 {
				return nil, nil, errors.New("a server has ended: it has no memory left")
			}
			kb, err := strconv.ParseInt(words[0], 10, 64)
			if err != nil {
				return nil, nil, err
			}
			*list = append(*list, kb>>10)
		}
	}
	return now, most, nil
}

func (s *soak) start(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "anode-soak-"); err != nil {
		return err
	}
	if s.program == "" {
		s.program = filepath.Join(s.dir, "anode")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.program, "github.com/anodekv/anode/cmd/anode").CombinedOutput(); err != nil {
			return fmt.Errorf("build anode: %w: %s", err, out)
		}
	}
	for i := range soakNodes {
		s.servers = append(s.servers, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port+2*i)))
		if err := s.startNode(i); err != nil {
			return err
		}
	}
	return nil
}

func (s *soak) startNode(i int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: 1\nnode: n%d\nadmin: %s\ndata-dir: %s\nshards: 1\nreplicas: %d\nnodes:\n", i, s.admin(i), filepath.Join(s.dir, strconv.Itoa(i)), soakNodes)
	for n := range soakNodes {
		fmt.Fprintf(&b, "  - {name: n%d, host: 127.0.0.1, port: %d}\n", n, s.port+2*n)
	}
	path := filepath.Join(s.dir, fmt.Sprintf("n%d.yaml", i))
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return err
	}
	p := exec.Command(s.program, "serve", "--config", path)
	p.SysProcAttr = mortal()
	log, err := os.Create(path + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	p.Stderr = log
	if err := p.Start(); err != nil {
		return fmt.Errorf("start a node: %w", err)
	}
	s.processes = append(s.processes, p)
	return nil
}

func (s *soak) stop() {
	for _, p := range s.processes {
		_ = p.Process.Signal(syscall.SIGTERM)
		_ = p.Wait()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
