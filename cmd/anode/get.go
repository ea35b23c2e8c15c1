package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
)

const staleUsage = "read the past, as it was so long ago, without disturbing anyone; up to some 30s"

func getCommand() *cobra.Command {
	var stale time.Duration
	var raw bool
	cmd := &cobra.Command{
		Use:   "get KEY...",
		Short: "Read keys",
		Long: `Read one key or several. The value of one key is written as it is, with a line end behind it; of several keys
there is a line each with key and value, in double quotes where they hold blanks or what cannot be seen. Several
keys are read at one moment.` + recordHelp + accessHelp + readExits("a key does not exist"),
		Example:           "  anode get greeting\n  anode get user/ann user/bob -o json\n  anode get --raw picture > picture.png\n  anode get --stale 5s greeting",
		Args:              someKeys,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a := newAccess(cmd)
	cmd.Flags().DurationVar(&stale, "stale", 0, staleUsage)
	cmd.Flags().BoolVar(&raw, "raw", false, "write the value alone, without a line end")
	cmd.RunE = func(_ *cobra.Command, keys []string) error {
		if raw && (len(keys) > 1 || a.output == "json") {
			return errors.New("--raw is for the value of one key, as it is: leave it out, or the other keys and -o json")
		}
		return a.run(func(ctx context.Context, db *client.Client) error {
			values, err := getKeys(ctx, db, stale, keys)
			if err != nil {
				return err
			}
			return printGet(keys, values, a.output, raw)
		})
	}
	return cmd
}

// getKeys reads keys at one moment.
func getKeys(ctx context.Context, db *client.Client, stale time.Duration, keys []string) ([][]byte, error) {
	if len(keys) == 1 && stale == 0 {
		return db.GetMulti(ctx, keys...)
	}
	return client.ViewValue(ctx, db, func(ctx context.Context, tx *client.Txn) ([][]byte, error) {
		return tx.GetAll(ctx, keys...)
	}, client.Staleness(stale))
}

func printGet(keys []string, values [][]byte, output string, raw bool) error {
	var missing []string
	for i, key := range keys {
		if values[i] == nil {
			missing = append(missing, fmt.Sprintf("%.64q", key))
		}
		end := "\n"
		if raw {
			end = ""
		}
		var err error
		switch {
		case output == "json":
			err = printRecords(os.Stdout, output, found(key, values[i]))
		case values[i] == nil: // told below
		case len(keys) == 1:
			_, err = fmt.Fprintf(os.Stdout, "%s%s", values[i], end)
		default:
			err = printRecords(os.Stdout, output, found(key, values[i]))
		}
		if err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return no{fmt.Errorf("not found: %s", strings.Join(missing, ", "))}
	}
	return nil
}
