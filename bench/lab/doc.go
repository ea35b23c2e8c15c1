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
// A lab can be hurt. Nodes are killed, stopped, paused, wiped and started again ([Lab.Kill], [Lab.Pause], [Lab.Wipe],
// [Lab.Start]); members are parted from each other ([Lab.CutOff], [Lab.Cut], [Lab.Split], [Lab.Flap], [Lab.Unplug]), which
// happens in the bridge, where no kernel path sees through it; packets are dropped, corrupted, duplicated, replayed and
// delayed at the ports of the bridge ([Lab.Faults]), by kind of frame and by direction.
//
// [Measure] holds the kernel path of such a cluster against user space.
package lab
