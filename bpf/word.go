//go:build linux

package bpf

import (
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
)

// word is what user space and the programs change together, see src/word.h: fenced, generation, op.
type word uint64

const (
	opBits     = kernelLimitLIMIT_OP_BITS
	opMax      = offset(1)<<opBits - 1
	genMax     = generation(1)<<kernelLimitLIMIT_GENERATION_BITS - 1
	fencedFlag = word(1) << 63

	// opMargin is how far below the largest op a slot is no longer armed, nor stays armed: at a million ops a second
	// that is an hour. After it the programs pass everything up.
	opMargin = 1 << 32
)

// generation counts the arms of a slot, or the reigns of a leader's slot.
type generation uint64

// offset is an op as words hold it: counted from the base of its epoch.
type offset uint64

func pack(g generation, op offset) word { return word(g)<<opBits | word(op) }

func (w word) fenced() bool           { return w&fencedFlag != 0 }
func (w word) generation() generation { return generation(w&^fencedFlag) >> opBits }
func (w word) op() offset             { return offset(w) & opMax }

// epochBase is the op from which the words of a generation count.
type epochBase wire.Op

func baseOf(v wire.View) epochBase { return epochBase(v.Epoch().Base()) }

// offset is how far an op lies in the epoch. For one that lies before it, and for 0, which stands for nothing, that
// is 0.
func (b epochBase) offset(op wire.Op) offset { return offset(max(op, wire.Op(b)) - wire.Op(b)) }

// end is the offset of the last op of a log.
func (b epochBase) end(last wire.Op) offset {
	if last < wire.Op(b) {
		panic(fmt.Sprintf("bpf: a log that ends at op %d, in the epoch that begins behind op %d", last, b))
	}
	return b.offset(last)
}

// op is the op at an offset.
func (b epochBase) op(o offset) wire.Op { return wire.Op(b) + wire.Op(o) }

// acked is op for acknowledgements: nothing stays nothing.
func (b epochBase) acked(o offset) wire.Op {
	if o == 0 {
		return 0
	}
	return b.op(o)
}
