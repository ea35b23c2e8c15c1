package check

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestRecorder(t *testing.T) {
	const clients, each = 8, 50
	r := NewRecorder(clients*each + 1)
	var wait sync.WaitGroup
	for client := range clients {
		wait.Go(func() {
			for i := range int64(each) {
				rec, err := r.Begin(client, 10*i)
				if err != nil {
					t.Error(err)
					return
				}
				rec.Op(Read("lost", Of("attempt")))
				rec.Reset()
				rec.Op(Read("x", Absent))
				rec.End(10*i+5, Committed)
				r.History() // may be taken at any time
			}
		})
	}
	wait.Wait()
	hanging, err := r.Begin(99, 7)
	if err != nil {
		t.Fatal(err)
	}
	hanging.Op(Write("y", "1"))
	if _, err := r.Begin(1, 8); !errors.Is(err, ErrFull) {
		t.Fatalf("a full recorder took another: %v", err)
	}
	h := r.History()
	if len(h) != clients*each+1 || r.Len() != len(h) || len(h[0].Ops) != 1 || h[0].End-h[0].Start != 5 {
		t.Fatalf("%d transactions, the first is %+v", len(h), h[0])
	}
	want := Txn{Client: 99, Start: 7, End: Never, Ops: []Op{Write("y", "1")}, Outcome: Unknown}
	if got := h[len(h)-1]; !reflect.DeepEqual(got, want) {
		t.Fatalf("the one that hangs is %+v", got)
	}
	if v := Transactions(h); !v.OK {
		t.Fatal(v)
	}
}

func TestRecordEndsOnce(t *testing.T) {
	rec, err := NewRecorder(1).Begin(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	rec.End(2, Committed)
	defer func() {
		if recover() == nil {
			t.Fatal("a transaction was ended twice")
		}
	}()
	rec.End(3, Aborted)
}

func TestDumpLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.OneOf(rapid.String(), rapid.Just(base64Mark+"?"),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		ops := rapid.Custom(func(t *rapid.T) Op {
			key, value := data.Draw(t, "key"), data.Draw(t, "value")
			return rapid.SampledFrom([]Op{Read(key, Absent), Read(key, Of(value)), Write(key, value), Delete(key), Append(key, "token")}).Draw(t, "op")
		})
		var h History
		for range rapid.IntRange(0, 5).Draw(t, "txns") {
			txn := drawSpan(t, Committed, Aborted, Unknown)
			txn.Client = rapid.Int().Draw(t, "client")
			txn.Ops = rapid.SliceOfN(ops, 1, 4).Draw(t, "ops")
			h = append(h, txn)
		}
		var b bytes.Buffer
		if err := h.Dump(&b); err != nil {
			t.Fatal(err)
		}
		got, err := Load(&b)
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("%v: dumped %+v, loaded %+v", err, h, got)
		}
	})
}

func TestDumpIsReadable(t *testing.T) {
	h := History{with(Unknown, did(5, 9, Read("a", Absent), Write("b", "1"), Delete("c"), Append("d", "t")))}
	var b strings.Builder
	if err := h.Dump(&b); err != nil {
		t.Fatal(err)
	}
	want := `{"client":1,"start":5,"outcome":"unknown","ops":[{"r":"a"},{"w":"b","v":"1"},{"d":"c"},{"a":"d","v":"t"}]}` + "\n"
	if b.String() != want {
		t.Fatalf("got  %swant %s", b.String(), want)
	}
}

func TestLoadRefuses(t *testing.T) {
	good := `{"client":1,"start":5,"end":6,"outcome":"committed","ops":[{"r":"a"}]}` + "\n"
	for bad, says := range map[string]string{
		`{`: "line 2",
		`{"start":5,"end":6,"outcome":"maybe","ops":[]}`:                            "no outcome",
		`{"start":5,"end":4,"outcome":"committed","ops":[]}`:                        "before it starts",
		`{"start":5,"end":6,"outcome":"committed","ops":[{"r":"a","w":"b"}]}`:       "exactly one",
		`{"start":5,"end":6,"outcome":"committed","ops":[{}]}`:                      "exactly one",
		`{"start":5,"end":6,"outcome":"committed","ops":[{"r":"base64:?"}]}`:        "base64",
		`{"start":5,"end":6,"outcome":"committed","ops":[{"a":"a","v":"one two"}]}`: "holds a space",
	} {
		if _, err := Load(strings.NewReader(good + bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
