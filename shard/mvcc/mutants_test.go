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

// A store that writes a new value over one that a snapshot shows changes the snapshot.
func TestMutantSharedValueUsedAgain(t *testing.T) {
	mutant.Catch(t, "shared-value-used-again", "a value that a snapshot shows is written over", "the model of shard/mvcc", func() string {
		b := busy{store: New()}
		for _, what := range []int{4, 0, 4, 4, 4, 4, 4, 1, 4} {
			b.step("k", what)
		}
		return b.snapshots[0].moved()
	})
}

// A store that was loaded from an image, and takes the position of its last key for its highest, writes over what the
// next snapshot shows.
func TestMutantLoadedValueUsedAgain(t *testing.T) {
	mutant.Catch(t, "loaded-value-used-again", "a value that a snapshot of a loaded store shows is written over", "the model of shard/mvcc", func() string {
		return loadedAndShared(t)
	})
}
