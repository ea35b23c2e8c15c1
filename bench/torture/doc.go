// Package torture puts a cluster of real processes under faults and a load, and judges what its clients saw.
//
// A run is drawn from a seed as data, a [Plan]: how large the cluster is, what its kernels do, and for each of its rounds a
// mix of workloads and a list of strikes, each with its moment, its victims and its length. The plan is the same whenever
// it is drawn; what the machine makes of it is not, for processes and packets keep their own time.
//
// In a round all keys are new. Its load goes on while the strikes fall; then everything is healed, the cluster must come to
// rest, all keys of the round are read once more, and what the clients saw is judged while the next round goes on. At the end
// the keys of all rounds are read again, for what was acknowledged in the first round must survive the last.
//
// Clients are processes among the nodes' namespaces and use the SDK. They write down in a [Journal] what they see, and those
// that are killed what they are about to send, before they send it: the dead leave transactions of unknown outcome,
// which the judges know how to treat.
package torture
