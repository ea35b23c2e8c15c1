package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/anodekv/anode/shard/server"
)

const (
	// adminTimeout is for one question to a node. It is longer than a node takes to say that it does not know.
	adminTimeout = 15 * time.Second
	// adminAnswerBytes bounds an answer: a node with as many groups as there may be takes a tenth of it.
	adminAnswerBytes = 64 << 20
)

// adminDefault is where the commands look for a node that they are not told about.
func adminDefault() string { return cmp.Or(os.Getenv("ANODE_ADMIN"), server.DefaultAdmin) }

const adminUsage = "admin address of a node, as host:port; ANODE_ADMIN sets the default"

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
