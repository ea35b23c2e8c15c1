package transport

import "math/bits"

const (
	// Buffers come in powers of two from minBufferBytes, which holds a datagram of the usual size, to
	// maxBufferBits, which holds the largest datagram of a socket. What is larger is rare, and not kept.
	minBufferBits = 11
	maxBufferBits = 16
	// keptBytes bounds the unused buffers of one size; the rest is left to the garbage collector.
	keptBytes = 2 << 20
)

// buffers keeps used buffers for the next use. It belongs to one goroutine.
type buffers struct {
	free [maxBufferBits + 1][][]byte // by the power of two
}

// get returns an empty buffer with room for n bytes.
func (b *buffers) get(n int) []byte {
	if n > 1<<maxBufferBits {
		return make([]byte, 0, n)
	}
	class := max(minBufferBits, bits.Len(uint(max(n, 1)-1)))
	free := b.free[class]
	if len(free) == 0 {
		return make([]byte, 0, 1<<class)
	}
	last := len(free) - 1
	buf := free[last]
	b.free[class] = free[:last]
	return buf[:0]
}

// put takes a buffer of get back.
func (b *buffers) put(buf []byte) {
	class := bits.Len(uint(cap(buf) - 1))
	if class > maxBufferBits {
		return
	}
	if len(b.free[class]) < keptBytes>>class {
		b.free[class] = append(b.free[class], buf)
	}
}
