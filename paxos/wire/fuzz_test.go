package wire_test

import (
	"reflect"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

func FuzzParse(f *testing.F) {
	frame := &wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Op: 7}, Body: []byte("body")}
	one, _ := frame.Append(nil)
	two, _ := frame.Append(one[:len(one):len(one)])
	f.Add([]byte{})
	f.Add(one)
	f.Add(two)
	f.Add(one[:wire.HeaderSize])
	key := wire.NewKey([wire.KeySize]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			frame, raw, rest, err := wire.Parse(b)
			if err != nil {
				return
			}
			if string(raw)+string(rest) != string(b) || frame.Size() != len(raw) || !frame.Kind.Known() {
				t.Fatalf("%d bytes became %d and %d", len(b), len(raw), len(rest))
			}
			again, err := frame.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			key.Seal(raw)
			key.Seal(again)
			if string(again) != string(raw) || !key.Verify(raw) {
				t.Fatalf("encoded again:\n%x, was\n%x", again, raw)
			}
			b = rest
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, kind := range wire.DefinedKinds() {
		for _, n := range []int{0, 1, 3} {
			v := blank(f, kind)
			example(reflect.ValueOf(v).Elem(), n)
			f.Add(uint8(kind), wire.AppendValue(nil, v))
		}
	}
	for _, tail := range hostile {
		f.Add(uint8(wire.KindPrepare), tail[:min(len(tail), 64)])
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		v, err := wire.DecodeBody(wire.Kind(kind), b)
		if err != nil {
			return
		}
		once := wire.AppendValue(nil, v)
		again, err := wire.DecodeBody(wire.Kind(kind), once)
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%+v became %+v, %v", v, again, err)
		}
	})
}
