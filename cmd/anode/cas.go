package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
)

func casCommand() *cobra.Command {
	var absent, remove bool
	cmd := &cobra.Command{
		Use:   "cas KEY OLD NEW",
		Short: "Set a key if it has the value that you expect",
		Long: `Compare and swap: set KEY to NEW if its value is OLD, and change nothing otherwise. With --absent there is no OLD:
the key must not exist. With --delete there is no NEW: the key is deleted.` + recordHelp + accessHelp + exits("the value differs and nothing was changed"),
		Example:           "  anode cas --absent lock me\n  anode cas lock me you\n  anode cas --delete lock you",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a := newAccess(cmd)
	cmd.Flags().BoolVar(&absent, "absent", false, "the key must not exist; leave OLD out")
	cmd.Flags().BoolVar(&remove, "delete", false, "delete the key; leave NEW out")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if absent && remove {
			return errors.New("--absent and --delete together change nothing: choose one")
		}
		old, next, err := swapOf(args, absent, remove)
		if err != nil {
			return err
		}
		return a.run(func(ctx context.Context, db *client.Client) error {
			swapped, err := db.CompareAndSwap(ctx, args[0], old, next)
			if err != nil {
				return err
			}
			if swapped {
				return printRecords(os.Stdout, a.output, record{key: args[0], result: "swapped"})
			}
			return errors.Join(printRecords(os.Stdout, a.output, record{key: args[0], result: "differs"}), differs(args[0], absent))
		})
	}
	return cmd
}

// swapOf reads the arguments; nil stands for no key.
func swapOf(args []string, absent, remove bool) (old, next []byte, err error) {
	want, use := 3, "cas KEY OLD NEW"
	switch {
	case absent:
		want, use = 2, "cas --absent KEY NEW"
	case remove:
		want, use = 2, "cas --delete KEY OLD"
	}
	if len(args) != want {
		return nil, nil, fmt.Errorf("anode cas takes %d arguments here and got %d: write `anode %s`, with quotes around what holds blanks", want, len(args), use)
	}
	if !absent {
		old = []byte(args[1])
	}
	if !remove {
		next = []byte(args[want-1])
	}
	return old, next, nil
}

func differs(key string, absent bool) error {
	if absent {
		return no{fmt.Errorf("%.64q exists: nothing was changed", key)}
	}
	return no{fmt.Errorf("the value of %.64q differs: nothing was changed", key)}
}
