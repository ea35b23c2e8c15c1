package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anodekv/anode/cmd/anode/internal/config"
	"github.com/anodekv/anode/shard/server"
)

const (
	// adminTimeout is for one question to a node. It is longer than a node takes to say that it does not know.
	adminTimeout = 15 * time.Second
	// adminAnswerBytes bounds an answer: a node with as many groups as there may be takes a tenth of it.
	adminAnswerBytes = 64 << 20
)

// adminHelp stands in the help of each command that asks at admin endpoints.
const adminHelp = `

A node is asked at its admin endpoint: --admin, or ANODE_ADMIN, or the key admin of the file that --config or ANODE_CONFIG names,
which may be the node's own; without any of them, ` + server.DefaultAdmin + `. Flags go before variables, those before the file.`

// adminFlags are the flags by which the endpoint of a node is found, or of several where many is set.
func adminFlags(cmd *cobra.Command, many bool) {
	const usage = "admin address of a node, as `host:port`; ANODE_ADMIN sets the default"
	f := cmd.Flags()
	if many {
		f.StringSlice("admin", []string{server.DefaultAdmin}, usage+"; several are separated by commas")
	} else {
		f.String("admin", server.DefaultAdmin, usage)
	}
	f.String("config", os.Getenv("ANODE_CONFIG"), "`file` with the key admin, such as a node's own; ANODE_CONFIG sets the default")
}

// admins gathers what flags, environment and file say.
func admins(cmd *cobra.Command) (addrs []string, err error) {
	f := cmd.Flags()
	if admin := f.Lookup("admin"); admin.Changed {
		if list, ok := admin.Value.(pflag.SliceValue); ok {
			addrs = list.GetSlice()
		} else {
			addrs = []string{admin.Value.String()}
		}
	}
	path, err := f.GetString("config")
	if err != nil {
		return nil, err
	}
	return config.LoadAdmin(path, addrs)
}

// oneAdmin is the same where one node is asked.
func oneAdmin(cmd *cobra.Command) (string, error) {
	addrs, err := admins(cmd)
	switch {
	case err != nil:
		return "", err
	case len(addrs) != 1:
		return "", fmt.Errorf("%s asks one node, and is given %s: choose one with --admin", cmd.CommandPath(), strings.Join(addrs, " and "))
	}
	return addrs[0], nil
}

// operator asks nodes at their admin endpoints.
type operator struct{ http http.Client }

// newOperator goes to the node itself: a proxy of the environment is for the outside world.
func newOperator() *operator {
	return &operator{http.Client{Transport: &http.Transport{}, Timeout: adminTimeout}}
}

// status asks a node how it is.
func (o *operator) status(ctx context.Context, addr string) (s server.NodeStatus, err error) {
	return s, o.ask(ctx, http.MethodGet, addr, "/status", nil, &s)
}

// ask sends a question, and reads the answer into out. What a node refuses comes back as its own words.
func (o *operator) ask(ctx context.Context, method, addr, path string, question, out any) error {
	r, err := adminRequest(ctx, method, addr, path, question)
	if err != nil {
		return err
	}
	answer, err := o.http.Do(r)
	if err != nil {
		return unanswered(addr, err)
	}
	defer answer.Body.Close()
	return read(addr, answer, out)
}

func adminRequest(ctx context.Context, method, addr, path string, question any) (*http.Request, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("--admin is %q: write host:port, as in %s", addr, server.DefaultAdmin)
	}
	var body bytes.Buffer
	if question != nil {
		if err := json.NewEncoder(&body).Encode(question); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, &body)
	if err != nil {
		return nil, fmt.Errorf("--admin is %q: write host:port, as in %s", addr, server.DefaultAdmin)
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

func unanswered(addr string, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nobody listens at %s: start the node, or give --admin the address that its configuration file gives the key admin: %w", addr, syscall.ECONNREFUSED)
	}
	return fmt.Errorf("no answer from %s: %w", addr, err)
}

func read(addr string, answer *http.Response, out any) error {
	var refusal server.AdminError
	b, err := io.ReadAll(io.LimitReader(answer.Body, adminAnswerBytes))
	switch {
	case err != nil:
		return unanswered(addr, err)
	case answer.StatusCode == http.StatusOK && json.Unmarshal(b, out) == nil:
		return nil
	case json.Unmarshal(b, &refusal) == nil && refusal.Error != "":
		return &refused{addr, refusal.Error}
	}
	return fmt.Errorf("what listens at %s is no node: it answers with %s", addr, answer.Status)
}

// refused is a node's word against what was asked.
type refused struct{ addr, why string }

func (r *refused) Error() string { return "the node at " + r.addr + " refuses: " + r.why }
