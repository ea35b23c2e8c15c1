package wire

import (
	"encoding/binary"
	"fmt"
	"sync"
	"unsafe"
)

// Decoder reads a body of a kind that was defined by [DefineHand]. After the first mistake in the bytes it returns
// zeros, so that mistakes need not be looked for in between; the caller of the codec is told.
type Decoder struct {
	reader
	err   error
	share bool // what is decoded may live in the body
}

var handDecoders = sync.Pool{New: func() any { return new(Decoder) }}

// DefineHand is [Define] for a body on the way of every request: it is encoded and decoded by functions of its own,
// without reflection. They must know exactly the bytes that [AppendValue] and [DecodeValue] know; tests hold all
// bodies that are defined so against those.
func DefineHand[T any](kind Kind, encode func([]byte, *T) []byte, decode func(*Decoder, *T)) Codec[T] {
	c := Define[T](kind)
	c.encode, c.decode = encode, decode
	hands[kind] = hand{
		encode: func(v any) []byte { return c.Append(nil, v.(*T)) },
		decode: func(b []byte, share bool) (any, error) {
			v := new(T)
			return v, c.decodeHand(b, v, share)
		},
		reference: func(b []byte) (any, error) {
			v := new(T)
			return v, DecodeValue(b, v)
		},
	}
	probes[kind] = func(b []byte) (any, error) { return hands[kind].decode(b, false) }
	return c
}

// hand is what tests need of a body that is written by hand.
type hand struct {
	encode    func(any) []byte
	decode    func(b []byte, share bool) (any, error)
	reference func([]byte) (any, error)
}

var hands = map[Kind]hand{}

func (c Codec[T]) decodeHand(b []byte, v *T, share bool) error {
	d := handDecoders.Get().(*Decoder)
	*d = Decoder{reader: reader{b: b, budget: budgetOf(len(b))}, share: share}
	c.decode(d, v)
	err := d.err
	if err == nil && len(d.b) != 0 {
		err = errTail
	}
	*d = Decoder{}
	handDecoders.Put(d)
	if err != nil {
		*v = *new(T) // nothing of what cannot be believed
		return fmt.Errorf("%v: %w: %w", c.kind, ErrBody, err)
	}
	return nil
}

// encodeAlone encodes v into memory of its own. It is written where there is room first, so that it need not grow.
func (c Codec[T]) encodeAlone(v *T) []byte {
	e := encoders.Get().(*encoder)
	e.scratch = c.encode(e.scratch[:0], v)
	body := append(make([]byte, 0, len(e.scratch)), e.scratch...)
	if cap(e.scratch) <= keptScratchBytes {
		encoders.Put(e)
	}
	return body
}

func (d *Decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

// Struct begins a struct and returns how many fields follow, which may be fewer than the type has, of an older sender,
// or more, of a newer one.
func (d *Decoder) Struct() (fields int) {
	if len(d.b) > 0 && d.b[0]&0xf0 == 0x90 { // what nearly all of ours are
		n := int(d.b[0] & 0x0f)
		d.b = d.b[1:]
		if n > len(d.b) {
			d.fail(errCut)
			return 0
		}
		return n
	}
	c, n, err := d.head()
	switch {
	case err != nil:
		d.fail(err)
	case c != classArray:
		d.fail(errType)
	default:
		return n
	}
	return 0
}

// End passes over the fields of a struct beyond those that are known.
func (d *Decoder) End(fields, known int) {
	for ; fields > known && d.err == nil; fields-- {
		if err := d.opaque(maxDepth); err != nil {
			d.fail(err)
		}
	}
}

// DecodeList reads a list. The elements live in room, if that is large enough.
func DecodeList[T any](d *Decoder, room []T, elem func(*Decoder, *T)) []T {
	n, ok := d.list(int(unsafe.Sizeof(*new(T))))
	if !ok {
		return nil
	}
	list := room[:0]
	if n > cap(room) || room == nil {
		list = make([]T, 0, n)
	}
	list = list[:n]
	clear(list)
	for i := range list {
		elem(d, &list[i])
	}
	return list
}

// list begins a list of elements of so many bytes in memory, and returns how many follow. There are none in one that is absent, nor in
// what is no list.
func (d *Decoder) list(elemBytes int) (n int, ok bool) {
	if len(d.b) > 0 && d.b[0] == 0xc0 { // as nearly all lists of ranges
		d.b = d.b[1:]
		return 0, false
	}
	c, n, err := d.head()
	switch {
	case err == nil && c != classArray:
		err = errType
	case err == nil:
		err = d.spend(n * elemBytes)
	}
	if err != nil {
		d.fail(err)
		return 0, false
	}
	return n, true
}

// Bytes reads a byte slice.
func (d *Decoder) Bytes() []byte {
	if b := d.b; len(b) > 1 && b[0] == 0xc4 && int(b[1]) <= len(b)-2 { // as nearly all keys and values
		n := 2 + int(b[1])
		d.b = b[n:]
		return d.hold(b[2:n:n])
	}
	c, n, err := d.head()
	switch {
	case err != nil:
		d.fail(err)
		return nil
	case c == classNil:
		return nil
	case c != classBytes:
		d.fail(errType)
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return d.hold(b)
}

// hold returns bytes of the body as they may be kept.
func (d *Decoder) hold(b []byte) []byte {
	if d.share {
		return b
	}
	return append(make([]byte, 0, len(b)), b...)
}

// DecodeElem reads a byte slice as an element of a list; [AppendElem] is its counterpart.
func DecodeElem(d *Decoder, b *[]byte) { *b = d.Bytes() }

// Bool reads a bool.
func (d *Decoder) Bool() bool {
	if len(d.b) > 0 {
		switch d.b[0] {
		case 0xc2, 0xc3:
			v := d.b[0] == 0xc3
			d.b = d.b[1:]
			return v
		}
	}
	d.fail(errType)
	return false
}

// Uint reads an integer that an unsigned type of so many bits can hold.
func (d *Decoder) Uint(bits int) uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		u := uint64(d.b[0])
		d.b = d.b[1:]
		return u
	}
	u, negative := d.integer()
	if negative || bits < 64 && u>>bits != 0 {
		d.fail(errRange)
		return 0
	}
	return u
}

// Int reads an integer of 64 bits. Like the library it takes the upper half of the unsigned ones for negative.
func (d *Decoder) Int() int64 {
	u, _ := d.integer()
	return int64(u)
}

// integer reads an integer of any form; a negative one is returned in two's complement.
func (d *Decoder) integer() (u uint64, negative bool) {
	if len(d.b) == 0 {
		d.fail(errCut)
		return 0, false
	}
	first := d.b[0]
	switch {
	case first < 0x80:
		d.b = d.b[1:]
		return uint64(first), false
	case first >= 0xe0:
		d.b = d.b[1:]
		return uint64(int8(first)), true
	case first < 0xcc || first > 0xd3:
		d.fail(errType)
		return 0, false
	}
	width := 1 << (first & 3)
	if len(d.b) <= width {
		d.fail(errCut)
		return 0, false
	}
	b := d.b[1 : 1+width]
	d.b = d.b[1+width:]
	switch width {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(binary.BigEndian.Uint16(b))
	case 4:
		u = uint64(binary.BigEndian.Uint32(b))
	default:
		u = binary.BigEndian.Uint64(b)
	}
	if first < 0xd0 {
		return u, false
	}
	unused := 64 - 8*width
	i := int64(u) << unused >> unused
	return uint64(i), i < 0
}
