//go:build mutants

package mvcc

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// A store that changes what a snapshot shares moves the snapshot.
func TestMutantSnapshotWritten(t *testing.T) {
	defer mutant.Set("")
	mutant.Set("snapshot-written")
	b := busy{store: New()}
	for _, what := range []int{4, 0, 4, 3, 1} {
		b.step("k", what)
	}
	if b.snapshots[0].moved() == "" {
		t.Error("nothing noticed that a snapshot was written to")
	}
}
