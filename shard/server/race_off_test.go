//go:build !race

package server_test

// largeRounds is how many large values are written.
const largeRounds = 24
