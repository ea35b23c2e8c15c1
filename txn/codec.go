package txn

import "github.com/anodekv/anode/paxos/wire"

// The bodies of puts and gets are written and read by hand: by reflection they took an eighth of a server's time. A
// field that is added to one of these types is added here too; the tests of package wire fail until it is.

func appendID(dst []byte, id *ID) []byte {
	dst = wire.AppendStruct(dst, 2)
	dst = wire.AppendUint(dst, uint64(id.Client))
	return wire.AppendUint(dst, id.Seq)
}

func decodeID(d *wire.Decoder, id *ID) {
	n := d.Struct()
	if n > 0 {
		id.Client = ClientID(d.Uint(64))
	}
	if n > 1 {
		id.Seq = d.Uint(64)
	}
	d.End(n, 2)
}

func appendPosition(dst []byte, p *Position) []byte {
	dst = wire.AppendStruct(dst, 2)
	dst = wire.AppendUint(dst, uint64(p.Op))
	return wire.AppendUint(dst, uint64(p.Index))
}

func decodePosition(d *wire.Decoder, p *Position) {
	n := d.Struct()
	if n > 0 {
		p.Op = wire.Op(d.Uint(64))
	}
	if n > 1 {
		p.Index = uint32(d.Uint(32))
	}
	d.End(n, 2)
}

func appendRead(dst []byte, r *Read) []byte {
	dst = wire.AppendStruct(dst, 3)
	dst = wire.AppendBytes(dst, r.Key)
	dst = wire.AppendBool(dst, r.Found)
	return appendPosition(dst, &r.At)
}

func decodeRead(d *wire.Decoder, r *Read) {
	n := d.Struct()
	if n > 0 {
		r.Key = d.Bytes()
	}
	if n > 1 {
		r.Found = d.Bool()
	}
	if n > 2 {
		decodePosition(d, &r.At)
	}
	d.End(n, 3)
}

func appendRange(dst []byte, r *Range) []byte {
	dst = wire.AppendStruct(dst, 3)
	dst = wire.AppendBytes(dst, r.Start)
	dst = wire.AppendBytes(dst, r.End)
	return appendPosition(dst, &r.At)
}

func decodeRange(d *wire.Decoder, r *Range) {
	n := d.Struct()
	if n > 0 {
		r.Start = d.Bytes()
	}
	if n > 1 {
		r.End = d.Bytes()
	}
	if n > 2 {
		decodePosition(d, &r.At)
	}
	d.End(n, 3)
}

func appendWrite(dst []byte, w *Write) []byte {
	dst = wire.AppendStruct(dst, 3)
	dst = wire.AppendBytes(dst, w.Key)
	dst = wire.AppendBytes(dst, w.Value)
	return wire.AppendBool(dst, w.Delete)
}

func decodeWrite(d *wire.Decoder, w *Write) {
	n := d.Struct()
	if n > 0 {
		w.Key = d.Bytes()
	}
	if n > 1 {
		w.Value = d.Bytes()
	}
	if n > 2 {
		w.Delete = d.Bool()
	}
	d.End(n, 3)
}

// AppendWork appends the encoding of a Work inside another body that is written by hand.
func AppendWork(dst []byte, w *Work) []byte {
	dst = wire.AppendStruct(dst, 3)
	dst = wire.AppendList(dst, w.Reads, appendRead)
	dst = wire.AppendList(dst, w.Ranges, appendRange)
	return wire.AppendList(dst, w.Writes, appendWrite)
}

// DecodeWork reads what [AppendWork] wrote. The lists that w has are used again where there is room.
func DecodeWork(d *wire.Decoder, w *Work) {
	n := d.Struct()
	if n > 0 {
		w.Reads = wire.DecodeList(d, w.Reads, decodeRead)
	}
	if n > 1 {
		w.Ranges = wire.DecodeList(d, w.Ranges, decodeRange)
	}
	if n > 2 {
		w.Writes = wire.DecodeList(d, w.Writes, decodeWrite)
	}
	d.End(n, 3)
}

func appendSubmit(dst []byte, s *Submit) []byte {
	dst = wire.AppendStruct(dst, 4)
	dst = appendID(dst, &s.ID)
	dst = wire.AppendUint(dst, uint64(s.Session))
	dst = wire.AppendUint(dst, s.Mark)
	return AppendWork(dst, &s.Work)
}

func decodeSubmit(d *wire.Decoder, s *Submit) {
	n := d.Struct()
	if n > 0 {
		decodeID(d, &s.ID)
	}
	if n > 1 {
		s.Session = wire.Op(d.Uint(64))
	}
	if n > 2 {
		s.Mark = d.Uint(64)
	}
	if n > 3 {
		DecodeWork(d, &s.Work)
	}
	d.End(n, 4)
}

func appendTxnReply(dst []byte, r *TxnReply) []byte {
	dst = wire.AppendStruct(dst, 4)
	dst = appendID(dst, &r.ID)
	dst = wire.AppendUint(dst, uint64(r.Status))
	dst = wire.AppendInt(dst, int64(r.Time))
	return wire.AppendBytes(dst, r.Key)
}

func decodeTxnReply(d *wire.Decoder, r *TxnReply) {
	n := d.Struct()
	if n > 0 {
		decodeID(d, &r.ID)
	}
	if n > 1 {
		r.Status = Status(d.Uint(8))
	}
	if n > 2 {
		r.Time = Timestamp(d.Int())
	}
	if n > 3 {
		r.Key = d.Bytes()
	}
	d.End(n, 4)
}

func appendReadRequest(dst []byte, r *ReadRequest) []byte {
	dst = wire.AppendStruct(dst, 4)
	dst = wire.AppendUint(dst, r.Nonce)
	dst = wire.AppendList(dst, r.Keys, wire.AppendElem)
	dst = wire.AppendBool(dst, r.Linearizable)
	return wire.AppendInt(dst, int64(r.Time))
}

func decodeReadRequest(d *wire.Decoder, r *ReadRequest) {
	n := d.Struct()
	if n > 0 {
		r.Nonce = d.Uint(64)
	}
	if n > 1 {
		r.Keys = wire.DecodeList(d, r.Keys, wire.DecodeElem)
	}
	if n > 2 {
		r.Linearizable = d.Bool()
	}
	if n > 3 {
		r.Time = Timestamp(d.Int())
	}
	d.End(n, 4)
}

func appendValue(dst []byte, v *Value) []byte {
	dst = wire.AppendStruct(dst, 3)
	dst = wire.AppendBool(dst, v.Found)
	dst = appendPosition(dst, &v.At)
	return wire.AppendBytes(dst, v.Value)
}

func decodeValue(d *wire.Decoder, v *Value) {
	n := d.Struct()
	if n > 0 {
		v.Found = d.Bool()
	}
	if n > 1 {
		decodePosition(d, &v.At)
	}
	if n > 2 {
		v.Value = d.Bytes()
	}
	d.End(n, 3)
}

func appendReadReply(dst []byte, r *ReadReply) []byte {
	dst = wire.AppendStruct(dst, 2)
	dst = wire.AppendUint(dst, r.Nonce)
	return wire.AppendList(dst, r.Values, appendValue)
}

func decodeReadReply(d *wire.Decoder, r *ReadReply) {
	n := d.Struct()
	if n > 0 {
		r.Nonce = d.Uint(64)
	}
	if n > 1 {
		r.Values = wire.DecodeList(d, r.Values, decodeValue)
	}
	d.End(n, 2)
}
