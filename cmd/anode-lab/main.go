// Command anode-lab is the laboratory: simulations and experiments for those who work on anode or want to
// see its promises tested. It is not shipped to users.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "anode-lab",
		Short:         "Simulations and experiments on anode",
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	root.AddCommand(simCommand(), soakCommand())
	root.AddCommand(labCommands()...)
	if root.Execute() != nil {
		os.Exit(1)
	}
}
