// Package workload says what a key-value store is asked for when it is measured: the core workloads of YCSB (Cooper et
// al., SoCC 2010) with the key choosers of its own source, Retwis with the mix of TAPIR's evaluation (Zhang et
// al., SOSP 2015), transactions that read and write two keys, and single puts and gets.
//
// A [Workload] is shared by all clients; each has a [Dealer], which deals out values of type [Op] from a seed. Nothing
// here knows of a store or of time: package runner carries operations out and measures.
package workload
