package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/cmd/anode/internal/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Check a node's configuration file, show one, or write keys",
		Long:    "Check a node's configuration file, show an example of one, or write keys. The exit code is that of the command below.",
		Example: "  anode config example > anode.yaml\n  anode config check anode.yaml",
	}
	family(cmd)
	cmd.AddCommand(configCheckCommand(), configExampleCommand(), configKeysCommand())
	return cmd
}

func configCheckCommand() *cobra.Command {
	var node, output string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Tell everything that is wrong with a configuration file",
		Long: `Read a configuration file as anode serve would, environment included, and tell everything that is wrong with it at
once: keys that do not exist, with those that may have been meant, values that cannot be read, and what does not fit
together. Nothing is started and nothing is written.

The exit code is 0 when a node could start from it, and 1 when there are mistakes.`,
		Example:           "  anode config check /etc/anode/anode.yaml\n  anode config check --node b anode.yaml",
		Args:              exactly(1),
		ValidArgsFunction: oneFile,
	}
	cmd.Flags().StringVar(&node, "node", "", "check it as this node's")
	outputFlag(cmd, &output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		c, err := config.Load(args[0], changed(cmd, "node"))
		if err != nil {
			return err
		}
		if output == "json" {
			return json.NewEncoder(os.Stdout).Encode(map[string]any{
				"node": c.Name, "nodes": len(c.Topology.Nodes), "shards": len(c.Topology.Groups), "keys": !c.Keys.Open(),
			})
		}
		fmt.Printf("%s: node %s of %d, %d shards\n", args[0], c.Name, len(c.Topology.Nodes), len(c.Topology.Groups))
		if c.Keys.Open() {
			fmt.Fprintln(os.Stderr, "it sets no key-file: whoever reaches the node is served")
		}
		return nil
	}
	return cmd
}

func configExampleCommand() *cobra.Command {
	var hosts []string
	var shards int
	var output string
	cmd := &cobra.Command{
		Use:   "example",
		Short: "Write an example of a configuration file",
		Long: `Write a configuration file for a cluster on some hosts, to standard output: complete, with every key there is and what
each is for. A host that is named several times carries several nodes. With -o json it is one line, without what may be left
out, and a configuration file too, since JSON is YAML.

The exit code is 0, or 1 when there can be no such file.`,
		Example: "  anode config example > anode.yaml\n  anode config example --hosts 10.0.0.1,10.0.0.2,10.0.0.3 --shards 8",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			file, err := config.Example(hosts, shards)
			if err == nil && output == "json" {
				file, err = config.JSON(file)
			}
			if err != nil {
				return err
			}
			fmt.Print(file)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&hosts, "hosts", []string{"127.0.0.1", "127.0.0.1", "127.0.0.1"}, "the host of each node, separated by commas")
	cmd.Flags().IntVar(&shards, "shards", 4, "number of shards")
	outputFlag(cmd, &output)
	return cmd
}

// changed are the flags among names that were given, with their values.
func changed(cmd *cobra.Command, names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed {
			out[name] = f.Value.String()
		}
	}
	return out
}
