package transport

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
)

const (
	// LimitBytes is how much an Outbox packs into one datagram unless told otherwise: what an Ethernet
	// frame of 1,500 bytes carries, less the headers of IPv6 and UDP, less 52 for a tunnel on the way.
	LimitBytes = 1400
	// maxOutboxBytes bounds what waits for one Flush: two of the largest frames. A round that has more to say
	// is a burst that no socket buffer would take either.
	maxOutboxBytes = 2 * MaxStreamed
)

// ErrFull is returned for a frame that an Outbox has no room for before the next Flush. The frame is
// dropped, as the network might have done.
var ErrFull = errors.New("transport: outbox full, flush first")

// Outbox packs frames into datagrams, one destination per datagram, and sends them in one go. It belongs to
// one goroutine. The order of the frames to one destination is kept.
//
// An Accept travels alone, because the kernel programs read a datagram only if it is exactly one frame. A
// frame above the limit travels alone too.
type Outbox struct {
	limit int
	queue []Datagram
	// growing is, per destination, the index in queue of the datagram that still takes frames: the last
	// one of that destination, or none.
	growing map[wire.Addr]int
	// inUse are the buffers behind queue; a broadcast's is there once.
	inUse [][]byte
	bytes int // in the buffers
	store buffers
}

// NewOutbox returns an Outbox that packs up to limitBytes into a datagram; 0 stands for [LimitBytes].
func NewOutbox(limitBytes int) *Outbox {
	if limitBytes <= 0 {
		limitBytes = LimitBytes
	}
	return &Outbox{limit: min(limitBytes, MaxDatagram), growing: map[wire.Addr]int{}}
}

// Put encodes f, seals it with key and queues it. It fails with [wire.ErrTooLarge], [ErrAddress] or
// [ErrFull], and has queued nothing then.
func (o *Outbox) Put(to wire.Addr, f *wire.Frame, key wire.Key) error {
	if err := o.admit(f, to); err != nil {
		return err
	}
	i := o.place(to, f)
	data := o.queue[i].Data
	start := len(data)
	data, err := f.Append(data)
	if err != nil {
		panic(err) // admit has checked the size
	}
	key.Seal(data[start:])
	o.queue[i].Data = data
	o.bytes += f.Size()
	return nil
}

// PutAll queues f for several destinations, encoded and sealed once. It fails as Put does, and has queued it
// for none then.
func (o *Outbox) PutAll(tos []wire.Addr, f *wire.Frame, key wire.Key) error {
	if err := o.admit(f, tos...); err != nil {
		return err
	}
	raw, err := f.Append(o.buffer(f.Size()))
	if err != nil {
		panic(err) // admit has checked the size
	}
	key.Seal(raw)
	for _, to := range tos {
		if o.alone(f) {
			delete(o.growing, to)
			o.queue = append(o.queue, Datagram{to, raw})
		} else {
			i := o.place(to, f)
			o.queue[i].Data = append(o.queue[i].Data, raw...)
		}
	}
	o.bytes += o.cost(f, len(tos))
	return nil
}

// admit reports why f cannot be queued.
func (o *Outbox) admit(f *wire.Frame, tos ...wire.Addr) error {
	if len(f.Body) > wire.MaxStreamBody {
		return fmt.Errorf("%w: %v of %d bytes, limit %d", wire.ErrTooLarge, f.Kind, len(f.Body), wire.MaxStreamBody)
	}
	if o.bytes+o.cost(f, len(tos)) > maxOutboxBytes {
		return fmt.Errorf("%w: %d bytes wait, limit %d", ErrFull, o.bytes, maxOutboxBytes)
	}
	for _, to := range tos {
		if !to.IsValid() || to.Port() == 0 {
			return fmt.Errorf("%w: %v to %v", ErrAddress, f.Kind, to)
		}
	}
	return nil
}

// cost is the memory that f takes for that many destinations: one that travels alone is there once.
func (o *Outbox) cost(f *wire.Frame, destinations int) int {
	if o.alone(f) {
		return f.Size()
	}
	return destinations * f.Size()
}

// alone reports whether f shares its datagram with no other frame.
func (o *Outbox) alone(f *wire.Frame) bool { return f.Kind == wire.KindAccept || f.Size() > o.limit }

// place is the index of a datagram to which f is to be appended.
func (o *Outbox) place(to wire.Addr, f *wire.Frame) int {
	i, ok := o.growing[to]
	switch {
	case o.alone(f):
		delete(o.growing, to) // or a later frame would overtake this one
		return o.add(to, f.Size())
	case ok && len(o.queue[i].Data)+f.Size() <= o.limit:
		return i
	}
	i = o.add(to, o.limit)
	o.growing[to] = i
	return i
}

// add queues an empty datagram with room for n bytes.
func (o *Outbox) add(to wire.Addr, n int) int {
	o.queue = append(o.queue, Datagram{to, o.buffer(n)})
	return len(o.queue) - 1
}

func (o *Outbox) buffer(n int) []byte {
	b := o.store.get(n)
	o.inUse = append(o.inUse, b)
	return b
}

// Len is the number of datagrams that wait for Flush.
func (o *Outbox) Len() int { return len(o.queue) }

// Flush sends everything and empties the outbox, whether it could be sent or not: what got lost is repeated
// by the protocols, which know whether it still matters. The error is that of [Conn.Send].
func (o *Outbox) Flush(conn Sender) error {
	if len(o.queue) == 0 {
		return nil
	}
	err := conn.Send(o.queue)
	for _, b := range o.inUse {
		o.store.put(b)
	}
	clear(o.growing)
	o.queue, o.inUse, o.bytes = o.queue[:0], o.inUse[:0], 0
	return err
}
