package wire

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

const (
	// maxDepth bounds how deep a field that is not known may be nested.
	maxDepth = 16
	// libraryDepth is the library's own bound, which counts from the whole body. It is one that [shape.check] and a [Decoder] never let
	// it reach, the deepest body of ours being a list of structs in a struct: who decodes by hand refuses the same bytes.
	libraryDepth = 4 * maxDepth
	// maxInitLen switches the decoder's own caution off: it grows a long value by this much at a time,
	// which costs the square of the length. [shape.check] has compared every length with the bytes that
	// are really there before the decoder sees them.
	maxInitLen = 1 << 30
	// keptScratchBytes bounds the buffer that an idle encoder keeps: a body, and a snapshot's piece, fit.
	keptScratchBytes = 128 << 10
)

// ErrBody says that a body is not what its kind demands.
var ErrBody = errors.New("wire: malformed body")

// handle writes structs as arrays: smaller, and new fields may be added at the end.
var handle = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{}
	h.StructToArray = true
	h.WriteExt = true // writes []byte as bin, not as str
	h.MaxDepth = libraryDepth
	h.MaxInitLen = maxInitLen
	return h
}()

// encoder keeps what encoding would otherwise allocate: the library's encoder, and the buffer it fills.
type encoder struct {
	*codec.Encoder
	scratch []byte
}

var (
	encoders = sync.Pool{New: func() any {
		return &encoder{Encoder: codec.NewEncoderBytes(nil, handle), scratch: make([]byte, 0, 1024)}
	}}
	decoders = sync.Pool{New: func() any { return codec.NewDecoderBytes(nil, handle) }}
)

// Codec turns bodies of one kind into bytes and back. It is made by [Define] or [DefineHand].
type Codec[T any] struct {
	kind Kind
	// encode and decode are set of bodies that are written by hand.
	encode func([]byte, *T) []byte
	decode func(*Decoder, *T)
}

// probes holds, per defined kind, a decoder of its body into a fresh value; fuzz tests walk it.
var probes = map[Kind]func([]byte) (any, error){}

// Define ties the body type T to a kind. It is called once per kind, from a package variable; a second
// definition of one kind is a bug and panics.
func Define[T any](kind Kind) Codec[T] {
	if _, dup := probes[kind]; dup {
		panic(fmt.Sprintf("wire: the body of %v is defined twice", kind))
	}
	c := Codec[T]{kind: kind}
	probes[kind] = func(b []byte) (any, error) {
		v := new(T)
		return v, c.Decode(b, v)
	}
	return c
}

// Kind is the kind whose bodies the codec reads.
func (c Codec[T]) Kind() Kind { return c.kind }

// Append appends the encoding of v to dst.
func (c Codec[T]) Append(dst []byte, v *T) []byte {
	switch {
	case c.encode == nil:
		return AppendValue(dst, v)
	case dst == nil:
		return c.encodeAlone(v)
	}
	return c.encode(dst, v)
}

// Decode reads b into v. It fails with [ErrBody] unless b is exactly one value of the type. What v
// holds afterwards does not alias b.
func (c Codec[T]) Decode(b []byte, v *T) error {
	if c.decode != nil {
		return c.decodeHand(b, v, false)
	}
	if err := DecodeValue(b, v); err != nil {
		return fmt.Errorf("%v: %w", c.kind, err)
	}
	return nil
}

// DecodeShared is Decode for a body that nobody will change: byte slices in v point into b, and keep it in memory as a whole.
// Only bodies that are written by hand can share.
func (c Codec[T]) DecodeShared(b []byte, v *T) error { return c.decodeHand(b, v, true) }

// DefinedKinds are the kinds whose bodies the program has defined, in ascending order.
func DefinedKinds() []Kind { return slices.Sorted(maps.Keys(probes)) }

// DecodeBody decodes a body of any defined kind into a fresh pointer to its type.
func DecodeBody(kind Kind, b []byte) (any, error) {
	probe, ok := probes[kind]
	if !ok {
		return nil, fmt.Errorf("%w: %v has no body", ErrBody, kind)
	}
	return probe(b)
}

// AppendValue appends the MessagePack encoding of v to dst. It serves what is stored inside bodies, such
// as the commands of a batch; v must be a pointer to a struct of plain fields.
func AppendValue(dst []byte, v any) []byte {
	e := encoders.Get().(*encoder)
	e.ResetBytes(&e.scratch)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("wire: %T cannot be encoded: %v", v, err)) // a type of ours: a bug
	}
	// The library cannot append behind what dst holds, hence the copy; dst then grows once at most.
	dst = append(dst, e.scratch...)
	if cap(e.scratch) <= keptScratchBytes {
		encoders.Put(e)
	}
	return dst
}

// DecodeValue reads the single value in b into v, a pointer to a zero value. It fails with [ErrBody]. It
// allocates at most a small multiple of len(b), whatever lengths b claims.
func DecodeValue(b []byte, v any) error {
	if err := shapeOf(v).check(b); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	d := decoders.Get().(*codec.Decoder)
	defer decoders.Put(d)
	d.ResetBytes(b)
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	if n := d.NumBytesRead(); n != len(b) {
		return fmt.Errorf("%w: %d bytes after the value", ErrBody, len(b)-n)
	}
	return nil
}
