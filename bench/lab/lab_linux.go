package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anodekv/anode/shard/server"
)

const (
	port      = 7000
	adminPort = 7070
	// startTime is what a cluster has to be formed and to find its way into the kernel.
	startTime = 30 * time.Second
	maxShards = 64
	maxNodes  = 9
)

// Config says what is made.
type Config struct {
	// Name of the lab; several may stand side by side.
	Name string
	// Replicas is how many each shard has. Nodes is how many there are to place them on; 0 is as many as replicas, and
	// each node has one of every shard then.
	Replicas, Shards, Nodes int
	Offload                 server.OffloadMode
	// BatchCommands is how many commands share a log entry at most; 0 is as many as there is room for.
	BatchCommands int
	// Settings are more keys of the nodes' configuration file, with their values: "lease" with "0s" is without leases.
	Settings map[string]string
	// DataDir is where each node has its directory; empty is among the lab's files, which are in memory.
	DataDir string
	// Program is the path of the anode binary. The lab keeps a copy, so that nodes can be started again.
	Program string
	// Flags and Env are added to the command line and to the environment of the nodes' processes.
	Flags, Env []string
	// Here makes this process's own network namespace that of the clients. It must be one that nobody else uses, see
	// [Isolate].
	Here bool
	// Loopback puts all nodes and the clients into one namespace, on its loopback: nobody can be parted from anybody there.
	Loopback bool
	// Owned labs do not outlive this process for long: the next lab sweeps them away.
	Owned bool
}

// Lab is a cluster that runs. Its methods may be called by several goroutines.
type Lab struct {
	mu    sync.Mutex // guards the file, the processes in state, and cuts
	state *state
	cuts  map[cable]bool // by nft
}

// check tells what this process lacks.
func check(name string) error {
	if os.Geteuid() != 0 {
		return ErrPrivileges
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("%w: ip, of the package iproute2", ErrTool)
	}
	return checkName(name)
}

// Up makes a lab, and returns when its cluster serves and its nodes have found their way into the kernel, or none. What
// was made is taken away if it fails.
func Up(ctx context.Context, cfg Config) (*Lab, error) {
	if err := check(cfg.Name); err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := Sweep(ctx); err != nil {
		return nil, err
	}
	l := &Lab{state: &state{Config: cfg}}
	for i := range cfg.Nodes {
		l.state.Nodes = append(l.state.Nodes, Node{Name: fmt.Sprintf("n%d", i), IP: cfg.ip(i)})
	}
	if cfg.Owned {
		var err error
		if l.state.Owner, err = observe(os.Getpid()); err != nil {
			return nil, err
		}
	}
	if err := l.claim(); err != nil {
		return nil, err
	}
	if err := l.make(ctx); err != nil {
		return nil, errors.Join(err, Down(context.WithoutCancel(ctx), cfg.Name))
	}
	return l, nil
}

// check tells what is wrong, and fills in what is left open.
func (c *Config) check() error {
	if c.Nodes == 0 {
		c.Nodes = c.Replicas
	}
	switch {
	case c.Replicas != 3 && c.Replicas != 5 && c.Replicas != 7:
		return fmt.Errorf("%w: %d replicas: choose 3, 5 or 7", ErrConfig, c.Replicas)
	case c.Nodes < c.Replicas || c.Nodes > maxNodes:
		return fmt.Errorf("%w: %d nodes for %d replicas: choose as many or more, up to %d", ErrConfig, c.Nodes, c.Replicas, maxNodes)
	case c.Shards < 1 || c.Shards > maxShards:
		return fmt.Errorf("%w: %d shards: choose 1 to %d", ErrConfig, c.Shards, maxShards)
	case c.Here && c.Loopback:
		return fmt.Errorf("%w: the clients of a loopback live where its nodes do", ErrConfig)
	case c.Here && alone() != nil:
		return fmt.Errorf("%w: %w", ErrConfig, alone())
	}
	return nil
}

// claim makes the directory, which only one can.
func (l *Lab) claim() error {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(l.Dir(), 0o700); errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %s: take it down first, or choose another name", ErrExists, l.state.Config.Name)
	} else if err != nil {
		return err
	}
	return l.state.save()
}

func (l *Lab) make(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := l.state.wire(ctx); err != nil {
		return err
	}
	if err := l.writeKeys(); err != nil {
		return err
	}
	if err := l.copyProgram(); err != nil {
		return err
	}
	for i := range l.state.Nodes {
		if err := l.writeConfig(i); err != nil {
			return err
		}
		if err := l.Start(i); err != nil {
			return err
		}
	}
	return l.Await(ctx)
}

// Open finds a lab that was made by another process.
func Open(name string) (*Lab, error) {
	s, err := readState(name)
	if err != nil {
		return nil, err
	}
	return &Lab{state: s}, nil
}

// Dir holds the lab's files: configurations, logs, keys.
func (l *Lab) Dir() string { return dirOf(l.state.Config.Name) }

// Replicas and Shards are what was asked for.
func (l *Lab) Replicas() int { return l.state.Config.Replicas }

func (l *Lab) network() string {
	if l.state.Config.Loopback {
		return "loopback"
	}
	return "namespaces"
}

// Shards is the number of groups.
func (l *Lab) Shards() int { return l.state.Config.Shards }

// Nodes are the servers, with the processes that they have now.
func (l *Lab) Nodes() []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.state.Nodes)
}

// Servers are the addresses that clients are given.
func (l *Lab) Servers() []string {
	var all []string
	for _, n := range l.Nodes() {
		all = append(all, net.JoinHostPort(n.IP, fmt.Sprint(port)))
	}
	return all
}

// KeyFile holds the clients' key. Without keys the programs would take entries from anybody, and are not armed.
func (l *Lab) KeyFile() string { return filepath.Join(l.Dir(), "client-key") }

func (l *Lab) writeKeys() error {
	var k [32]byte
	if _, err := rand.Read(k[:]); err != nil {
		return err
	}
	client := fmt.Sprintf("client: %x\n", k[:16])
	if err := os.WriteFile(l.KeyFile(), []byte(client), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.Dir(), "keys"), fmt.Appendf(nil, "%sreplica: %x\n", client, k[16:]), 0o600)
}

// plainEnviron is the environment without what would change the nodes' configuration.
func plainEnviron() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ANODE_") {
			env = append(env, v)
		}
	}
	return env
}

// Command is a command that runs in the clients' namespace and knows the cluster.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.state.Config.space(Clients), name}, args...)...)
	cmd.Env = append(plainEnviron(), "ANODE_SERVERS="+strings.Join(l.Servers(), ","), "ANODE_KEY_FILE="+l.KeyFile())
	return cmd
}

// Build makes the anode binary of this source tree, with build tags. As its version it tells the commit, where there is a repository.
func Build(ctx context.Context, dir string, tags ...string) (program string, err error) {
	program = filepath.Join(dir, "anode")
	args := []string{"build", "-tags", strings.Join(tags, ","), "-o", program}
	if commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		args = append(args, "-ldflags", "-X main.version="+strings.TrimSpace(string(commit)))
	}
	out, err := exec.CommandContext(ctx, "go", append(args, "github.com/anodekv/anode/cmd/anode")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build anode for %s: %w: %s", runtime.GOARCH, err, out)
	}
	return program, nil
}
