package torture

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Spread is what many measurements of a time came to, in milliseconds.
type Spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func (s Spread) String() string {
	return fmt.Sprintf("p50 %.0f ms, p99 %.0f ms, at most %.0f ms, of %d", s.P50, s.P99, s.Max, s.N)
}

// spreadOf sums up; a quantile is the least of them that so many do not exceed.
func spreadOf(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	all = slices.Sorted(slices.Values(all))
	at := func(q float64) float64 {
		return float64(all[int(math.Ceil(q*float64(len(all))))-1].Microseconds()) / 1000
	}
	return Spread{N: len(all), P50: at(0.50), P99: at(0.99), Max: at(1)}
}
