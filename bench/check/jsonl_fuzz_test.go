package check

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// A history that can be read is read the same again when it was written, and any check of it ends with a verdict.
func FuzzLoad(f *testing.F) {
	var b bytes.Buffer
	h := History{did(0, 1, Read("x", Absent), Write("x", "\xff"), Append("l", "1")), with(Unknown, did(2, 3, Delete("x")))}
	if err := h.Dump(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String())
	f.Add(`{"client":1,"start":5,"end":9,"outcome":"committed","ops":[{"r":"x","v":"base64:AA=="}]}`)
	f.Add(`{"start":-9223372036854775808,"outcome":"aborted","ops":[{"a":"x","v":"1"},{"d":"x"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Load(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := h.Dump(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Load(&b)
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Fatalf("%+v, %v, was %+v", again, err, h)
		}
		for _, v := range []Verdict{Transactions(h), Registers(h), ExactlyOnce(h, nil)} {
			if v.OK && len(v.Anomalies) > 0 || !v.OK && v.String() == "" {
				t.Fatalf("%+v", v)
			}
		}
	})
}
