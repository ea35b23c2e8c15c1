package words

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"cluster", "node", "nodes", "window"}
	for key, want := range map[string]string{
		"clutser": "cluster", "ndoe": "node", "noed": "node", "nod": "node", "windows": "window", "x": "", "cl": "", "keys": "",
	} {
		if got := Nearest(key, known); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
