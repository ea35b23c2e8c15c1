package paxos

import "github.com/anodekv/anode/paxos/wire"

// Batch is the body of an Accept, and of every entry: the commands of one op, in order.
type Batch struct {
	// Proposed is the leader's wall clock in nanoseconds since the Unix epoch when it cut the batch.
	Proposed int64
	Commands [][]byte
}

func appendBatch(dst []byte, b *Batch) []byte {
	dst = wire.AppendStruct(dst, 2)
	dst = wire.AppendInt(dst, b.Proposed)
	return wire.AppendList(dst, b.Commands, wire.AppendElem)
}

func decodeBatch(d *wire.Decoder, b *Batch) {
	n := d.Struct()
	if n > 0 {
		b.Proposed = d.Int()
	}
	if n > 1 {
		b.Commands = wire.DecodeList(d, b.Commands, wire.DecodeElem)
	}
	d.End(n, 2)
}

// DecodeBatch reads the body of an entry into b, and uses the list that b has again. The commands live in the body, which
// nobody changes.
func DecodeBatch(body []byte, b *Batch) error {
	*b = Batch{Commands: b.Commands[:0]}
	return batchBody.DecodeShared(body, b)
}
