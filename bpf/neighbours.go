//go:build linux

package bpf

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/anodekv/anode/paxos/wire"
)

// neighbourKnown marks a hardware address as known, see src/maps.h.
const neighbourKnown = 1 << 48

// SetNeighbour tells the broadcast the hardware address of a member; nil means that it is not known, and no copy
// is made for it.
func (s *Slot) SetNeighbour(member wire.ReplicaID, hardware net.HardwareAddr) {
	var w word
	if len(hardware) == 6 {
		w = neighbourKnown
		for i, b := range hardware {
			w |= word(b) << (8 * i)
		}
	}
	storeWord(&s.control.Neighbours[member], w)
}

// RefreshNeighbours takes the members' hardware addresses from the system's table for the interface that the slot's
// address is on, and returns those that are not there. As long as one is missing, user space must send to each
// member itself, without the broadcast flag: that also makes the system ask for it. Members that only receive
// copies drop out of the table after a while unless something else is sent to them.
func (s *Slot) RefreshNeighbours(c Config) (missing []wire.ReplicaID, err error) {
	table := map[netip.Addr]net.HardwareAddr{}
	ifi, err := net.InterfaceByIndex(s.ifindex)
	if err != nil {
		return nil, fmt.Errorf("bpf: the interface of %v: %w", s.key, err)
	}
	local := ifi.Flags&net.FlagLoopback != 0
	if !local {
		if table, err = neighbours(ifi.Name); err != nil {
			return nil, fmt.Errorf("bpf: the neighbours of %s: %w", ifi.Name, err)
		}
	}
	for i, m := range c.Members {
		hardware := table[m.Addr.Addr().Unmap()]
		if local {
			hardware = make(net.HardwareAddr, 6)
		}
		s.SetNeighbour(wire.ReplicaID(i), hardware)
		if hardware == nil && i != int(c.Self) {
			missing = append(missing, wire.ReplicaID(i))
		}
	}
	return missing, nil
}

// neighbours reads the system's table of one interface, in the network namespace of this thread.
func neighbours(device string) (map[netip.Addr]net.HardwareAddr, error) {
	f, err := os.Open("/proc/thread-self/net/arp")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseNeighbours(f, device)
}

// parseNeighbours reads lines of: address, type, flags, hardware address, mask, device. Flags have 2 where the
// address is complete.
func parseNeighbours(r io.Reader, device string) (map[netip.Addr]net.HardwareAddr, error) {
	table := map[netip.Addr]net.HardwareAddr{}
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) != 6 || f[5] != device || !complete(f[2]) {
			continue
		}
		addr, err := netip.ParseAddr(f[0])
		if err != nil {
			continue // the heading
		}
		hardware, err := net.ParseMAC(f[3])
		if err == nil && len(hardware) == 6 {
			table[addr] = hardware
		}
	}
	return table, s.Err()
}

func complete(flags string) bool {
	var v uint
	_, err := fmt.Sscanf(flags, "0x%x", &v)
	return err == nil && v&2 != 0
}
