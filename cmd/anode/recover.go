package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// pollEvery is how often a group that forms anew is looked at.
const pollEvery = 100 * time.Millisecond

// recovery is what `anode recover` was asked for.
type recovery struct {
	admin  string
	group  uint32
	accept bool
	wait   time.Duration
	output string
}

func recoverCommand() *cobra.Command {
	var r recovery
	cmd := &cobra.Command{
		Use:   "recover --group N --accept-data-loss",
		Short: "Give up what a lost group held, so that it serves again",
		Long: `Give up what a group held that has lost its memory, so that it forms anew, empty, and serves again.

Data lives in memory. When more than half of the replicas of a group have restarted before they could recover
from the others, the group is lost: it stays closed, ` + "`anode status`" + ` and the logs of its nodes say so. Start every
node that is down before you decide, for one that still runs may remember. What you give up here is every
key of the group, on all of its replicas, for good; other groups keep theirs. Afterwards restore a dump
if there is one.

The node is asked that --admin names; it must have a replica of the group, any will do. It refuses unless all
replicas of the group answer, and too many of them are without memory for any to recover. Clients that were
connected before are told that the outcome of what they had under way is unknown.` + adminHelp + `

The exit code is 0 when the loss was accepted, also if the group has not formed within --wait, and 1 when
nothing was given up. If the node did not answer in time its status tells whether it was.`,
		Example: "  anode recover --group 0 --accept-data-loss\n  anode recover --admin 127.0.0.1:7071 --group 3 --accept-data-loss --wait 1m -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.check(cmd.Flags().Changed("group")); err != nil {
				return err
			}
			var err error
			if r.admin, err = oneAdmin(cmd); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return r.run(ctx, os.Stdout, progress())
		},
	}
	f := cmd.Flags()
	adminFlags(cmd, false)
	f.Uint32Var(&r.group, "group", 0, "the lost group (required)")
	f.BoolVar(&r.accept, "accept-data-loss", false, "give up every key that the group held (required)")
	f.DurationVar(&r.wait, "wait", 10*time.Second, "how long to wait for the group to form; 0 is not at all")
	outputFlag(cmd, &r.output)
	return cmd
}

func (r *recovery) check(hasGroup bool) error {
	switch {
	case !hasGroup:
		return errors.New("--group is not given: name the group that `anode status` shows as lost")
	case !r.accept:
		return fmt.Errorf("--accept-data-loss is not given: recovering group %d gives up every key that it held, on all of its replicas, for good; "+
			"first start every node that is down, for one that still runs may remember", r.group)
	case r.wait < 0:
		return fmt.Errorf("--wait is %v: choose a time, or 0 for not at all", r.wait)
	}
	return checkOutput(r.output)
}

// verdict is the outcome, as JSON.
type verdict struct {
	server.RecoverReply
	// Formed: the node that was asked takes part in the new group.
	Formed bool   `json:"formed"`
	Epoch  uint32 `json:"epoch,omitempty"`
}

// run decides, waits, and tells what happened.
func (r *recovery) run(ctx context.Context, out, progress io.Writer) error {
	o, v, group := newOperator(), verdict{}, shard.ID(r.group)
	question := server.RecoverRequest{Group: &group, AcceptDataLoss: true}
	if err := o.ask(ctx, http.MethodPost, r.admin, "/recover", question, &v.RecoverReply); err != nil {
		return fmt.Errorf("recover group %d: %w", r.group, err)
	}
	if r.wait > 0 {
		fmt.Fprintf(progress, "the loss of group %d is accepted; waiting for it to form\n", r.group)
		v.Epoch, v.Formed = r.await(ctx, o)
	}
	if r.output == "json" {
		return json.NewEncoder(out).Encode(v)
	}
	fmt.Fprintf(out, "group %d: what it held is given up\n", r.group)
	if v.Formed {
		fmt.Fprintf(out, "group %d: has formed anew, empty, in epoch %d, and serves again; restore a dump now if there is one\n", r.group, v.Epoch)
	} else {
		fmt.Fprintf(out, "group %d: forms anew, empty, as soon as all of its nodes run; watch it with: anode status --admin %s\n", r.group, r.admin)
	}
	return nil
}

// await looks at the node until its replica takes part in the new group, or the time is over.
func (r *recovery) await(ctx context.Context, o *operator) (epoch uint32, formed bool) {
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	for {
		if s, err := o.status(ctx, r.admin); err == nil {
			for _, replica := range s.Replicas {
				if replica.Group == shard.ID(r.group) && replica.Status == "normal" {
					return replica.Epoch, true
				}
			}
		}
		select {
		case <-ctx.Done():
			return 0, false
		case <-time.After(pollEvery):
		}
	}
}
