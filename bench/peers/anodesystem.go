package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/runner"
	anode "github.com/anodekv/anode/client"
)

const (
	anodeNodes = 3
	// anodeStartTimeout covers the formation of the groups, and the first build of the program.
	anodeStartTimeout = 2 * time.Minute
	// anodePort and the ports above it must be free on loopback, unless an option says otherwise.
	anodePort = 18100
)

type anodeOptions struct {
	shards  int
	program string // path of the anode binary; empty builds it from this tree
	clients int    // SDK clients that all clients of the load share; 0 gives each its own
	extra   []string
	port    int // of the first node; 0 is anodePort
}

// anodeSystem is anode in three processes of its own binary, each with a configuration file and a data
// directory, driven through the SDK.
type anodeSystem struct {
	anodeOptions
	dir    string
	nodes  []*process
	shared []*anode.Client
	taken  int
}

func newAnodeSystem(o anodeOptions) *anodeSystem { return &anodeSystem{anodeOptions: o} }

func (s *anodeSystem) Name() string { return "anode" }

func (s *anodeSystem) Start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, anodeStartTimeout)
	defer cancel()
	if s.dir, err = os.MkdirTemp(memoryDir(), "anode-peers-"); err != nil {
		return err
	}
	if err := s.portsAreFree(); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	for i := range anodeNodes {
		if err := s.startNode(i); err != nil {
			return err
		}
	}
	for range max(s.clients, 1) {
		c, err := s.open(ctx)
		if err != nil {
			return err
		}
		s.shared = append(s.shared, c)
	}
	return s.awaitService(ctx)
}

// build makes the product's own binary, with the product's own go.mod.
func (s *anodeSystem) build(ctx context.Context) error {
	if s.program != "" {
		return nil
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/anodekv/anode").Output()
	if err != nil {
		return fmt.Errorf("find anode's source: %w; run this in its module, or give --anode-program", err)
	}
	s.program = filepath.Join(s.dir, "anode")
	out, err := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(root)), "-o", s.program, "./cmd/anode").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build anode: %w: %s", err, out)
	}
	return nil
}

// memoryDir is a directory in memory, if there is one: data on disk is not what is compared.
func memoryDir() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return ""
}

func (s *anodeSystem) startNode(i int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: 1\nnode: n%d\nadmin: off\ndata-dir: %s\nshards: %d\nreplicas: %d\nnodes:\n",
		i, filepath.Join(s.dir, strconv.Itoa(i)), s.shards, anodeNodes)
	for n := range anodeNodes {
		fmt.Fprintf(&b, "  - {name: n%d, host: 127.0.0.1, port: %d}\n", n, s.portOf(n))
	}
	for _, line := range s.extra {
		fmt.Fprintln(&b, line)
	}
	path := filepath.Join(s.dir, fmt.Sprintf("n%d.yaml", i))
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return err
	}
	p, err := startProcess("anode node "+strconv.Itoa(i), s.program, "serve", "--config", path)
	if err != nil {
		return err
	}
	s.nodes = append(s.nodes, p)
	return nil
}

func (s *anodeSystem) portOf(node int) int { return cmp.Or(s.port, anodePort) + node*(s.shards+1) }

// portsAreFree tells of a port that somebody has: our node there would end, and its clients would measure whoever answers.
func (s *anodeSystem) portsAreFree() error {
	for port := s.portOf(0); port < s.portOf(anodeNodes); port++ {
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return fmt.Errorf("a port of anode's nodes is not free; does another comparison run? %w", err)
		}
		_ = socket.Close()
	}
	return nil
}

func (s *anodeSystem) open(ctx context.Context) (*anode.Client, error) {
	var servers []string
	for n := range anodeNodes {
		servers = append(servers, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.portOf(n))))
	}
	return anode.Open(ctx, anode.Config{Servers: servers})
}

// awaitService returns when every shard takes writes.
func (s *anodeSystem) awaitService(ctx context.Context) error {
	for i := range 8 * s.shards {
		if err := s.shared[0].Put(ctx, "ready/"+strconv.Itoa(i), nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *anodeSystem) Client(ctx context.Context) (client, error) {
	if s.clients == 0 {
		c, err := s.open(ctx)
		return &anodeClient{runner.Anode{DB: c}, true}, err
	}
	s.taken++
	return &anodeClient{runner.Anode{DB: s.shared[s.taken%len(s.shared)]}, false}, nil
}

func (s *anodeSystem) Stop() {
	for _, c := range s.shared {
		_ = c.Close()
	}
	for _, p := range s.nodes {
		p.stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// anodeClient is one loop's use of an SDK client, its own or a shared one.
type anodeClient struct {
	runner.Anode
	own bool
}

func (c *anodeClient) Close() error {
	if c.own {
		return c.DB.Close()
	}
	return nil
}
