package kernelpath

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/server"
)

// Puts go the fast way, with an address per node and with one for all.
func TestPutsGoTheFastWay(t *testing.T) {
	for name, hosts := range map[string]func(int) string{"own addresses": own, "one address": nil} {
		t.Run(name, func(t *testing.T) {
			c := start(t, local.Config{Nodes: 3, Shards: 2, HostOf: hosts, Offload: server.OffloadOn})
			c.putFast(2000)
		})
	}
}

// Reads are confirmed by followers' kernels: their processes see no question of the leader's.
func TestReadsAreConfirmedInTheKernel(t *testing.T) {
	c := start(t, local.Config{Nodes: 3, Shards: 1, HostOf: own, Offload: server.OffloadOn})
	c.putFast(100) // now followers are armed
	db := c.open()
	const reads = 500
	before := c.signed()
	for range reads {
		if _, err := db.Get(within(t, patience), "absent"); !errors.Is(err, client.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := c.signed() - before; n < reads*9/10 {
		t.Errorf("kernels gave %d signs for %d reads", n, reads)
		c.show()
	}
}

// signed counts the signs that all kernels have given.
func (c *cluster) signed() (n uint64) {
	for _, s := range c.status() {
		n += s.Offload.Reasons["signed"]
	}
	return n
}

// Packets that belong to no replica are counted too, by reason: those for a group that nobody here has, and those that do not
// tell what group they are of.
func TestWhatIsNobodysIsCounted(t *testing.T) {
	c := start(t, local.Config{Nodes: 3, Shards: 1, HostOf: own, Offload: server.OffloadOn})
	stray := wire.Frame{Header: wire.Header{Kind: wire.KindAccept, Cluster: wire.ClusterID(c.Topology.Cluster), Group: 77, Op: 1}}
	packet, err := stray.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for reason, options := range map[string]string{"no_slot": "", "options": "\x01\x01\x01\x01"} {
		const n = 100
		before := c.Node(0).Offload().Elsewhere[reason]
		for range n {
			if err := sendWith(options, own(0), packet); err != nil {
				t.Fatal(err)
			}
		}
		if now := c.Node(0).Offload().Elsewhere; now[reason]-before != n {
			t.Errorf("%d of %d packets were counted under %s: %v", now[reason]-before, n, reason, now)
		}
	}
}

// sendWith sends a datagram with IP options to a port where nobody listens.
func sendWith(options, to string, packet []byte) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd) //nolint:errcheck // nothing is kept in it
	if options != "" {
		if err := syscall.SetsockoptString(fd, syscall.IPPROTO_IP, syscall.IP_OPTIONS, options); err != nil {
			return err
		}
	}
	return syscall.Sendto(fd, packet, 0, &syscall.SockaddrInet4{Addr: netip.MustParseAddr(to).As4(), Port: 9})
}
