package client

import (
	"testing"
	"time"
)

func TestPriorityScalesThePause(t *testing.T) {
	for u, want := range map[Urgency]time.Duration{Low: 4 * time.Second, Normal: time.Second, High: time.Second / 4} {
		o, err := gather("update", false, []Option{Priority(u)})
		if err != nil || o.pause(time.Second) != want {
			t.Errorf("%d: %v, %v", u, o.pause(time.Second), err)
		}
	}
}
