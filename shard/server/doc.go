// Package server is a node: one process that carries a replica of each group that the topology gives it,
// every replica with a socket, a promise file and a goroutine of its own.
package server
