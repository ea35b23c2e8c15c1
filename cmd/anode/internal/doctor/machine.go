package doctor

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/anodekv/anode/bpf"
)

// Machine is what the checks ask. [This] is the machine itself; tests have others.
type Machine struct {
	// Root is the tree of files from / on.
	Root    fs.FS
	Release string // of the kernel
	// Load brings the programs into the kernel and takes them away again.
	Load func() error
	// Prove attaches them to an interface and has a packet pass.
	Prove func(device string, r bpf.Rung, peers []netip.Addr) error
	// Bind takes a UDP port and gives it back.
	Bind func(netip.AddrPort) error
	// BootTime reads the clock that the programs stamp acknowledgements with, and SinceStart one that must not run
	// ahead of it, because it stops while the machine sleeps.
	BootTime, SinceStart func() (time.Duration, error)
	Devices              func() []string
	Device               func(name string) (Device, error)
	Sleep                func(time.Duration)
}

// Device is an interface.
type Device struct {
	Name         string
	Up, Loopback bool
	Ethernet     bool // packets have an Ethernet header; tunnels often have none
	MTU          int
	Networks     []netip.Prefix // the IPv4 addresses and how far each network goes
	Driver       string         // empty when nobody knows
	// Offloads are by the names of ethtool -k. One that the driver does not tell is not there.
	Offloads map[string]bool
}

// This is the machine that the process runs on.
func This() *Machine {
	return &Machine{
		Root: os.DirFS("/"), Release: release(), Load: bpf.Probe, Bind: bind,
		Prove:    func(device string, r bpf.Rung, peers []netip.Addr) error { return bpf.Prove(device, r, peers...) },
		BootTime: bootTime, SinceStart: sinceStart,
		Devices: devices, Device: device, Sleep: time.Sleep,
	}
}

func bind(at netip.AddrPort) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	return conn.Close()
}

func devices() (names []string) {
	all, err := net.Interfaces()
	if err != nil {
		return nil // then the one that is asked for is not found either, which has an error of its own
	}
	for i := range all {
		names = append(names, all[i].Name)
	}
	return names
}

func device(name string) (Device, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return Device{}, err
	}
	addrs, err := i.Addrs()
	if err != nil {
		return Device{}, fmt.Errorf("its addresses: %w", err)
	}
	d := Device{Name: name, Up: i.Flags&net.FlagUp != 0, Loopback: i.Flags&net.FlagLoopback != 0,
		Ethernet: len(i.HardwareAddr) == 6 || i.Flags&net.FlagLoopback != 0, MTU: i.MTU,
		Driver: driver(name), Offloads: offloads(name)}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			d.Networks = append(d.Networks, p)
		}
	}
	return d, nil
}

// read is a file's content without the white space around it, and nothing for one that is not there.
func (m *Machine) read(path string) string {
	b, err := fs.ReadFile(m.Root, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
