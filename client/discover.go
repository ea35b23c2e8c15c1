package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

const (
	// askAgain is how long the servers are given to answer before they are asked again.
	askAgain = 100 * time.Millisecond
	// recvBatch is how many datagrams one turn takes.
	recvBatch = 64
)

// scout finds out what the cluster looks like, before there is a client.
type scout struct {
	cfg      *Config
	keys     wire.Keys
	conn     transport.Conn
	topology shard.Topology
	addrs    [][]wire.Addr // by group and replica
}

func (s *scout) find(ctx context.Context) error {
	servers, err := resolveAll(ctx, s.cfg.Servers)
	if err != nil {
		return err
	}
	own := s.conn == nil
	if own {
		if s.conn, err = transport.Listen(anyPort(servers[0]), transport.Options{DatagramBytes: s.cfg.DatagramBytes}); err != nil {
			return err
		}
	}
	if err := s.ask(ctx, servers); err != nil {
		return err
	}
	if err := s.locate(ctx); err != nil {
		return err
	}
	if own && s.cfg.DatagramBytes == 0 {
		s.cfg.DatagramBytes = transport.BytesTo(slices.Concat(s.addrs...))
	}
	return nil
}

// resolveAll looks up the servers. It is content with one that resolves.
func resolveAll(ctx context.Context, servers []string) ([]wire.Addr, error) {
	var addrs []wire.Addr
	var failed []error
	for _, server := range servers {
		host, port, err := splitServer(server)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		addr, err := resolve(ctx, host, port)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) == 0 {
		return nil, errors.Join(failed...)
	}
	return addrs, nil
}

// errMiswritten says that an address cannot be one, whatever runs there.
var errMiswritten = errors.New("write it as host:port, as in 10.0.0.1:7000")

func splitServer(server string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(server)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("server %q: %w", server, errMiswritten)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("server %q: the port is not a number from 1 to 65535: %w", server, errMiswritten)
	}
	return host, uint16(n), nil
}

func resolve(ctx context.Context, host string, port uint16) (wire.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), port), nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return wire.Addr{}, fmt.Errorf("server %q: %w", host, err)
	}
	best := ips[0]
	for _, ip := range ips {
		if ip.Unmap().Is4() { // clusters listen on one family, and it is mostly this one
			best = ip
			break
		}
	}
	return netip.AddrPortFrom(best.Unmap(), port), nil
}

// ask asks all servers for the layout, again and again, until one answers with one that is acceptable.
func (s *scout) ask(ctx context.Context, servers []wire.Addr) error {
	stop := context.AfterFunc(ctx, s.conn.Wake)
	defer stop()
	last := errNoAnswer
	in := make([]transport.Datagram, recvBatch)
	var askAt time.Time
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(askAt) {
			if err := s.send(servers); err != nil {
				last = err
			}
			askAt = now.Add(askAgain)
		}
		n, err := s.conn.Recv(in, time.Until(askAt))
		if err != nil {
			return err
		}
		for i := range in[:n] {
			switch found, err := s.read(in[i].Data); {
			case found:
				return nil
			case err != nil:
				last = err
			}
		}
	}
	return last
}

func (s *scout) send(servers []wire.Addr) error {
	out := transport.NewOutbox(s.cfg.DatagramBytes)
	f := wire.Frame{
		Header: wire.Header{Kind: wire.KindTopology, Sender: wire.ClientSender},
		Body:   txn.TopologyRequestBody.Append(nil, &txn.TopologyRequest{}),
	}
	for _, to := range servers {
		if err := out.Put(to, &f, s.keys.Client); err != nil {
			return err
		}
	}
	return out.Flush(s.conn)
}

// read looks for an acceptable layout in a datagram.
func (s *scout) read(datagram []byte) (found bool, err error) {
	_, bad := transport.Each(datagram, s.keys, func(f wire.Frame) {
		if !found && f.Kind == wire.KindTopologyReply {
			err = s.accept(f.Body)
			found = err == nil
		}
	})
	if bad == transport.RejectMAC {
		err = errors.New("a server answered under another key: give the cluster's client key")
	}
	return found, err
}

func (s *scout) accept(body []byte) error {
	var r txn.TopologyReply
	if err := txn.TopologyReplyBody.Decode(body, &r); err != nil {
		return err
	}
	if err := r.Topology.Validate(); err != nil {
		return fmt.Errorf("a server's layout of the cluster is unusable: %w", err)
	}
	if s.cfg.Cluster != 0 && r.Topology.Cluster != s.cfg.Cluster {
		return fmt.Errorf("a server belongs to cluster %d, not %d", r.Topology.Cluster, s.cfg.Cluster)
	}
	s.topology = r.Topology
	return nil
}

// locate looks up every replica of the layout.
func (s *scout) locate(ctx context.Context) error {
	s.addrs = make([][]wire.Addr, len(s.topology.Groups))
	for g := range s.topology.Groups {
		for r := range s.topology.Groups[g].Members {
			host, port, _ := s.topology.Endpoint(shard.Seat{Group: shard.ID(g), Replica: uint16(r)})
			addr, err := resolve(ctx, host, port)
			if err != nil {
				return err
			}
			s.addrs[g] = append(s.addrs[g], addr)
		}
	}
	return nil
}
