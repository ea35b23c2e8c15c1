// Package words finds what a user may have meant.
package words

import "strings"

// Nearest is the word with the fewest edits from key, if a slip of the finger may explain them.
func Nearest(key string, known []string) (best string) {
	fewest := 1 + min(3, len(key)/2)
	key = strings.ReplaceAll(key, "_", "-")
	for _, word := range known {
		if n := edits(key, word); n < fewest {
			best, fewest = word, n
		}
	}
	return best
}

// edits is the distance of two words by Levenshtein, with two neighbours that changed places as one edit.
func edits(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := above[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, row[j]+1, above[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
