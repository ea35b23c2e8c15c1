package anodetest_test

import (
	"context"
	"testing"
	"time"

	"github.com/anodekv/anode/client/anodetest"
)

// In a test file this is func TestGreeting(t *testing.T).
func ExampleStart() {
	_ = func(t *testing.T) {
		cluster := anodetest.Start(t)
		db := cluster.Open(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := db.Put(ctx, "greeting", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		cluster.Kill(t, 0)
		if v, err := db.Get(ctx, "greeting"); err != nil || string(v) != "hello" {
			t.Errorf("%q, %v", v, err)
		}
	}
}
