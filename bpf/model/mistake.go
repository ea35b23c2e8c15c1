package model

import "github.com/anodekv/anode/internal/mutant"

// mistaken reports whether a known mistake is switched on. It never is but in tests built with the tag mutants: they
// see that a test, here or in the simulator, notices the mistake.
func mistaken(name string) bool { return mutant.On(name) }
