//go:build mutants

package mvcc

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// A store that changes what a snapshot shares moves the snapshot.
func TestMutantSnapshotWritten(t *testing.T) {
	mutant.Catch(t, "snapshot-written", "what a snapshot shares is written to", "the model of shard/mvcc", func() string {
		b := busy{store: New()}
		for _, what := range []int{4, 0, 4, 3, 1} {
			b.step("k", what)
		}
		return b.snapshots[0].moved()
	})
}
