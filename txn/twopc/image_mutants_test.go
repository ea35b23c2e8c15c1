//go:build mutants

package twopc

import (
	"fmt"
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// imageMistakes are known ways in which a copied state is not the state.
var imageMistakes = []struct{ name, what string }{
	{"image-not-frozen", "what the source does while it is read shows in an image"},
	{"image-without-locks", "a transaction that was prepared when the image was taken holds no locks in it"},
}

func TestImageMutants(t *testing.T) {
	for _, m := range imageMistakes {
		mutant.Catch(t, m.name, m.what, "the images of txn/twopc", mutant.Seeds(40, func(seed int64) string {
			return mutant.Complaint(func() { wholeState(complainer{}, seed) })
		}))
	}
}

// complainer is a failer that panics.
type complainer struct{}

func (complainer) Helper()                           {}
func (complainer) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
