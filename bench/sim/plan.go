package sim

import (
	"math/rand"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
)

// Plan is the size of a run. It is drawn from the seed.
type Plan struct {
	Hosts, Replicas, Groups, Clients int
	// Registers, Lists and Accounts are how many keys of each kind the clients use.
	Registers, Lists, Accounts int
	// Faults is how long faults go on; longer, if by then too little has happened.
	Faults wire.Duration
	Window int
	Batch  int
	// Keep is how many entries logs hold for those that lag. Few of them make images of the state common.
	Keep int
	// Retention is how long old versions are kept, and Garbage how many bytes of them at most.
	Retention wire.Duration
	Garbage   int64
	// Lease is the length of leader leases, or 0.
	Lease wire.Duration
	// Kernel is what the hosts' kernels do.
	Kernel KernelPlan
}

// What a run must contain to count.
const (
	minFaults     = 5 * wire.Second
	minOperations = 500
	minStrikes    = 3
	// healing is how long the cluster may take to come to rest once all faults are over.
	healing = 60 * wire.Second
)

func drawPlan(r *rand.Rand) Plan {
	p := Plan{
		Replicas: []int{3, 3, 3, 5}[r.Intn(4)],
		Groups:   1 + r.Intn(3),
		Clients:  3 + r.Intn(4),
		Faults:   minFaults + wire.Duration(r.Int63n(int64(wire.Second))),
		Window:   []int{1, 4, 64}[r.Intn(3)],
		Batch:    []int{200, 1336}[r.Intn(2)],

		Registers: 8, Lists: 4, Accounts: 6,
	}
	p.Hosts = p.Replicas
	if r.Intn(4) == 0 {
		p.Hosts += 2
	}
	p.Retention = []wire.Duration{20 * wire.Millisecond, 500 * wire.Millisecond, 30 * wire.Second}[r.Intn(3)]
	p.Garbage = []int64{4 << 10, 4 << 20}[r.Intn(2)]
	if r.Intn(2) == 0 {
		p.Keep = 8 + r.Intn(57)
	}
	return p
}

func (p Plan) limits() paxos.Limits {
	l := paxos.DefaultLimits()
	l.Window, l.BatchBytes, l.KeepEntries = p.Window, p.Batch, p.Keep
	return l
}
