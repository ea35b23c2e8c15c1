package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/anodekv/anode/bpf"
)

// frameBytes are what stands before a body in a packet on the wire: IP, UDP and the frame's header. Ethernet is not part of
// an MTU.
const frameBytes = 20 + 8 + 64

// pageMTU is about what native XDP takes in most drivers: a packet stands in one page, with room before and behind it.
const pageMTU = 3498

// device is everything about the interface.
func (m *Machine) device(d Device, t Target) []Finding {
	return append([]Finding{m.state(d), m.mtu(d), m.queues(d)}, append(append(m.offloads(d), t.Node.findings(d)...), m.neighbours(d, t), m.rung(d, t))...)
}

// findings are about what the file says.
func (n *Node) findings(d Device) []Finding {
	if n == nil {
		return nil
	}
	return []Finding{n.keys(d), n.batches(d)}
}

// keys: the programs act before UDP's checksum was looked at, and without a code nothing else tells a damaged entry.
func (n *Node) keys(d Device) Finding {
	switch {
	case !n.Open:
		return ok("keys", "there are keys")
	case d.Loopback:
		return ok("keys", "none, and on a loopback nothing is damaged")
	}
	return ok("keys", "none").fail("a key file: without a code nothing tells a damaged entry from a sound one, so nodes stay in user space",
		"(umask 077; anode config keys > keys), give all nodes the file, and set key-file")
}

// What a node leaves free of an interface's MTU, what stands before a batch, and what it packs at most, as in package server.
const (
	headroomBytes = 100
	headerBytes   = 64
	packedBytes   = 16 << 10
)

// batches: one that is larger than what the programs carry goes through user space, and comes about under load.
func (n *Node) batches(d Device) Finding {
	batch := n.BatchBytes
	if batch == 0 {
		datagram := n.DatagramBytes
		if datagram == 0 {
			datagram = min(d.MTU-headroomBytes, packedBytes)
		}
		batch = datagram - headerBytes
	}
	f := ok("batches", "up to %d bytes", batch)
	if batch > bpf.MaxBody {
		return f.warn(fmt.Sprintf("batches up to %d bytes: larger ones go through user space, and load makes them", bpf.MaxBody),
			fmt.Sprintf("set batch-bytes: %d in the file, or ANODE_BATCH_BYTES", bpf.MaxBody-headerBytes))
	}
	return f
}

func (m *Machine) state(d Device) Finding {
	f := ok("interface", "%s, driver %s, %v", d.Name, named(d.Driver), d.Networks)
	switch {
	case !d.Up:
		return f.fail("the interface is down", "ip link set "+d.Name+" up")
	case !d.Ethernet:
		return f.fail("Ethernet: the programs read packets from their Ethernet header on, and this is a tunnel that has none",
			"use addresses of an Ethernet interface; the node runs in user space until then")
	case len(d.Networks) == 0:
		return f.fail("an IPv4 address: the programs know no other", "ip address add ADDRESS/LENGTH dev "+d.Name)
	}
	return f
}

func named(driver string) string {
	if driver == "" {
		return "unknown"
	}
	return driver
}

// mtu: an entry that does not fit one packet takes the way through user space.
func (m *Machine) mtu(d Device) Finding {
	f := ok("mtu", "%d", d.MTU)
	switch room := d.MTU - frameBytes; {
	case room < bpf.MaxBody:
		return f.warn(fmt.Sprintf("%d bytes: the kernel could take entries up to %d, and here only %d fit a packet", bpf.MaxBody+frameBytes, bpf.MaxBody, max(room, 0)),
			fmt.Sprintf("ip link set %s mtu 1500, on all members and what connects them", d.Name))
	case d.MTU > pageMTU && !d.Loopback && d.Driver != "veth":
		return f.warn(fmt.Sprintf("an MTU up to about %d, for native XDP in most drivers; tcx takes any", pageMTU),
			fmt.Sprintf("ip link set %s mtu 1500; larger packets bring a node little, for it takes entries of up to %d bytes into the kernel", d.Name, bpf.MaxBody))
	}
	return f
}

