package transport

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/paxos/wire"
)

// sockaddr is room for the address of either family as the system reads and writes it:
//
//	IPv4:  family, port (big-endian), address (4)
//	IPv6:  family, port (big-endian), flow (4), address (16), scope (4)
type sockaddr [unix.SizeofSockaddrInet6]byte

// set writes addr, of the socket's family, and returns the length. Zones are refused: they name an interface
// of one machine, and the addresses of a cluster must mean the same on all.
func (s *sockaddr) set(addr wire.Addr, v6 bool) (uint32, error) {
	ip := addr.Addr().Unmap()
	if !ip.IsValid() || ip.Is6() != v6 || ip.Zone() != "" || addr.Port() == 0 {
		return 0, fmt.Errorf("%w: %v", ErrAddress, addr)
	}
	binary.BigEndian.PutUint16(s[2:], addr.Port())
	if v6 {
		binary.NativeEndian.PutUint16(s[0:], unix.AF_INET6)
		clear(s[4:8])
		*(*[16]byte)(s[8:]) = ip.As16()
		clear(s[24:28])
		return unix.SizeofSockaddrInet6, nil
	}
	binary.NativeEndian.PutUint16(s[0:], unix.AF_INET)
	*(*[4]byte)(s[4:]) = ip.As4()
	clear(s[8:16])
	return unix.SizeofSockaddrInet4, nil
}

// get reads the address that the system wrote.
func (s *sockaddr) get() wire.Addr {
	port := binary.BigEndian.Uint16(s[2:])
	switch binary.NativeEndian.Uint16(s[0:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s[8:24])), port)
	}
	return wire.Addr{}
}

// bindAddr is addr as the address of a socket to be.
func bindAddr(addr wire.Addr) (sa unix.Sockaddr, family int, err error) {
	ip := addr.Addr().Unmap()
	switch {
	case ip.Is4():
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}, unix.AF_INET, nil
	case ip.Is6() && ip.Zone() == "":
		return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}, unix.AF_INET6, nil
	}
	return nil, 0, fmt.Errorf("%w: %v", ErrAddress, addr)
}

// localAddr is the address that a socket is bound to.
func localAddr(fd int) (wire.Addr, error) {
	var s sockaddr
	length := uint32(len(s))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&s)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return wire.Addr{}, fmt.Errorf("getsockname: %w", errno)
	}
	return s.get(), nil
}

// socketDrops is the system's count of datagrams that found the receive buffer full.
func socketDrops(fd int) uint64 {
	var info [16]uint32 // SK_MEMINFO_*; the system fills as many as it knows
	length := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return 0
	}
	const skMeminfoDrops = 8
	return uint64(info[skMeminfoDrops])
}
