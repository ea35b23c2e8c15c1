package check

import "testing"

func TestExactlyOnce(t *testing.T) {
	maybe := with(Unknown, did(0, 0, Append("x", "maybe")))
	not := with(Aborted, did(0, 1, Append("x", "not")))
	h := History{did(0, 1, Append("x", "a"), Append("y", "a")), did(0, 1, Append("x", "b")), maybe, not, did(0, 1, Append("z", "unseen"))}
	for _, test := range []struct {
		name string
		x    Value
		kind AnomalyKind
	}{
		{"all there", List("b", "a"), ""},
		{"the unknown one too", List("b", "maybe", "a"), ""},
		{"an acknowledged one lost", List("b"), LostWrite},
		{"an acknowledged one twice", List("a", "b", "a"), DuplicateWrite},
		{"an unknown one twice", List("a", "b", "maybe", "maybe"), DuplicateWrite},
		{"an aborted one", List("a", "b", "not"), G1a},
		{"one of nobody", List("a", "ghost", "b"), DirtyRead},
	} {
		v := ExactlyOnce(h, map[string]Value{"x": test.x, "y": List("a")})
		if test.kind == "" && (!v.OK || v.Checked != 3) || test.kind != "" && (v.OK || len(v.Anomalies) != 1 || v.Anomalies[0].Kind != test.kind) {
			t.Errorf("%s: want %q: %v", test.name, test.kind, v)
		}
	}
	if v := ExactlyOnce(h, nil); v.OK {
		t.Errorf("a verdict over nothing: %v", v)
	}
	if v := ExactlyOnce(History{{Start: 1}}, nil); v.OK || v.Anomalies[0].Kind != Malformed {
		t.Errorf("a history that is none: %v", v)
	}
}

func TestShortest(t *testing.T) {
	h := History{
		by(1, did(0, 10, Read("x", Absent), Read("y", Absent), Write("x", "1"))),
		by(2, did(0, 10, Read("x", Absent), Read("y", Absent), Write("y", "1"))),
		by(3, did(0, 10, Read("z", Of("ghost")))),
	}
	v := Transactions(h)
	if a, ok := v.Shortest(); !ok || len(v.Anomalies) != 2 || a.Kind != DirtyRead {
		t.Errorf("%v, of %v", a, v)
	}
	if a, ok := Transactions(h[:1]).Shortest(); ok {
		t.Errorf("%v, of nothing", a)
	}
}
