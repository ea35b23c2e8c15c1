package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/bench/local"
	"github.com/anodekv/anode/cmd/anode/internal/config"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/server"
)

// standing is a demo cluster that is left up for others to use.
type standing struct {
	listen, admin, keyFile string
	output                 string
	offload                server.OffloadMode
}

// adminOff leaves the admin endpoints out, as it does in a configuration file.
const adminOff = "off"

func (s *standing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "", "leave a cluster up at this `host:port` and the ports above it, in place of the load and its checks")
	f.StringVar(&s.admin, "admin", server.DefaultAdmin, "with --listen: admin `host:port` of the first node, the others have the ports above it; or off")
	f.StringVar(&s.keyFile, "key-file", "", "with --listen: `file` with the cluster's two keys")
}

// check looks for flags that do not go together.
func (s *standing) check(cmd *cobra.Command) error {
	if s.listen == "" {
		for _, name := range []string{"admin", "key-file"} {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("--%s is for a cluster that is left up: give --listen too", name)
			}
		}
		return nil
	}
	for _, name := range []string{"for", "seed"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for the load, and with --listen there is none: leave one of the two out", name)
		}
	}
	return nil
}

// config lays out the cluster.
func (s *standing) config(nodes, shards int) (cfg local.Config, err error) {
	cfg = local.Config{Nodes: nodes, Shards: shards, Open: s.keyFile == "", Offload: s.offload}
	if cfg.Host, cfg.Port, err = hostPort("listen", s.listen, cfg.Ports()); err != nil {
		return cfg, err
	}
	if s.admin != adminOff {
		host, port, err := hostPort("admin", s.admin, nodes)
		if err != nil {
			return cfg, err
		}
		cfg.Admin = func(node int) string { return net.JoinHostPort(host, strconv.Itoa(port+node)) }
	}
	if s.keyFile == "" {
		if ip := net.ParseIP(cfg.Host); cfg.Host != "localhost" && !ip.IsLoopback() {
			return cfg, fmt.Errorf("--listen is %s, which others reach, and there are no keys: give --key-file, or listen on 127.0.0.1", s.listen)
		}
		return cfg, nil
	}
	keys, err := config.ReadRawKeys(s.keyFile)
	if err != nil {
		return cfg, err
	}
	if keys.Replica == [wire.KeySize]byte{} {
		return cfg, fmt.Errorf("key file %s has no replica key: nodes need both", s.keyFile)
	}
	cfg.Keys = local.Keys{Replica: keys.Replica, Client: keys.Client}
	return cfg, nil
}

// hostPort reads an address above which some more ports are used.
func hostPort(flag, addr string, ports int) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	port, bad := strconv.Atoi(text)
	if err != nil || bad != nil || host == "" || port < 1 || port+ports-1 > 65535 {
		return "", 0, fmt.Errorf("--%s is %q: write host:port, as in 127.0.0.1:7000, with a port from 1 to %d", flag, addr, 65536-ports)
	}
	return host, port, nil
}

// told is what `anode demo --listen` prints when the cluster serves.
type told struct {
	Servers []string `json:"servers"`
	Admin   []string `json:"admin,omitempty"`
}

// run starts the cluster, tells where it is, and waits for the end of ctx.
func (s *standing) run(ctx context.Context, nodes, shards int, log *slog.Logger, out, progress io.Writer) error {
	cfg, err := s.config(nodes, shards)
	if err != nil {
		return err
	}
	cfg.Log = log
	cluster, err := local.Start(ctx, cfg)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer cluster.Stop()
	for i := range nodes {
		for !cluster.Recovered(ctx, i) {
			select {
			case <-ctx.Done():
				return errors.New("demo: interrupted before the cluster served")
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	t := told{Servers: cluster.Servers()}
	for i := 0; cfg.Admin != nil && i < nodes; i++ {
		t.Admin = append(t.Admin, cfg.Admin(i))
	}
	if err := t.print(out, s.output); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%d nodes with %d shards serve, in memory alone; end them with Ctrl-C. In another terminal:\n  export ANODE_SERVERS=%s\n%s  anode put greeting hello && anode get greeting\n",
		nodes, shards, strings.Join(t.Servers, ","), keyHint(s.keyFile))
	fmt.Fprintf(progress, "the kernel path: %v\n", cluster.Offload(ctx))
	<-ctx.Done()
	return nil
}

func keyHint(file string) string {
	if file == "" {
		return ""
	}
	return "  export ANODE_KEY_FILE=" + file + "\n"
}

// print writes what a variable or a flag takes, on one line.
func (t *told) print(out io.Writer, output string) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(t)
	}
	_, err := fmt.Fprintln(out, strings.Join(t.Servers, ","))
	return err
}

// standAlone runs the cluster of --listen until a signal comes.
func standAlone(ctx context.Context, s *standing, nodes, shards int) error {
	level := slog.LevelWarn
	if s.keyFile == "" {
		level = slog.LevelError // each node would warn that it is open, which on loopback is what was asked for
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	return s.run(ctx, nodes, shards, log, os.Stdout, progress())
}
