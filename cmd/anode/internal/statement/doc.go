// Package statement is the little language of `anode txn`: its parser, and its text.
//
//	get KEY
//	put KEY VALUE
//	delete KEY
//	add KEY NUMBER
//	check KEY = VALUE
//	check KEY != VALUE
//	check KEY exists
//	check KEY absent
//	scan PREFIX
//	scan PREFIX limit NUMBER
//
// Statements end at a semicolon or at the end of a line; # begins a comment. Words stand between blanks; in double
// quotes a word may hold anything, with the escapes of Go.
package statement
