package model

import "github.com/anodekv/anode/paxos/wire"

// Word is what user space and the programs change together: fenced, generation, op.
type Word uint64

const (
	opBits         = 44
	generationBits = 19
	// OpMax is the largest op that a word holds.
	OpMax = wire.Op(1)<<opBits - 1
	// GenerationMax is the largest generation that a word holds.
	GenerationMax = uint64(1)<<generationBits - 1
	// Fenced marks a word with which the programs may do nothing.
	Fenced = Word(1) << 63
)

// Pack makes a word that is not fenced.
func Pack(generation uint64, op wire.Op) Word { return Word(generation)<<opBits | Word(op) }

// Op is the last op.
func (w Word) Op() wire.Op { return wire.Op(w) & OpMax }

// Generation counts the arms.
func (w Word) Generation() uint64 { return uint64(w) >> opBits & GenerationMax }

// Fenced reports whether user space has the slot for itself.
func (w Word) Fenced() bool { return w&Fenced != 0 }

// armed: a slot that was never armed has generation 0.
func (w Word) armed() bool { return !w.Fenced() && w.Generation() != 0 }
