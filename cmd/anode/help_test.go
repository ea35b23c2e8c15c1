package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command tells its exit codes and shows an example that begins with its name, and says whether it writes text or
// JSON, except for those whose text is for a shell, or for people.
func TestEveryCommandIsDocumented(t *testing.T) {
	var seen []string
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			path := c.CommandPath()
			seen = append(seen, path)
			if !strings.Contains(c.Long, "exit code") {
				t.Errorf("%s: the help tells no exit code", path)
			}
			if !strings.Contains(c.Example, path+" ") && !strings.Contains(c.Example+"\n", path+"\n") {
				t.Errorf("%s: the help shows no example of it", path)
			}
			if c.HasSubCommands() {
				walk(c)
				continue
			}
			if !slices.Contains([]string{"anode completion", "anode help"}, path) && c.Flags().Lookup("output") == nil {
				t.Errorf("%s: there is no --output", path)
			}
		}
	}
	walk(newRoot())
	if len(seen) < 22 {
		t.Errorf("only %v were looked at", seen)
	}
}
