package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/shard/server"
)

func statusCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what nodes and their replicas are doing",
		Long: `Show what the replicas of one or more nodes are doing, one line for each.

A replica takes part in its group when its status is normal; forming, changing and recovering pass by
themselves. Of a group that is lost more than half of the replicas have lost their memory: it stays closed,
and the lines below the table tell what can be done. The role "leader" serves clients. APPLIED counts
the entries of the log that the replica has carried out, BEHIND those that it has and has not carried out yet.

With -o json there is one line per node, as its admin endpoint tells it under /status.` + adminHelp + `

The exit code is 0 when all nodes have answered, whatever they had to say, and 1 when one has not.`,
		Example: "  anode status\n  anode status --admin 127.0.0.1:7070,127.0.0.1:7071 --admin 127.0.0.1:7072\n  anode status -o json | jq '.replicas[] | select(.lost)'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			addrs, err := admins(cmd)
			if err != nil {
				return err
			}
			var nodes []server.NodeStatus
			var missing error
			o := newOperator()
			for _, addr := range addrs {
				s, err := o.status(cmd.Context(), addr)
				if err != nil {
					missing = errors.Join(missing, err)
					continue
				}
				nodes = append(nodes, s)
			}
			return errors.Join(printStatus(os.Stdout, nodes, output), missing)
		},
	}
	adminFlags(cmd, true)
	outputFlag(cmd, &output)
	return cmd
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output is %q: choose text or json", output)
	}
	return nil
}

func printStatus(w io.Writer, nodes []server.NodeStatus, output string) error {
	out := bufio.NewWriter(w)
	if output == "json" {
		for i := range nodes {
			if err := json.NewEncoder(out).Encode(&nodes[i]); err != nil {
				return err
			}
		}
	} else if len(nodes) > 0 {
		printTable(out, nodes)
		printLost(out, nodes)
		printDisagreements(out, nodes)
		printOffload(out, nodes)
	}
	return out.Flush()
}

// row is a replica and its node.
type row struct {
	node string
	server.ReplicaStatus
}

func printTable(out io.Writer, nodes []server.NodeStatus) {
	var rows []row
	for _, n := range nodes {
		for _, r := range n.Replicas {
			rows = append(rows, row{n.Node, r})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Replica, b.Replica)) })
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "GROUP\tNODE\tSTATUS\tROLE\tEPOCH\tVIEW\tAPPLIED\tBEHIND\tLOG\tKEYS\tDATA\tSESSIONS\tDOUBTS")
	for _, r := range rows {
		if r.Error != "" {
			fmt.Fprintf(table, "%d\t%s\tno answer: %s\n", r.Group, r.node, r.Error)
			continue
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%d\t%s\t%d\t%d\n", r.Group, r.node, r.state(), r.role(), r.Epoch, r.View,
			r.Log.Applied, r.Log.Last-r.Log.Applied, size(int64(r.Log.Bytes)), r.Store.Keys, size(r.Store.LiveBytes),
			r.Transactions.Sessions, r.Transactions.Doubts+r.Transactions.Undecidable)
	}
	_ = table.Flush() // into a buffer
}

func (r *row) state() string {
	if r.Lost {
		return "lost"
	}
	return r.Status
}

func (r *row) role() string {
	switch {
	case r.Status != "normal":
		return "-"
	case r.Serving:
		return "leader"
	case r.Leads:
		return "elected"
	}
	return "follower"
}

// printOffload says for each node how far it has come into the kernel, where it was asked to.
func printOffload(out io.Writer, nodes []server.NodeStatus) {
	for i := range nodes {
		if o := &nodes[i].Offload; o.Mode != server.OffloadOff.String() {
			var fast, all uint64
			for _, r := range nodes[i].Replicas {
				fast += r.Offload.Fast
				all += r.Offload.Fast + r.Offload.Claimed + r.Offload.Plain
			}
			fmt.Fprintf(out, "\nnode %s: %s\n  %d of %d entries as a follower were acknowledged in the kernel\n", nodes[i].Node, offloadLine(o), fast, all)
		}
	}
}

// printLost says once for each lost group what an operator can do.
func printLost(out io.Writer, nodes []server.NodeStatus) {
	told := map[uint64]bool{}
	for _, n := range nodes {
		for _, r := range n.Replicas {
			if group := uint64(r.Group); r.Lost && !told[group] {
				told[group] = true
				fmt.Fprintf(out, "\ngroup %d has lost its memory and is closed: start every node that is down, for one that still runs may\n"+
					"remember; or give up all that the group held:\n  %s\n", group, r.Decide)
			}
		}
	}
}

// printDisagreements says between which nodes' files an operator must look for the difference.
func printDisagreements(out io.Writer, nodes []server.NodeStatus) {
	told := map[string]bool{}
	for _, n := range nodes {
		for _, r := range n.Replicas {
			for _, other := range r.Disagrees {
				line := fmt.Sprintf("\nthe files of the nodes %s and %s disagree about the shards of the cluster, or about the members of a group\n"+
					"or their order: the two take no part in a group together before they are alike\n", n.Node, other)
				if !told[line] {
					told[line] = true
					fmt.Fprint(out, line)
				}
			}
		}
	}
}

// size writes bytes in three digits or so.
func size(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, 0
	for ; v >= 999.5 && unit < len(units)-1; unit++ {
		v /= 1000
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %cB", v, units[unit])
	}
	return fmt.Sprintf("%.0f %cB", v, units[unit])
}
