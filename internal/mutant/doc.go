// Package mutant puts known mistakes back into the code, to see that a test finds them.
//
// A place that could be wrong in a way worth remembering asks [On] and, when it is told so, is wrong in
// that way. In the product On is constantly false: the compiler removes the mistake and the question. Only a
// build with the tag mutants has a switch, and only tests turn it: with Set, or for a process that they start by the
// variable ANODE_MUTANT of its environment.
//
//	go test -tags mutants -run Mutant ./paxos/
package mutant
