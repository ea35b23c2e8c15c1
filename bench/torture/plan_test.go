package torture

import (
	"reflect"
	"slices"
	"testing"
)

func TestPlansComeFromTheirSeedAlone(t *testing.T) {
	for seed := range uint64(50) {
		a, b := Draw(seed), Draw(seed)
		if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(a.Round(3), b.Round(3)) {
			t.Fatalf("seed %d draws %+v and %+v", seed, a, b)
		}
		if reflect.DeepEqual(a.Round(1).Strikes, a.Round(2).Strikes) {
			t.Fatalf("seed %d: all rounds are the same", seed)
		}
		if a.LoadSeed(1, 1) == a.LoadSeed(1, 2) || a.LoadSeed(1, 1) == a.LoadSeed(2, 1) || a.LoadSeed(1, 1) != b.LoadSeed(1, 1) {
			t.Fatalf("seed %d: clients draw the same", seed)
		}
	}
}

// What no seed draws is never tested.
func TestPlansDrawEverything(t *testing.T) {
	kinds, mix, roles, shapes := map[Kind]int{}, map[string]int{}, map[Role]int{}, map[any]int{}
	for seed := range uint64(100) {
		p := Draw(seed)
		shapes[p.Replicas]++
		shapes[p.Way]++
		shapes[p.Lease > 0]++
		for number := range 4 {
			r := p.Round(number + 1)
			if len(r.Strikes) == 0 || len(r.Mix) < 2 || r.Workers < 1 {
				t.Fatalf("seed %d, round %d: %+v", seed, number, r)
			}
			for _, name := range r.Mix {
				mix[name]++
			}
			for _, s := range r.Strikes {
				kinds[s.Kind]++
				roles[s.Victim.Role]++
				if s.At > r.Length || s.For < shortest || s.For > longest || s.Victim.Group >= p.Shards || !slices.Contains(r.Kinds, s.Kind) {
					t.Fatalf("seed %d, round %d: %+v", seed, number, s)
				}
				if s.Kind == Offload && p.Way != KernelToggled {
					t.Fatalf("seed %d switches offloads in a run that leaves them alone", seed)
				}
			}
		}
	}
	for _, k := range Kinds() {
		if kinds[k] == 0 {
			t.Errorf("%s is never drawn", k)
		}
	}
	for _, w := range Workloads() {
		if mix[w.Name] == 0 {
			t.Errorf("%s is never drawn", w.Name)
		}
	}
	for _, s := range []any{3, 5, KernelOn, KernelOff, KernelToggled, true, false} {
		if shapes[s] == 0 {
			t.Errorf("%v is never drawn", s)
		}
	}
	if len(roles) != 3 {
		t.Errorf("victims are %v", roles)
	}
}

func TestPlansWithFewKinds(t *testing.T) {
	p := Draw(7)
	p.Only = []Kind{Kill}
	for _, s := range p.Round(1).Strikes {
		if s.Kind != Kill {
			t.Fatalf("%+v", s)
		}
	}
}
