package replica_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running starts a loop of one member of a group whose others stay away.
func running(t *testing.T, m *member) (l *replica.Loop, stop func() error) {
	t.Helper()
	conn, err := transport.NewNetwork().Listen(m.addr)
	if err != nil {
		t.Fatal(err)
	}
	l = replica.NewLoop(m.replica, conn, replica.SystemClock{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return l, func() error { cancel(); return <-ended }
}

// alone is a member of a group whose clock is that of the machine.
func alone(t *testing.T, disk replica.Disk) *member {
	g := &group{tb: t, keys: bothKeys, now: replica.SystemClock{}.Now().Now}
	return g.boot(0, disk, replica.NoFastPath{})
}

func TestDoRunsBetweenTurns(t *testing.T) {
	m := alone(t, &replica.MemoryDisk{})
	l, stop := running(t, m)
	var asked int // by the loop's goroutine alone: the race detector sees to it
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := l.Do(t.Context(), func(r *replica.Replica) {
					if r != m.replica {
						t.Error("another replica")
					}
					asked++
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if asked != 400 {
		t.Errorf("%d of 400 questions were answered", asked)
	}
}

// Whoever asks while the loop is being stopped gets an answer or ErrStopped, and never waits for ever.
func TestDoMeetsStop(t *testing.T) {
	for range 30 {
		l, stop := running(t, alone(t, &replica.MemoryDisk{}))
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					ran := false
					err := l.Do(context.Background(), func(*replica.Replica) { ran = true })
					if errors.Is(err, replica.ErrStopped) {
						return
					}
					if err != nil || !ran {
						t.Errorf("answered %v, %v", ran, err)
						return
					}
					answered.Add(1)
				}
			})
		}
		for answered.Load() < 10 {
			time.Sleep(100 * time.Microsecond)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

func TestDoGivesUpWithItsContext(t *testing.T) {
	l, stop := running(t, alone(t, &replica.MemoryDisk{}))
	ctx, cancel := context.WithCancel(t.Context())
	begun, release := make(chan struct{}), make(chan struct{})
	go func() {
		<-begun
		cancel()
	}()
	err := l.Do(ctx, func(*replica.Replica) { close(begun); <-release })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a question under way: %v", err)
	}
	if err := l.Do(ctx, func(*replica.Replica) {}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a question that waits: %v", err)
	}
	close(release)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := l.Do(t.Context(), func(*replica.Replica) {}); !errors.Is(err, replica.ErrStopped) {
		t.Errorf("a question to a stopped loop: %v", err)
	}
}

// brokenConn fails as a network card that was pulled.
type brokenConn struct{ transport.Conn }

func (c brokenConn) Recv([]transport.Datagram, time.Duration) (int, error) {
	return 0, syscall.ENETDOWN
}

// A loop that cannot go on says why, and gives its socket back; one whose socket was closed by others ends in
// peace.
func TestLoopEnds(t *testing.T) {
	network := transport.NewNetwork()
	for name, c := range map[string]struct {
		wrap func(transport.Conn) transport.Conn
		want error
	}{
		"broken": {func(c transport.Conn) transport.Conn { return brokenConn{c} }, syscall.ENETDOWN},
		"closed": {func(c transport.Conn) transport.Conn { c.Close(); return c }, nil},
	} {
		m := alone(t, &replica.MemoryDisk{})
		conn, err := network.Listen(m.addr)
		if err != nil {
			t.Fatalf("%s: %v", name, err) // the one before has not given its address back
		}
		l := replica.NewLoop(m.replica, c.wrap(conn), replica.SystemClock{})
		if err := l.Run(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := conn.Send(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the socket is open, %v", name, err)
		}
	}
}

// failingDisk takes the first promises and no more.
type failingDisk struct {
	replica.MemoryDisk
	left int
}

func (d *failingDisk) Save(p paxos.Promise) error {
	if d.left--; d.left < 0 {
		return syscall.EIO
	}
	return d.MemoryDisk.Save(p)
}

// What was to be said after a promise is not said when the promise could not be kept.
func TestNothingIsSaidAfterABrokenPromise(t *testing.T) {
	g := newGroup(t, bothKeys)
	g.put(1, "k", "v")
	at := g.members[1]
	disk := &failingDisk{left: 1}
	promise, _, err := at.disk.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.MemoryDisk.Save(promise); err != nil {
		t.Fatal(err)
	}
	g.members[1] = g.boot(1, disk, replica.NoFastPath{})
	at = g.members[1]
	g.run(200 * wire.Millisecond) // it recovers
	if s := at.engine.State(); s.Status != paxos.Normal {
		t.Fatalf("not recovered: %+v", s)
	}
	suspected := false
	g.tap = func(_ *member, d transport.Datagram) {
		transport.Each(d.Data, bothKeys, func(f wire.Frame) {
			suspected = suspected || f.Kind == wire.KindSuspect && f.Sender == 1
		})
	}
	// The leader is gone: the two that are left agree that they hear nothing, and promise the next view.
	for range 500 {
		g.now = g.now.Add(turn)
		for _, m := range g.members[1:] {
			in := m.inbox
			m.inbox = nil
			err := m.replica.Step(g.instant(), in, m)
			if m == at && err != nil {
				if !errors.Is(err, syscall.EIO) {
					t.Error(err)
				}
				if suspected {
					t.Error("it has promised a view to others that its disk does not know")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("nobody has promised another view")
}
