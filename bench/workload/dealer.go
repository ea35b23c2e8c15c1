package workload

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// Dealer deals operations to one client, in one goroutine.
type Dealer struct {
	w      *Workload
	rng    *rand.Rand
	choose chooser
	value  []byte
	drawn  [maxTimeline]uint64
	names  [maxTimeline]string
}

// Dealer makes the dealer of a client. Dealers of one number deal the same, apart from what inserts change.
func (w *Workload) Dealer(client int) *Dealer {
	return &Dealer{w: w, choose: w.newChooser(), rng: rand.New(rand.NewPCG(w.cfg.Seed, uint64(client))),
		value: make([]byte, w.cfg.ValueBytes)}
}

// Next deals an operation. Its slices are valid until the next one.
func (d *Dealer) Next() Op {
	roll := d.rng.IntN(100)
	for _, s := range d.w.shape.mix {
		if roll -= s.percent; roll < 0 {
			return d.deal(s.kind)
		}
	}
	panic("workload: the percentages of a mix do not add up to 100")
}

// Load deals the insertion of one of the keys that exist at first.
func (d *Dealer) Load(n uint64) Op {
	d.names[0] = d.w.Key(n)
	return Op{Kind: Update, Writes: d.names[:1], Value: d.fill()}
}

// Done is to be told of every operation that has ended, well or not, so that inserted keys are read.
func (d *Dealer) Done(op *Op) {
	if op.Kind == Insert {
		d.w.space.settle(op.inserted)
	}
}

func (d *Dealer) deal(kind Kind) Op {
	op := Op{Kind: kind}
	switch kind {
	case Read:
		op.Reads = d.draw(1)
	case Update:
		op.Writes = d.draw(1)
	case Insert:
		n, ok := d.w.space.claim()
		if !ok { // so many are on their way that another would tell nothing new
			return d.deal(Update)
		}
		op = d.Load(n)
		op.Kind, op.inserted = Insert, n
		return op
	case Scan:
		op.Reads, op.ScanKeys = d.draw(1), 1+d.rng.IntN(maxScanKeys)
	case ReadModifyWrite:
		op.Reads = d.draw(d.w.shape.keys)
		op.Writes = op.Reads
	case AddUser:
		op.Writes = d.draw(3)
		op.Reads = op.Writes[:1]
	case Follow:
		op.Reads = d.draw(2)
		op.Writes = op.Reads
	case PostTweet:
		op.Writes = d.draw(5)
		op.Reads = op.Writes[:3]
	case Timeline:
		op.Reads = d.draw(1 + d.rng.IntN(maxTimeline))
	}
	if len(op.Writes) > 0 {
		op.Value = d.fill()
	}
	return op
}

// draw chooses keys that differ from each other: the same key twice would be less work than the mix says.
func (d *Dealer) draw(n int) []string {
	drawn := d.drawn[:0]
	for len(drawn) < n {
		if k := d.choose(d.rng); !slices.Contains(drawn, k) {
			d.names[len(drawn)] = d.w.Key(k)
			drawn = append(drawn, k)
		}
	}
	return d.names[:n]
}

// fill draws a value that nothing can compress.
func (d *Dealer) fill() []byte {
	whole := len(d.value) &^ 7
	for i := 0; i < whole; i += 8 {
		binary.LittleEndian.PutUint64(d.value[i:], d.rng.Uint64())
	}
	for i := whole; i < len(d.value); i++ {
		d.value[i] = byte(d.rng.Uint32())
	}
	return d.value
}
