//go:build !mutants

package mutant_test

import (
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

func TestTheProductHasNoMutants(t *testing.T) {
	if mutant.On("") || mutant.On("any") {
		t.Fatal("a mutant is on in a build without the tag")
	}
}
