// Package local runs a whole cluster in this process, on loopback: for the demo and for tests of programs that
// use the SDK. Nodes can be killed, and started again without their memory.
package local
