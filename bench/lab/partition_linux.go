package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/anodekv/anode/paxos/wire"
)

// Clients is the name of the clients among the members of a lab, beside the names of the nodes.
const Clients = clientNamespace

// cable is a way through the bridge.
type cable struct{ from, to string }

// Cut drops what members on one side send to those on the other, and not the way back; what was cut before stays cut. It
// happens in the bridge: the receiver's kernel path does not see through it. It takes the program nft.
func (l *Lab) Cut(ctx context.Context, from, to []string) error {
	return l.recut(ctx, func(cuts map[cable]bool) {
		for _, a := range from {
			for _, b := range to {
				cuts[cable{a, b}] = true
			}
		}
	}, from, to)
}

// Split cuts both ways between two sides.
func (l *Lab) Split(ctx context.Context, a, b []string) error {
	return errors.Join(l.Cut(ctx, a, b), l.Cut(ctx, b, a))
}

// CutOff cuts a member off from all others, clients included.
func (l *Lab) CutOff(ctx context.Context, member string) error {
	var others []string
	for _, m := range l.members() {
		if m != member {
			others = append(others, m)
		}
	}
	return l.Split(ctx, []string{member}, others)
}

// Join undoes Split, and Cut for both ways.
func (l *Lab) Join(ctx context.Context, a, b []string) error {
	return l.recut(ctx, func(cuts map[cable]bool) {
		maps.DeleteFunc(cuts, func(w cable, _ bool) bool {
			return slices.Contains(a, w.from) && slices.Contains(b, w.to) || slices.Contains(b, w.from) && slices.Contains(a, w.to)
		})
	}, a, b)
}

// Flap splits and joins two sides in turns until the context ends, and leaves them joined.
func (l *Lab) Flap(ctx context.Context, a, b []string, period time.Duration) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for split := true; ; split = !split {
		do := l.Join
		if split {
			do = l.Split
		}
		if err := do(context.WithoutCancel(ctx), a, b); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return l.Join(context.WithoutCancel(ctx), a, b)
		case <-tick.C:
		}
	}
}

// Unplug takes a member's port of the bridge down, Plug up again: the member's own end of the wire loses its carrier.
func (l *Lab) Unplug(ctx context.Context, member string) error { return l.port(ctx, member, "down") }

// Plug undoes Unplug.
func (l *Lab) Plug(ctx context.Context, member string) error { return l.port(ctx, member, "up") }

func (l *Lab) port(ctx context.Context, member, way string) error {
	if err := l.known([]string{member}); err != nil {
		return err
	}
	return ip(ctx, l.hub(), fmt.Sprintf("link set %s %s\n", member, way))
}

// Deafen drops what reaches a node's network by UDP, in that node's own firewall: its kernel path hears and answers, and
// its user space does not. With kinds it drops only datagrams whose first frame is of one of them. Undeafen ends that.
func (l *Lab) Deafen(ctx context.Context, node string, kinds ...wire.Kind) error {
	rules := "iifname eth0 meta l4proto udp drop; "
	if len(kinds) > 0 {
		rules = ""
	}
	for _, k := range kinds {
		rules += fmt.Sprintf("iifname eth0 meta l4proto udp @th,%d,8 %d drop; ", kindBit, k)
	}
	return l.firewall(ctx, node, "table inet TABLE { chain in { type filter hook input priority 0; "+rules+"}; }\n")
}

// kindBit is where in a datagram the kind of its first frame begins, in bits from the UDP header on: behind that header, the
// frame's magic number and its version.
const kindBit = 8 * (8 + 4 + 1)

// Undeafen undoes Deafen.
func (l *Lab) Undeafen(ctx context.Context, node string) error { return l.firewall(ctx, node, "") }

// firewall replaces the lab's table of a node's firewall.
func (l *Lab) firewall(ctx context.Context, node, table string) error {
	if node == Clients {
		return fmt.Errorf("%w: %s is not a node", ErrConfig, node)
	}
	if err := l.known([]string{node}); err != nil {
		return err
	}
	return nft(ctx, l.state.Config.space(node), "table inet TABLE\ndelete table inet TABLE\n"+table)
}

// Heal undoes everything that was done to the network, but for [Faults].
func (l *Lab) Heal(ctx context.Context) error {
	failed := []error{l.recut(ctx, func(cuts map[cable]bool) { clear(cuts) })}
	for _, m := range l.members() {
		failed = append(failed, l.Plug(ctx, m))
		if m != Clients {
			failed = append(failed, l.Undeafen(ctx, m))
		}
	}
	return errors.Join(failed...)
}

// recut changes what is cut, in one step.
func (l *Lab) recut(ctx context.Context, change func(map[cable]bool), members ...[]string) error {
	if err := l.known(slices.Concat(members...)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	cuts := maps.Clone(l.cuts)
	if cuts == nil {
		cuts = map[cable]bool{}
	}
	change(cuts)
	var b strings.Builder
	b.WriteString("table bridge TABLE\ndelete table bridge TABLE\ntable bridge TABLE { chain forward { type filter hook forward priority 0;\n")
	for w := range cuts {
		fmt.Fprintf(&b, "iifname %q oifname %q drop\n", w.from, w.to)
	}
	b.WriteString("}; }\n")
	if err := nft(ctx, l.hub(), b.String()); err != nil {
		return err
	}
	l.cuts = cuts
	return nil
}

// nft replaces the lab's table of a namespace; TABLE stands for its name.
func nft(ctx context.Context, space, rules string) error {
	if _, err := exec.LookPath("nft"); err != nil {
		return fmt.Errorf("%w: nft, of the package nftables", ErrTool)
	}
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", space, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(rules, "TABLE", "anode_lab"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft in %s: %w: %s", space, err, bytes.TrimSpace(out))
	}
	return nil
}

func (l *Lab) hub() string { return l.state.Config.space(hubNamespace) }

// members are all ends of wires: nodes by their index, then the clients.
func (l *Lab) members() (all []string) {
	if l.state.Config.Loopback {
		return nil
	}
	for _, n := range l.Nodes() {
		all = append(all, n.Name)
	}
	return append(all, Clients)
}

func (l *Lab) known(members []string) error {
	all := l.members()
	for _, m := range members {
		if !slices.Contains(all, m) {
			return fmt.Errorf("%w: there is no member %q; there are %v", ErrConfig, m, all)
		}
	}
	return nil
}