// queues: the packets of one queue are handled by one CPU at a time.
func (m *Machine) queues(d Device) Finding {
	const check = "receive queues"
	if d.Loopback {
		return ok(check, "a loopback has none: every CPU handles what it sends")
	}
	n := m.count("sys/class/net/"+d.Name+"/queues", "rx-")
	if n == 0 {
		return ok(check, "not told here")
	}
	cpus := m.cpus()
	f := ok(check, "%d, and %d CPUs", n, cpus)
	if n == 1 && cpus > 1 && d.Driver != "veth" {
		return f.warn("more than one: all packets are handled by one CPU",
			fmt.Sprintf("ethtool -L %[1]s combined %[2]d, or where the card has one only: echo %[3]x > /sys/class/net/%[1]s/queues/rx-0/rps_cpus (it helps tcx, not native XDP)",
				d.Name, cpus, uint64(1)<<min(cpus, 32)-1))
	}
	return f
}

func (m *Machine) count(dir, prefix string) (n int) {
	entries, err := fs.ReadDir(m.Root, dir)
	if err != nil {
		return 0 // what is not told is not judged
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			n++
		}
	}
	return n
}

// cpus counts those that are online, from lines of the form "processor : 0", as every architecture has them.
func (m *Machine) cpus() int {
	n := strings.Count("\n"+m.read("proc/cpuinfo"), "\nprocessor")
	return max(n, 1)
}

// offloads: what glues packets together before the programs see them takes them away from them; what verifies and makes
// checksums costs CPU where the card does not do it.
func (m *Machine) offloads(d Device) (all []Finding) {
	f := ok("checksum offload", "rx %s, tx %s", told(d.Offloads, "rx"), told(d.Offloads, "tx"))
	if off(d.Offloads, "rx") || off(d.Offloads, "tx") {
		f = f.warn("checksums by the card", fmt.Sprintf("ethtool -K %s rx on tx on", d.Name))
	}
	all = append(all, f)
	f = ok("lro", "%s", told(d.Offloads, "lro"))
	if d.Offloads["lro"] {
		f = f.warn("its absence: native XDP refuses it, and where it glues datagrams together the kernel's part passes them by", fmt.Sprintf("ethtool -K %s lro off", d.Name))
	}
	// What is glued together by gro are streams; datagrams only where the user asked for it with a setting of its own.
	return append(all, f, ok("gro", "%s", told(d.Offloads, "gro")))
}

func told(offloads map[string]bool, name string) string {
	on, known := offloads[name]
	switch {
	case !known:
		return "not told"
	case on:
		return "on"
	}
	return "off"
}

func off(offloads map[string]bool, name string) bool {
	on, known := offloads[name]
	return known && !on
}

// rungs are tried in this order.
var rungs = []bpf.Rung{bpf.RungXDPNative, bpf.RungTCX, bpf.RungXDPGeneric}

// rung: how packets come to the programs.
func (m *Machine) rung(d Device, t Target) Finding {
	if !t.Prove {
		return m.expect(d)
	}
	var failed []string
	for _, r := range rungs {
		err := m.Prove(d.Name, r, within(d, t.Members))
		if err == nil {
			f := ok("way in", "%v, proven by a packet", r)
			if len(failed) > 0 {
				f.Found += "; " + strings.Join(failed, "; ")
			}
			if r == bpf.RungXDPGeneric {
				return f.warn("native XDP or tcx: generic XDP is alone on its interface and copies every packet", "install Linux 6.6 or newer for tcx")
			}
			return f
		}
		failed = append(failed, err.Error())
		if errors.Is(err, bpf.ErrPermission) {
			break // it would be the same for all
		}
	}
	return Finding{Check: "way in", Found: "none"}.fail(strings.Join(failed, "; "), "mend what failed above; without another machine that answers nothing can be proven: ping one")
}

