// Package house holds the project to its plan. It contains only tests; they read the source of the whole
// module and fail when it leaves one of four rules:
//
//   - Imports run one way. Every package has a row in the table of table_test.go, which says what it may
//     import and what it must never import. A new package fails until it is given a row, so that its place
//     in the house is a decision and not an accident.
//   - A library has one room. What parses MessagePack, loads kernel programs or reads configuration is
//     imported in one place, so that replacing it touches one place.
//   - Protocol cores are pure: no goroutine, no channel, no lock, no clock, no unseeded randomness. That is
//     what lets the simulator replay a run from its seed.
//   - Files and functions stay small enough to be read in one go.
//
// Test files are free to import what they like, because nothing can depend on them.
package house
