package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/txn"
)

func putCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put KEY VALUE",
		Short: "Set a key",
		Long: `Set a key to a value. The value "-" stands for what standard input holds, byte for byte; a value that begins with
a dash is written behind "--". To set several keys at once see anode txn.` + recordHelp + accessHelp + exits(""),
		Example:           "  anode put greeting hello\n  anode put picture - < picture.png\n  anode put -- temperature -5",
		Args:              exactly(2),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a := newAccess(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		value, err := valueOf(cmd, args[1])
		if err != nil {
			return err
		}
		return a.run(func(ctx context.Context, db *client.Client) error {
			if err := db.Put(ctx, args[0], value); err != nil {
				return err
			}
			return printRecords(os.Stdout, a.output, record{key: args[0], result: "stored"})
		})
	}
	return cmd
}

// valueOf reads a value from standard input if the argument is a dash that does not stand behind two.
func valueOf(cmd *cobra.Command, arg string) ([]byte, error) {
	if arg != "-" || cmd.ArgsLenAtDash() >= 0 {
		return []byte(arg), nil
	}
	value, err := io.ReadAll(io.LimitReader(os.Stdin, txn.MaxValueBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the value from standard input: %w", err)
	case len(value) > txn.MaxValueBytes:
		return nil, fmt.Errorf("standard input holds more than a value may: the limit is %d bytes", txn.MaxValueBytes)
	}
	return value, nil
}
