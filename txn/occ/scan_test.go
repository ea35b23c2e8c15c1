package occ

import (
	"slices"
	"testing"

	"github.com/anodekv/anode/txn"
)

func TestWritesWalksARangeInBothDirections(t *testing.T) {
	s := NewSet()
	s.Lock(id(1), &txn.Work{Writes: []txn.Write{{Key: []byte("b")}, {Key: []byte("d")}}, Reads: []txn.Read{{Key: []byte("c")}}})
	s.Lock(id(2), &txn.Work{Writes: []txn.Write{{Key: []byte("e")}}})
	for _, c := range []struct {
		start, end string
		want       []string
	}{
		{"", "", []string{"b1", "d1", "e2"}},
		{"b", "e", []string{"b1", "d1"}},
		{"c", "", []string{"d1", "e2"}},
		{"c", "d", nil},
		{"d", "b", nil},
		{"f", "", nil},
	} {
		for _, reverse := range []bool{false, true} {
			var got []string
			for key, by := range s.Writes([]byte(c.start), []byte(c.end), reverse) {
				got = append(got, string(key)+string('0'+rune(by.Seq)))
			}
			if reverse {
				slices.Reverse(got)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("[%q, %q) reverse %v: %q, want %q", c.start, c.end, reverse, got, c.want)
			}
		}
	}
	if by, ok := s.Writer([]byte("e")); !ok || by != id(2) {
		t.Errorf("e is written by %v %v", by, ok)
	}
	if _, ok := s.Writer([]byte("c")); ok {
		t.Error("a read key has a writer")
	}
}
