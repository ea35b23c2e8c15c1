// Package lab is a cluster on one machine whose members are as far apart as namespaces can put them:
//
//	            hub: br0
//	 ┌────────┬────┴───┬─────────┐
//	eth0     eth0     eth0      eth0
//	n0       n1       n2 …      clients
//	10.77.0.10  .11   .12       10.77.0.100
//
// Each node is a process of the product's own binary in a network namespace of its own, and so are the clients; the
// bridge that connects them has one too. Nothing of it is in the machine's own network, so that neither its addresses
// nor its firewall matter. The namespaces have names and can be looked into with ip netns.
//
// What a lab consists of is written down before it is made. [Down] takes it away, whatever became of who made it.
//
// [Measure] holds the kernel path of such a cluster against user space.
package lab
