package wire

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// cHeader is the header as a C compiler lays it out.
type cHeader struct {
	magic       uint32
	version     uint8
	kind        uint8
	flags       uint16
	cluster     uint64
	group       uint32
	length      uint32
	view        uint64
	op          uint64
	chosen      uint64
	sender      uint16
	reserved    uint16
	incarnation uint32
	mac         uint64
}

func TestHeaderIsAStructWithoutPadding(t *testing.T) {
	var h cHeader
	if got := unsafe.Sizeof(h); got != HeaderSize {
		t.Fatalf("the struct has %d bytes, HeaderSize is %d", got, HeaderSize)
	}
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"magic", offMagic, unsafe.Offsetof(h.magic)},
		{"version", offVersion, unsafe.Offsetof(h.version)},
		{"kind", offKind, unsafe.Offsetof(h.kind)},
		{"flags", offFlags, unsafe.Offsetof(h.flags)},
		{"cluster", offCluster, unsafe.Offsetof(h.cluster)},
		{"group", offGroup, unsafe.Offsetof(h.group)},
		{"length", offLength, unsafe.Offsetof(h.length)},
		{"view", offView, unsafe.Offsetof(h.view)},
		{"op", offOp, unsafe.Offsetof(h.op)},
		{"chosen", offChosen, unsafe.Offsetof(h.chosen)},
		{"sender", offSender, unsafe.Offsetof(h.sender)},
		{"reserved", offReserved, unsafe.Offsetof(h.reserved)},
		{"incarnation", offIncarnation, unsafe.Offsetof(h.incarnation)},
		{"mac", offMAC, unsafe.Offsetof(h.mac)},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, in the struct at %d", f.name, f.got, f.want)
		}
	}
}

// sample is a frame whose fields all differ, so that a swap of two shows.
func sample() *Frame {
	return &Frame{Header: Header{
		Kind: KindAccept, Flags: FlagBroadcast, Cluster: 0x1112131415161718, Group: 0x21222324,
		View: 0x3132333435363738, Op: 0x4142434445464748, Chosen: 0x5152535455565758,
		Sender: 0x6162, Incarnation: 0x71727374,
	}, Body: []byte("body")}
}

func mustAppend(t interface{ Fatal(...any) }, dst []byte, f *Frame) []byte {
	b, err := f.Append(dst)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const goldenFrame = "616e6f64" + "01" + "01" + "0100" + "1817161514131211" + "24232221" + "04000000" +
	"3837363534333231" + "4847464544434241" + "5857565554535251" + "6261" + "0000" + "74737271" +
	"0000000000000000" + "626f6479"

func TestGoldenFrame(t *testing.T) {
	b := mustAppend(t, nil, sample())
	if got := hex.EncodeToString(b); got != goldenFrame {
		t.Errorf("the layout has changed:\n got %s\nwant %s", got, goldenFrame)
	}
}

// The code was computed by another implementation of SipHash-2-4, over goldenFrame with the broadcast flag
// clear.
func TestGoldenSealedFrame(t *testing.T) {
	b := mustAppend(t, nil, sample())
	testKey.Seal(b)
	const want = 0x5de3cfc8d6cb9a99
	if got := binary.LittleEndian.Uint64(b[offMAC:]); got != want {
		t.Errorf("the code is %#x, want %#x", got, uint64(want))
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, next := drawFrame(t, "first"), drawFrame(t, "second")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "prefix")
		b := mustAppend(t, append([]byte(nil), prefix...), f)
		b = mustAppend(t, b, next)
		if string(b[:len(prefix)]) != string(prefix) {
			t.Fatal("Append changed what stood before the frame")
		}
		b = b[len(prefix):]
		got, raw, rest, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if got.Header != f.Header || string(got.Body) != string(f.Body) {
			t.Fatalf("got %+v, want %+v", got, f)
		}
		if len(raw) != f.Size() || string(raw)+string(rest) != string(b) {
			t.Fatal("the frame and the rest are not what was given")
		}
		if again := mustAppend(t, nil, &got); string(again) != string(raw) {
			t.Fatal("encoding what was parsed gives other bytes")
		}
		if got, _, rest, err := Parse(rest); err != nil || got.Header != next.Header || len(rest) != 0 {
			t.Fatalf("second frame: %+v, %d left, %v", got, len(rest), err)
		}
	})
}

func drawFrame(t *rapid.T, label string) *Frame {
	kinds := rapid.SampledFrom([]Kind{KindAccept, KindAccepted, KindHeartbeat, KindSubmit, KindRefusal})
	return &Frame{
		Header: Header{
			Kind:        kinds.Draw(t, label+" kind"),
			Flags:       rapid.SampledFrom([]Flags{0, FlagBroadcast}).Draw(t, label+" flags"),
			Cluster:     ClusterID(rapid.Uint64().Draw(t, label+" cluster")),
			Group:       GroupID(rapid.Uint32().Draw(t, label+" group")),
			View:        View(rapid.Uint64().Draw(t, label+" view")),
			Op:          Op(rapid.Uint64().Draw(t, label+" op")),
			Chosen:      Op(rapid.Uint64().Draw(t, label+" chosen")),
			Sender:      ReplicaID(rapid.Uint16().Draw(t, label+" sender")),
			Incarnation: Incarnation(rapid.Uint32().Draw(t, label+" incarnation")),
		},
		Body: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, label+" body"),
	}
}