// nativeDrivers run XDP, as of Linux 6.12. One that is missing here costs a line of output: nodes try.
var nativeDrivers = strings.Fields(`atlantic be2net bnxt_en bonding cpsw dpaa2-eth ena enetc fsl_dpa fsl_enetc gve hv_netvsc
	i40e ice igb igbvf igc ixgbe ixgbevf mana mlx4_en mlx5_core mtk_soc_eth mvneta mvpp2 nfp nicvf octeontx2-nicpf qede
	rvu_nicpf sfc st_gmac stmmac thunder-nic tsnep tun veth virtio_net vmxnet3 xen_netfront`)

// expect says what is likely, from the driver.
func (m *Machine) expect(d Device) Finding {
	const check = "way in"
	native := slices.Contains(nativeDrivers, d.Driver)
	switch {
	case d.Loopback && m.atLeast(6, 6):
		return ok(check, "tcx: native XDP does not attach to a loopback")
	case native && d.Driver == "veth" && m.atLeast(6, 6):
		return ok(check, "tcx: answers of native XDP leave a veth only where its other end has a program too")
	case native && d.Driver != "veth":
		return ok(check, "native XDP is likely, for the driver knows it; --prove shows it")
	case m.atLeast(6, 6):
		return ok(check, "tcx is likely; --prove shows it")
	}
	return ok(check, "generic XDP").warn("native XDP or tcx", "install Linux 6.6 or newer, or use a card whose driver runs XDP")
}

// within are the addresses that are on the interface's own networks.
func within(d Device, all []netip.Addr) (near []netip.Addr) {
	for _, a := range all {
		if slices.ContainsFunc(d.Networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
			near = append(near, a)
		}
	}
	return near
}

// neighbours: the leader's copies are addressed by the table of neighbours, and an address behind a router is never in it.
func (m *Machine) neighbours(d Device, t Target) Finding {
	const check = "members"
	switch {
	case len(t.Members) == 0:
		return ok(check, "none was named: with --config the other nodes are looked for")
	case d.Loopback:
		return ok(check, "all %d on this machine", len(t.Members))
	}
	near := within(d, t.Members)
	var far, silent []string
	for _, a := range t.Members {
		switch {
		case d.has(a): // another node of this machine
		case !slices.Contains(near, a):
			far = append(far, a.String())
		case !m.knows(d.Name, a):
			silent = append(silent, a.String())
		}
	}
	f := ok(check, "%d of %d are neighbours", len(t.Members)-len(far)-len(silent), len(t.Members))
	switch {
	case len(far) > 0:
		return f.warn(strings.Join(far, ", ")+" behind a router: a leader sends to each member itself, and the broadcast stays unused",
			"put the members into one network, each with an address of "+fmt.Sprint(d.Networks))
	case len(silent) > 0:
		return f.warn(strings.Join(silent, ", ")+" not in the table of neighbours: down, or not spoken to for a while",
			fmt.Sprintf("for a in %s; do ping -c 1 $a; done", strings.Join(silent, " ")))
	}
	return f
}

func (d *Device) has(a netip.Addr) bool {
	return slices.ContainsFunc(d.Networks, func(p netip.Prefix) bool { return p.Addr() == a })
}

// knows looks for a complete entry: address, type, flags with 2 for complete, hardware address, mask, device.
func (m *Machine) knows(device string, a netip.Addr) bool {
	for line := range strings.Lines(m.read("proc/thread-self/net/arp")) {
		f := strings.Fields(line)
		if len(f) != 6 || f[0] != a.String() || f[5] != device {
			continue
		}
		var flags uint
		if _, err := fmt.Sscanf(f[2], "0x%x", &flags); err == nil && flags&2 != 0 {
			return true
		}
	}
	return false
}
