package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// A body is refused when decoding it would take more than budgetFactor bytes of memory for each of its
// own, plus budgetBase. What [AppendValue] wrote stays below: the worst it writes is an absent byte slice, a
// header of 24 bytes in memory and one byte here. What exceeds it are lists of structs with their fields left out.
// Beyond what a datagram holds, bodies are large because of keys and values, and get largeFactor: a pair of an
// empty value takes eight times its bytes.
const (
	budgetFactor = 32
	budgetBase   = 1024
	largeFactor  = 8
)

// budgetOf is the memory that decoding n bytes may take.
func budgetOf(n int) int {
	small := min(n, MaxBody)
	return budgetBase + budgetFactor*small + largeFactor*(n-small)
}

// Reasons why bytes do not have a shape; they stand inside [ErrBody].
var (
	errCut    = errors.New("cut short, or a length exceeds what follows")
	errType   = errors.New("a value of another type")
	errDeep   = errors.New("nested too deep")
	errCostly = errors.New("would decode to far more memory than it takes")
	errTail   = errors.New("bytes after the value")
	errRange  = errors.New("a number that its field cannot hold")
)

// class is the family of a MessagePack value.
type class uint8

const (
	classNil class = iota
	classBool
	classInt
	classFloat
	classString
	classBytes
	classArray
	classMap
)

// check reports why b is not exactly one value of the shape, or nil.
func (s *shape) check(b []byte) error {
	r := reader{b: b, budget: budgetOf(len(b))}
	if err := r.value(s); err != nil {
		return err
	}
	if len(r.b) != 0 {
		return errTail
	}
	return nil
}

// reader walks over an encoded value without decoding it.
type reader struct {
	b      []byte // what has not been read
	budget int    // bytes of memory that decoding may still take
}

// value reads one value of the shape.
func (r *reader) value(s *shape) error {
	if s.form == formOpaque {
		return r.opaque(maxDepth)
	}
	c, n, err := r.head()
	if err != nil {
		return err
	}
	switch {
	case s.form == formStruct && c == classArray:
		return r.structure(s, n)
	case s.form == formList && c == classArray:
		return r.list(s.elem, n)
	case !s.holds(c, n):
		return errType
	}
	return r.skip(c, n)
}

// holds reports whether a value of class c and length n is one of a shape without parts.
func (s *shape) holds(c class, n int) bool {
	switch s.form {
	case formBool:
		return c == classBool
	case formInt:
		return c == classInt
	case formFloat:
		return c == classFloat
	case formString:
		return c == classString
	case formBytes:
		return c == classBytes || c == classNil
	case formFixed:
		return c == classBytes && n == s.length
	case formList:
		return c == classNil
	}
	return false
}

// structure reads the n fields of a struct: those of an older sender may be fewer, of a newer one more.
func (r *reader) structure(s *shape, n int) error {
	for i := range n {
		var err error
		if i < len(s.fields) {
			err = r.value(s.fields[i])
		} else {
			err = r.opaque(maxDepth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) list(elem *shape, n int) error {
	if err := r.spend(n * elem.size); err != nil {
		return err
	}
	for range n {
		if err := r.value(elem); err != nil {
			return err
		}
	}
	return nil
}

// opaque reads one value of any type. Its cost is not known here, and its lengths are honest.
func (r *reader) opaque(depth int) error {
	c, n, err := r.head()
	if err != nil {
		return err
	}
	if c != classArray && c != classMap {
		return r.skip(c, n)
	}
	if depth == 0 {
		return errDeep
	}
	for range n {
		if err := r.opaque(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) spend(n int) error {
	if r.budget -= n; r.budget < 0 {
		return errCostly
	}
	return nil
}

// skip passes over the bytes of a string; other classes without parts are read whole by head.
func (r *reader) skip(c class, n int) error {
	if c == classString || c == classBytes {
		r.b = r.b[n:]
	}
	return nil
}

// head reads the descriptor of a value, and the whole value if it is a scalar. n is the length of a string,
// the number of elements of an array, or of keys and values of a map; there are at least n bytes left.
func (r *reader) head() (c class, n int, err error) {
	if len(r.b) == 0 {
		return 0, 0, errCut
	}
	d := r.b[0]
	r.b = r.b[1:]
	c, n, width := describe(d)
	switch {
	case width < 0:
		return 0, 0, errType
	case width > len(r.b):
		return 0, 0, errCut
	case c >= classString && width > 0:
		n = bigEndian(r.b[:width])
	}
	r.b = r.b[width:]
	if c == classMap {
		n *= 2
	}
	if n > len(r.b) { // every element takes a byte at least
		return 0, 0, errCut
	}
	return c, n, nil
}

// describe tells what a descriptor byte says: the class; the length, when the byte itself holds it; how
// many bytes of length or of scalar follow. A width of -1 is a descriptor that bodies do not use.
func describe(d byte) (c class, n, width int) {
	switch {
	case d < 0x80 || d >= 0xe0:
		return classInt, 0, 0
	case d < 0x90:
		return classMap, int(d & 0x0f), 0
	case d < 0xa0:
		return classArray, int(d & 0x0f), 0
	case d < 0xc0:
		return classString, int(d & 0x1f), 0
	}
	k := descriptors[d-0xc0]
	return k.class, 0, int(k.width)
}

// descriptors are the bytes from 0xc0 to 0xdf. Extension types, which nothing of ours uses, are refused.
var descriptors = [32]struct {
	class class
	width int8
}{
	0x00: {classNil, 0}, 0x01: {width: -1}, 0x02: {classBool, 0}, 0x03: {classBool, 0},
	0x04: {classBytes, 1}, 0x05: {classBytes, 2}, 0x06: {classBytes, 4},
	0x07: {width: -1}, 0x08: {width: -1}, 0x09: {width: -1},
	0x0a: {classFloat, 4}, 0x0b: {classFloat, 8},
	0x0c: {classInt, 1}, 0x0d: {classInt, 2}, 0x0e: {classInt, 4}, 0x0f: {classInt, 8},
	0x10: {classInt, 1}, 0x11: {classInt, 2}, 0x12: {classInt, 4}, 0x13: {classInt, 8},
	0x14: {width: -1}, 0x15: {width: -1}, 0x16: {width: -1}, 0x17: {width: -1}, 0x18: {width: -1},
	0x19: {classString, 1}, 0x1a: {classString, 2}, 0x1b: {classString, 4},
	0x1c: {classArray, 2}, 0x1d: {classArray, 4}, 0x1e: {classMap, 2}, 0x1f: {classMap, 4},
}

// bigEndian reads a length of 1, 2 or 4 bytes, cut to what an int holds everywhere.
func bigEndian(b []byte) int {
	switch len(b) {
	case 1:
		return int(b[0])
	case 2:
		return int(binary.BigEndian.Uint16(b))
	}
	return int(min(binary.BigEndian.Uint32(b), math.MaxInt32))
}
