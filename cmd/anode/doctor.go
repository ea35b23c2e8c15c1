package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bpf"
	"github.com/anodekv/anode/cmd/anode/internal/config"
	"github.com/anodekv/anode/cmd/anode/internal/doctor"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// doctorPatience is for names to be resolved, and for a node of this machine to answer.
const doctorPatience = 2 * time.Second

func doctorCommand() *cobra.Command {
	var device, file, output string
	var prove bool
	cmd := &cobra.Command{
		Use:   "doctor [--interface IF | --config FILE]",
		Short: "Check whether this machine can run the kernel's part of a node",
		Long: `Check whether this machine can run the kernel's part of a node: the kernel's version and features, the capabilities of
this process, the clock, and that a UDP port can be had. With --interface also that interface: driver, MTU, receive queues, offloads.
With --config it is the one that the node's address is on, and the node's own ports and the other members are looked at
too. What is not as it should be is told with the command that mends it.

Nothing is changed: the programs are loaded, and removed at once. With --prove they are also attached to the interface, by
each way in until a packet came by, and taken away again. Do not do that where a node is running: a card may be silent for
a second meanwhile.

Capabilities are those of this process. A service has what its unit gives it; to see through its eyes, run the command
as the service would run:

  systemd-run --pipe --wait -p User=anode -p AmbientCapabilities="CAP_BPF CAP_NET_ADMIN CAP_PERFMON" anode doctor

The exit code is 0 when nothing failed, warnings or not, and 1 when something did: then a node runs in user space only, or the
interface or the file is not what it was taken for.`,
		Example: "  anode doctor --interface eth0\n  anode doctor --config /etc/anode/anode.yaml\n  anode doctor --interface eth0 --prove -o json | jq '.findings[] | select(.state != \"ok\")'",
		Args:    noArgs,
	}
	cmd.Flags().StringVar(&device, "interface", "", "look at the network interface of this `name` too")
	cmd.Flags().StringVar(&file, "config", "", "look at what this configuration `file` needs")
	cmd.Flags().String("node", "", "with --config: as this node")
	cmd.Flags().BoolVar(&prove, "prove", false, "attach the programs to the interface for a moment and wait for a packet")
	cmd.MarkFlagsMutuallyExclusive("interface", "config")
	outputFlag(cmd, &output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		t := doctor.Target{Device: device}
		if file != "" {
			c, err := config.Load(file, changed(cmd, "node"))
			if err != nil {
				return err
			}
			if t, err = patient(cmd.Context(), c); err != nil {
				return err
			}
		}
		if t.Prove = prove; prove && t.Device == "" {
			return errors.New("--prove needs an interface: give --interface or --config")
		}
		r, err := doctor.Examine(doctor.This(), t)
		if err != nil {
			return err
		}
		if err := printReport(os.Stdout, &r, output); err != nil {
			return err
		}
		if n := r.Failed(); n > 0 {
			return fmt.Errorf("%d of %d checks failed: without them a node runs in user space only, or not at all", n, len(r.Findings))
		}
		return nil
	}
	return cmd
}

// patient is what a node's configuration says about where it runs.
func patient(ctx context.Context, c server.Config) (t doctor.Target, err error) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	t.Node = &doctor.Node{Open: c.Keys.Open(), BatchBytes: c.Limits.BatchBytes, DatagramBytes: c.DatagramBytes}
	for _, n := range c.Topology.Nodes {
		addr, err := resolve(ctx, n)
		switch {
		case n.Name != c.Name && err != nil:
			return t, fmt.Errorf("node %s: %w", n.Name, err)
		case n.Name != c.Name:
			t.Members = append(t.Members, addr)
			continue
		case err != nil:
			return t, fmt.Errorf("this node, %s: %w", n.Name, err)
		}
		t.Ports = append(t.Ports, netip.AddrPortFrom(addr, n.Port))
		for _, s := range c.Topology.Seats(n.Name) {
			if _, port, ok := c.Topology.Endpoint(s); ok {
				t.Ports = append(t.Ports, netip.AddrPortFrom(addr, port))
			}
		}
		i, err := bpf.InterfaceOf(t.Ports[0])
		if err != nil {
			return t, fmt.Errorf("this node, %s, is at %v: %w: run it on that host, or say with --node which node this is", n.Name, addr, err)
		}
		t.Device = i.Name
	}
	if c.Admin.Addr != "" {
		_, err := newOperator().health(ctx, c.Admin.Addr, "/livez")
		t.Running = err == nil
	}
	return t, nil
}

func resolve(ctx context.Context, n shard.Node) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(n.Host); err == nil {
		return addr.Unmap(), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", n.Host)
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return netip.Addr{}, err
	}
	return all[0].Unmap(), nil
}

func printReport(w io.Writer, r *doctor.Report, output string) error {
	out := bufio.NewWriter(w)
	if output == "json" {
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
		return out.Flush()
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "%-5s %-17s %s\n", f.State, f.Check, f.Found)
		if f.Missing != "" {
			fmt.Fprintf(out, "      missing: %s\n", f.Missing)
		}
		if f.Mend != "" {
			fmt.Fprintf(out, "      mend:    %s\n", f.Mend)
		}
	}
	return out.Flush()
}
