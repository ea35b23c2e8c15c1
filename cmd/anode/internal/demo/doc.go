// Package demo is `anode demo`: a real cluster in one process on loopback, under a real load that is
// recorded, with nodes that are killed and started again, and a judgement at the end.
package demo
