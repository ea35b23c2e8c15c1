package doctor

import (
	"fmt"
	"net/netip"

	"github.com/anodekv/anode/cmd/anode/internal/words"
)

// State is the outcome of a check.
type State string

const (
	// OK: as it should be.
	OK State = "ok"
	// Warn: it works, but slower, in part, or with less certainty.
	Warn State = "warn"
	// Fail: without this being mended the kernel does nothing for a node, or the node cannot start.
	Fail State = "fail"
)

// Finding is what a check found.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Found string `json:"found"`
	// Missing is what is not as it should be, and Mend the command against it; both may be empty, and Mend is where
	// no command helps.
	Missing string `json:"missing,omitempty"`
	Mend    string `json:"mend,omitempty"`
}

// Report is all findings, in the order in which they are worth mending.
type Report struct {
	// Kernel says that nothing failed: the kernel can do its part.
	Kernel    bool      `json:"kernel"`
	Interface string    `json:"interface,omitempty"`
	Findings  []Finding `json:"findings"`
}

// Failed counts the checks that failed.
func (r *Report) Failed() (n int) {
	for _, f := range r.Findings {
		if f.State == Fail {
			n++
		}
	}
	return n
}

// Target is what to look at beside the machine itself.
type Target struct {
	// Device is the interface that the node's addresses are on; without it no interface is looked at.
	Device string
	// Members are the addresses of the other nodes.
	Members []netip.Addr
	// Ports are the node's own; without any one is chosen, to see that a socket can be had at all.
	Ports []netip.AddrPort
	// Node is what the node's file says, nil without one.
	Node *Node
	// Running says that the node holds its ports already.
	Running bool
	// Prove has the programs attached and waits for a packet. A card may be silent for a second meanwhile.
	Prove bool
}

// Node is what of a node's file the kernel's part depends on.
type Node struct {
	// Open: there are no keys.
	Open bool
	// BatchBytes and DatagramBytes are as in the file; 0 leaves them to the interface.
	BatchBytes, DatagramBytes int
}

// Examine does all checks. It fails only for a device that is not there.
func Examine(m *Machine, t Target) (Report, error) {
	r := Report{Interface: t.Device}
	r.Findings = m.system()
	r.Findings = append(r.Findings, m.ports(t))
	if t.Device != "" {
		d, err := m.Device(t.Device)
		if err != nil {
			return Report{}, m.unknown(t.Device, err)
		}
		r.Findings = append(r.Findings, m.device(d, t)...)
	}
	r.Kernel = r.Failed() == 0
	return r, nil
}

func (m *Machine) unknown(device string, err error) error {
	all := m.Devices()
	if near := words.Nearest(device, all); near != "" && near != device {
		return fmt.Errorf("there is no interface %s: did you mean %s?", device, near)
	}
	return fmt.Errorf("interface %s: %w; there are %v", device, err, all)
}

func ok(check, found string, args ...any) Finding {
	return Finding{Check: check, State: OK, Found: fmt.Sprintf(found, args...)}
}

func (f Finding) warn(missing, mend string) Finding {
	f.State, f.Missing, f.Mend = Warn, missing, mend
	return f
}

func (f Finding) fail(missing, mend string) Finding {
	f.State, f.Missing, f.Mend = Fail, missing, mend
	return f
}
