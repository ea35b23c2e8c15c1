package workload

import (
	"math"
	"math/rand/v2"
	"testing"
)

const draws = 400_000

// count draws and counts by item.
func count(items uint64, next func(*rand.Rand) uint64) []float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	n := make([]float64, items)
	for range draws {
		n[next(rng)]++
	}
	return n
}

// near demands a share of the draws within so many standard deviations; the draws are seeded, so that a failure is no
// bad luck but a changed distribution.
func near(t *testing.T, what string, n, share float64) {
	t.Helper()
	want, sigma := draws*share, math.Sqrt(draws*share*(1-share))
	if math.Abs(n-want) > 5*sigma {
		t.Errorf("%s came up %.0f times, want %.0f with a deviation of %.0f", what, n, want, sigma)
	}
}

func TestZipfHasItsShares(t *testing.T) {
	const items = 1000
	z := NewZipf(items)
	n := count(items, z.Next)
	sum := 0.0
	for i := range items {
		sum += math.Pow(float64(i+1), -0.99)
	}
	// The method is exact for the two first ranks and a smooth approximation of the rest.
	near(t, "rank 0", n[0], 1/sum)
	near(t, "rank 1", n[1], math.Pow(2, -0.99)/sum)
	for _, from := range []int{2, 10, 100, 500} {
		got, want := 0.0, 0.0
		for i := from; i < items; i++ {
			got += n[i] / draws
			want += math.Pow(float64(i+1), -0.99) / sum
		}
		if math.Abs(got-want) > 0.02 { // the approximation is off by 0.015 at most
			t.Errorf("ranks from %d have a share of %.4f, want %.4f", from, got, want)
		}
	}
}

func TestZipfOfFewItems(t *testing.T) {
	for _, items := range []uint64{1, 2, 3} {
		n := count(items, NewZipf(items).Next)
		for i := 1; i < len(n); i++ {
			if n[i] == 0 || n[i] > n[i-1] {
				t.Errorf("%d items: %v", items, n)
			}
		}
	}
}

func TestZipfGrows(t *testing.T) {
	grown, fresh := NewZipf(10), NewZipf(5000)
	grown.grow(3000)
	grown.grow(5000)
	grown.grow(1) // it never shrinks
	a, b := rand.New(rand.NewPCG(3, 4)), rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		if x, y := grown.Next(a), fresh.Next(b); x != y {
			t.Fatalf("%d after growing, %d at once", x, y)
		}
	}
}

// The hash of a number, by the definition of FNV: offset basis, then multiply and xor from the lowest octet on.
func TestHashIsYCSBs(t *testing.T) {
	for n, want := range map[uint64]uint64{
		// user6284781860667377211 and user8517097267634966620 are the first two keys that YCSB loads.
		0: 6284781860667377211,
		1: 8517097267634966620,
	} {
		if got := fnv64(n); got != want {
			t.Errorf("hash of %d is %d, want %d", n, got, want)
		}
	}
}

// The zipfian distribution of YCSB draws ranks of its huge space with shares of 1/26.469 and 2^-0.99/26.469, and the
// hash says where they lie.
func TestScrambledHasYCSBsShares(t *testing.T) {
	const items = 1000
	s := newScrambled()
	n := count(items, func(rng *rand.Rand) uint64 { return s.next(rng, items) })
	// What remains is scattered evenly: each key has a thousandth of it, too.
	first, second := 1/scrambledZetan, math.Pow(0.5, 0.99)/scrambledZetan
	for rank, share := range []float64{first, second} {
		got := n[fnv64(uint64(rank))%items] / draws
		if got < share || got > share+0.003 {
			t.Errorf("rank %d has a share of %.4f, want %.4f and a little of others", rank, got, share)
		}
	}
	never := 0
	for _, x := range n {
		if x == 0 {
			never++
		}
	}
	if never > 0 {
		t.Errorf("%d keys of %d never come up: the ranks are not scattered", never, items)
	}
}
