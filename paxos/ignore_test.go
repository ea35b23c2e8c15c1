package paxos

import (
	"fmt"
	"hash/fnv"
	"io"
	"reflect"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// Whatever becomes of a message is seen: it changes the core, or makes it say something, or is counted under a reason why
// not. Groups are driven by chance through all that they know.
func TestEveryIgnoredMessageIsCounted(t *testing.T) {
	silent := map[string]int{}
	var counted Ignored
	steps := 0
	for seed := int64(1); seed <= 4; seed++ {
		e := newExplorer(seed)
		e.watch = func(h *host, f *wire.Frame, step func()) {
			e.now += wire.Time(wire.Microsecond) // so that to have been heard at this moment is a change, on slow clocks too
			before, ignored, status := digest(h.core), h.core.ignored, h.core.status
			step()
			steps++
			if h.core.ignored == ignored && digest(h.core) == before {
				silent[fmt.Sprintf("%v of view %v at a replica that is %v in view %v", f.Kind, viewName(f.View), status, viewName(h.core.promised))]++
			}
			for reason := range counted {
				counted[reason] += h.core.ignored[reason] - ignored[reason]
			}
		}
		if err := e.run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	for what, n := range silent {
		t.Errorf("%d times nothing came of a %s, and nothing was counted", n, what)
	}
	met := 0
	for reason, n := range counted {
		if n > 0 {
			met++
		}
		t.Logf("%8d %v", n, Reason(reason))
	}
	if met < 9 {
		t.Errorf("only %d reasons were met in %d messages", met, steps)
	}
}

// Reasons have names of their own.
func TestReasonsHaveNames(t *testing.T) {
	names := map[string]Reason{}
	for r := range reasons {
		if other, twice := names[r.String()]; twice || r.String() == "" {
			t.Errorf("reason %d is called %q, as %d is", r, r, other)
		}
		names[r.String()] = r
	}
}

// digest is that of everything that a core holds, but for the time, the message at hand and the counts of what was ignored.
func digest(c *Core) uint64 {
	h := fnv.New64a()
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		switch v.Type().Field(i).Name {
		case "now", "in", "ignored", "cfg", "owned":
		default:
			describeValue(h, v.Field(i))
		}
	}
	return h.Sum64()
}

// describeValue writes a value as it is behind its pointers.
func describeValue(w io.Writer, v reflect.Value) {
	if v.Type() == reflect.TypeFor[oplog]() { // it only grows by one message, or is replaced
		fmt.Fprintf(w, "%v,%v,%d;", v.FieldByName("base"), v.FieldByName("chosen"), v.FieldByName("bodies").Len())
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			_, _ = io.WriteString(w, "nil")
			return
		}
		describeValue(w, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			describeValue(w, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		fmt.Fprintf(w, "%d:", v.Len())
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			_, _ = w.Write(v.Bytes())
			return
		}
		for i := range v.Len() {
			describeValue(w, v.Index(i))
		}
	default:
		fmt.Fprintf(w, "%v;", v)
	}
}
