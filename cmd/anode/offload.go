package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/shard/server"
)

// switching is what `anode offload` was asked for.
type switching struct {
	admin  []string
	nodes  []string
	group  uint32
	only   string
	output string
}

func offloadCommand() *cobra.Command {
	var s switching
	cmd := &cobra.Command{
		Use:   "offload on|off",
		Short: "Switch the kernel path of running nodes",
		Long: `Switch what the replicas of one or more nodes do in the kernel, while they serve. What is switched off is taken back
first, with everything that the programs hold; clients notice nothing. With --only, on switches these parts on and all others off,
and off switches these parts off and leaves the others as they are:

  ack        a follower's programs store and acknowledge entries
  broadcast  a leader sends one packet, and the programs make one of it for each follower
  quorum     a leader's programs count acknowledgements

The programs stay attached, and a node that is started again does what its configuration says. One that was started with
offload: off has no programs to switch on.` + adminHelp + `

The exit code is 0 when all nodes have done it, and 1 when one has not.`,
		Example:   "  anode offload off\n  anode offload off --only broadcast\n  anode offload on --only ack,quorum --group 3 --admin 127.0.0.1:7070,127.0.0.1:7071",
		ValidArgs: []string{"on", "off"},
		Args:      onOrOff,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if s.admin, err = admins(cmd); err != nil {
				return err
			}
			q, err := s.request(args[0] == "on", cmd.Flags().Changed("group"))
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), q, os.Stdout)
		},
	}
	f := cmd.Flags()
	adminFlags(cmd, true)
	f.StringSliceVar(&s.nodes, "node", nil, "only nodes of these `names`, of those that --admin reaches")
	f.Uint32Var(&s.group, "group", 0, "only this group; all are the default")
	f.StringVar(&s.only, "only", "", "`some` of ack, broadcast and quorum, with commas between them")
	choices(cmd, "only", "ack", "broadcast", "quorum")
	outputFlag(cmd, &s.output)
	return cmd
}

func onOrOff(cmd *cobra.Command, args []string) error {
	if err := exactly(1)(cmd, args); err != nil {
		return err
	}
	return oneOf("anode offload", args[0], cmd.ValidArgs)
}

// request puts the flags into the words of the node.
func (s *switching) request(on, hasGroup bool) (q server.OffloadRequest, err error) {
	these := replica.AllOffloads
	if s.only != "" {
		if these, err = replica.ParseOffloads(s.only); err != nil {
			return q, fmt.Errorf("--only: %w", err)
		}
	}
	q.Offloads, q.Off = these.String(), !on
	if hasGroup {
		group := shard.ID(s.group)
		q.Group = &group
	}
	return q, checkOutput(s.output)
}

// run asks one node after another, and tells what each does now.
func (s *switching) run(ctx context.Context, q server.OffloadRequest, out io.Writer) error {
	var failed error
	o, done := newOperator(), 0
	for _, addr := range s.admin {
		if skip, err := s.skips(ctx, o, addr); err != nil || skip {
			failed = errors.Join(failed, err)
			continue
		}
		var reply server.OffloadReply
		if err := o.ask(ctx, http.MethodPost, addr, "/offload", q, &reply); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		done++
		if err := printSwitched(out, &reply, s.output); err != nil {
			return err
		}
	}
	if done == 0 && failed == nil {
		return fmt.Errorf("none of the nodes at %s is named %s", strings.Join(s.admin, ", "), strings.Join(s.nodes, " or "))
	}
	return failed
}

// skips reports whether the node at an address was not meant.
func (s *switching) skips(ctx context.Context, o *operator, addr string) (bool, error) {
	if len(s.nodes) == 0 {
		return false, nil
	}
	status, err := o.status(ctx, addr)
	if err != nil {
		return false, err
	}
	for _, name := range s.nodes {
		if status.Node == name {
			return false, nil
		}
	}
	return true, nil
}

func printSwitched(out io.Writer, r *server.OffloadReply, output string) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(r)
	}
	fmt.Fprintf(out, "node %s: %s\n", r.Node, offloadLine(&r.Offload))
	for _, s := range r.Replicas {
		fmt.Fprintf(out, "  group %d: wanted %s, offered %s\n", s.Group, s.Wanted, s.Offered)
	}
	return nil
}

// offloadLine tells in a line how far a node has come into the kernel.
func offloadLine(o *server.OffloadStatus) string {
	var line strings.Builder
	switch {
	case o.Rung != "":
		fmt.Fprintf(&line, "kernel path by %s on %s", o.Rung, o.Device)
	case !o.Settled:
		line.WriteString("user space; the kernel path is still being tried")
		if o.Why != "" {
			line.WriteString(": " + o.Why)
		}
	default:
		line.WriteString("user space: " + o.Why)
	}
	for _, f := range o.Failed {
		fmt.Fprintf(&line, "; %s: %s", f.Rung, f.Why)
	}
	if o.NoBroadcast != "" {
		line.WriteString("; no broadcast: " + o.NoBroadcast)
	}
	return line.String()
}
