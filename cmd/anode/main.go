// Command anode is a transactional, replicated, in-memory key-value store: a demo cluster, the nodes of a
// real one, and what their operators need.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newRoot().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "anode:", err)
		os.Exit(exitCode(err))
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "anode",
		Short: "Transactional, replicated, in-memory key-value store",
		Long: "anode keeps keys in memory on several machines and commits strictly serializable transactions over\nthem. Start with `anode demo`.\n\n" +
			"The exit code is 0 when what was asked for is done, and 1 when it is not: the reason stands at the end of\nstandard error. Commands on keys have two more: 2 when the answer is no, such as for a key that does not\nexist, and 3 when the outcome is unknown.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	family(root)
	root.SetFlagErrorFunc(flagMistake)
	root.Version = readBuild().String()
	root.SetVersionTemplate("anode {{.Version}}\n")
	help := helpCommand()
	root.SetHelpCommand(help)
	group(root, "keys", "Keys:", getCommand(), putCommand(), deleteCommand(), casCommand(), scanCommand(), txnCommand(), dumpCommand(), restoreCommand())
	group(root, "nodes", "Nodes and clusters:", demoCommand(), serveCommand(), configCommand(), doctorCommand(), statusCommand(), healthCommand(), offloadCommand(), recoverCommand())
	root.AddCommand(benchCommand(), versionCommand(), completionCommand(), help)
	complete(root)
	return root
}

// group adds commands that stand together in the help.
func group(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}
