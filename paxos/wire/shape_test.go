package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// plain has one field of every form that bodies use.
type plain struct {
	B  bool
	I  int64
	U  uint16
	F  float64
	S  string
	Y  []byte
	H  [4]byte
	L  []inner
	YY [][]byte
	N  inner
	A  Addr
	M  map[string]uint64
	P  *inner
}

type inner struct {
	K Kind
	V View
}

func drawPlain(t *rapid.T) *plain {
	v := &plain{
		B: rapid.Bool().Draw(t, "B"), I: rapid.Int64().Draw(t, "I"), U: rapid.Uint16().Draw(t, "U"),
		F: rapid.Float64().Draw(t, "F"), S: rapid.String().Draw(t, "S"),
		H: [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "H")),
		N: drawInner(t),
		A: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), rapid.Uint16().Draw(t, "port")),
	}
	if rapid.Bool().Draw(t, "Y is there") {
		v.Y = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "Y")
	}
	for range rapid.IntRange(0, 40).Draw(t, "L") {
		v.L = append(v.L, drawInner(t))
		v.YY = append(v.YY, nil, []byte{1})
	}
	if rapid.Bool().Draw(t, "P is there") {
		v.P, v.M = &inner{K: 3}, map[string]uint64{"x": 1 << 40}
	}
	return v
}

func drawInner(t *rapid.T) inner {
	return inner{Kind(rapid.Byte().Draw(t, "K")), View(rapid.Uint64().Draw(t, "V"))}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawPlain(t)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "prefix")
		b := AppendValue(bytes.Clone(prefix), v)
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("AppendValue changed what stood before the value")
		}
		b = b[len(prefix):]
		got := new(plain)
		if err := DecodeValue(b, got); err != nil {
			t.Fatalf("%v, of %x", err, b)
		}
		if !reflect.DeepEqual(got, v) {
			t.Fatalf("got %+v, want %+v", got, v)
		}
		clear(b)
		if !reflect.DeepEqual(got, v) {
			t.Fatal("the value lives in the bytes it came from")
		}
	})
}

func TestAnyCutIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := AppendValue(nil, drawPlain(t))
		n := rapid.IntRange(0, len(b)-1).Draw(t, "n")
		if err := DecodeValue(b[:n], new(plain)); !errors.Is(err, ErrBody) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	})
}

type (
	ofBool   struct{ V bool }
	ofInt    struct{ V uint8 }
	ofFloat  struct{ V float32 }
	ofString struct{ V string }
	ofBytes  struct{ V []byte }
	ofHash   struct{ V [2]byte }
	ofList   struct{ V []inner }
	ofInner  struct{ V inner }
	ofMap    struct{ V map[string]int }
	ofAddr   struct{ V Addr }
)

