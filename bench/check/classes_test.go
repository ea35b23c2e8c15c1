package check

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestEveryClassPlanted: there is a history for each class of cycle, in each of its variants.
func TestEveryClassPlanted(t *testing.T) {
	met := map[AnomalyKind]bool{}
	for _, test := range planted {
		met[test.kind] = true
	}
	all := append(classesOfMany[:], G1a, G1b)
	for _, variants := range classes {
		all = append(all, variants[:]...)
	}
	for _, kind := range all {
		if !met[kind] {
			t.Errorf("no history with %s is planted", kind)
		}
	}
}

// TestVariantsNeedTheirTime: what is wrong only in time is right when all happens at once, and what is wrong only
// in a session is wrong in real time for others.
func TestVariantsNeedTheirTime(t *testing.T) {
	for _, test := range planted {
		if basisOf(test.kind) == fromValues {
			continue
		}
		once, strangers := slices.Clone(test.h), slices.Clone(test.h)
		for i := range once {
			strangers[i].Client = i
			if once[i].Start = 0; once[i].End != Never {
				once[i].End = 100
			}
		}
		if v := Transactions(apart(once)); !v.OK {
			t.Errorf("%s: all at once, it is flagged: %v", test.name, v)
		}
		want := strings.Replace(string(test.kind), "-process", "-realtime", 1)
		if v := Transactions(strangers); v.OK || string(v.Anomalies[0].Kind) != want {
			t.Errorf("%s: of strangers, it is not %s: %v", test.name, want, v)
		}
	}
}

// TestPlantedAmongMany: each is found, alone and by the same name, within a history that is right but for it.
func TestPlantedAmongMany(t *testing.T) {
	crowd := workload{txns: 300, keys: 8, opsPerTxn: 4, overlap: 40, lists: true, deletes: true, unknown: true, aborted: true}
	for i, test := range planted {
		h := crowd.history(rand.New(rand.NewPCG(uint64(i), 0)))
		h = append(h, apart(test.h)...)
		v := Transactions(h)
		switch {
		case test.kind == Malformed:
		case test.kind == "" && !v.OK, test.kind != "" && (v.OK || len(v.Anomalies) != 1 || v.Anomalies[0].Kind != test.kind):
			t.Errorf("%s: want %q: %v", test.name, test.kind, v)
		}
	}
}
