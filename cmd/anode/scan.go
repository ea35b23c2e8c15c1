package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/statement"
)

// scanning is what `anode scan` was asked for.
type scanning struct {
	opts     client.ScanOptions
	stale    time.Duration
	keysOnly bool
}

func scanCommand() *cobra.Command {
	var s scanning
	cmd := &cobra.Command{
		Use:   "scan [PREFIX]",
		Short: "List keys in order",
		Long: `List the keys that begin with PREFIX, or all, with their values, in the order of their bytes: a line each with key
and value, in double quotes where they hold blanks or what cannot be seen. All that is listed belongs to one moment.

A scan of the present is a transaction: the whole of it is read before the first line is written, and it is read again
when others change what it covers. With --stale it shows the past, line by line, and disturbs nobody.` +
			recordHelp + accessHelp + readExits(""),
		Example:           "  anode scan user/\n  anode scan --start a --end n --limit 10\n  anode scan --stale 2s --keys-only | wc -l",
		Args:              between(0, 1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a := newAccess(cmd)
	f := cmd.Flags()
	f.StringVar(&s.opts.Start, "start", "", "begin at this key")
	f.StringVar(&s.opts.End, "end", "", "end before this key")
	f.IntVar(&s.opts.Limit, "limit", 0, "list no more keys than this; 0 is no limit")
	f.BoolVar(&s.opts.Reverse, "reverse", false, "from the highest key down")
	f.BoolVar(&s.keysOnly, "keys-only", false, "leave the values out")
	f.DurationVar(&s.stale, "stale", 0, staleUsage)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			s.opts.Prefix = args[0]
		}
		switch {
		case s.opts.Limit < 0:
			return fmt.Errorf("--limit is %d: choose a number of keys, or 0 for no limit", s.opts.Limit)
		case s.stale < 0:
			return fmt.Errorf("--stale is %v: choose how long ago", s.stale)
		}
		return a.run(func(ctx context.Context, db *client.Client) error {
			out := bufio.NewWriter(os.Stdout)
			return errors.Join(s.run(ctx, db, out, a.output), out.Flush())
		})
	}
	return cmd
}

func (s *scanning) run(ctx context.Context, db *client.Client, out *bufio.Writer, output string) error {
	if s.stale == 0 {
		pairs, err := db.Scan(ctx, s.opts)
		for i := range pairs {
			if err := s.print(out, output, &pairs[i]); err != nil {
				return err
			}
		}
		return err
	}
	for pair, err := range db.SnapshotAt(time.Now().Add(-s.stale)).Scan(ctx, s.opts) {
		if err != nil {
			return err
		}
		if err := s.print(out, output, &pair); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanning) print(out *bufio.Writer, output string, p *client.Pair) error {
	switch {
	case s.keysOnly && output == "json":
		return printRecords(out, output, record{key: p.Key, result: "found"})
	case s.keysOnly:
		_, err := fmt.Fprintln(out, statement.Quote(p.Key))
		return err
	case p.Value == nil:
		p.Value = []byte{} // empty, but there
	}
	return printRecords(out, output, found(p.Key, p.Value))
}
