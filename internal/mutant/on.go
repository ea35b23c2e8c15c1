//go:build mutants

package mutant

import "os"

// Variable of the environment that switches a mistake on from a process's start.
const Variable = "ANODE_MUTANT"

// active is the one mistake that is switched on, or empty. Tests that set it run one after the other.
var active = os.Getenv(Variable)

// On reports whether the named mistake is switched on.
func On(name string) bool { return active == name }

// Set switches one mistake on and all others off; the empty name means none.
func Set(name string) { active = name }
