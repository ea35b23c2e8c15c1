//go:build mutants

package model

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// mistakes are known bugs of published systems, and checks left out, put into the model one at a time. Each must be noticed by its
// scenario; the programs themselves are held against the model by package bpf.
var mistakes = []struct {
	name, what string
	scenario   func() error
}{
	{"claim-first", "an op is claimed before size and room are checked (known bug 1)", nothingUnstoredIsAcknowledged},
	{"plain-store", "the word is written without looking whether it changed (known bug 2)", aFenceStands},
	{"exactly-f", "an op is chosen only by the packet that makes exactly f (known bug 5)", aJumpCounts},
	{"stale-counts", "a stale acknowledgement counts (known bug 6)", staleCountsNothing},
	{"unchecked-index", "any index is taken, and nobody asks who speaks (known bug 7)", forgedCountsNothing},
	{"unverified", "a frame's code is not verified", nothingHostileIsTaken},
	{"any-view", "an old view's frames are taken", nothingHostileIsTaken},
	{"any-life", "frames of a member's former life are taken", nothingHostileIsTaken},
	{"any-source", "a frame may come from anywhere", nothingHostileIsTaken},
	{"any-leader", "every member may send entries", nothingHostileIsTaken},
	{"fragments", "a part of a datagram is taken for the whole", nothingHostileIsTaken},
	{"above-last", "what was never sent is acknowledged", nothingHostileIsTaken},
	{"absolute-ops", "ops are not counted from their epoch", aLaterEpochHasItsOwnOps},
	{"late-answer", "an answer is made behind the claim, from what holds by then", answersAreOfTheirGeneration},
	{"fenced-signs", "a replica that is fenced says that it is normal", whoIsFencedGivesNoSign},
	{"global-scratch", "one cell carries the op of the packet at hand (known bug 8)", answersCarryTheirOwnOp},
}

func TestMutants(t *testing.T) {
	for _, m := range mistakes {
		mutant.Catch(t, m.name, m.what, "a scenario of bpf/model", func() string {
			if err := m.scenario(); err != nil {
				return err.Error()
			}
			return ""
		})
	}
}
