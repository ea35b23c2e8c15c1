package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// seeds is how many seeds the ordinary test run plays; `anode-lab sim` plays as many as one likes.
const seeds = 6

func TestSeeds(t *testing.T) {
	for seed := int64(1); seed <= seeds; seed++ {
		report, err := Run(seed)
		if err != nil {
			t.Errorf("%v\nrepeat it with: go run ./cmd/anode-lab sim --seeds 1 --seed %d", err, seed)
		}
		t.Logf("%+v", report)
	}
}

// A swarm meets every fault there is, its own ones too.
func TestSwarm(t *testing.T) {
	met := map[string]int{}
	for seed := int64(1); seed <= 2*seeds; seed++ {
		report, err := RunSwarm(seed)
		if err != nil {
			t.Errorf("%v\nrepeat it with: go run ./cmd/anode-lab sim --swarm --seeds 1 --seed %d", err, seed)
		}
		for name, n := range report.Faults {
			met[name] += n
		}
	}
	for _, f := range append(append([]fault{}, faults...), swarmFaults...) {
		if met[f.name] == 0 {
			t.Errorf("no %s in %d seeds", f.name, 2*seeds)
		}
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	for name, run := range map[string]func(int64) (Report, error){"plain": Run, "swarm": RunSwarm} {
		one, _ := run(42)
		two, _ := run(42)
		if one.Trace != two.Trace || one.Messages != two.Messages {
			t.Errorf("%s: the same seed gave two runs:\n%+v\n%+v", name, one, two)
		}
	}
}

// A swarm draws its sizes.
func TestSwarmSizes(t *testing.T) {
	met := map[string]int{}
	for seed := range int64(200) {
		p := newCutSimulation(seed, true, Cut{}).plan()
		for name, n := range map[string]int{"replicas": p.Replicas, "groups": p.Groups, "clients": p.Clients, "registers": p.Registers, "accounts": p.Accounts} {
			met[fmt.Sprint(name, " ", n)]++
		}
		if cut := newCutSimulation(seed, true, Cut{Clients: 2}).plan(); cut.Clients != 2 || cut.Replicas != p.Replicas {
			t.Errorf("seed %d: cut to %+v, of %+v", seed, cut, p)
		}
	}
	for _, want := range []string{"replicas 3", "replicas 5", "replicas 7", "groups 1", "groups 6", "clients 2", "clients 10", "registers 2", "registers 32", "accounts 2", "accounts 12"} {
		if met[want] == 0 {
			t.Errorf("no run has %s: %v", want, met)
		}
	}
}

// A panic, wherever it comes from, fails its seed and no other one.
func TestAPanicFailsItsSeed(t *testing.T) {
	s := newSimulation(3)
	s.w.after(wire.Second, func() { panic("planted") })
	report, err := guarded(3, s.run)
	if err == nil || !strings.HasPrefix(err.Error(), "seed 3: panic: planted\n") || !strings.Contains(err.Error(), "sim_test.go") || report.Seed != 3 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A run that meets too little does not count as one that met no mistake.
func TestARunThatMeetsNothingFails(t *testing.T) {
	s := newSimulation(3)
	s.clients = s.clients[:1]
	s.stopping = true // nobody begins anything
	if _, err := s.run(); err == nil || !strings.Contains(err.Error(), "too little happens: 0 operations") {
		t.Error(err)
	}
}
