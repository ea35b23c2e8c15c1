package wire

import (
	"encoding"
	"reflect"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// A shape is what the bytes of one Go type may look like. Bytes are held against the shape before the
// decoder sees them, for two reasons: the decoder believes lengths before it has compared them with what
// follows, and it is generous (a map for a struct, a float for an integer) where one encoding is enough.
type shape struct {
	form   form
	length int      // formFixed: the exact number of bytes
	size   int      // bytes of the Go value, for the budget
	fields []*shape // formStruct
	elem   *shape   // formList
}

type form uint8

const (
	formOpaque form = iota // a type that encodes itself, a map, a pointer: only lengths are checked
	formBool
	formInt
	formFloat
	formString
	formBytes  // bin, or nil
	formFixed  // bin of one length
	formList   // array, or nil
	formStruct // array; fields may be missing at its end or be more than are known
)

// shapes caches a *shape per reflect.Type. A shape is built once and never changes.
var shapes sync.Map

// shapeOf is the shape of what v, a pointer, points to.
func shapeOf(v any) *shape {
	t := reflect.TypeOf(v)
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	if t == nil || t.Kind() != reflect.Pointer {
		panic("wire: decoding needs a pointer") // a call of ours: a bug
	}
	s, _ := shapes.LoadOrStore(t, newShape(t.Elem(), maxDepth))
	return s.(*shape)
}

func newShape(t reflect.Type, depth int) *shape {
	s := &shape{size: int(t.Size())}
	if depth == 0 || encodesItself(t) {
		return s // a recursive type is opaque where it becomes too deep
	}
	switch t.Kind() {
	case reflect.Bool:
		s.form = formBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.form = formInt
	case reflect.Float32, reflect.Float64:
		s.form = formFloat
	case reflect.String:
		s.form = formString
	case reflect.Array:
		if t.Elem() == byteType {
			s.form, s.length = formFixed, t.Len()
		}
	case reflect.Slice:
		if t.Elem() == byteType {
			s.form = formBytes
		} else {
			s.form, s.elem = formList, newShape(t.Elem(), depth-1)
		}
	case reflect.Struct:
		if fields, plain := plainFields(t, depth-1); plain {
			s.form, s.fields = formStruct, fields
		}
	}
	return s
}

// plainFields are the shapes of a struct's exported fields, unless the library lays them out by rules of
// its own: it flattens embedded structs and obeys tags.
func plainFields(t reflect.Type, depth int) (fields []*shape, plain bool) {
	for f := range t.Fields() {
		_, tagged := f.Tag.Lookup("codec")
		_, jsonTagged := f.Tag.Lookup("json")
		if f.Anonymous || tagged || jsonTagged || f.Name == "_struct" {
			return nil, false
		}
		if f.IsExported() {
			fields = append(fields, newShape(f.Type, depth))
		}
	}
	return fields, true
}

var byteType = reflect.TypeFor[byte]()

// encodesItself reports whether the library asks the type for its encoding.
func encodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) ||
		p.Implements(reflect.TypeFor[codec.Selfer]()) ||
		p.Implements(reflect.TypeFor[codec.MissingFielder]()) ||
		p.Implements(reflect.TypeFor[codec.MapBySlice]())
}
