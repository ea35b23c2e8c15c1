package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

const (
	// MaxReplicas bounds the members of one group: the kernel programs unroll loops to it.
	MaxReplicas = 9
	// maxPort is the last port there is.
	maxPort = 65535
)

// Node is one server process. It uses the UDP ports from Port on: Port itself is its door, at which anyone
// may ask for the topology, and the next ones are those of its replicas, one for each group of the cluster.
type Node struct {
	Name string
	// Host is what the other nodes and the clients dial: an IP address, or a name to resolve.
	Host string
	// Port is the base port: the replica of group g listens at Port + 1 + g.
	Port uint16
}

// replicaPort may lie beyond maxPort; a valid topology has no such node.
func (n Node) replicaPort(g ID) int { return int(n.Port) + 1 + int(g) }

// Group lists the nodes that carry one group's replicas, by name, in the order of replica index. The
// first one leads view 0.
type Group struct {
	Members []string
}

// Topology is the layout of a whole cluster. Nodes and clients hold the same one.
type Topology struct {
	// Cluster tells clusters apart: frames of another one are refused.
	Cluster uint64
	Map     Map
	Nodes   []Node
	// Groups stand at the index that is their number.
	Groups []Group
}

// Seat is one replica's place: its group and its index there.
type Seat struct {
	Group   ID
	Replica uint16
}

// Node returns the node of that name.
func (t *Topology) Node(name string) (Node, bool) {
	i := slices.IndexFunc(t.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, false
	}
	return t.Nodes[i], true
}

// Seats returns the replicas that the named node carries, in order of group.
func (t *Topology) Seats(name string) []Seat {
	var seats []Seat
	for g, group := range t.Groups {
		if r := slices.Index(group.Members, name); r >= 0 {
			seats = append(seats, Seat{ID(g), uint16(r)})
		}
	}
	return seats
}

// Replicas returns how many replicas the group has, and 0 if there is no such group.
func (t *Topology) Replicas(group ID) int {
	if int64(group) >= int64(len(t.Groups)) {
		return 0
	}
	return len(t.Groups[group].Members)
}

// Endpoint returns the host and port at which a replica listens. It reports false if the topology has no
// such seat.
func (t *Topology) Endpoint(s Seat) (host string, port uint16, ok bool) {
	if int(s.Replica) >= t.Replicas(s.Group) {
		return "", 0, false
	}
	n, ok := t.Node(t.Groups[s.Group].Members[s.Replica])
	return n.Host, uint16(n.replicaPort(s.Group)), ok
}

// Digest tells layouts apart on which nodes must agree to serve together: which shard a key belongs to, and which nodes
// carry each group's replicas, in which order. Where a node lives is not part of it. It is never 0.
func (t *Topology) Digest() uint64 {
	b := binary.LittleEndian.AppendUint64(nil, t.Map.Version)
	b = binary.LittleEndian.AppendUint32(b, t.Map.Shards)
	for _, g := range t.Groups {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(g.Members)))
		for _, name := range g.Members {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
			b = append(b, name...)
		}
	}
	return max(xxhash.Sum64(b), 1)
}

// Validate reports every mistake of the topology at once, as an error that joins one error for each. Nil
// means that a cluster can run on it.
func (t *Topology) Validate() error {
	v := validator{t: t, nodes: map[string]Node{}}
	v.checkMap()
	v.checkNodes()
	for g := range t.Groups {
		v.checkGroup(ID(g))
	}
	v.checkEndpoints()
	return errors.Join(v.mistakes...)
}

type validator struct {
	t        *Topology
	nodes    map[string]Node
	mistakes []error
}

func (v *validator) mistake(format string, args ...any) {
	v.mistakes = append(v.mistakes, fmt.Errorf("topology: "+format, args...))
}

func (v *validator) checkMap() {
	if v.t.Cluster == 0 {
		v.mistake("the cluster id is 0: choose any other number, the same on all nodes")
	}
	if v.t.Map.Version == 0 {
		v.mistake("the map's version is 0: number maps from 1")
	}
	if v.t.Map.Shards == 0 {
		v.mistake("the map has no shards: give it at least one")
	}
	if int64(v.t.Map.Shards) != int64(len(v.t.Groups)) {
		v.mistake("%d shards but %d groups: each shard needs one group", v.t.Map.Shards, len(v.t.Groups))
	}
}

func (v *validator) checkNodes() {
	if len(v.t.Nodes) == 0 {
		v.mistake("no nodes: name at least one")
	}
	for i, n := range v.t.Nodes {
		if n.Name == "" {
			v.mistake("node number %d has no name", i+1)
			continue
		}
		if _, twice := v.nodes[n.Name]; twice {
			v.mistake("two nodes are named %q: rename one", n.Name)
			continue
		}
		v.nodes[n.Name] = n
		if n.Host == "" {
			v.mistake("node %q has no host: give the address that others dial", n.Name)
		}
		if n.Port == 0 {
			v.mistake("node %q has no base port", n.Name)
		}
	}
}

func (v *validator) checkGroup(g ID) {
	members := v.t.Groups[g].Members
	switch n := len(members); {
	case n == 0:
		v.mistake("group %d has no members", g)
	case n%2 == 0:
		v.mistake("group %d has %d members: use an odd number, an even one survives no more failures", g, n)
	case n > MaxReplicas:
		v.mistake("group %d has %d members, the limit is %d", g, n, MaxReplicas)
	}
	for i, name := range members {
		if _, ok := v.nodes[name]; !ok {
			v.mistake("group %d names %q, which is no node", g, name)
		} else if slices.Contains(members[:i], name) {
			v.mistake("group %d names node %q twice", g, name)
		}
	}
}

// checkEndpoints sees to it that no two replicas meet at one port, as they would when nodes share a host
// and their base ports lie too close.
func (v *validator) checkEndpoints() {
	type endpoint struct {
		host string
		port int
	}
	taken := map[endpoint]string{}
	for _, n := range v.t.Nodes {
		door := endpoint{n.Host, int(n.Port)}
		if other, clash := taken[door]; clash && other != n.Name {
			v.mistake("nodes %q and %q both have their door at %s port %d: move their base ports apart", other, n.Name, n.Host, n.Port)
		}
		taken[door] = n.Name
	}
	for g, group := range v.t.Groups {
		for _, name := range group.Members {
			n, ok := v.nodes[name]
			if !ok {
				continue
			}
			port := n.replicaPort(ID(g))
			if port > maxPort {
				v.mistake("group %d on node %q would listen at port %d, beyond %d: lower the base port", g, name, port, maxPort)
				continue
			}
			e := endpoint{n.Host, port}
			if other, clash := taken[e]; clash && other != name {
				v.mistake("nodes %q and %q both listen at %s port %d: move their base ports further apart", other, name, e.host, e.port)
			}
			taken[e] = name
		}
	}
}
