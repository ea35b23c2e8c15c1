package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/cmd/anode/internal/dump"
)

// tellEvery is after how many keys a command that moves many tells how far it is.
const tellEvery = 100_000

func dumpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump [FILE]",
		Short: "Write all keys, of one moment, into a file",
		Long: `Write every key with its value, all of one moment, into FILE, which must not exist yet, or to standard output. It
disturbs nobody and conflicts with nothing. anode restore reads what it writes.

The moment is the one at which the dump begins, by the clock of this machine: what was acknowledged just before may be
missing, by as much as the clocks of the nodes and of this machine differ. The shards keep the past for 30 s, and for less
when much is overwritten. A dump that takes longer than that fails, and has to be repeated when there is less to do.

The file carries sums over each of its parts and over all of it, and counts what it holds: one that was cut short
or changed is told from a whole one. It is not encrypted. What was written to standard output is good only if the
exit code is 0; FILE gets its name when it is whole and on the disk.` + accessHelp + `
Unlike elsewhere, --timeout is how long the dump may go without progress.

The exit code is 0 when the dump is whole and 1 when there is none. What it holds is told on standard output, or on
standard error if the dump itself goes to standard output.`,
		Example:           "  anode dump monday.anode\n  anode dump | zstd > monday.anode.zst",
		Args:              between(0, 1),
		ValidArgsFunction: oneFile,
	}
	a := newAccess(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := checkOutput(a.output); err != nil {
			return err
		}
		d := dumping{told: os.Stderr, progress: progress()}
		switch {
		case len(args) == 1:
			d.path, d.told = args[0], os.Stdout
			if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is there already: choose another name", d.path)
			}
		case terminal(os.Stdout):
			return errors.New("a dump is not text, and standard output is a terminal: name a file, as in `anode dump monday.anode`")
		}
		return a.runLong(func(ctx context.Context, db *client.Client, limit time.Duration) error {
			s, err := d.run(ctx, db, limit)
			if err != nil {
				return err
			}
			return tellDump(d.told, a.output, "dumped", &s)
		})
	}
	return cmd
}

// dumping is one dump under way.
type dumping struct {
	path           string // empty for standard output
	told, progress io.Writer
}

func (d *dumping) run(ctx context.Context, db *client.Client, limit time.Duration) (s dump.Summary, err error) {
	if d.path == "" {
		return d.write(ctx, db, limit, os.Stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(d.path), filepath.Base(d.path)+".part-*")
	if err != nil {
		return s, fmt.Errorf("create the dump: %w", err)
	}
	s, err = d.write(ctx, db, limit, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		// Link, not rename: it does not replace a file that has come meanwhile.
		err = os.Link(f.Name(), d.path)
	}
	return s, errors.Join(err, os.Remove(f.Name()))
}

// write streams a dump.
func (d *dumping) write(ctx context.Context, db *client.Client, limit time.Duration, to io.Writer) (s dump.Summary, err error) {
	ctx, moved, stop := whileMoving(ctx, limit)
	defer stop()
	moment := time.Now()
	out := bufio.NewWriterSize(to, 1<<20)
	w, err := dump.NewWriter(out, dump.Head{Cluster: db.Cluster(), Shards: db.Shards(), Time: moment.UnixNano()})
	if err != nil {
		return s, err
	}
	n := 0
	for pair, err := range db.SnapshotAt(moment).Scan(ctx, client.ScanOptions{}) {
		if err != nil {
			return s, stalled(ctx, err)
		}
		if err := w.Add([]byte(pair.Key), pair.Value); err != nil {
			return s, err
		}
		moved()
		if n++; n%tellEvery == 0 {
			fmt.Fprintf(d.progress, "%d keys\n", n)
		}
	}
	if s, err = w.Close(); err != nil {
		return s, err
	}
	return s, out.Flush()
}

// stalled tells what ended a context, where that says more than the error.
func stalled(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), errStalled):
		return fmt.Errorf("%w: %w", errStalled, bare{err})
	case errors.Is(err, client.ErrTooOld):
		return fmt.Errorf("the dump took longer than the shards keep what is overwritten: repeat it when less is written: %w", bare{err})
	}
	return err
}

// dumped is what is told of a dump, as JSON.
type dumped struct {
	Result  string    `json:"result"`
	Cluster uint64    `json:"cluster"`
	Shards  uint32    `json:"shards"`
	Time    time.Time `json:"time"`
	dump.Count
	SHA256 string `json:"sha256"`
}

func tellDump(to io.Writer, output, result string, s *dump.Summary) error {
	d := dumped{result, s.Cluster, s.Shards, time.Unix(0, s.Time).UTC(), s.Count, fmt.Sprintf("%x", s.Sum)}
	if output == "json" {
		return json.NewEncoder(to).Encode(&d)
	}
	_, err := fmt.Fprintf(to, "%s: %d keys of %d bytes with values of %d bytes, of cluster %d with %d shards at %s\n", result,
		d.Pairs, d.KeyBytes, d.ValueBytes, d.Cluster, d.Shards, d.Time.Format(time.RFC3339Nano))
	return err
}
