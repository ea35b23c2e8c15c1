// Package anodetest starts a cluster inside a test, for programs that use package client:
//
//	func TestTransfer(t *testing.T) {
//		db := anodetest.Start(t).Open(t)
//		...
//	}
//
// The cluster is a real one: nodes with replicas that talk UDP on loopback, in the test's process, without root and
// without files. Nodes can be killed and started again, to see what a program makes of that.
package anodetest