func TestRefusedBodies(t *testing.T) {
	for _, c := range []struct {
		name string
		into any
		body string
		want error
	}{
		{"nothing", &ofInt{}, "", errCut},
		{"a number for a struct", &ofInt{}, "\x01", errType},
		{"nil for a struct", &ofInt{}, "\xc0", errType},
		{"a map for a struct", &ofInt{}, "\x81\xa1V\x01", errType},
		{"a byte too many", &ofInt{}, "\x91\x01\x00", errTail},
		{"a second value", &ofInt{}, "\x91\x01\x91\x01", errTail},
		{"an int for a bool", &ofBool{}, "\x91\x01", errType},
		{"a bool for an int", &ofInt{}, "\x91\xc3", errType},
		{"a float for an int", &ofInt{}, "\x91\xca\x00\x00\x00\x00", errType},
		{"an int too large", &ofInt{}, "\x91\xcd\x01\x00", nil},
		{"an int below zero", &ofInt{}, "\x91\xff", nil},
		{"half an int", &ofInt{}, "\x91\xcd\x01", errCut},
		{"an int for a float", &ofFloat{}, "\x91\x01", errType},
		{"bin for a string", &ofString{}, "\x91\xc4\x01x", errType},
		{"nil for a string", &ofString{}, "\x91\xc0", errType},
		{"a string for bytes", &ofBytes{}, "\x91\xa1x", errType},
		{"an array for bytes", &ofBytes{}, "\x91\x91\x01", errType},
		{"a hash one byte short", &ofHash{}, "\x91\xc4\x01x", errType},
		{"a hash that is absent", &ofHash{}, "\x91\xc0", errType},
		{"a map for a list", &ofList{}, "\x91\x81\x92\x01\x01\x92\x01\x01", errType},
		{"bytes for a list", &ofList{}, "\x91\xc4\x01x", errType},
		{"a number in a list of structs", &ofList{}, "\x91\x91\x01", errType},
		{"nil in a list of structs", &ofList{}, "\x91\x91\xc0", errType},
		{"nil for a struct inside", &ofInner{}, "\x91\xc0", errType},
		{"an extension", &ofAddr{}, "\x91\xd4\x01\x01", errType},
		{"the byte that means nothing", &ofAddr{}, "\x91\xc1", errType},
		{"an address of three bytes", &ofAddr{}, "\x91\xc4\x03abc", nil},
		{"2^32 elements", &ofList{}, "\x91\xdd\xff\xff\xff\xff\x92\x01\x01", errCut},
		{"2^16 elements", &ofList{}, "\x91\xdc\xff\xff\x92\x01\x01", errCut},
		{"2^32 bytes", &ofBytes{}, "\x91\xc6\xff\xff\xff\xffx", errCut},
		{"2^32 bytes of string", &ofString{}, "\x91\xdb\xff\xff\xff\xffx", errCut},
		{"2^32 pairs in a map", &ofMap{}, "\x91\xdf\xff\xff\xff\xff\xa1x\x01", errCut},
		{"2^32 pairs in an unknown field", &ofInt{}, "\x92\x01\xdf\xff\xff\xff\xff\xa1x\x01", errCut},
		{"17 levels in an unknown field", &ofInt{}, "\x92\x01" + nested(17) + "\x01", errDeep},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := DecodeValue([]byte(c.body), c.into)
			if !errors.Is(err, ErrBody) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func nested(levels int) string { return string(bytes.Repeat([]byte{0x91}, levels)) }

func TestFieldsMayBeAddedAtTheEnd(t *testing.T) {
	var older ofInt
	if err := DecodeValue([]byte("\x93\x07\x92\x01\xa1x\x81\xa1k\xc3"), &older); err != nil || older.V != 7 {
		t.Errorf("a newer sender's body: %+v, %v", older, err)
	}
	var newer inner
	if err := DecodeValue([]byte("\x91\x07"), &newer); err != nil || newer != (inner{K: 7}) {
		t.Errorf("an older sender's body: %+v, %v", newer, err)
	}
}

func TestHollowListsAreRefused(t *testing.T) {
	hollow := append([]byte("\x91\xdc\xea\x60"), bytes.Repeat([]byte{0x90}, 60000)...)
	type fat struct{ A, B, C, D, E uint64 }
	if err := DecodeValue(hollow, &struct{ V []fat }{}); !errors.Is(err, errCostly) {
		t.Errorf("60,000 structs of 40 bytes from a byte each: %v", err)
	}
}

func TestTaggedAndRecursiveTypesAreLeftToTheLibrary(t *testing.T) {
	type tagged struct {
		V uint8 `codec:"-"`
		W uint8
	}
	type node struct{ Next []node }
	for _, v := range []any{&tagged{W: 3}, &struct{ inner }{inner{1, 2}}, &node{Next: []node{{}, {}}}} {
		got := reflect.New(reflect.TypeOf(v).Elem()).Interface()
		if err := DecodeValue(AppendValue(nil, v), got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%T: got %+v, %v", v, got, err)
		}
	}
}

func TestDefiningAKindTwicePanics(t *testing.T) {
	const kind = KindForm
	was, defined := probes[kind]
	defer func() {
		if recover() == nil {
			t.Error("the second definition was taken")
		}
		delete(probes, kind)
		if defined {
			probes[kind] = was
		}
	}()
	delete(probes, kind)
	Define[inner](kind)
	Define[inner](kind)
}
