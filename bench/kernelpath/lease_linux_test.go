package kernelpath

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

// leased nodes have long leases: what would be read too late is read for most of a second.
var leased = lab.Config{Settings: map[string]string{"election-timeout": "1s", "lease": "900ms"}}

// A lease that nothing but a kernel's acknowledgements has granted is kept. The leader stops; one follower promises another
// view, and the other one does not hear of it. The leader goes on, and is heard by that one's kernel alone, which gives it
// a lease. Then it is cut off from both, and the follower learns what the first one has promised: its vote must wait for
// the lease, while the leader reads by it.
func TestALeaseOfTheKernelIsKept(t *testing.T) { holds(t, leased, keptLease) }

func keptLease(ctx context.Context, l *lab.Lab) error {
	s, err := enter(ctx, l, 7)
	if err != nil {
		return err
	}
	defer s.leave()
	if err := s.promiseBehind(ctx); err != nil {
		return fmt.Errorf("another view is promised: %w", err)
	}
	toLeader, err := s.dialSome(ctx, s.leader)
	if err != nil {
		return err
	}
	defer toLeader.Close()
	toOthers, err := s.dialSome(ctx, s.followers...)
	if err != nil {
		return err
	}
	defer toOthers.Close()
	if err := s.readByLease(ctx, toLeader); err != nil {
		return err
	}
	if err := s.changeView(ctx, toLeader, toOthers); err != nil {
		return err
	}
	if err := l.Heal(ctx); err != nil {
		return err
	}
	return s.resumes(ctx)
}

// promiseBehind has the second follower promise a view while the leader is stopped, and the first one hear nothing of that. It
// leaves the leader running, cut off from the second, and the first without heartbeats.
func (s *scene) promiseBehind(ctx context.Context) error {
	keeps, changes := s.followers[0], s.followers[1]
	to := []lab.Way{lab.To}
	unheard := []wire.Kind{wire.KindHeartbeat, wire.KindAnswer, wire.KindSuspect, wire.KindViewChange, wire.KindNewView}
	if err := errors.Join(
		// Echoes that arrive while it is stopped: when it goes on, it is not too late for it to go on leading.
		s.faults.Set(s.named(s.leader), to, []wire.Kind{wire.KindEcho}, lab.Fault{Delay: 1, Min: 300 * time.Millisecond, Max: 400 * time.Millisecond}),
		s.Split(ctx, s.named(s.leader), s.named(changes)),
	); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond) // more of them are under way
	if err := errors.Join(s.Pause(s.leader), s.faults.Set(s.named(keeps), to, unheard, lab.Fault{Drop: 1})); err != nil {
		return err
	}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		a, b := s.Replica(ctx, keeps, 0), s.Replica(ctx, changes, 0)
		switch {
		case a == nil || b == nil || time.Now().After(until):
			return fmt.Errorf("one follower is %+v, the other %+v", a, b)
		case a.Status != "normal":
			return fmt.Errorf("it was heard of: %+v", a)
		case b.Status == "changing":
			return s.Resume(s.leader)
		}
	}
}

// readByLease writes and reads until reads go by lease, by the acknowledgements of one kernel.
func (s *scene) readByLease(ctx context.Context, db *client.Client) error {
	const enough = 100
	before := s.Replica(ctx, s.leader, 0)
	for until := time.Now().Add(10 * time.Second); ; {
		if _, err := writeAndRead(ctx, db, 200*time.Millisecond); err != nil {
			return err
		}
		now, keeps := s.Replica(ctx, s.leader, 0), s.Replica(ctx, s.followers[0], 0)
		switch {
		case now == nil || keeps == nil || time.Now().After(until) || now.View != before.View || keeps.Status != "normal":
			return fmt.Errorf("the leader was %+v and is %+v, its follower %+v", before, now, keeps)
		case now.Reads.ByLease-before.Reads.ByLease >= enough:
			return nil
		}
	}
}

// changeView lets the first follower hear what the second has promised, and the leader of neither. Whoever reads from the old
// leader after somebody has written through the new one must not get what was there before.
func (s *scene) changeView(ctx context.Context, toLeader, toOthers *client.Client) error {
	const key = "alone" // that of writeAndRead
	old, err := toLeader.Get(ctx, key)
	if err != nil {
		return err
	}
	if err := errors.Join(s.Split(ctx, s.named(s.leader), s.named(s.followers...)), s.faults.Clear()); err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() { written <- toOthers.Put(ctx, key, []byte("new")) }()
	reads, later := 0, time.Time{} // no more than a lease after the writing
	for later.IsZero() || time.Now().Before(later) {
		if later.IsZero() {
			select {
			case err := <-written:
				if err != nil {
					return err
				}
				later = time.Now().Add(time.Second)
			default:
			}
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		v, err := toLeader.Get(short, key)
		cancel()
		switch {
		case err != nil: // it does not know any more
		case later.IsZero() && slices.Equal(v, old):
			reads++
		case !later.IsZero() && string(v) != "new":
			return fmt.Errorf("%q is read by a lease after something else was written through another leader", v)
		}
	}
	if reads == 0 {
		return errors.New("nothing was read by the lease")
	}
	return nil
}

// someConn is a client's connection to some nodes, which hears no others.
type someConn struct {
	transport.Conn
	peers []netip.Addr
}

// dialSome opens a client that knows nobody but some nodes.
func (s *scene) dialSome(ctx context.Context, nodes ...int) (*client.Client, error) {
	conn, err := transport.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), 0), transport.Options{})
	if err != nil {
		return nil, err
	}
	some := &someConn{Conn: conn}
	var servers []string
	for _, i := range nodes {
		addr, err := netip.ParseAddr(s.Nodes()[i].IP)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		some.peers = append(some.peers, addr)
		servers = append(servers, s.Servers()[i])
	}
	key, err := clientKey(s.Lab)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client.Open(ctx, client.Config{Servers: servers, Key: key, Conn: some, CloseWait: time.Millisecond})
}

func (c *someConn) Send(batch []transport.Datagram) error {
	return c.Conn.Send(slices.DeleteFunc(slices.Clone(batch), func(d transport.Datagram) bool {
		return !slices.Contains(c.peers, d.Addr.Addr())
	}))
}
