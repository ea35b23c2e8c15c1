package wire

import (
	"encoding/binary"
	"testing"

	"github.com/dchest/siphash"
	"pgregory.net/rapid"
)

var testKey = NewKey([KeySize]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})

// sipVectors are outputs of the authors' reference implementation (vectors.h of SipHash-2-4, read little-endian)
// for key 00..0f and the messages of 0, 1, 2, ... bytes 00, 00 01, ...
var sipVectors = map[int]uint64{
	0:  0x726fdb47dd0e0e31,
	1:  0x74f839c593dc67fd,
	2:  0x0d6c8009d9a94f5a,
	3:  0x85676696d7fb7e2d,
	7:  0xab0200f58b01d137,
	8:  0x93f5f5799a932462,
	15: 0xa129ca6149be45e5,
	16: 0x3f2acc7f57c29bdb,
	63: 0x958a324ceb064572,
}

func TestSipHashVectors(t *testing.T) {
	msg := make([]byte, 64)
	for i := range msg {
		msg[i] = byte(i)
	}
	for n, want := range sipVectors {
		if got := siphash.Hash(testKey.k0, testKey.k1, msg[:n]); got != want {
			t.Errorf("%d bytes: got %#x, want %#x", n, got, want)
		}
	}
}

func TestTheCodeIsSipHashOfTheFrameWithMACAndBroadcastClear(t *testing.T) {
	b := mustAppend(t, nil, sample())
	clean := append([]byte(nil), b...)
	binary.LittleEndian.PutUint16(clean[offFlags:], 0)
	want := siphash.Hash(testKey.k0, testKey.k1, clean)

	binary.LittleEndian.PutUint64(b[offMAC:], 42) // what stood there before does not matter
	testKey.Seal(b)
	if got := binary.LittleEndian.Uint64(b[offMAC:]); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
	if Flags(binary.LittleEndian.Uint16(b[offFlags:])) != FlagBroadcast {
		t.Error("Seal lost the broadcast flag")
	}
}

func TestAClonePassesWithTheBroadcastFlagCleared(t *testing.T) {
	b := mustAppend(t, nil, sample())
	testKey.Seal(b)
	for _, flags := range []Flags{FlagBroadcast, 0} {
		binary.LittleEndian.PutUint16(b[offFlags:], uint16(flags))
		if !testKey.Verify(b) {
			t.Errorf("refused with flags %d", flags)
		}
	}
	binary.LittleEndian.PutUint16(b[offFlags:], uint16(FlagBroadcast)<<1)
	if testKey.Verify(b) {
		t.Error("another flag does not enter the code")
	}
}

func TestAnyOtherBitBreaksTheCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := mustAppend(t, nil, drawFrame(t, "frame"))
		testKey.Seal(b)
		before := string(b)
		if !testKey.Verify(b) || string(b) != before {
			t.Fatal("the code is refused, or Verify changed the frame")
		}
		bit := rapid.IntRange(0, 8*len(b)-1).Draw(t, "bit")
		if bit == 8*offFlags { // the broadcast flag
			return
		}
		b[bit/8] ^= 1 << (bit % 8)
		if testKey.Verify(b) {
			t.Fatalf("bit %d flipped, and the frame is believed", bit)
		}
	})
}

func TestWithoutAKeyFramesCarryNoCode(t *testing.T) {
	b := mustAppend(t, nil, sample())
	Key{}.Seal(b)
	if binary.LittleEndian.Uint64(b[offMAC:]) != 0 {
		t.Error("a code without a key")
	}
	if !(Key{}).Verify(b) || testKey.Verify(b) {
		t.Error("the zero key takes every frame, another none without a code")
	}
}

func TestKeysByKind(t *testing.T) {
	other := NewKey([KeySize]byte{1})
	both := Keys{Replica: testKey, Client: other}
	next, nextClient := NewKey([KeySize]byte{2}), NewKey([KeySize]byte{3})
	changing := both
	changing.Also = AlsoKeys{Replica: next, Client: nextClient}
	for _, c := range []struct {
		name   string
		keys   Keys
		kind   Kind
		sealed Key
		open   bool
		want   bool
	}{
		{"a replica's frame", both, KindAccept, testKey, false, true},
		{"a client speaks as a replica", both, KindAccept, other, false, false},
		{"a request", both, KindSubmit, other, false, true},
		{"a request under the replicas' key", both, KindSubmit, testKey, false, false},
		{"an answer", both, KindTxnReply, other, false, true},
		{"the present key while it is changed", changing, KindAccept, testKey, false, true},
		{"the other key while it is changed", changing, KindAccept, next, false, true},
		{"a request under the other key", changing, KindSubmit, nextClient, false, true},
		{"a client speaks as a replica under the other key", changing, KindAccept, nextClient, false, false},
		{"a third key", changing, KindAccept, other, false, false},
		{"no code while keys are changed", changing, KindAccept, Key{}, false, false},
		{"one key is changed, no code", Keys{Replica: testKey, Client: other, Also: AlsoKeys{Client: nextClient}}, KindAccept, Key{}, false, false},
		{"no code at all", both, KindAccept, Key{}, false, false},
		{"no keys", Keys{}, KindAccept, Key{}, true, true},
		{"no keys, sealed", Keys{}, KindAccept, testKey, true, true},
		{"a client's keys, an answer", Keys{Client: other}, KindTxnReply, other, false, true},
		{"a client's keys, a replica's frame", Keys{Client: other}, KindAccept, Key{}, false, false},
		{"the replicas' key only, a request", Keys{Replica: testKey}, KindSubmit, Key{}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sample()
			f.Kind = c.kind
			b := mustAppend(t, nil, f)
			c.sealed.Seal(b)
			if got := c.keys.Verify(c.kind, b); got != c.want {
				t.Errorf("believed: %t", got)
			}
			if got := c.keys.Open(); got != c.open {
				t.Errorf("open: %t", got)
			}
		})
	}
	if changing.For(KindAccept) != testKey || both.For(KindNewView) != testKey || both.For(KindResolve) != other || both.For(KindReadReply) != other {
		t.Error("For chose the wrong key")
	}
}
