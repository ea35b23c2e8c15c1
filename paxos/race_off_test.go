//go:build !race

package paxos

const (
	strangeStride = 1
	exploredSeeds = 300
)
