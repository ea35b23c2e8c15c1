package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a sort of strike.
type Kind string

// The strikes. What a strike does is undone when its time is over.
const (
	// Kill ends a node without a warning, and starts it again: it has lost its memory.
	Kill Kind = "kill"
	// Stop has a node end by itself, and starts it again.
	Stop Kind = "stop"
	// Wipe is Kill, and the disk is gone too.
	Wipe Kind = "wipe"
	// Roll stops and starts all nodes in turn, each when the one before takes part again.
	Roll Kind = "roll"
	// Turn kills the leaders of all groups, one after the other.
	Turn Kind = "turn"
	// Pause stops a process where it stands: what its kernel does goes on.
	Pause Kind = "pause"
	// Slow has a process run for a part of the time only; Starve has the scheduler give it a part of one processor.
	Slow   Kind = "slow"
	Starve Kind = "starve"
	// CutOff cuts a node off from all others, CutOut and CutIn one way only.
	CutOff Kind = "cut off"
	CutOut Kind = "cut out"
	CutIn  Kind = "cut in"
	// Split cuts the nodes and the clients into two sides.
	Split Kind = "split"
	// Flap cuts a node off and joins it again, many times.
	Flap Kind = "flap"
	// Deaf has a node's kernel hear what its processes do not.
	Deaf Kind = "deaf"
	// Press is a long pause: the kernel's log of the node fills up, and entries pile up behind it.
	Press Kind = "press"
	// Loss drops packets, Corrupt changes them, Repeat sends them twice, at once or later, and Late has others overtake them; Part
	// says which.
	Loss    Kind = "loss"
	Corrupt Kind = "corrupt"
	Repeat  Kind = "repeat"
	Late    Kind = "late"
	// Clock sets a node's wall clock, Drift has its clocks gain or lose.
	Clock Kind = "clock"
	Drift Kind = "drift"
	// Full leaves a node's disk without room: it ends when it cannot keep a promise.
	Full Kind = "full disk"
	// Offload switches the kernel path of a node, or parts of it.
	Offload Kind = "offload"
	// Clients kills a process of clients; another takes its place.
	Clients Kind = "clients"
)

// Kinds are all that a plan may draw.
func Kinds() []Kind {
	return []Kind{Kill, Stop, Wipe, Roll, Turn, Pause, Press, Slow, Starve, CutOff, CutOut, CutIn, Split, Flap, Deaf,
		Loss, Corrupt, Repeat, Late, Clock, Drift, Full, Offload, Clients}
}

// costly kinds take the memory of a node.
func (k Kind) costly() bool { return slices.Contains([]Kind{Kill, Stop, Wipe, Roll, Turn, Full}, k) }

// Role is whom a strike wants.
type Role string

// The roles. Whoever has one when the strike falls is its victim.
const (
	Leader   Role = "leader"
	Follower Role = "follower"
	Any      Role = "any"
)

// Victim names a node by what it is.
type Victim struct {
	Role Role `json:"role"`
	// Group is the one that it leads or follows in; Index chooses among those that fit.
	Group int `json:"group"`
	Index int `json:"index"`
}

// Strike is one harmful thing.
type Strike struct {
	Kind   Kind          `json:"kind"`
	At     time.Duration `json:"at"`
	For    time.Duration `json:"for"`
	Victim Victim        `json:"victim"`
	// Degree says how much, from 0 to 1, and Part which part, where there is one.
	Degree float64 `json:"degree"`
	Part   int     `json:"part"`
}

func (s Strike) String() string {
	return fmt.Sprintf("%6.2f s: %s for %v on %s of group %d", s.At.Seconds(), s.Kind, s.For.Round(time.Millisecond), s.Victim.Role, s.Victim.Group)
}

// Round is one round of a run.
type Round struct {
	Number int `json:"number"`
	// Length is how long strikes fall.
	Length  time.Duration `json:"length"`
	Mix     []string      `json:"mix"`
	Workers int           `json:"workers"`
	Pause   time.Duration `json:"pause"`
	Doomed  int           `json:"doomed"`
	YCSB    float64       `json:"ycsb"`
	Kinds   []Kind        `json:"kinds"`
	Strikes []Strike      `json:"strikes"`
}

// Way is what a run does with the kernel path.
type Way string

// The ways.
const (
	KernelOn  Way = "on"
	KernelOff Way = "off"
	// KernelToggled begins with it, and switches it on and off.
	KernelToggled Way = "toggling"
)

