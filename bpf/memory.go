//go:build linux

package bpf

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// memory is an mmapable array map as a slice in this process.
type memory[T any] struct {
	bytes []byte
	of    []T
}

// share maps an array into this process. What T is laid out like is generated from the object's type information.
func share[T any](m *ebpf.Map) (memory[T], error) {
	size := int(m.ValueSize())
	var t T
	if int(unsafe.Sizeof(t)) != size || size%8 != 0 {
		panic(fmt.Sprintf("bpf: map values of %d bytes for a %T of %d", size, t, unsafe.Sizeof(t)))
	}
	n := int(m.MaxEntries())
	page := unix.Getpagesize()
	b, err := unix.Mmap(m.FD(), 0, (n*size+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return memory[T]{}, fmt.Errorf("share the memory of %v: %w", m, err)
	}
	return memory[T]{b, unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)}, nil
}

func (m *memory[T]) unmap() {
	if m.bytes != nil {
		_ = unix.Munmap(m.bytes) // it fails only for what was never mapped
	}
	*m = memory[T]{}
}

func loadWord(at *uint64) word     { return word(atomic.LoadUint64(at)) }
func storeWord(at *uint64, w word) { atomic.StoreUint64(at, uint64(w)) }
func swapWord(at *uint64, old, next word) bool {
	return atomic.CompareAndSwapUint64(at, uint64(old), uint64(next))
}

// fenceWord sets the fence and returns what the word was.
func fenceWord(at *uint64) word { return word(atomic.OrUint64(at, uint64(fencedFlag))) }
