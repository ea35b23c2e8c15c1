package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// doorWait is how long the door sleeps when nobody knocks.
const doorWait = time.Minute

// door answers at the node's base port those who do not know the cluster yet: it tells them the topology.
type door struct {
	keys  wire.Keys
	conn  transport.Conn
	out   *transport.Outbox
	reply wire.Frame

	mu       sync.Mutex
	counters DoorCounters
}

// DoorCounters counts what has come to a node's base port. They only grow. A client that finds no cluster
// has knocked here: a wrong key shows under [transport.RejectMAC].
type DoorCounters struct {
	Answered uint64
	// BadFrames counts what is not of our protocol or carries a wrong MAC, by reason.
	BadFrames [transport.Rejects]uint64
	// WrongDoor counts frames that belong at the port of a replica.
	WrongDoor uint64
}

func (n *Node) openDoor(ctx, run context.Context) error {
	self, _ := n.cfg.Topology.Node(n.cfg.Name)
	addr, err := resolveHost(ctx, self.Host, self.Port)
	if err != nil {
		return err
	}
	n.cfg.sizes(addr)
	d := &door{keys: n.cfg.Keys, out: transport.NewOutbox(n.cfg.DatagramBytes)}
	d.reply.Kind, d.reply.Cluster = wire.KindTopologyReply, wire.ClusterID(n.cfg.Topology.Cluster)
	d.reply.Body = txn.TopologyReplyBody.Append(nil, &txn.TopologyReply{Topology: n.cfg.Topology})
	if len(d.reply.Body) > wire.MaxBody {
		return fmt.Errorf("the topology takes %d bytes, more than the %d of one frame: use fewer groups or shorter names", len(d.reply.Body), wire.MaxBody)
	}
	if d.conn, err = transport.ListenUDP(addr, transport.Options{}); err != nil {
		return err
	}
	n.door = d
	n.wg.Go(func() {
		if err := d.serve(run); err != nil {
			n.cfg.Log.Error("the node's door has closed", "error", err)
		}
	})
	return nil
}

// serve answers until the context ends. The port is free again when it returns, so that the node can be
// started again at once.
func (d *door) serve(run context.Context) error {
	defer func() { _ = d.conn.Close() }()
	stop := context.AfterFunc(run, d.conn.Wake)
	defer stop()
	in := make([]transport.Datagram, 16)
	for run.Err() == nil {
		n, err := d.conn.Recv(in, doorWait)
		if err != nil {
			return err
		}
		for i := range in[:n] {
			d.answer(&in[i])
		}
		if err := d.out.Flush(d.conn); err != nil && !errors.Is(err, transport.ErrAddress) {
			return err
		}
	}
	return nil
}

// answer tells the topology to whoever asks for it; everything else is at the wrong door and is dropped.
func (d *door) answer(in *transport.Datagram) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, bad := transport.Each(in.Data, d.keys, func(f wire.Frame) {
		if f.Kind != wire.KindTopology {
			d.counters.WrongDoor++
			return
		}
		d.counters.Answered++
		_ = d.out.Put(in.Addr, &d.reply, d.keys.Client) // a full outbox is a lost answer; it is asked for again
	})
	if bad != transport.RejectNone {
		d.counters.BadFrames[bad]++
	}
}

// Door counts what has come to the node's base port.
func (n *Node) Door() DoorCounters {
	n.door.mu.Lock()
	defer n.door.mu.Unlock()
	return n.door.counters
}
