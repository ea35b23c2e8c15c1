package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/viper"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard/server"
)

const (
	exampleBase = 7000
	// exampleStep is between the ports of nodes on one host, and grows with the shards.
	exampleStep = 100
)

// Example is a file for nodes on some hosts, one on each, with every key; what may be left out is commented out and
// shows its default. It is complete: a node starts from it.
func Example(hosts []string, shards int) (string, error) {
	var m mistakes
	if len(hosts) == 0 {
		m.add("no hosts: name at least one")
	}
	inside(&m, "shards", shards, 1, maxShards)
	for _, host := range hosts {
		if host == "" || strings.ContainsAny(host, ":{}[], \t\"'#") {
			m.add("host %q: write a name or an IPv4 address, without a port", host)
		}
	}
	if last := exampleBase + len(hosts)*step(shards); last > maxPort {
		m.add("%d nodes with %d shards would use ports up to %d: choose fewer", len(hosts), shards, last)
	}
	if err := m.err(); err != nil {
		return "", err
	}
	timing, limits := paxos.DefaultTiming(), paxos.DefaultLimits()
	heartbeat, election := time.Duration(timing.Heartbeat), time.Duration(timing.Election)
	replicas := 3
	if len(hosts) < 3 {
		replicas = 1
	}
	var nodes strings.Builder
	seen := map[string]int{}
	for i, host := range hosts {
		port := exampleBase + seen[host]*step(shards)
		seen[host]++
		fmt.Fprintf(&nodes, "  - {name: n%d, host: %s, port: %d}\n", i+1, host, port)
	}
	return fmt.Sprintf(exampleFile, replicas, shards, nodes.String(), server.DefaultAdmin,
		heartbeat, election, 2*heartbeat, election, ppm(timing.DriftPPM), limits.Window, server.OffloadAuto), nil
}

// JSON is what a file says as one line, which is a file as well.
func JSON(file string) (string, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(strings.NewReader(file)); err != nil {
		return "", err
	}
	b, err := json.Marshal(v.AllSettings())
	return string(b) + "\n", err
}

// step is from one node's port to the next's on the same host: it needs one, and one more for every shard.
func step(shards int) int { return (shards/exampleStep + 1) * exampleStep }

const exampleFile = `# The same file on all nodes of the cluster, but for the key "node": give that in the variable ANODE_NODE or with
# --node. "anode config check" tells what is wrong with a file.

cluster: 1                  # any number but 0, the same on all nodes
node: n1                    # this node, one of those below
data-dir: /var/lib/anode    # what the replicas promised; data itself is in memory
replicas: %d                 # of each shard: 1, 3, 5, 7 or 9
shards: %d                   # cannot be changed later
nodes:                      # each uses UDP and TCP, at its port and one more per shard above it
%s
# "anode config keys" writes one. Without keys whoever reaches a node is served.
# key-file: /etc/anode/keys

# Where operators and Prometheus ask, over HTTP and without a key; "off" is nowhere. Nodes on one host need
# different ones, by ANODE_ADMIN for instance.
# admin: %s
# admin-pprof: false        # profiles under /debug/pprof/

# heartbeat: %v
# election-timeout: %v   # without a word of the leader for so long, a follower looks for another

# With leases a leader reads without asking the others; at least %v and less than %v.
# lease: 0s
# clock-drift: %v      # by how much two clocks may drift apart

# doubt-bound: 250ms        # after it, shards settle the transactions of clients that died
# session-bound: 10m        # after it, a silent client is forgotten
# window: %d                 # log entries under way at a time, for each shard
# batch-commands: 0         # commands in one log entry at most; 0 is as many as there is room for

# Sizes; 0 is what the network interface sends in one piece.
# batch-bytes: 0
# datagram-bytes: 0

# What replicas do in the kernel, by programs on the interface of the node's address; "anode doctor" tells what a machine
# can. auto uses it where that is possible, on does not start without it, off attaches nothing.
# offload: %v

# In place of "shards" and "replicas": which nodes hold each shard, its first leader first.
# groups: [[n1, n2, n3], [n2, n3, n1]]
`
