package torture

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

// Step is a moment in the life of a commit at which its coordinator may go.
type Step struct {
	Name string
	kind wire.Kind
	// nth is before which datagram with that kind it goes.
	nth int
	// deaf steps let requests out, and no answer in.
	deaf bool
}

// Steps are the moments at which coordinators vanish. What they were about to send is lost, and all that comes after.
func Steps() []Step {
	return []Step{
		{"before a session is opened", wire.KindOpenSession, 1, false},
		{"between sessions", wire.KindOpenSession, 2, false},
		{"before the first prepare", wire.KindPrepare, 1, false},
		{"between prepares", wire.KindPrepare, 2, false},
		{"before the third prepare", wire.KindPrepare, 3, false},
		{"before the votes arrive", wire.KindPrepare, 1, true},
		{"before the first commit", wire.KindCommit, 1, false},
		{"between commits", wire.KindCommit, 2, false},
		{"before commits are acknowledged", wire.KindCommit, 1, true},
		{"before the first abort", wire.KindAbort, 1, false},
		{"between aborts", wire.KindAbort, 2, false},
		{"before a submit", wire.KindSubmit, 1, false},
		{"before a submit is answered", wire.KindSubmit, 1, true},
		{"before a validation", wire.KindValidate, 1, false},
		{"between resolves", wire.KindResolve, 2, false},
	}
}

// mortalConn is a client's connection that is cut at a step, for good: what the client does afterwards nobody hears.
type mortalConn struct {
	transport.Conn
	key wire.Key

	mu      sync.Mutex
	step    Step
	left    int // datagrams with the step's kind that are still let through
	mute    bool
	deaf    bool
	expects bool
}

// dialMortal opens a connection to a cluster, one of whose servers is named.
func dialMortal(server string, key wire.Key) (*mortalConn, error) {
	addr, err := netip.ParseAddrPort(server)
	if err != nil {
		return nil, err
	}
	local := netip.IPv4Unspecified()
	if addr.Addr().Is6() {
		local = netip.IPv6Unspecified()
	}
	conn, err := transport.Listen(netip.AddrPortFrom(local, 0), transport.Options{})
	if err != nil {
		return nil, err
	}
	return &mortalConn{Conn: conn, key: key}, nil
}

// doom has the connection cut at a step.
func (c *mortalConn) doom(s Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step, c.left, c.expects = s, max(0, s.nth-1), true
}

// gone reports whether it has been cut.
func (c *mortalConn) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mute || c.deaf
}

// Send sends what comes before the step.
func (c *mortalConn) Send(batch []transport.Datagram) error {
	n := c.passes(batch)
	if n == 0 {
		return nil
	}
	return c.Conn.Send(batch[:n])
}

// passes is how many datagrams of a batch are sent.
func (c *mortalConn) passes(batch []transport.Datagram) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mute {
		return 0
	}
	for i := range batch {
		switch {
		case !c.expects || !c.carries(batch[i].Data):
		case c.step.deaf:
			c.deaf = true
		case c.left > 0:
			c.left--
		default:
			c.mute, c.deaf = true, true
			return i
		}
	}
	return len(batch)
}

// carries reports whether a datagram has a frame of the step's kind.
func (c *mortalConn) carries(data []byte) (found bool) {
	transport.Each(data, wire.Keys{Client: c.key}, func(f wire.Frame) { found = found || f.Kind == c.step.kind })
	return found
}

// Recv takes what comes, as long as the client can hear.
func (c *mortalConn) Recv(into []transport.Datagram, wait time.Duration) (int, error) {
	n, err := c.Conn.Recv(into, wait)
	if err == nil && c.gone() {
		n = 0
	}
	return n, err
}

// randomStep draws a step.
func randomStep(r *rand.Rand) Step {
	all := Steps()
	return all[r.IntN(len(all))]
}
