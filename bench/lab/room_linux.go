package lab

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	roomDevice = "late"
	// roomQueue is how many packets the system keeps for this process until it looks.
	roomQueue = 8192
	// maxHeld is how many packets wait at once; more go on at once.
	maxHeld = 1 << 15
	maxWait = time.Minute
	// maxPacket is the longest that an interface hands over.
	maxPacket = 1 << 16
	// tagAt is where the tag stands in a packet.
	tagAt = 14
)

// room is where packets wait. There is no queue discipline for that on every kernel, and a program cannot hold packets:
// they are led to an interface that this process reads, and writes to when their time has come.
type room struct {
	file         *os.File
	index        uint32
	done         sync.WaitGroup
	wake, closed chan struct{}

	mu    sync.Mutex
	rand  *rand.Rand
	waits []span
	held  held
}

// openRoom makes the interface, in the namespace of this thread. It ends with its file.
func openRoom(seed uint64) (*room, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	r := &room{rand: rand.New(rand.NewPCG(seed, 1)), wake: make(chan struct{}, 1), closed: make(chan struct{})}
	if err := r.make(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("an interface for what comes late: %w", err), unix.Close(fd))
	}
	r.file = os.NewFile(uintptr(fd), roomDevice) // it can be waited for only now that it is an interface
	r.done.Go(r.read)
	r.done.Go(r.write)
	return r, nil
}

func (r *room) make(fd int) error {
	request, err := unix.NewIfreq(roomDevice)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return err
	}
	out, err := exec.Command("ip", "link", "set", roomDevice, "txqueuelen", fmt.Sprint(roomQueue), "up").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	device, err := net.InterfaceByName(roomDevice)
	if err != nil {
		return err
	}
	r.index = uint32(device.Index)
	return nil
}

func (r *room) close() error {
	close(r.closed)
	err := r.file.Close()
	r.done.Wait()
	return err
}

func (r *room) setWaits(waits []span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits = waits
}

// read takes packets in until the file is closed.
func (r *room) read() {
	buffer := make([]byte, maxPacket)
	for {
		n, err := r.file.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil || n < tagAt+2 || binary.BigEndian.Uint16(buffer[tagAt-2:]) != unix.ETH_P_8021Q {
			continue // the system itself speaks on a new interface
		}
		r.take(append([]byte(nil), buffer[:n]...))
	}
}

func (r *room) take(packet []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	due := time.Now()
	if wait := int(binary.BigEndian.Uint16(packet[tagAt:]) >> 6 & 63); wait < len(r.waits) && len(r.held) < maxHeld {
		s := r.waits[wait]
		due = due.Add(s.min + time.Duration(r.rand.Int64N(int64(s.max-s.min)+1)))
	}
	heap.Push(&r.held, late{due, packet})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// write lets packets go when their time has come.
func (r *room) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		packet, wait := r.next()
		if packet != nil {
			if _, err := r.file.Write(packet); errors.Is(err, os.ErrClosed) {
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-r.wake:
		case <-r.closed:
			return
		}
	}
}

// next is a packet whose time has come, or how long there is none.
func (r *room) next() ([]byte, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) == 0 {
		return nil, maxWait
	}
	if wait := time.Until(r.held[0].due); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&r.held).(late).packet, 0
}

// late is a packet that waits.
type late struct {
	due    time.Time
	packet []byte
}

// held is a heap of them.
type held []late

func (h held) Len() int           { return len(h) }
func (h held) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h held) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are for package heap.
func (h *held) Push(x any) { *h = append(*h, x.(late)) }

// Pop removes the last.
func (h *held) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = late{}
	*h = (*h)[:last]
	return x
}