func TestParseRefuses(t *testing.T) {
	put := func(off int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[off] = v; return b }
	}
	length := func(n uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[offLength:], n); return b }
	}
	for _, c := range []struct {
		name   string
		mutate func([]byte) []byte
		want   error
	}{
		{"nothing", func([]byte) []byte { return nil }, ErrShort},
		{"half a header", func(b []byte) []byte { return b[:HeaderSize-1] }, ErrShort},
		{"half a body", func(b []byte) []byte { return b[:len(b)-1] }, ErrShort},
		{"a length of one more", length(5), ErrShort},
		{"another magic", put(offMagic, 'A'), ErrMagic},
		{"the last byte of the magic", put(offMagic+3, 0), ErrMagic},
		{"version 0", put(offVersion, 0), ErrVersion},
		{"the next version", put(offVersion, Version+1), ErrVersion},
		{"kind 0", put(offKind, 0), ErrKind},
		{"an unused kind", put(offKind, 255), ErrKind},
		{"the lowest unused flag", put(offFlags, 2), ErrReserved},
		{"the highest unused flag", put(offFlags+1, 0x80), ErrReserved},
		{"the reserved word, low", put(offReserved, 1), ErrReserved},
		{"the reserved word, high", put(offReserved+1, 1), ErrReserved},
		{"a body above the limit", length(MaxBody + 1), ErrTooLarge},
		{"the largest length", length(1<<32 - 1), ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.mutate(mustAppend(t, nil, sample()))
			f, raw, rest, err := Parse(b)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if raw != nil || rest != nil || f.Body != nil {
				t.Error("a refused frame left something behind")
			}
		})
	}
}

func TestAppendRefusesWhatNothingCarries(t *testing.T) {
	f := &Frame{Header: Header{Kind: KindAccept}, Body: make([]byte, MaxStreamBody+1)}
	dst := []byte("before")
	got, err := f.Append(dst)
	if !errors.Is(err, ErrTooLarge) || string(got) != "before" {
		t.Fatalf("got %q, %v", got, err)
	}
	f.Body = f.Body[:MaxBody]
	if b := mustAppend(t, nil, f); len(b) != 65507 {
		t.Errorf("the largest frame of a datagram has %d bytes, the largest datagram over IPv4 has 65507", len(b))
	}
}

// A frame of a stream may be larger than a datagram; one in a datagram may not say so.
func TestLargeFramesAreParsedWhole(t *testing.T) {
	for _, size := range []int{MaxBody + 1, MaxStreamBody} {
		f := &Frame{Header: Header{Kind: KindAccept}, Body: make([]byte, size)}
		b := mustAppend(t, nil, f)
		got, raw, rest, err := Parse(b)
		if err != nil || len(got.Body) != size || len(raw) != len(b) || len(rest) != 0 {
			t.Fatalf("%d bytes: %v, body of %d", size, err, len(got.Body))
		}
		if _, _, _, err := Parse(b[:len(b)-1]); size > MaxBody+1 && !errors.Is(err, ErrShort) {
			t.Errorf("cut short: %v", err)
		}
		if _, _, _, err := Parse(b[:HeaderSize+MaxBody]); !errors.Is(err, ErrTooLarge) {
			t.Errorf("in a datagram: %v", err)
		}
	}
	b := mustAppend(t, nil, &Frame{Header: Header{Kind: KindAccept}, Body: make([]byte, MaxStreamBody)})
	binary.LittleEndian.PutUint32(b[offLength:], MaxStreamBody+1)
	if _, _, _, err := Parse(append(b, 0)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("above all limits: %v", err)
	}
}

func TestAppendWithRoomDoesNotAllocate(t *testing.T) {
	f, room := sample(), make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() { room, _ = f.Append(room[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKindsHaveOneNameEach(t *testing.T) {
	seen := map[string]Kind{}
	for k := range kindNames {
		kind := Kind(k)
		if !kind.Known() {
			continue
		}
		if other, dup := seen[kind.String()]; dup {
			t.Errorf("%d and %d are both %v", other, kind, kind)
		}
		seen[kind.String()] = kind
		if kind.FromReplica() && kind.FromClient() {
			t.Errorf("%v comes from a replica and from a client", kind)
		}
	}
	if got := Kind(200).String(); got != "Kind(200)" {
		t.Errorf("an unknown kind is called %q", got)
	}
}
