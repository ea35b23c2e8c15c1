//go:build mutants

package mutant_test

import (
	"bytes"
	"testing"
)

// In a build with the tag the names stand in the binary, so that TestNoMutantIsInTheProduct would see them.
func TestMutantsAreInTheirBuild(t *testing.T) {
	with := binary(t, "-tags", "mutants")
	for _, name := range namesIn(t, "paxos", "txn", "shard") {
		if !bytes.Contains(with, []byte(name)) {
			t.Errorf("the binary with mutants does not hold %q", name)
		}
	}
}
