package wire_test

import (
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// The imports define the bodies of clients and of two-phase commit; the tests below walk all of them.
var (
	_ = txn.SubmitBody
	_ = twopc.PrepareBody
)

// example fills a value: every list gets n elements, every number and byte string something other than zero.
func example(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(5)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.String:
		v.SetString("why")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			example(v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			example(v.Field(i), n)
		}
	default:
		panic("bodies hold no " + v.Kind().String())
	}
}

// hollow fills lists with n zero elements: what takes the most memory for its bytes.
func hollow(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n))
	case reflect.Struct:
		for i := range v.NumField() {
			hollow(v.Field(i), n)
		}
	}
}

// blank is a fresh pointer to the body type of a kind. An empty array decodes into any of them.
func blank(t testing.TB, kind wire.Kind) any {
	v, err := wire.DecodeBody(kind, []byte{0x90})
	if err != nil {
		t.Fatalf("%v: %v", kind, err)
	}
	return v
}

func TestEveryBodyComesBackAsItWas(t *testing.T) {
	if len(wire.DefinedKinds()) < 10 {
		t.Fatalf("only %v are defined", wire.DefinedKinds())
	}
	for _, kind := range wire.DefinedKinds() {
		for name, fill := range map[string]func(reflect.Value, int){"example": example, "hollow": hollow} {
			v := blank(t, kind)
			fill(reflect.ValueOf(v).Elem(), 3)
			check(t, kind, name, v)
			fill(reflect.ValueOf(v).Elem(), 40)
			check(t, kind, name, v)
		}
		check(t, kind, "zero", blank(t, kind))
	}
}

func check(t *testing.T, kind wire.Kind, name string, v any) {
	t.Helper()
	got, err := wire.DecodeBody(kind, wire.AppendValue(nil, v))
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%v, %s: got %+v, %v, want %+v", kind, name, got, err, v)
	}
}

func TestBodiesOfUndefinedKindsAreRefused(t *testing.T) {
	if _, err := wire.DecodeBody(wire.KindAccepted, []byte{0x90}); !errors.Is(err, wire.ErrBody) {
		t.Errorf("Accepted has no body, yet: %v", err)
	}
}

// The test behind the promise of DecodeValue: at every place of a body stands a list, string or map that claims
// 2^32 elements, or many empty ones, and decoding it allocates little for the bytes there are.
func TestDecodingAllocatesASmallMultipleOfWhatItIsGiven(t *testing.T) {
	const factor, base = 40, 16 << 10 // the budget, size classes, the error, what the runtime does meanwhile
	for _, kind := range wire.DefinedKinds() {
		v := blank(t, kind)
		example(reflect.ValueOf(v).Elem(), 2)
		good := wire.AppendValue(nil, v)
		for at := range good {
			for name, tail := range hostile {
				b := append(good[:at:at], tail...)
				_, _ = wire.DecodeBody(kind, b) // the first of a type builds what is kept for ever
				if got := allocated(func() { _, _ = wire.DecodeBody(kind, b) }); got > factor*uint64(len(b))+base {
					t.Errorf("%v, %s at %d: %d bytes allocated for a body of %d", kind, name, at, got, len(b))
				}
			}
		}
	}
}

var hostile = map[string][]byte{
	"array of 2^32":      claim(0xdd, 1<<32-1),
	"map of 2^32":        claim(0xdf, 1<<32-1),
	"bin of 2^32":        claim(0xc6, 1<<32-1),
	"string of 2^32":     claim(0xdb, 1<<32-1),
	"array of 2^31":      claim(0xdd, 1<<31),
	"array of a million": claim(0xdd, 1e6),
	"empty structs":      append(claim(0xdd, 8000), repeat(0x90, 8000)...),
	"nils":               append(claim(0xdd, 8000), repeat(0xc0, 8000)...),
	"empty maps":         append(claim(0xdf, 4000), repeat(0x80, 8000)...),
	"numbers":            append(claim(0xdd, 8000), repeat(0x01, 8000)...),
	"bytes":              append(claim(0xc6, 8000), repeat(0x01, 8000)...),
	"nested lists":       repeat(0x91, 8000),
}

func claim(descriptor byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{descriptor}, n)
}

func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestLongValuesAreAllocatedOnce(t *testing.T) {
	v := &txn.Write{Key: []byte("k"), Value: make([]byte, 60000)}
	b := wire.AppendValue(nil, v)
	got := allocated(func() {
		if err := wire.DecodeValue(b, new(txn.Write)); err != nil {
			t.Error(err)
		}
	})
	if got > 2*uint64(len(b)) {
		t.Errorf("%d bytes allocated for %d", got, len(b))
	}
}
