//go:build torture

package replica

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

func TestClocksGoWrongAsToldAndNeverBack(t *testing.T) {
	dir := t.TempDir()
	clockFile = dir + "/clock"
	before := SystemClock{}.Now()
	text := fmt.Sprintf(`{"Since":%d,"Wall":-60000000000,"BootDrift":500000,"WallDrift":-1000}`, before.Now)
	if err := os.WriteFile(clockFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	last := before.Now
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		now := SystemClock{}.Now()
		if now.Now < last {
			t.Fatalf("%d after %d", now.Now, last)
		}
		last = now.Now
	}
	now := SystemClock{}.Now()
	if past := now.Now - before.Now; past < wire.Time(280*wire.Millisecond) {
		t.Errorf("a clock that is half as fast again has gained %d in 200 ms", past)
	}
	if wall := now.Wall - before.Wall; wall > -59_000_000_000 || wall < -61_000_000_000 {
		t.Errorf("the wall clock moved by %d", wall)
	}
	if err := os.WriteFile(clockFile, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	SystemClock{}.Now()
	if again := (SystemClock{}).Now(); again.Now < last {
		t.Errorf("the clock went back by %d", last-again.Now)
	}
}
