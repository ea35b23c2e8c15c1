//go:build race

package paxos

// strangeStride is how many strange messages lie between two that are tried, and exploredSeeds is how many seeds are explored. The race
// detector makes both ten times slower, and a core has one goroutine.
const (
	strangeStride = 11
	exploredSeeds = 100
)
