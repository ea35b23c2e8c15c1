package sim

import (
	"bytes"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
)

// network carries datagrams between hosts, badly.
type network struct {
	w     *world
	ports map[wire.Addr]*port

	base, jitter    wire.Duration
	loss, duplicate float64
	late            float64 // share of datagrams that come very late
	cut             map[[2]int]bool
	sent, lost, dup uint64
}

// port is one socket of a host.
type port struct {
	addr    wire.Addr
	host    int
	receive func(transport.Datagram)
	// egress, if set, returns what is sent in place of a datagram, and to whom, or nobody.
	egress func(data []byte) (to []wire.Addr, frame []byte)
}

func newNetwork(w *world) *network {
	return &network{
		w: w, ports: map[wire.Addr]*port{}, cut: map[[2]int]bool{},
		base: w.between(20*wire.Microsecond, 300*wire.Microsecond), jitter: w.between(10*wire.Microsecond, 2*wire.Millisecond),
		loss: 0.03 * w.rand.Float64(), duplicate: 0.03 * w.rand.Float64(), late: 0.002 * w.rand.Float64(),
	}
}

// sender is a port's sending side: a replica.Sender.
type sender struct {
	n    *network
	from *port
}

// Send takes a copy of each datagram and lets fate decide.
func (s sender) Send(batch []transport.Datagram) error {
	for i := range batch {
		if s.from.egress != nil {
			if to, frame := s.from.egress(batch[i].Data); len(to) > 0 {
				for _, addr := range to {
					s.n.send(s.from, addr, bytes.Clone(frame))
				}
				continue
			}
		}
		s.n.send(s.from, batch[i].Addr, bytes.Clone(batch[i].Data))
	}
	return nil
}

func (n *network) send(from *port, to wire.Addr, data []byte) {
	n.sent++
	p := n.ports[to]
	if p == nil || n.cut[[2]int{from.host, p.host}] || n.w.chance(n.loss) {
		n.lost++
		return
	}
	n.deliver(from, p, data)
	if n.w.chance(n.duplicate) {
		n.dup++
		n.deliver(from, p, bytes.Clone(data))
	}
}

func (n *network) deliver(from, to *port, data []byte) {
	d := n.base + wire.Duration(n.w.rand.ExpFloat64()*float64(n.jitter))
	if n.w.chance(n.late) {
		d += n.w.between(5*wire.Millisecond, 400*wire.Millisecond)
	}
	n.w.after(d, func() {
		if n.cut[[2]int{from.host, to.host}] {
			n.lost++
			return
		}
		n.w.note(to.addr, data)
		to.receive(transport.Datagram{Addr: from.addr, Data: data})
	})
}

// isolate cuts a set of hosts off the others: what they send if out is set, what they receive if in is set.
func (n *network) isolate(inside map[int]bool, hosts int, in, out bool) {
	for a := range hosts {
		for b := range hosts {
			if inside[a] && !inside[b] && out || !inside[a] && inside[b] && in {
				n.cut[[2]int{a, b}] = true
			}
		}
	}
}

func (n *network) heal() { clear(n.cut) }