// Plan is the size of a run. It is drawn from the seed.
type Plan struct {
	Seed     uint64 `json:"seed"`
	Replicas int    `json:"replicas"`
	Shards   int    `json:"shards"`
	Way      Way    `json:"way"`
	// Lease is the length of leader leases, 0 without.
	Lease time.Duration `json:"lease"`
	// Batch is how many commands share a log entry at most, 0 for as many as there is room for.
	Batch int `json:"batch"`
	// Only are the kinds of strikes that are drawn, all if empty.
	Only []Kind `json:"only,omitempty"`
}

// Sources of chance, so that what is drawn for one thing does not move another.
const (
	sourcePlan = iota
	sourceRound
	sourceLoad = 1 << 20
)

// Draw draws a plan.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, sourcePlan))
	p := Plan{Seed: seed, Replicas: []int{3, 3, 5}[r.IntN(3)], Shards: 2 + r.IntN(3)}
	p.Way = []Way{KernelOn, KernelOn, KernelToggled, KernelOff}[r.IntN(4)]
	if r.IntN(3) == 0 {
		p.Lease = 80 * time.Millisecond
	}
	if r.IntN(4) == 0 {
		p.Batch = 1
	}
	return p
}

const (
	// roundLength is how long the strikes of a round fall, in the mean.
	roundLength = 15 * time.Second
	// strikeEvery is how often they do.
	strikeEvery = 900 * time.Millisecond
	shortest    = 30 * time.Millisecond
	longest     = 2500 * time.Millisecond
	maxDoomed   = 4
)

// Round draws one of the run's rounds, which are numbered from 1.
func (p *Plan) Round(number int) Round {
	r := rand.New(rand.NewPCG(p.Seed, uint64(sourceRound+number)))
	round := Round{Number: number, Length: roundLength/2 + time.Duration(r.Int64N(int64(roundLength))),
		Workers: 6 + r.IntN(10), Pause: time.Duration(2+r.IntN(12)) * time.Millisecond,
		Doomed: r.IntN(maxDoomed + 1), YCSB: []float64{0, 100, 300}[r.IntN(3)]}
	round.Mix = drawMix(r)
	round.Kinds = p.drawKinds(r)
	for at := strikeEvery; at < round.Length; at += time.Duration(r.ExpFloat64() * float64(strikeEvery)) {
		round.Strikes = append(round.Strikes, p.drawStrike(r, round.Kinds, at))
	}
	return round
}

// drawMix leaves some of the workloads out, as a swarm does.
func drawMix(r *rand.Rand) (mix []string) {
	all := Workloads()
	least := r.IntN(2) * len(all) / 2 // half of the rounds have most of them
	for _, i := range r.Perm(len(all))[:max(2, least, r.IntN(len(all)+1))] {
		mix = append(mix, all[i].Name)
	}
	slices.Sort(mix)
	return mix
}

// drawKinds leaves some of the kinds out.
func (p *Plan) drawKinds(r *rand.Rand) []Kind {
	all := slices.Clone(p.Only)
	if len(all) == 0 {
		all = slices.DeleteFunc(Kinds(), func(k Kind) bool { return k == Offload && p.Way != KernelToggled })
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	n := 1 + r.IntN(len(all))
	if p.Way == KernelToggled && !slices.Contains(all[:n], Offload) && len(p.Only) == 0 {
		all = append([]Kind{Offload}, slices.DeleteFunc(all, func(k Kind) bool { return k == Offload })...)
	}
	kinds := all[:n]
	slices.Sort(kinds)
	return kinds
}

func (p *Plan) drawStrike(r *rand.Rand, kinds []Kind, at time.Duration) Strike {
	return Strike{
		Kind: kinds[r.IntN(len(kinds))], At: at, For: shortest + time.Duration(r.Float64()*r.Float64()*float64(longest-shortest)),
		Victim: Victim{Role: []Role{Leader, Leader, Follower, Any}[r.IntN(4)], Group: r.IntN(p.Shards), Index: r.IntN(p.Replicas)},
		Degree: r.Float64(), Part: r.IntN(1 << 16),
	}
}

// LoadSeed is what the clients of a process draw from.
func (p *Plan) LoadSeed(round, process int) uint64 {
	return rand.New(rand.NewPCG(p.Seed, uint64(sourceLoad+round*1000+process))).Uint64()
}
