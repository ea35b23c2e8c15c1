package model

import "github.com/anodekv/anode/paxos/wire"

// Word is what user space and the programs change together: fenced, generation, op.
type Word uint64

// Offset is an op as words hold it: counted from the base of its epoch.
type Offset uint64

const (
	opBits         = 44
	generationBits = 19
	// OpMax is the largest op that a word holds.
	OpMax = Offset(1)<<opBits - 1
	// GenerationMax is the largest generation that a word holds.
	GenerationMax = uint64(1)<<generationBits - 1
	// Fenced marks a word with which the programs may do nothing.
	Fenced = Word(1) << 63
)

// Pack makes a word that is not fenced.
func Pack(generation uint64, op Offset) Word { return Word(generation)<<opBits | Word(op) }

// Op is the last op.
func (w Word) Op() Offset { return Offset(w) & OpMax }

// Generation counts the arms.
func (w Word) Generation() uint64 { return uint64(w) >> opBits & GenerationMax }

// Fenced reports whether user space has the slot for itself.
func (w Word) Fenced() bool { return w&Fenced != 0 }

// armed: a slot that was never armed has generation 0.
func (w Word) armed() bool { return !w.Fenced() && w.Generation() != 0 }

// base is the op from which the words of a generation count.
func (c *Config) base() wire.Op { return c.View.Epoch().Base() }

// offset is a frame's op as words hold it. What lies before the epoch comes out above every op that they hold.
func (c *Config) offset(op wire.Op) Offset {
	if mistaken("absolute-ops") {
		return Offset(op)
	}
	return Offset(op - c.base())
}

// known is the same for what user space knows, where 0 stands for nothing.
func (c *Config) known(op wire.Op) Offset { return Offset(max(op, c.base()) - c.base()) }

// op is the op at an offset.
func (c *Config) op(o Offset) wire.Op { return c.base() + wire.Op(o) }

// acked is op for acknowledgements: nothing stays nothing.
func (c *Config) acked(o Offset) wire.Op {
	if o == 0 {
		return 0
	}
	return c.op(o)
}
