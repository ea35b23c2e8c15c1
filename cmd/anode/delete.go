package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
)

func deleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "delete KEY...",
		Short:             "Delete keys",
		Long:              `Delete one key or several, all of them or none. It is no mistake if there is no such key.` + recordHelp + accessHelp + exits(""),
		Example:           "  anode delete greeting\n  anode delete user/ann user/bob",
		Args:              someKeys,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a := newAccess(cmd)
	cmd.RunE = func(_ *cobra.Command, keys []string) error {
		return a.run(func(ctx context.Context, db *client.Client) error {
			err := db.Update(ctx, func(ctx context.Context, tx *client.Txn) error {
				for _, key := range keys {
					if err := tx.Delete(ctx, key); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := printRecords(os.Stdout, a.output, record{key: key, result: "deleted"}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}
