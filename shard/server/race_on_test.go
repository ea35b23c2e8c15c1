//go:build race

package server_test

// largeRounds is how many large values are written. The race detector makes megabytes ten times slower.
const largeRounds = 9
