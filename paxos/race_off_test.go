//go:build !race

package paxos

// See race_on_test.go for what these are.
const (
	strangeStride = 1
	exploredSeeds = 300
)
