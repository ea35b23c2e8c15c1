// Package hostile makes the packets of somebody who reaches the replicas' network and has no key: forged ones, those of the
// past, damaged ones, and repetitions of what he has seen. It is for tests of the programs and of their model, which must
// take none of them.
//
// He has seen everything that was ever sent to the two replicas under attack, under the group's one key: what is of an
// older view or of a former life of a member carries a right code. Some packets carry a right code though nobody could
// have made it; they are there because no check may rely on another one that comes before it or after.
package hostile
