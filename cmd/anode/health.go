package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/shard/server"
)

func healthCommand() *cobra.Command {
	var output string
	var live bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a node whether it is well, as a container's health check does",
		Long: `Ask a node whether every replica of it takes part in its group; with --live, whether their loops run. This is what
/readyz and /livez of its admin endpoint tell, for where there is no other program to ask.

A node that is not ready is forming, recovering or changing leaders, which passes by itself: never restart it for that,
for a restart costs it its memory. With -o json the answer is one line, as the endpoint gives it.` + adminHelp + `

The exit code is 0 when the node is well, and 1 when it is not, or does not answer.`,
		Example: "  anode health\n  anode health --live --admin 127.0.0.1:7071\n  HEALTHCHECK CMD [\"/anode\", \"health\"]",
		Args:    noArgs,
	}
	adminFlags(cmd, false)
	cmd.Flags().BoolVar(&live, "live", false, "ask only whether the replicas' loops run")
	outputFlag(cmd, &output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		path := "/readyz"
		if live {
			path = "/livez"
		}
		addr, err := oneAdmin(cmd)
		if err != nil {
			return err
		}
		h, err := newOperator().health(cmd.Context(), addr, path)
		if err != nil {
			return err
		}
		if output == "json" {
			if err := json.NewEncoder(os.Stdout).Encode(h); err != nil {
				return err
			}
		} else if h.OK {
			fmt.Println("ok")
		}
		return unwell(addr, h)
	}
	return cmd
}

// health asks a node at one of its two paths for it, which answer "no" with another code.
func (o *operator) health(ctx context.Context, addr, path string) (h server.Health, err error) {
	r, err := adminRequest(ctx, http.MethodGet, addr, path, nil)
	if err != nil {
		return h, err
	}
	answer, err := o.http.Do(r)
	if err != nil {
		return h, unanswered(addr, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, adminAnswerBytes))
	if err != nil {
		return h, unanswered(addr, err)
	}
	var has struct{ OK *bool }
	if json.Unmarshal(b, &has) != nil || has.OK == nil || json.Unmarshal(b, &h) != nil {
		return h, fmt.Errorf("what listens at %s is no node: it answers with %s", addr, answer.Status)
	}
	return h, nil
}

func unwell(addr string, h server.Health) error {
	if h.OK {
		return nil
	}
	var why []string
	for _, t := range h.Troubled {
		why = append(why, fmt.Sprintf("group %d: %s", t.Group, t.Why))
	}
	return fmt.Errorf("the node at %s is not well: %s", addr, strings.Join(why, "; "))
}
