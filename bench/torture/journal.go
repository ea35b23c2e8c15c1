package torture

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/bench/check"
)

// journalSuffix ends the names of journals.
const journalSuffix = ".journal"

// complaintMark begins a line that says what a client was told and no client may be told.
const complaintMark = "! "

// now is an instant of the clock that all processes of the machine share.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("torture: no monotonic clock: " + err.Error()) // every system has it
	}
	return ts.Nano()
}

// Journal is the file in which one process writes down what its clients do. Who may be killed at any moment keeps it
// mortal: then what may reach the store is in the file before it is sent.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	out    *bufio.Writer
	mortal bool
	next   int
	failed error
}

// CreateJournal begins a journal in a directory.
func CreateJournal(dir, name string, mortal bool) (*Journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, name+journalSuffix), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &Journal{file: f, out: bufio.NewWriter(f), mortal: mortal}, nil
}

// Entry is a transaction that is being written down. It belongs to one goroutine.
type Entry struct {
	journal *Journal
	number  int
	txn     check.Txn
}

// Begin begins a transaction now.
func (j *Journal) Begin(client int) *Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	return &Entry{journal: j, number: j.next, txn: check.Txn{Client: client, Start: now(), End: check.Never, Outcome: check.Unknown}}
}

// Op adds an operation.
func (e *Entry) Op(ops ...check.Op) { e.txn.Ops = append(e.txn.Ops, ops...) }

// Reset forgets the operations so far: the attempt that made them is known to have had no effect.
func (e *Entry) Reset() { e.txn.Ops = e.txn.Ops[:0] }

// Intend must come before anything of the transaction can take effect.
func (e *Entry) Intend() {
	if e.journal.mortal {
		e.journal.write(e)
	}
}

// End ends the transaction now.
func (e *Entry) End(outcome check.Outcome) {
	e.txn.End, e.txn.Outcome = now(), outcome
	e.journal.write(e)
}

// write adds what is known of a transaction. Of several lines with its number the last one holds.
func (j *Journal) write(e *Entry) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d ", e.number)
	err := check.History{e.txn}.Dump(&b)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append(b.Bytes(), err)
}

// Complain writes down what must not be. It makes the run fail.
func (j *Journal) Complain(format string, args ...any) {
	line := fmt.Sprintf(complaintMark+"%d %s", now(), strconv.Quote(fmt.Sprintf(format, args...)))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append([]byte(line+"\n"), nil)
}

func (j *Journal) append(line []byte, err error) {
	if err == nil {
		_, err = j.out.Write(line)
	}
	if err == nil && j.mortal {
		err = j.out.Flush()
	}
	j.failed = errors.Join(j.failed, err)
}

// Close ends the journal, and tells whether all of it was written.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.failed, j.out.Flush(), j.file.Close())
}

// ReadJournals reads all journals of a directory: the history, by start, and the complaints. Only the last line of a file may be
// cut short, by the death of its writer.
func ReadJournals(dir string) (h check.History, complaints []string, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+journalSuffix))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		some, more, err := readJournal(b)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		h, complaints = append(h, some...), append(complaints, more...)
	}
	slices.SortStableFunc(h, func(a, b check.Txn) int { return cmp.Compare(a.Start, b.Start) })
	return h, complaints, nil
}

func readJournal(b []byte) (h check.History, complaints []string, err error) {
	last := map[int][]byte{} // of each transaction
	var order []int
	for line := range bytes.Lines(b) {
		if line[len(line)-1] != '\n' {
			break
		}
		if text, ok := bytes.CutPrefix(line, []byte(complaintMark)); ok {
			complaints = append(complaints, string(bytes.TrimSpace(text)))
			continue
		}
		number, txn, ok := bytes.Cut(line, []byte(" "))
		n, err := strconv.Atoi(string(number))
		if !ok || err != nil {
			return nil, nil, fmt.Errorf("a line is no journal's: %.80q", line)
		}
		if last[n] == nil {
			order = append(order, n)
		}
		last[n] = txn
	}
	readers := make([]io.Reader, 0, len(order))
	for _, n := range order {
		readers = append(readers, bytes.NewReader(last[n]))
	}
	h, err = check.Load(io.MultiReader(readers...))
	return h, complaints, err
}
