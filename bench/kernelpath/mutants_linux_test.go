//go:build mutants

package kernelpath

import (
	"testing"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/internal/mutant"
)

func init() { tags = []string{"mutants"} }

// mistakes that nodes make in turn, and the check that must notice each.
var mistakes = []struct {
	name, what, by string
	cfg            lab.Config
	check          check
}{
	{"fast-path-unheard", "what the kernel has stored does not count as hearing from the leader", "a cluster without heartbeats", patient, alone},
	{"cells-unread", "what the kernel has counted is known from packets alone (known bug 5)", "a leader deaf to acknowledgements", patient, counted},
	{"gap-disarms", "one gap switches the fast path off for good", "loss on real wires", lab.Config{}, loss(5 * time.Second)},
	{"unclaimed", "user space appends an op that it has not claimed", "loss on real wires", lab.Config{}, loss(5 * time.Second)},
	{"acknowledged-ungranted", "acknowledgements grant no lease", "a cluster without heartbeats", patient, alone},
	{"kernel-grant-forgotten", "a vote does not wait for what the fast path granted", "a lease of one kernel", leased, keptLease},
	{"restart-as-new", "a node that was killed comes back as if it were new", "nodes that are killed", lab.Config{Shards: 2}, killed},
	{"drain-on-arrival", "the kernel's log is drained only when something arrives (known bug 4)", "a cluster without heartbeats", patient, alone},
	{"switched-unfenced", "an offload is switched off without a fence", "switching under load", lab.Config{Shards: 2}, switched},
	{"switched-unfenced", "an offload is switched off without a fence", "fences in bursts", lab.Config{Shards: 2}, bursts},
}

// tries is how often a check may miss a mistake: on real wires chance decides whether it comes to show.
const tries = 3

func TestMutants(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			mutant.Catch(t, m.name, m.what, m.by, func() string {
				cfg := m.cfg
				cfg.Env = []string{mutant.Variable + "=" + m.name}
				for range tries {
					if err := in(t, cfg, m.check); err != nil {
						return err.Error()
					}
				}
				return ""
			})
		})
	}
}
