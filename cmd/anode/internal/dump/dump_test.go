package dump

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

var head = Head{Cluster: 7, Shards: 4, Time: 1234}

// written is a dump of so many pairs.
func written(t testing.TB, pairs int, value []byte) ([]byte, Summary) {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, head)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pairs {
		if err := w.Add(fmt.Appendf(nil, "key-%06d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), s
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, c := range []struct {
		pairs int
		value []byte
	}{{0, nil}, {1, nil}, {3, make([]byte, txn.MaxValueBytes)}, {10_000, []byte("some value")}} {
		b, wrote := written(t, c.pairs, c.value)
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.pairs {
			key, value, err := r.Next()
			if err != nil || string(key) != fmt.Sprintf("key-%06d", i) || !bytes.Equal(value, c.value) {
				t.Fatalf("pair %d of %d: %q, %d bytes, %v", i, c.pairs, key, len(value), err)
			}
		}
		if _, _, err := r.Next(); !errors.Is(err, io.EOF) || r.Summary() != wrote || wrote.Pairs != uint64(c.pairs) || wrote.Cluster != 7 {
			t.Errorf("%d pairs: %v, %+v, want %+v", c.pairs, err, r.Summary(), wrote)
		}
	}
}

func TestTheWriterRefusesWhatItCouldNotRead(t *testing.T) {
	w, _ := NewWriter(io.Discard, head)
	if err := w.Add([]byte("b"), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2][]byte{
		"order": {[]byte("a"), nil}, "twice": {[]byte("b"), nil}, "no key": {nil, nil},
		"long key":   {bytes.Repeat([]byte("x"), txn.MaxKeyBytes+1), nil},
		"long value": {[]byte("c"), make([]byte, txn.MaxValueBytes+1)},
	} {
		if w.Add(c[0], c[1]) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// No prefix of a dump is a dump, and no dump with a bit changed.
func TestDamageIsFound(t *testing.T) {
	b, _ := written(t, 3, []byte("value"))
	for n := range len(b) {
		if _, err := Verify(bytes.NewReader(b[:n])); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(b), err)
		}
		for bit := range 8 {
			changed := slices.Clone(b)
			changed[n] ^= 1 << bit
			if _, err := Verify(bytes.NewReader(changed)); !errors.Is(err, ErrDamaged) {
				t.Errorf("bit %d of byte %d changed: %v", bit, n, err)
			}
		}
	}
}

// cut takes a dump apart into its frames.
func cut(b []byte) (frames [][]byte) {
	for len(b) > 0 {
		n := headBytes + (int(b[0]) | int(b[1])<<8 | int(b[2])<<16 | int(b[3])<<24) + sumBytes
		frames, b = append(frames, b[:n]), b[n:]
	}
	return frames
}

// Frames that are whole one by one make no dump unless they are the frames of one, all of them and in order.
func TestFramesBelongTogether(t *testing.T) {
	long := bytes.Repeat([]byte("v"), blockBytes)
	one, _ := written(t, 4, long)
	long[0]++
	other, _ := written(t, 4, long)
	f, g := cut(one), cut(other)
	if len(f) != 6 {
		t.Fatalf("%d frames", len(f))
	}
	for name, frames := range map[string][][]byte{
		"one is missing":         slices.Concat(f[:2], f[3:]),
		"one comes twice":        slices.Concat(f[:3], f[2:]),
		"two are exchanged":      {f[0], f[2], f[1], f[3], f[4], f[5]},
		"one is from elsewhere":  {f[0], f[1], g[2], f[3], f[4], f[5]},
		"the end is elsewhere's": slices.Concat(f[:5], g[5:]),
		"no head":                f[1:],
		"two heads":              slices.Concat(f[:1], f),
		"two ends":               slices.Concat(f, f[5:]),
		"the end first":          {f[0], f[5], f[1]},
		"another behind":         slices.Concat(f, f),
	} {
		if _, err := Verify(bytes.NewReader(slices.Concat(frames...))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	w := &Writer{out: new(bytes.Buffer), sum: discard{}}
	newer := Head{Magic: magic, Version: version + 1}
	if err := w.frame(kindHead, &newer); err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(w.out.(*bytes.Buffer)); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// discard is a sum that nobody asks for.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Sum(b []byte) []byte         { return b }
func (discard) Reset()                      {}
func (discard) Size() int                   { return 0 }
func (discard) BlockSize() int              { return 1 }

// What is read is a whole dump, or an error: and what a whole dump holds can be written again.
func FuzzReader(f *testing.F) {
	for _, pairs := range []int{0, 1, 3} {
		b, _ := written(f, pairs, []byte("v"))
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, r.Head())
		if err != nil {
			t.Fatal(err)
		}
		for {
			key, value, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if err := w.Add(key, value); err != nil {
				t.Fatal(err)
			}
		}
		s, err := w.Close()
		if err != nil || s.Count != r.Summary().Count {
			t.Errorf("written again: %+v, %v, read %+v", s, err, r.Summary())
		}
	})
}

// FuzzBodies puts bodies of any kind into frames whose sums are right, which FuzzReader hardly ever finds.
func FuzzBodies(f *testing.F) {
	b, _ := written(f, 3, []byte("v"))
	frames := cut(b)
	body := func(i int) []byte { return frames[i][headBytes : len(frames[i])-sumBytes] }
	f.Add(kindBlock, body(1), kindEnd, body(2))
	f.Add(kindEnd, body(2), kindBlock, body(1))
	f.Add(kindBlock, []byte{0x92, 0x91, 0xc4, 0x01, 'k', 0x90}, kindHead, body(0))
	f.Fuzz(func(t *testing.T, first byte, one []byte, second byte, two []byte) {
		raw := slices.Clone(frames[0])
		raw = append(raw, framed(first, one)...)
		raw = append(raw, framed(second, two)...)
		s, err := Verify(bytes.NewReader(raw))
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%v", err)
		}
		if err == nil && !bytes.Equal(raw, b) && s.Pairs > 0 {
			var e end
			if wire.DecodeValue(two, &e) != nil || e.Count != s.Count {
				t.Errorf("taken, and not as it says: %+v", s)
			}
		}
	})
}

func framed(kind byte, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind), body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}
