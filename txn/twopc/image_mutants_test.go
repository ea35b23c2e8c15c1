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
	defer mutant.Set("")
	for _, m := range imageMistakes {
		t.Run(m.name, func(t *testing.T) {
			mutant.Set(m.name)
			for seed := range int64(40) {
				if why := stateNotices(seed); why != "" {
					t.Logf("%.300s", why)
					return
				}
			}
			t.Errorf("40 seeds do not show that %s", m.what)
		})
	}
}

func stateNotices(seed int64) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprint(p)
		}
	}()
	wholeState(complainer{}, seed)
	return ""
}

// complainer is a failer that panics.
type complainer struct{}

func (complainer) Helper()                           {}
func (complainer) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
