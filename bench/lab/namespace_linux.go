package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	netnsDir        = "/run/netns"
	hubNamespace    = "hub"
	clientNamespace = "clients"
	clientIP        = "10.77.0.100"
)

// ip is a node's address.
func (c *Config) ip(node int) string {
	if c.Loopback {
		return fmt.Sprintf("127.0.0.%d", 10+node)
	}
	return fmt.Sprintf("10.77.0.%d", 10+node)
}

// space is the name of a member's namespace.
func (c *Config) space(member string) string {
	if c.Loopback {
		member = clientNamespace
	}
	return prefix + c.Name + "-" + member
}

// ip runs commands of ip, one a line, in a namespace; in the machine's own if it is empty.
func ip(ctx context.Context, in, commands string) error {
	args := []string{"-batch", "-"}
	if in != "" {
		args = append([]string{"-n", in}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip in %q: %w: %s", in, err, bytes.TrimSpace(out))
	}
	return nil
}

// wire makes the namespaces and what connects them. Both ends of each wire are born where they belong.
func (s *state) wire(ctx context.Context) error {
	cfg := &s.Config
	if cfg.Loopback {
		only := cfg.space(Clients)
		return errors.Join(ip(ctx, "", "netns add "+only+"\n"), ip(ctx, only, "link set lo up\n"))
	}
	hub := cfg.space(hubNamespace)
	members := map[string]string{clientNamespace: clientIP}
	for _, n := range s.Nodes {
		members[n.Name] = n.IP
	}
	var all, wires strings.Builder
	fmt.Fprintln(&all, "netns add", hub)
	// The bridge learns addresses and asks nobody: ports forward at once.
	fmt.Fprintln(&wires, "link set lo up\nlink add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up")
	for member := range members {
		if member == clientNamespace && cfg.Here {
			fmt.Fprintln(&all, "netns attach", cfg.space(member), os.Getpid())
		} else {
			fmt.Fprintln(&all, "netns add", cfg.space(member))
		}
		fmt.Fprintf(&wires, "link add %s type veth peer name eth0 netns %s\nlink set %s master br0 up\n",
			member, cfg.space(member), member)
	}
	if err := ip(ctx, "", all.String()); err != nil {
		return err
	}
	if err := ip(ctx, hub, wires.String()); err != nil {
		return err
	}
	for member, addr := range members {
		err := ip(ctx, cfg.space(member), fmt.Sprintf("link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up\n", addr))
		if err != nil {
			return err
		}
	}
	return noFirewall(ctx, hub)
}

// own reports whether a namespace is this process's own.
func own(space string) bool {
	var named, mine unix.Stat_t
	return unix.Stat(filepath.Join(netnsDir, space), &named) == nil && unix.Stat("/proc/self/ns/net", &mine) == nil &&
		named.Ino == mine.Ino
}

// noFirewall keeps bridged packets out of netfilter, where a machine with containers sends them.
func noFirewall(ctx context.Context, hub string) error {
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		return nil // the module is not there
	}
	const off = `for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > $f; done`
	if out, err := exec.CommandContext(ctx, "ip", "netns", "exec", hub, "sh", "-c", off).CombinedOutput(); err != nil {
		return fmt.Errorf("keep the bridge's packets from the firewall: %w: %s", err, out)
	}
	return nil
}

// namespaces lists those of a lab that there are.
func namespaces(name string) ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var found []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix+name+"-") {
			found = append(found, e.Name())
		}
	}
	return found, err
}
