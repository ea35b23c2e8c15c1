package doctor

import (
	"fmt"
	"net/netip"
)

// ports: a node has one for its door and one for each of its replicas.
func (m *Machine) ports(t Target) Finding {
	const check = "udp ports"
	if t.Running {
		return ok(check, "the node that runs has %d", len(t.Ports))
	}
	all := t.Ports
	if len(all) == 0 {
		all = []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), 0)}
	}
	for _, at := range all {
		err := m.Bind(at)
		if err == nil {
			continue
		}
		f := ok(check, "%v: %v", at, err)
		if addressInUse(err) {
			return f.fail("a free port: another program has it", fmt.Sprintf("ss -lunp 'sport = :%d' tells which; stop it, or give the node another port", at.Port()))
		}
		return f.fail("an address of this machine, and a port that it may use", "ip -brief address; ANODE_NODE or --node says which node this is")
	}
	if len(t.Ports) == 0 {
		return ok(check, "can be had")
	}
	return ok(check, "all %d are free", len(all))
}
