package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// File is the content of a configuration file, in its own terms.
type File struct {
	// Cluster tells clusters apart; any number but 0, the same on all nodes.
	Cluster uint64 `mapstructure:"cluster"`
	// Node is the name of this node among Nodes.
	Node    string `mapstructure:"node"`
	DataDir string `mapstructure:"data-dir"`
	// KeyFile holds the keys of the cluster; without one the node is open to whoever reaches it.
	KeyFile string `mapstructure:"key-file"`
	// Shards is the number of shards; 0 stands for as many as there are Groups, or 1.
	Shards   int    `mapstructure:"shards"`
	Replicas int    `mapstructure:"replicas"`
	Nodes    []Node `mapstructure:"nodes"`
	// Groups overrides the placement: the names of the members of each group, its first leader first.
	Groups    [][]string    `mapstructure:"groups"`
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	Election  time.Duration `mapstructure:"election-timeout"`
	// Lease is the length of leader leases; 0 is none. Drift is by how much two clocks may drift apart.
	Lease      time.Duration `mapstructure:"lease"`
	Drift      ppm           `mapstructure:"clock-drift"`
	Doubt      time.Duration `mapstructure:"doubt-bound"`
	Session    time.Duration `mapstructure:"session-bound"`
	BatchBytes int           `mapstructure:"batch-bytes"`
	// BatchCommands is how many commands one log entry holds at most; 0 is as many as there is room for.
	BatchCommands int `mapstructure:"batch-commands"`
	Window        int `mapstructure:"window"`
	DatagramBytes int `mapstructure:"datagram-bytes"`
	// Offload is auto, on or off: whether the replicas use the kernel path.
	Offload string `mapstructure:"offload"`
	// Admin is where operators ask, over HTTP; "off" or nothing is nowhere. AdminPprof adds profiles.
	Admin      string `mapstructure:"admin"`
	AdminPprof bool   `mapstructure:"admin-pprof"`
}

// Node is one node of the file.
type Node struct {
	Name string `mapstructure:"name"`
	Host string `mapstructure:"host"`
	Port int    `mapstructure:"port"`
}

// defaults are all keys of a file, with their values where it does not set them.
func defaults() map[string]any {
	timing, limits := paxos.DefaultTiming(), paxos.DefaultLimits()
	return map[string]any{
		"cluster": 0, "node": "", "data-dir": "", "key-file": "", "shards": 0, "replicas": 3, "nodes": nil, "groups": nil,
		"heartbeat": time.Duration(timing.Heartbeat), "election-timeout": time.Duration(timing.Election),
		"lease": time.Duration(timing.Lease), "clock-drift": ppm(timing.DriftPPM),
		"doubt-bound": time.Duration(0), "session-bound": time.Duration(0),
		"batch-bytes": 0, "batch-commands": 0, "window": limits.Window, "datagram-bytes": 0,
		"admin": server.DefaultAdmin, "admin-pprof": false, "offload": server.OffloadAuto.String(),
	}
}

// Load reads a YAML file and environment variables ANODE_* above it: ANODE_DATA_DIR is data-dir. Unknown keys
// of the file are mistakes; unknown variables are not, for other programs set some of that prefix. All
// mistakes are reported at once. Flags, given by the names of keys, go before everything.
func Load(path string, flags map[string]string) (server.Config, error) {
	v := newViper(defaults())
	v.SetConfigFile(path)
	if err := v.ReadInConfig(); err != nil {
		return server.Config{}, fmt.Errorf("config %s: %w", path, err)
	}
	for key, value := range flags {
		v.Set(key, value)
	}
	var f File
	var m mistakes
	m.join(decode(v, slices.Sorted(maps.Keys(defaults())), &f))
	unread := len(m)
	c, err := f.Server()
	m.join(err)
	m.forgetEchoes(unread)
	if err := m.err(); err != nil {
		return server.Config{}, fmt.Errorf("config %s%s: %w", path, fromEnvironment(flags), err)
	}
	return c, nil
}

// fromEnvironment names the variables that go before the file: what is wrong with a file may stand in them, where nobody
// looks.
func fromEnvironment(flags map[string]string) string {
	var names []string
	for key := range defaults() {
		name := "ANODE_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		if _, flag := flags[key]; !flag && os.Getenv(name) != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return " with " + strings.Join(names, ", ") + " of the environment"
}

// Server turns the file into a node's configuration, or reports all its mistakes.
func (f *File) Server() (server.Config, error) {
	m := f.check()
	c := server.Config{
		Topology: f.topology(&m), Name: f.Node, DataDir: f.DataDir, DatagramBytes: f.DatagramBytes,
		Timing: paxos.DefaultTiming(), Limits: paxos.DefaultLimits(), DoubtBound: f.Doubt, SessionBound: f.Session,
		Admin: f.admin(),
	}
	c.Timing.Heartbeat, c.Timing.Election = wire.Duration(f.Heartbeat), wire.Duration(f.Election)
	c.Timing.Lease, c.Timing.DriftPPM = wire.Duration(f.Lease), int(f.Drift)
	c.Limits.BatchBytes, c.Limits.BatchCommands, c.Limits.Window = f.BatchBytes, f.BatchCommands, f.Window
	var err error
	if c.Offload, err = server.ParseOffloadMode(f.Offload); err != nil {
		m.join(err)
	}
	if f.KeyFile != "" {
		if c.Keys, err = ReadKeys(f.KeyFile); err != nil {
			m.add("%w", err)
		} else if c.Keys.Replica.Zero() {
			m.add("key file %s has no replica key: a node needs both", f.KeyFile)
		}
	}
	return c, m.err()
}

// topology lays out the cluster, as far as the file allows it.
func (f *File) topology(m *mistakes) shard.Topology {
	t := shard.Topology{Cluster: f.Cluster, Map: shard.Map{Version: 1, Shards: uint32(f.shards())}}
	for _, n := range f.Nodes {
		t.Nodes = append(t.Nodes, shard.Node{Name: n.Name, Host: n.Host, Port: uint16(n.Port)})
	}
	switch {
	case len(*m) > 0:
		return t // what cannot be laid out has been reported
	case len(f.Groups) > 0:
		for _, members := range f.Groups {
			t.Groups = append(t.Groups, shard.Group{Members: members})
		}
	default:
		t.Groups = shard.Place(t.Nodes, f.shards(), f.Replicas)
	}
	m.join(t.Validate())
	return t
}

// shards is how many there are when the file may leave it open.
func (f *File) shards() int {
	if f.Shards == 0 {
		return max(1, len(f.Groups))
	}
	return f.Shards
}
