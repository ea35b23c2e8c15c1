//go:build !torture

package replica

// disturbed is what a test build makes of a reading.
func disturbed(t Instant) Instant { return t }
