package main

import (
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/paxos/wire"
)

func configKeysCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Write new keys for a cluster",
		Long: `Write a key file with two new keys, drawn by chance, to standard output. Nodes are given both; clients are given the line
that begins with "client:" alone, for whoever has the other can speak as a node. Keep it from others' eyes. With -o
json it is one line, for other programs: key files have lines.

The exit code is 0, or 1 when the system has no random numbers.`,
		Example: "  (umask 077; anode config keys > keys; grep ^client: keys > client-keys)",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			var b [2 * wire.KeySize]byte
			if _, err := rand.Read(b[:]); err != nil {
				return fmt.Errorf("draw keys: %w", err)
			}
			format := "replica: %x\nclient: %x\n"
			if output == "json" {
				format = `{"replica":"%x","client":"%x"}` + "\n"
			}
			fmt.Printf(format, b[:wire.KeySize], b[wire.KeySize:])
			return nil
		},
	}
	outputFlag(cmd, &output)
	return cmd
}
