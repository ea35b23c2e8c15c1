package client

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

const (
	// defaultOpenTimeout bounds the search for the cluster when the context has no deadline.
	defaultOpenTimeout = 5 * time.Second
	// defaultCloseWait lets transactions that are decided reach their shards. It spans a change of leader.
	defaultCloseWait = 2 * time.Second
	// queueLength is how many requests may wait for the loop: more than goroutines that use one client.
	queueLength = 1024
	// minDatagramBytes is what every host must accept in one piece, by RFC 1122.
	minDatagramBytes = 576
)

// Config tells [Open] where the cluster is. Only Servers must be set.
type Config struct {
	// Servers are the addresses of some nodes of the cluster, as host:port with the node's base port. One
	// that answers is enough.
	Servers []string
	// Key is the cluster's client key, 16 bytes. It must be empty for a cluster without keys.
	Key []byte
	// AlsoKey is a client key under which answers are believed too, while the cluster's keys are being changed; nothing is
	// sent under it.
	AlsoKey []byte
	// Cluster is the cluster's number. If it is set, no other cluster is accepted.
	Cluster uint64
	// CloseWait is how long Close waits for transactions that are under way; zero is 2 s.
	CloseWait time.Duration
	// DatagramBytes is up to what size requests share a datagram. Zero is an Ethernet frame, and more where all servers are on
	// this machine. Give more for networks whose every link carries it: it must pass in one piece.
	DatagramBytes int
	// Conn carries the datagrams. Nil opens a UDP socket, and a TCP one on the same port for what is too
	// large for it: the servers must be able to reach both. [transport.Network] is for clusters inside one
	// process. It belongs to the client, which closes it even if Open fails.
	Conn transport.Conn
}

// Open finds the cluster and returns a client of it. It fails when no server answers before the context
// ends, or within 5 s if the context has no deadline.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.CloseWait == 0 {
		cfg.CloseWait = defaultCloseWait
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultOpenTimeout)
		defer cancel()
	}
	s := &scout{cfg: &cfg, conn: cfg.Conn}
	var err error
	if s.keys, err = cfg.check(); err != nil {
		e := s.fail(ctx, err)
		e.Kind = ErrInvalid
		return nil, e
	}
	if err := s.find(ctx); err != nil {
		return nil, s.fail(ctx, err)
	}
	coord, err := newCoordinator(&s.topology)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return start(&cfg, s, coord), nil
}

// check reads the keys, and looks for what makes no sense.
func (cfg *Config) check() (keys wire.Keys, err error) {
	switch {
	case len(cfg.Servers) == 0:
		return keys, errors.New("no servers: name at least one as host:port")
	case cfg.CloseWait < 0:
		return keys, fmt.Errorf("CloseWait is %v: choose a time that is not negative, or 0 for %v", cfg.CloseWait, defaultCloseWait)
	case cfg.DatagramBytes != 0 && (cfg.DatagramBytes < minDatagramBytes || cfg.DatagramBytes > transport.MaxDatagram):
		return keys, fmt.Errorf("DatagramBytes is %d: choose between %d and %d, or 0 for what passes everywhere",
			cfg.DatagramBytes, minDatagramBytes, transport.MaxDatagram)
	}
	if len(cfg.AlsoKey) > 0 && len(cfg.Key) == 0 {
		return keys, errors.New("there is an AlsoKey and no Key: what is sent needs one")
	}
	if keys.Client, err = readKey(cfg.Key); err != nil {
		return keys, err
	}
	keys.Also.Client, err = readKey(cfg.AlsoKey)
	return keys, err
}

func readKey(b []byte) (wire.Key, error) {
	switch len(b) {
	case 0:
		return wire.Key{}, nil
	case wire.KeySize:
		return wire.NewKey([wire.KeySize]byte(b)), nil
	}
	return wire.Key{}, fmt.Errorf("the key has %d bytes: give the cluster's client key, %d bytes", len(b), wire.KeySize)
}

// newCoordinator draws the client's identity. 64 random bits are never drawn twice, so the identity is new
// and its numbers may begin at 1.
func newCoordinator(t *shard.Topology) (*twopc.Coordinator, error) {
	var b [24]byte
	if _, err := crand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("draw a client id: %w", err)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	return twopc.NewCoordinator(twopc.CoordinatorConfig{
		Client:   txn.ClientID(max(word(0), 1)), // 0 is nobody
		Map:      t.Map,
		Replicas: func(g wire.GroupID) int { return t.Replicas(shard.ID(g)) },
		Rand:     rand.New(rand.NewPCG(word(1), word(2))),
	}), nil
}

// errNoAnswer is the obstacle when no server says anything at all.
var errNoAnswer = errors.New("no server answered: check the addresses, that the servers run, and that the key is theirs")

// fail closes what was opened and says why there is no client.
func (s *scout) fail(ctx context.Context, err error) *Error {
	if s.conn != nil {
		_ = s.conn.Close() // it has served its purpose, and the caller is told something better
	}
	e := newError("open", "", ErrUnavailable, err)
	switch {
	case errors.Is(err, errMiswritten):
		e.Kind = ErrInvalid
	case ctx.Err() != nil:
		e.Kind, e.Context = interruption(ctx.Err()), ctx.Err()
	}
	return e
}

// anyPort is where to listen in order to reach addr.
func anyPort(addr wire.Addr) wire.Addr {
	if addr.Addr().Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}
