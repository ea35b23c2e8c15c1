//go:build mutants

package mutant_test

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

func TestOneMutantAtATime(t *testing.T) {
	defer mutant.Set("")
	mutant.Set("one")
	mutant.Set("another")
	if mutant.On("one") || !mutant.On("another") {
		t.Fatal("the last one set must be the only one on")
	}
}
