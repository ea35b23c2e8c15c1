package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/statement"
)

// maxScript bounds the statements of one transaction: what fits one, with every byte escaped.
const maxScript = 64 << 20

func txnCommand() *cobra.Command {
	var attempts int
	cmd := &cobra.Command{
		Use:   "txn [STATEMENT...]",
		Short: "Run statements as one transaction",
		Long: `Run statements as one strictly serializable transaction, over any number of keys and shards: all of it happens, at one
moment, or nothing. Statements are given as arguments, or else on standard input:

  get KEY                    write the key and its value
  put KEY VALUE              set a key
  delete KEY                 delete a key
  add KEY NUMBER             add to a whole number, kept as decimal text; a key that does not exist counts as 0
  check KEY = VALUE          give everything up unless it is so; also != VALUE, exists, absent
  scan PREFIX [limit N]      write the keys that begin with PREFIX, and their values

They run in their order, and see what earlier ones have written. A statement ends at a semicolon or a line end, #
begins a comment, and words with blanks stand in double quotes, with the escapes of Go: "two words", "\x00\n". What was
read is written when the transaction has committed. When another transaction was faster it is run again.` +
			recordHelp + accessHelp + exits("a check does not hold and nothing was changed"),
		Example:           "  anode txn 'check alice exists' 'add alice -5' 'add bob 5'\n  echo 'get alice; get bob' | anode txn -o json\n  anode txn < transfer.txt",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a := newAccess(cmd)
	cmd.Flags().IntVar(&attempts, "attempts", 0, "run it no more often than this when others are faster; 0 leaves it to --timeout")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if attempts < 0 {
			return fmt.Errorf("--attempts is %d: choose a number, or 0 for as many as --timeout allows", attempts)
		}
		statements, err := script(args, os.Stdin)
		if err != nil {
			return err
		}
		var opts []client.Option
		if attempts > 0 {
			opts = append(opts, client.Attempts(attempts))
		}
		return a.run(func(ctx context.Context, db *client.Client) error {
			records, err := client.UpdateValue(ctx, db, transaction(statements).run, opts...)
			if err != nil {
				return err
			}
			return printRecords(os.Stdout, a.output, records...)
		})
	}
	return cmd
}

// script reads the statements: each argument is a line, and without arguments standard input is read.
func script(args []string, in io.Reader) ([]statement.Statement, error) {
	text, where := strings.Join(args, "\n"), "the arguments, one to a line"
	if len(args) == 0 {
		where = "standard input"
		b, err := io.ReadAll(io.LimitReader(in, maxScript+1))
		switch {
		case err != nil:
			return nil, fmt.Errorf("read standard input: %w", err)
		case len(b) > maxScript:
			return nil, fmt.Errorf("standard input holds more than %d bytes of statements: split it", maxScript)
		}
		text = string(b)
	}
	statements, err := statement.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", where, err)
	case len(statements) == 0:
		return nil, fmt.Errorf("%s: there is no statement; see `anode txn --help`", where)
	}
	return statements, nil
}
