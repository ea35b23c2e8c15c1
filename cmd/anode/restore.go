package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/dump"
)

// restoring is what `anode restore` was asked for.
type restoring struct {
	path   string
	group  uint32
	single bool // --group is given
	resume bool
	check  bool

	progress io.Writer
	counts   restored
}

// restored counts what became of the keys of a dump.
type restored struct {
	// Written were put back, Same were there with the value of the dump, Left with another that they keep.
	Written uint64 `json:"written"`
	Same    uint64 `json:"same"`
	Left    uint64 `json:"left"`
}

func restoreCommand() *cobra.Command {
	var r restoring
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put back the keys of a dump",
		Long: `Put back the keys that anode dump has written into FILE. The whole file is checked before the first key is written.

Without further flags the cluster must be empty. It may have another number of shards than the one that was dumped. Let
no clients in before it is done: a restore is many transactions, and what they see meanwhile is a part.

With --resume a restore that broke off goes on: keys that have the value of the dump are kept, and one with another
value ends it. Keys that are not in the dump are not looked for.

With --group N only the keys of that group are put back, and of those only the ones that do not exist: this is for
a group that anode recover has given up, in the cluster that was dumped. What other groups hold is newer than the dump, so
that transactions over several groups may come back by halves, and a key that was deleted since the dump comes back.

With --check the file is checked, and nothing else is done.` + accessHelp + `
Unlike elsewhere, --timeout is how long each step may take.

The exit code is 0 when all is done, and 1 when nothing was written or the restore broke off: the message tells which, and
how to go on.`,
		Example:           "  anode restore --check monday.anode\n  anode restore monday.anode\n  anode restore --resume monday.anode\n  anode restore --group 0 monday.anode",
		Args:              exactly(1),
		ValidArgsFunction: oneFile,
	}
	a := newAccess(cmd)
	f := cmd.Flags()
	f.BoolVar(&r.check, "check", false, "only check the file")
	f.BoolVar(&r.resume, "resume", false, "go on with a restore that broke off")
	f.Uint32Var(&r.group, "group", 0, "put back only what this group does not hold of its keys")
	cmd.MarkFlagsMutuallyExclusive("check", "resume", "group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(a.output); err != nil {
			return err
		}
		r.path, r.single, r.progress = args[0], cmd.Flags().Changed("group"), progress()
		whole, err := r.verify()
		if err != nil {
			return err
		}
		if r.check {
			return tellDump(os.Stdout, a.output, "a whole dump", &whole)
		}
		return a.runLong(func(ctx context.Context, db *client.Client, limit time.Duration) error {
			if err := r.run(ctx, db, limit, &whole); err != nil {
				return err
			}
			return r.tell(os.Stdout, a.output, &whole)
		})
	}
	return cmd
}

// verify reads the whole file.
func (r *restoring) verify() (whole dump.Summary, err error) {
	f, err := r.open()
	if err != nil {
		return whole, err
	}
	defer f.Close()
	if whole, err = dump.Verify(f); err != nil {
		return whole, fmt.Errorf("%s: %w; nothing was written", r.path, err)
	}
	return whole, nil
}

// open opens the file, which is read twice.
func (r *restoring) open() (*os.File, error) {
	if r.path == "-" {
		return nil, errors.New("a restore reads its file twice, first to check all of it: save the dump to a file")
	}
	f, err := os.Open(r.path)
	if err != nil {
		return nil, fmt.Errorf("open the dump: %w", err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no file that can be read twice: save the dump to one", r.path), err, f.Close())
	}
	return f, nil
}

func (r *restoring) tell(to io.Writer, output string, whole *dump.Summary) error {
	if output == "json" {
		return json.NewEncoder(to).Encode(struct {
			Result string `json:"result"`
			Keys   uint64 `json:"keys"`
			restored
		}{"restored", whole.Pairs, r.counts})
	}
	c := &r.counts
	_, err := fmt.Fprintf(to, "restored: %d keys written, %d were there already, %d have another value and keep it, of %d in the dump\n",
		c.Written, c.Same, c.Left, whole.Pairs)
	return err
}
