package workload

import (
	"math"
	"math/rand/v2"
)

// zipfConstant is YCSB's skew.
const zipfConstant = 0.99

// Zipf draws ranks: 0 is the most frequent, and rank k comes up in proportion to 1/(k+1)^0.99. It is the method
// of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), as YCSB uses it. It is
// not safe for several goroutines unless the number of items stays the same.
type Zipf struct {
	items                   uint64
	zetan, eta, half, alpha float64
}

// NewZipf takes time in proportion to items, which must be 1 or more.
func NewZipf(items uint64) *Zipf {
	z := &Zipf{}
	z.grow(items)
	return z
}

// newZipfWith is for more items than can be summed up: the sum is known.
func newZipfWith(items uint64, zetan float64) *Zipf {
	z := &Zipf{items: items, zetan: zetan}
	z.derive()
	return z
}

// grow adds items; it never removes any.
func (z *Zipf) grow(items uint64) {
	if items <= z.items {
		return
	}
	for i := z.items; i < items; i++ {
		z.zetan += 1 / math.Pow(float64(i+1), zipfConstant)
	}
	z.items = items
	z.derive()
}

func (z *Zipf) derive() {
	z.alpha = 1 / (1 - zipfConstant)
	z.half = math.Pow(0.5, zipfConstant)
	z.eta = (1 - math.Pow(2/float64(z.items), 1-zipfConstant)) / (1 - (1+z.half)/z.zetan)
}

// Next draws a rank below the number of items.
func (z *Zipf) Next(rng *rand.Rand) uint64 {
	u := rng.Float64()
	uz := u * z.zetan
	switch {
	case uz < 1 || z.items == 1:
		return 0
	case uz < 1+z.half || z.items == 2:
		return 1
	}
	return min(uint64(float64(z.items)*math.Pow(z.eta*u-z.eta+1, z.alpha)), z.items-1)
}

// YCSB scatters the popular ranks by drawing from very many and hashing them onto the keys. The two figures are its
// own: so many items, and the sum of 1/i^0.99 as it was once computed. It does not go with that many items, so that
// the distribution is flatter than its name says; whoever compares with others' figures wants the same.
const (
	scrambledItems = 10_000_000_000_000_000
	scrambledZetan = 26.46902820178302
)

// scrambled is YCSB's ScrambledZipfianGenerator.
type scrambled struct{ zipf *Zipf }

func newScrambled() scrambled { return scrambled{newZipfWith(scrambledItems+1, scrambledZetan)} }

func (s scrambled) next(rng *rand.Rand, items uint64) uint64 {
	return fnv64(s.zipf.Next(rng)) % items
}

// fnv64 is YCSB's hash of a number: FNV over its eight octets, lowest first, and then Java's Math.abs.
func fnv64(n uint64) uint64 {
	h := uint64(0xCBF29CE484222325)
	for range 8 {
		h ^= n & 0xff
		h *= 1099511628211
		n >>= 8
	}
	if int64(h) < 0 {
		h = -h
	}
	return h
}
