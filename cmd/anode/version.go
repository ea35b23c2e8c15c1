package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by who builds outside a repository: -ldflags "-X main.version=v1.2.3".
var version string

// build is what is known of this binary.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show what this binary was built from",
		Long:    "Show the version of this binary, the commit it was built from, and the Go that built it. The exit code is 0.",
		Example: "  anode version\n  anode version -o json",
		Args:    noArgs,
	}
	outputFlag(cmd, &output)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		b := readBuild()
		if output == "json" {
			return json.NewEncoder(os.Stdout).Encode(b)
		}
		fmt.Printf("anode %s\n", b)
		return nil
	}
	return cmd
}

func readBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(b.Version, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Time = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	b.Version = cmp.Or(b.Version, "unknown")
	return b
}

func (b build) String() string {
	out := b.Version
	if b.Commit != "" {
		out += fmt.Sprintf(", commit %.12s of %s", b.Commit, b.Time)
	}
	if b.Modified {
		out += " with changes"
	}
	return fmt.Sprintf("%s, %s, %s", out, b.Go, b.Platform)
}
