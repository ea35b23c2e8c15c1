package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
)

// What a file may ask for. Beyond these a cluster would not work, or not do what was meant.
const (
	// maxShards: the layout of the cluster is told in one frame, which holds not many more.
	maxShards = 4096
	// minHeartbeat is how often replicas look at the clock. A number without a unit counts nanoseconds,
	// and is caught here.
	minHeartbeat = 2 * time.Millisecond
	// maxElection is how long a group may be without a leader when one fails.
	maxElection = time.Minute
	// minDoubt leaves a commit the time to reach its shards: a bound below sets them asking each other
	// about every transaction.
	minDoubt = 10 * time.Millisecond
	maxDoubt = time.Minute
	// minSession is the least that clients rely on, maxSession what their answers may take of the memory.
	minSession = time.Minute
	maxSession = 24 * time.Hour
	// minDrift is less than what separates any two clocks, maxDrift more than what a sound clock is ever off by.
	minDrift ppm = 1
	maxDrift ppm = 100_000
	// minBatchBytes is what two or three small commands take.
	minBatchBytes = 256
	// maxWindow is what a follower's socket holds when it is not looking.
	maxWindow = 4096
	// maxBatchCommands is more than fit a batch.
	maxBatchCommands = 1 << 20
	// minDatagramBytes is what every host must accept in one piece, by RFC 1122.
	minDatagramBytes = 576
	maxPort          = 65535
)

// mistakes gathers what is wrong, so that an operator learns it in one go.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

// join adds the parts of an error.
func (m *mistakes) join(err error) {
	if parts, ok := err.(interface{ Unwrap() []error }); ok {
		*m = append(*m, parts.Unwrap()...)
	} else if err != nil {
		*m = append(*m, err)
	}
}

// forgetEchoes removes what is said about keys whose values could not be read, which are the first n mistakes: that they
// are not set follows from that.
func (m *mistakes) forgetEchoes(n int) {
	keys := map[string]bool{}
	for _, err := range (*m)[:n] {
		if parts := strings.SplitN(err.Error(), "'", 3); len(parts) == 3 && parts[0] == "" {
			key, _, _ := strings.Cut(parts[1], "[")
			keys[key] = true
		}
	}
	rest := slices.DeleteFunc((*m)[n:], func(err error) bool {
		first, _, _ := strings.Cut(err.Error(), " ")
		return keys[first]
	})
	*m = (*m)[:n+len(rest)]
}

// err is the mistakes as one error, or nil.
func (m *mistakes) err() error {
	if len(*m) == 0 {
		return nil
	}
	return *m
}

// Error gives one mistake a line of its own only where there are several.
func (m mistakes) Error() string {
	if len(m) == 1 {
		return m[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes", len(m))
	for _, err := range m {
		b.WriteString("\n  " + err.Error())
	}
	return b.String()
}

func (m mistakes) Unwrap() []error { return m }

// check looks at everything that does not depend on another key, or on few.
func (f *File) check() (m mistakes) {
	f.checkNode(&m)
	f.checkLayout(&m)
	inside(&m, "heartbeat", f.Heartbeat, minHeartbeat, maxElection/2)
	inside(&m, "election-timeout", f.Election, 2*f.Heartbeat, maxElection)
	f.checkLease(&m)
	if f.Doubt != 0 {
		inside(&m, "doubt-bound", f.Doubt, minDoubt, maxDoubt)
	}
	if f.Session != 0 {
		inside(&m, "session-bound", f.Session, minSession, maxSession)
	}
	inside(&m, "window", f.Window, 1, maxWindow)
	inside(&m, "batch-commands", f.BatchCommands, 0, maxBatchCommands)
	f.checkBytes(&m)
	f.checkAdmin(&m)
	return m
}

func (f *File) checkNode(m *mistakes) {
	known := slices.ContainsFunc(f.Nodes, func(n Node) bool { return n.Name == f.Node })
	switch {
	case f.Node == "":
		m.add("node is not set: name this node, here or in ANODE_NODE")
	case !known && len(f.Nodes) > 0:
		m.add("node %q is not among the nodes: %s", f.Node, strings.Join(f.names(), ", "))
	}
	if f.DataDir == "" {
		m.add("data-dir is not set: what a replica has promised must survive a restart")
	}
}

// checkLease: a lease that is shorter than two heartbeats would end before it is renewed, and one that is not
// shorter than the election timeout would hold up every change of leaders.
func (f *File) checkLease(m *mistakes) {
	if f.Lease != 0 && (f.Lease < 2*f.Heartbeat || f.Lease >= f.Election) {
		m.add("lease is %v: choose at least %v, two heartbeats, and less than %v, the election timeout; or 0 for no leases",
			f.Lease, 2*f.Heartbeat, f.Election)
	}
	inside(m, "clock-drift", f.Drift, minDrift, maxDrift)
}

func (f *File) names() (names []string) {
	for _, n := range f.Nodes {
		names = append(names, n.Name)
	}
	return names
}

func (f *File) checkLayout(m *mistakes) {
	if f.Cluster == 0 {
		m.add("cluster is not set: choose any number but 0, the same on all nodes")
	}
	if len(f.Nodes) == 0 {
		m.add("nodes is empty: list all nodes of the cluster, with name, host and port")
	}
	inside(m, "shards", f.shards(), 1, maxShards)
	for _, n := range f.Nodes {
		inside(m, fmt.Sprintf("port of node %q", n.Name), n.Port, 1, maxPort)
	}
	switch {
	case len(f.Groups) > 0:
		if f.shards() != len(f.Groups) {
			m.add("shards is %d and groups lists %d: leave shards out", f.Shards, len(f.Groups))
		}
	case f.Replicas < 1 || f.Replicas > shard.MaxReplicas || f.Replicas%2 == 0:
		m.add("replicas is %d: choose an odd number up to %d", f.Replicas, shard.MaxReplicas)
	case len(f.Nodes) > 0 && f.Replicas > len(f.Nodes):
		m.add("replicas is %d and there are %d nodes: list more nodes, or set fewer replicas", f.Replicas, len(f.Nodes))
	}
}

// checkBytes: 0 leaves both to what the network interface sends in one piece.
func (f *File) checkBytes(m *mistakes) {
	if f.BatchBytes != 0 {
		inside(m, "batch-bytes", f.BatchBytes, minBatchBytes, wire.MaxBody)
	}
	if f.DatagramBytes != 0 {
		inside(m, "datagram-bytes", f.DatagramBytes, minDatagramBytes, transport.MaxDatagram)
		if room := f.DatagramBytes - wire.HeaderSize; f.BatchBytes > room {
			m.add("batch-bytes is %d: a datagram of %d has room for %d", f.BatchBytes, f.DatagramBytes, room)
		}
	}
}

func inside[T cmp.Ordered](m *mistakes, key string, v, lowest, highest T) {
	if v < lowest || v > highest {
		m.add("%s is %v: choose between %v and %v", key, v, lowest, highest)
	}
}
