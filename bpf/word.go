//go:build linux

package bpf

import "github.com/anodekv/anode/paxos/wire"

// word is what user space and the programs change together, see src/word.h: fenced, generation, op.
type word uint64

const (
	opBits     = kernelLimitLIMIT_OP_BITS
	opMax      = wire.Op(1)<<opBits - 1
	genMax     = generation(1)<<kernelLimitLIMIT_GENERATION_BITS - 1
	fencedFlag = word(1) << 63

	// opMargin is how far below the largest op a slot is no longer armed: at a million ops a second, what is
	// armed before lasts another hour. After that the programs pass everything up.
	opMargin = 1 << 32
)

// generation counts the arms of a slot, or the reigns of a leader's slot.
type generation uint64

func pack(g generation, op wire.Op) word { return word(g)<<opBits | word(op) }

func (w word) fenced() bool           { return w&fencedFlag != 0 }
func (w word) generation() generation { return generation(w&^fencedFlag) >> opBits }
func (w word) op() wire.Op            { return wire.Op(w) & opMax }
