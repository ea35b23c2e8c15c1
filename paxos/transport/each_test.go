package transport

import (
	"encoding/binary"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// sealed is an encoded frame of a kind under a key.
func sealed(t testing.TB, kind wire.Kind, key wire.Key) []byte {
	raw, err := frame(kind, 7, 100).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	key.Seal(raw)
	return raw
}

func TestEachStopsAtTheFirstBadFrame(t *testing.T) {
	accepted, submit := sealed(t, wire.KindAccepted, replicaKey), sealed(t, wire.KindSubmit, clientKey)
	changed := func(off int, b byte) []byte {
		raw := append([]byte(nil), accepted...)
		raw[off] = b
		return raw
	}
	long := append([]byte(nil), accepted...)
	binary.LittleEndian.PutUint32(long[20:], wire.MaxBody+1)
	for _, c := range []struct {
		name string
		keys wire.Keys
		data [][]byte
		good int
		bad  Reject
	}{
		{"nothing", bothKeys, nil, 0, RejectShort},
		{"one", bothKeys, [][]byte{accepted}, 1, RejectNone},
		{"both keys in one datagram", bothKeys, [][]byte{accepted, submit, accepted}, 3, RejectNone},
		{"a frame cut short", bothKeys, [][]byte{accepted, submit[:80]}, 1, RejectShort},
		{"a header cut short", bothKeys, [][]byte{accepted, submit[:10]}, 1, RejectShort},
		{"not ours", bothKeys, [][]byte{changed(0, 'A')}, 0, RejectMagic},
		{"another version", bothKeys, [][]byte{accepted, changed(4, 9)}, 1, RejectVersion},
		{"an unknown kind", bothKeys, [][]byte{changed(5, 250)}, 0, RejectKind},
		{"reserved bits", bothKeys, [][]byte{changed(50, 1)}, 0, RejectReserved},
		{"a body too large", bothKeys, [][]byte{long}, 0, RejectTooLarge},
		{"a flipped bit", bothKeys, [][]byte{accepted, changed(90, 0), accepted}, 1, RejectMAC},
		{"a client as a replica", bothKeys, [][]byte{sealed(t, wire.KindAccept, clientKey)}, 0, RejectMAC},
		{"a replica's key on a request", bothKeys, [][]byte{sealed(t, wire.KindSubmit, replicaKey)}, 0, RejectMAC},
		{"no code", bothKeys, [][]byte{sealed(t, wire.KindSubmit, wire.Key{})}, 0, RejectMAC},
		{"no keys: all are believed", wire.Keys{}, [][]byte{accepted, submit}, 2, RejectNone},
		{"a client hears a replica's frame", wire.Keys{Client: clientKey}, [][]byte{submit, accepted}, 1, RejectMAC},
	} {
		t.Run(c.name, func(t *testing.T) {
			var data []byte
			for _, d := range c.data {
				data = append(data, d...)
			}
			called := 0
			good, bad := Each(data, c.keys, func(f wire.Frame) {
				called++
				if f.Op != 7 || len(f.Body) != 100-wire.HeaderSize {
					t.Errorf("got %+v", f)
				}
			})
			if good != c.good || called != c.good || bad != c.bad {
				t.Errorf("%d frames, %d handed out, then %v; want %d, then %v", good, called, bad, c.good, c.bad)
			}
		})
	}
}

func TestRejectsHaveOneNameEach(t *testing.T) {
	seen := map[string]bool{}
	for r := range Rejects {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("%d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if Rejects.String() != "Reject(8)" {
		t.Errorf("an unknown reason is called %q", Rejects)
	}
}

func TestEachDoesNotAllocate(t *testing.T) {
	raw := append(sealed(t, wire.KindAccepted, replicaKey), sealed(t, wire.KindSubmit, clientKey)...)
	frames := 0
	count := func(wire.Frame) { frames++ }
	if n := testing.AllocsPerRun(100, func() { Each(raw, bothKeys, count) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzEach(f *testing.F) {
	one := sealed(f, wire.KindAccepted, replicaKey)
	f.Add(one)
	f.Add(append(one, sealed(f, wire.KindSubmit, clientKey)...))
	f.Add([]byte("anod"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, keys := range []wire.Keys{{}, bothKeys} {
			before, bytes := string(b), 0
			good, bad := Each(b, keys, func(f wire.Frame) { bytes += f.Size() })
			if bad == RejectNone && (good == 0 || bytes != len(b)) || bytes > len(b) {
				t.Fatalf("%d frames of %d bytes, %v, from %d bytes", good, bytes, bad, len(b))
			}
			if string(b) != before {
				t.Fatal("the datagram was changed")
			}
		}
	})
}
