package wire_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	_ "github.com/anodekv/anode/paxos" // defines the bodies of replicas
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// FuzzHand holds the bodies that are written by hand against the library: they take and refuse the same bytes, read the
// same out of them, and write the same.
func FuzzHand(f *testing.F) {
	for _, kind := range wire.HandKinds() {
		for _, n := range []int{0, 1, 3, 17} {
			v := blank(f, kind)
			example(reflect.ValueOf(v).Elem(), n)
			f.Add(uint8(kind), wire.AppendValue(nil, v))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		if slices.Contains(wire.HandKinds(), wire.Kind(kind)) {
			alike(t, wire.Kind(kind), b)
		}
	})
}

func alike(t *testing.T, kind wire.Kind, b []byte) {
	t.Helper()
	want, wantErr := wire.DecodeReference(kind, b)
	for _, share := range []bool{false, true} {
		got, err := wire.DecodeHand(kind, bytes.Clone(b), share)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v %x: %v by hand, %v by the library", kind, b, err, wantErr)
		}
		if err != nil && !reflect.ValueOf(got).Elem().IsZero() {
			t.Fatalf("%v %x: %+v is left of what was refused", kind, b, got)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%v %x: %+v by hand, %+v by the library", kind, b, got, want)
		}
	}
	if wantErr != nil {
		return
	}
	if got, lib := wire.EncodeHand(kind, want), wire.AppendValue(nil, want); !bytes.Equal(got, lib) {
		t.Fatalf("%v: %x by hand, %x by the library", kind, got, lib)
	}
}

// TestHandKnowsTheLibrarysBytes does what the fuzz test does with bytes of many kinds that are close to good ones.
func TestHandKnowsTheLibrarysBytes(t *testing.T) {
	if kinds := wire.HandKinds(); len(kinds) < 5 {
		t.Fatalf("only %v are written by hand", kinds)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, kind := range wire.HandKinds() {
		for range 20_000 {
			v := blank(t, kind)
			scatter(reflect.ValueOf(v).Elem(), rng)
			b := wire.AppendValue(nil, v)
			alike(t, kind, b)
			alike(t, kind, garble(b, rng))
		}
		for _, tail := range hostile {
			alike(t, kind, tail)
			alike(t, kind, append([]byte{0x92, 0x01}, tail...))
		}
	}
}

// TestHandNestsAsDeepAsTheLibrary is about a field of a newer sender: whoever decodes it passes over it, or refuses it, by one rule.
func TestHandNestsAsDeepAsTheLibrary(t *testing.T) {
	for _, kind := range wire.HandKinds() {
		b := wire.AppendValue(nil, blank(t, kind))
		if b[0]&0xf0 != 0x90 || b[0] == 0x9f {
			t.Fatalf("%v begins with %#x, not with room for a field more", kind, b[0])
		}
		b[0]++
		for levels := range 40 {
			newer := append(bytes.Clone(b), repeat(0x91, levels)...)
			alike(t, kind, append(newer, 1))
			if _, err := wire.DecodeHand(kind, append(newer, 1), false); (err == nil) != (levels <= 16) {
				t.Errorf("%v with a field of %d levels: %v", kind, levels, err)
			}
		}
	}
}

// scatter fills a value with what is near the ends of the forms that numbers, bytes and lists have.
func scatter(v reflect.Value, rng *rand.Rand) {
	edge := uint64(1)<<rng.IntN(64) + uint64(rng.IntN(3)) - 1
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int64:
		v.SetInt(int64(edge) * int64(1-2*rng.IntN(2)))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(edge & (1<<v.Type().Bits() - 1))
	case reflect.Slice:
		if n := rng.IntN(5); n > 0 {
			size := n - 1
			if v.Type().Elem().Kind() == reflect.Uint8 {
				size = []int{0, 5, 255, 256}[n-1]
			}
			v.Set(reflect.MakeSlice(v.Type(), size, size))
			for i := range size {
				scatter(v.Index(i), rng)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			scatter(v.Field(i), rng)
		}
	default:
		panic("no body that is written by hand holds a " + v.Kind().String())
	}
}

// garble changes a byte, cuts the end off, or puts something in.
func garble(b []byte, rng *rand.Rand) []byte {
	b = bytes.Clone(b)
	at := rng.IntN(min(len(b), 24))
	switch rng.IntN(4) {
	case 0:
		return b[:at]
	case 1:
		return slices.Insert(b, at, byte(rng.Uint32()))
	case 2:
		return slices.Delete(b, at, at+1)
	}
	b[at] = byte(rng.Uint32())
	return b
}

func TestSharedBytesLiveInTheBody(t *testing.T) {
	body := txn.SubmitBody.Append(nil, put100())
	var shared, own txn.Submit
	if err := txn.SubmitBody.DecodeShared(body, &shared); err != nil {
		t.Fatal(err)
	}
	if err := txn.SubmitBody.Decode(body, &own); err != nil {
		t.Fatal(err)
	}
	clear(body[len(body)-50:])
	body[len(body)-2] = 1
	if shared.Work.Writes[0].Value[99] != 1 || own.Work.Writes[0].Value[99] != 0 {
		t.Error("a shared value is a copy, or the other is none")
	}
}
