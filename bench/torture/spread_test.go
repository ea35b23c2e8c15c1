package torture

import (
	"testing"
	"time"
)

func TestSpreads(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i)*time.Millisecond)
	}
	if got, want := spreadOf(all), (Spread{N: 200, P50: 100, P99: 198, Max: 200}); got != want {
		t.Errorf("%+v instead of %+v", got, want)
	}
	if got, want := spreadOf(all[:1]), (Spread{N: 1, P50: 200, P99: 200, Max: 200}); got != want {
		t.Errorf("%+v instead of %+v", got, want)
	}
	if got := spreadOf(nil); got != (Spread{}) {
		t.Errorf("of nothing: %+v", got)
	}
}
