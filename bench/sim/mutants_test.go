//go:build mutants

package sim

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// mistakes are known ways to be wrong that only the whole shows, or that the whole should show too.
var mistakes = []struct{ name, what string }{
	{"absent-unvalidated", "reads of absent keys skip validation: write skew (known bug 18)"},
	{"yes-times-out", "a yes is withdrawn when no outcome comes in time"},
	{"forget-at-commit", "a commit is forgotten when it is applied, while others still hold it prepared (known bug 22)"},
	{"silence-is-abort", "a transaction whose answer did not come is told as aborted (known bug 23)"},
	{"deleted-unvalidated", "reads of deleted keys skip validation: write skew (known bug 18)"},
	{"range-unvalidated", "what a scan saw skips validation: phantoms (known bug 18)"},
	{"floor-stays", "tombstones are collected and leave no floor: a key that came and went was never there (known bug 18)"},
	{"scan-ignores-prepared", "a scan of the past does not wait for what is prepared below it"},
	{"past-ignores-prepared", "a read of the past does not wait for what is prepared below it"},
	{"claim-first", "the kernel claims an op before it has looked at size and room (known bug 1)"},
	{"plain-store", "the kernel writes the word without looking whether it changed (known bug 2)"},
	{"unclaimed", "user space appends an op that it has not claimed (known bug 2)"},
	{"cells-unread", "the cells are never read: a lost packet of a quorum is lost for good (known bug 5)"},
	{"switched-unfenced", "an offload is switched off without a fence"},
	{"gap-disarms", "one gap switches the fast path off for good"},
}

// mutantSeeds is how many seeds the simulator has to notice one mistake.
const mutantSeeds = 60

func TestMutants(t *testing.T) {
	mutant.Catch(t, "worn-unfenced", "the kernel path is kept to the last op that its words hold, which then nobody can claim",
		"a cluster beyond its words", func() string {
			if err := beyondTheWords(); err != nil {
				return err.Error()
			}
			return ""
		})
	mutant.Catch(t, "drain-on-arrival", "what the kernel path has stored is taken in only when some other message arrives (known bug 4)",
		"a turn without a message", func() string {
			if err := storedWithoutAMessage(); err != nil {
				return err.Error()
			}
			return ""
		})
	mutant.Catch(t, "fence-drops", "what is found behind a fence is dropped, although it was acknowledged (known bug 3)",
		"a swarm of the simulator", mutant.Seeds(mutantSeeds, func(seed int64) string {
			if _, err := RunSwarm(seed); err != nil {
				return err.Error()
			}
			return ""
		}))
	for _, m := range mistakes {
		mutant.Catch(t, m.name, m.what, "the simulator", mutant.Seeds(mutantSeeds, func(seed int64) string {
			if _, err := Run(seed); err != nil {
				return err.Error()
			}
			return ""
		}))
	}
}
