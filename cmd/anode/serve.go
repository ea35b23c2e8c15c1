package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/cmd/anode/internal/config"
	"github.com/anodekv/anode/shard/server"
)

func serveCommand() *cobra.Command {
	var path, output string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run one node of a cluster",
		Long: `Run one node of a cluster, until it is told to stop by SIGINT or SIGTERM. The exit code is 0 then, and 1
when the node could not start or could not go on.

The file is YAML; environment variables ANODE_CLUSTER, ANODE_NODE, … go before it, and flags before those. All nodes of a cluster
use the same file but for the key "node", and for "admin" where several run on one host.

  cluster: 1            # any number but 0
  node: a               # this node
  data-dir: /var/lib/anode
  key-file: /etc/anode/keys
  shards: 4
  replicas: 3
  admin: 127.0.0.1:7070 # for operators, over HTTP; this is the default, "off" is nowhere
  offload: auto         # the kernel path: auto, on or off
  nodes:                # a node uses UDP and TCP: its port, and one more per shard above it
    - {name: a, host: 127.0.0.1, port: 7000}
    - {name: b, host: 127.0.0.1, port: 7100}
    - {name: c, host: 127.0.0.1, port: 7200}

With offload auto, the default, programs are attached to the interface that has the node's address, where the machine lets
them: they acknowledge, count and copy in the kernel what replicas would in user space. The log tells what was attached,
or why nothing was; what is attached ends with the node. With on the node does not start without it. It takes root, or
CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; ` + "`anode doctor`" + ` tells what a machine lacks.

The admin endpoint answers ` + "`anode status`, `anode offload` and `anode recover`" + `, and to GET /livez, /readyz, /status and /metrics.
/livez is 200 while the loops of all replicas run, /readyz while every replica of the node takes part in its
group. A restart costs a node its memory: a supervisor should look at /livez several times before it restarts
one, and never because of /readyz. With admin-pprof: true there are profiles under /debug/pprof/. Whoever
reaches the endpoint needs no key: keep it on loopback.

The log goes to standard error, a line for each event; with -o json each is an object.`,
		Example: "  anode serve --config /etc/anode/anode.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if path == "" {
				return errors.New("a node needs its configuration file: give it with --config, and see `anode serve --help` for one")
			}
			c, err := config.Load(path, changed(cmd, "node", "data-dir", "key-file", "admin", "offload"))
			if err != nil {
				return err
			}
			c.Log = slog.New(logHandler(os.Stderr, output)).With("node", c.Name)
			// Signals are caught before anyone can know that there is a node to stop. The second one kills.
			ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer release()
			node, err := server.Start(ctx, c)
			switch {
			case err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
				c.Log.Info("the node was stopped before it served")
				return nil
			case err != nil:
				return err
			}
			context.AfterFunc(ctx, func() { release(); node.Stop() })
			go useHugePages(ctx)
			if os.Getenv("GOMEMLIMIT") == "" {
				go holdMemory(ctx, node)
			}
			if output == "json" {
				c.Log.Info("the node serves; stop it with SIGINT or SIGTERM")
			} else {
				fmt.Fprintf(os.Stderr, "node %s serves; stop it with SIGINT or SIGTERM\n", c.Name)
			}
			return node.Wait()
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "config", os.Getenv("ANODE_CONFIG"), "configuration `file` (required); ANODE_CONFIG sets the default")
	f.String("node", "", "name of this node, before the file's and ANODE_NODE")
	f.String("data-dir", "", "`directory` of the promises, before the file's and ANODE_DATA_DIR")
	f.String("key-file", "", "`file` with the cluster's keys, before the file's and ANODE_KEY_FILE")
	f.String("admin", "", "`host:port` for operators or off, before the file's and ANODE_ADMIN")
	f.String("offload", "", "the kernel path: auto, on or off, before the file's and ANODE_OFFLOAD")
	choices(cmd, "offload", "auto", "on", "off")
	outputFlag(cmd, &output)
	return cmd
}

// logHandler writes a log as text or as JSON.
func logHandler(to io.Writer, output string) slog.Handler {
	if output == "json" {
		return slog.NewJSONHandler(to, nil)
	}
	return slog.NewTextHandler(to, nil)
}
