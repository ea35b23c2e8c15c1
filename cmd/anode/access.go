package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/config"
)

// access is how a command reaches the cluster, and how it answers.
type access struct {
	cmd    *cobra.Command
	output string
}

// accessHelp stands in the help of each command that uses access.
const accessHelp = `

The cluster is found by some of its nodes: --servers, or ANODE_SERVERS, or the key servers of the file that
--config or ANODE_CONFIG names, which may be a node's own file; without any of them, by ` + config.DefaultServer + `.
Flags go before variables, those before the file.`

// newAccess gives a command the flags for reaching a cluster.
func newAccess(cmd *cobra.Command) *access {
	a := &access{cmd: cmd}
	reachFlags(cmd)
	outputFlag(cmd, &a.output)
	return a
}

// reachFlags are the flags by which a cluster is found.
func reachFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("servers", config.DefaultServer, "some nodes of the cluster, as `host:port,…`; ANODE_SERVERS sets the default")
	f.String("key-file", "", "`file` with the cluster's client key; ANODE_KEY_FILE sets the default")
	f.Duration("timeout", config.DefaultTimeout, "how long to try; ANODE_TIMEOUT sets the default")
	f.String("config", os.Getenv("ANODE_CONFIG"), "`file` with the keys servers, key-file and timeout, or a node's; ANODE_CONFIG sets the default")
}

// outputFlag gives a command the flag that chooses between text and JSON.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
	choices(cmd, "output", "text", "json")
}

// load gathers what flags, environment and file say.
func (a *access) load() (config.Client, error) {
	path, err := a.cmd.Flags().GetString("config")
	if err != nil {
		return config.Client{}, err
	}
	return config.LoadClient(path, changed(a.cmd, "servers", "key-file", "timeout"))
}

// run opens a client for fn, and closes it. The time limit is for all of it, and a signal ends it.
func (a *access) run(fn func(ctx context.Context, db *client.Client) error) error {
	if err := checkOutput(a.output); err != nil {
		return err
	}
	c, err := a.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	db, err := client.Open(ctx, client.Config{Servers: c.Servers, Key: c.Key, AlsoKey: c.AlsoKey})
	if err != nil {
		return unopened(err, &c)
	}
	defer db.Close()
	return explain(fn(ctx, db), c.Timeout)
}

// unopened says what a user can do when there is no cluster.
func unopened(err error, c *config.Client) error {
	key := "no key was given: if the cluster has keys, give --key-file"
	if c.Key != nil {
		key = "a key was given: a cluster without keys, or with another, does not answer it"
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted while looking for the cluster at %s", strings.Join(c.Servers, ","))
	}
	return fmt.Errorf("no cluster found at %s within %v (--servers and ANODE_SERVERS name others; %s): %w",
		strings.Join(c.Servers, ","), c.Timeout, key, bare{err})
}

// explain adds what a user of the command line can do about an error.
func explain(err error, limit time.Duration) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrOutcomeUnknown):
		return fmt.Errorf("%w; it may have been done: look before you repeat it", bare{err})
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w (--timeout is %v)", bare{err}, limit)
	}
	return bare{err}
}

// bare is an error of the SDK without the name of the program in front, which main writes.
type bare struct{ error }

func (b bare) Error() string { return strings.TrimPrefix(b.error.Error(), "anode: ") }
func (b bare) Unwrap() error { return b.error }
