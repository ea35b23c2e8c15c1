package transport

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

func testCloseCurrent(t *testing.T, w world) {
	alice := w.listen()
	done := inRecv(t, alice)
	expectQuick(t, "closing", func() {
		if err := alice.Close(); err != nil {
			t.Error(err)
		}
		if r := <-done; r.n != 0 || !errors.Is(r.err, net.ErrClosed) {
			t.Errorf("%d, %v", r.n, r.err)
		}
	})
}

func testAfterClose(t *testing.T, w world) {
	alice, bob := w.listen(), w.listen()
	local := alice.Local()
	send(t, bob, Datagram{local, []byte("too late")})
	for range 2 {
		if err := alice.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, wait := range []time.Duration{0, patience} {
		if _, err := alice.Recv(make([]Datagram, 1), wait); !errors.Is(err, net.ErrClosed) {
			t.Errorf("recv: %v", err)
		}
	}
	for _, data := range [][]byte{nil, make([]byte, w.largest)} {
		if err := alice.Send([]Datagram{{bob.Local(), data}}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send: %v", err)
		}
	}
	alice.Wake()
	alice.Stats()
	if alice.Local() != local {
		t.Error("the address is forgotten")
	}
}

func testCloseAndWake(t *testing.T, w world) {
	for range 30 {
		alice, bob := w.listen(), w.listen()
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				<-start
				for range 50 {
					alice.Wake()
					alice.Stats()
				}
			})
		}
		wg.Go(func() {
			<-start
			for range 20 {
				_ = bob.Send([]Datagram{{alice.Local(), []byte("x")}, {alice.Local(), []byte("y")}})
			}
		})
		for range 2 {
			wg.Go(func() { <-start; alice.Close() })
		}
		close(start)
		expectQuick(t, "closing among wakes", func() {
			for {
				if _, err := alice.Recv(make([]Datagram, 4), patience); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					break
				}
			}
			wg.Wait()
		})
	}
}
