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
	"strings"
	"syscall"
	"time"

	"github.com/anodekv/anode/shard/server"
)

const (
	port      = 7000
	adminPort = 7070
	// startTime is what a cluster has to be formed and to find its way into the kernel.
	startTime = 30 * time.Second
	maxShards = 64
)

// Config says what is made.
type Config struct {
	// Name of the lab; several may stand side by side.
	Name string
	// Replicas is the number of nodes: each has a replica of every shard.
	Replicas, Shards int
	Offload          server.OffloadMode
	// BatchCommands is how many commands share a log entry at most; 0 is as many as there is room for.
	BatchCommands int
	// Program is the path of the anode binary.
	Program string
	// Owned labs do not outlive this process for long: the next lab sweeps them away.
	Owned bool
}

// Lab is a cluster that runs.
type Lab struct{ state *state }

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
	switch {
	case cfg.Replicas != 3 && cfg.Replicas != 5 && cfg.Replicas != 7:
		return nil, fmt.Errorf("%w: %d replicas: choose 3, 5 or 7", ErrConfig, cfg.Replicas)
	case cfg.Shards < 1 || cfg.Shards > maxShards:
		return nil, fmt.Errorf("%w: %d shards: choose 1 to %d", ErrConfig, cfg.Shards, maxShards)
	}
	if err := Sweep(ctx); err != nil {
		return nil, err
	}
	l := &Lab{&state{Name: cfg.Name, Replicas: cfg.Replicas, Shards: cfg.Shards}}
	for i := range cfg.Replicas {
		l.state.Nodes = append(l.state.Nodes, Node{Name: fmt.Sprintf("n%d", i), IP: nodeIP(i)})
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
	if err := l.make(ctx, &cfg); err != nil {
		return nil, errors.Join(err, Down(context.WithoutCancel(ctx), cfg.Name))
	}
	return l, nil
}

// claim makes the directory, which only one can.
func (l *Lab) claim() error {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(l.Dir(), 0o700); errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %s: take it down first, or choose another name", ErrExists, l.state.Name)
	} else if err != nil {
		return err
	}
	return l.state.save()
}

func (l *Lab) make(ctx context.Context, cfg *Config) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := l.state.wire(ctx); err != nil {
		return err
	}
	if err := l.writeKeys(); err != nil {
		return err
	}
	for i := range l.state.Nodes {
		if err := l.startNode(i, cfg); err != nil {
			return err
		}
	}
	return l.await(ctx)
}

// Open finds a lab that was made by another process.
func Open(name string) (*Lab, error) {
	s, err := readState(name)
	if err != nil {
		return nil, err
	}
	return &Lab{s}, nil
}

// Dir holds the lab's files: configurations, logs, keys.
func (l *Lab) Dir() string { return dirOf(l.state.Name) }

// Replicas and Shards are what was asked for.
func (l *Lab) Replicas() int { return l.state.Replicas }

// Shards is the number of groups.
func (l *Lab) Shards() int { return l.state.Shards }

// Nodes are the servers.
func (l *Lab) Nodes() []Node { return l.state.Nodes }

// Servers are the addresses that clients are given.
func (l *Lab) Servers() []string {
	var all []string
	for _, n := range l.state.Nodes {
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

func (l *Lab) startNode(i int, cfg *Config) error {
	n := &l.state.Nodes[i]
	path := filepath.Join(l.Dir(), n.Name)
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: 1\nnode: %s\nadmin: %s:%d\ndata-dir: %s\nkey-file: %s\nshards: %d\nreplicas: %d\noffload: %v\nbatch-commands: %d\nnodes:\n",
		n.Name, n.IP, adminPort, path, filepath.Join(l.Dir(), "keys"), cfg.Shards, cfg.Replicas, cfg.Offload, cfg.BatchCommands)
	for _, other := range l.state.Nodes {
		fmt.Fprintf(&b, "  - {name: %s, host: %s, port: %d}\n", other.Name, other.IP, port)
	}
	if err := os.WriteFile(path+".yaml", []byte(b.String()), 0o600); err != nil {
		return err
	}
	log, err := os.Create(path + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	// ip replaces itself by the program: the process is the node.
	cmd := exec.Command("ip", "netns", "exec", namespace(l.state.Name, n.Name), cfg.Program, "serve", "--config", path+".yaml")
	cmd.Env = plainEnviron()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what stops the shell's job does not stop it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start node %s: %w", n.Name, err)
	}
	go func() { _ = cmd.Wait() }() // nobody else would learn that it has ended
	if n.Process, err = observe(cmd.Process.Pid); err != nil {
		return fmt.Errorf("node %s has ended at once: %w", n.Name, err)
	}
	return l.state.save()
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
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", namespace(l.state.Name, clientNamespace), name}, args...)...)
	cmd.Env = append(plainEnviron(), "ANODE_SERVERS="+strings.Join(l.Servers(), ","), "ANODE_KEY_FILE="+l.KeyFile())
	return cmd
}

// Build makes the anode binary of this source tree.
func Build(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "anode")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/anodekv/anode/cmd/anode").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build anode for %s: %w: %s", runtime.GOARCH, err, out)
	}
	return program, nil
}
