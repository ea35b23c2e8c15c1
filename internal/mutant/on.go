//go:build mutants

package mutant

// active is the one mistake that is switched on, or empty. Tests that set it run one after the other.
var active string

// On reports whether the named mistake is switched on.
func On(name string) bool { return active == name }

// Set switches one mistake on and all others off; the empty name means none.
func Set(name string) { active = name }
