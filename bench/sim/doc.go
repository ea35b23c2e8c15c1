// Package sim runs a whole cluster, with its clients, in virtual time and in one goroutine, from one seed.
//
// Everything but the outermost ports is the product's own code: replica.Replica with its engine on the
// servers, twopc.Coordinator in the clients. The simulator is the clock, the network, the disk and the
// nemesis: it delays, loses, duplicates and reorders datagrams, cuts links one way or both, kills and
// restarts hosts (which lose their memory and keep their promise files, or lose these too), stops them for a while, and lets
// their clocks drift and jump. Clients die at every step of a commit, between two datagrams too, and others
// take their place under new names.
//
// A run has three parts: faults under load; healing, after which everything must come to rest in one state;
// and judgement of the history that the clients saw. Invariants are checked after every turn of every
// replica. The same seed gives the same run, to the byte: the report carries a hash of all deliveries.
package sim
