package wire_test

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

func put100() *txn.Submit {
	return &txn.Submit{
		ID: txn.ID{Client: 0xfeedfacecafebeef, Seq: 1234567}, Session: 81234, Mark: 1234500,
		Work: txn.Work{Writes: []txn.Write{{Key: make([]byte, 16), Value: make([]byte, 100)}}},
	}
}

func read100() *txn.ReadReply {
	return &txn.ReadReply{Nonce: 1 << 40, Values: []txn.Value{
		{Found: true, At: txn.Position{Op: 81234, Index: 3}, Value: make([]byte, 100)},
	}}
}

func BenchmarkEncodeSubmit(b *testing.B)    { benchEncode(b, txn.SubmitBody, put100()) }
func BenchmarkDecodeSubmit(b *testing.B)    { benchDecode(b, txn.SubmitBody, put100()) }
func BenchmarkEncodeReadReply(b *testing.B) { benchEncode(b, txn.ReadReplyBody, read100()) }
func BenchmarkDecodeReadReply(b *testing.B) { benchDecode(b, txn.ReadReplyBody, read100()) }

// What a replica pays to read a transaction out of its log.
func BenchmarkDecodeSharedSubmit(b *testing.B) {
	v := put100()
	for i := range 2 {
		v.Work.Reads = append(v.Work.Reads, txn.Read{Key: make([]byte, 16), Found: true, At: txn.Position{Op: 81234, Index: uint32(i)}})
	}
	v.Work.Writes = append(v.Work.Writes, v.Work.Writes[0])
	body := txn.SubmitBody.Append(nil, v)
	b.ReportAllocs()
	for b.Loop() {
		if err := txn.SubmitBody.DecodeShared(body, v); err != nil {
			b.Fatal(err)
		}
	}
}

func benchEncode[T any](b *testing.B, c wire.Codec[T], v *T) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = c.Append(dst[:0], v)
	}
	b.SetBytes(int64(len(dst)))
}

func benchDecode[T any](b *testing.B, c wire.Codec[T], v *T) {
	b.ReportAllocs()
	body := c.Append(nil, v)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := c.Decode(body, new(T)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealAndVerify(b *testing.B) {
	f := &wire.Frame{Header: wire.Header{Kind: wire.KindSubmit}, Body: txn.SubmitBody.Append(nil, put100())}
	raw, err := f.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	key := wire.NewKey([wire.KeySize]byte{1})
	b.ReportAllocs()
	for b.Loop() {
		key.Seal(raw)
		if !key.Verify(raw) {
			b.Fatal("refused")
		}
	}
}

func TestEncodingIntoRoomDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	v, dst := put100(), make([]byte, 0, 512)
	if n := testing.AllocsPerRun(200, func() { dst = txn.SubmitBody.Append(dst[:0], v) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(200, func() { dst = txn.SubmitBody.Append(nil, v) }); n != 1 {
		t.Errorf("%v allocations of a body of its own", n)
	}
}
