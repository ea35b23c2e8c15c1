package check

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxLineBytes bounds one transaction of a dump: a line is held in memory, and a broken file may have none.
const maxLineBytes = 64 << 20

// text is a key or value in JSON. What is not UTF-8 goes as base64, so that binary keys survive and plain
// ones stay readable.
type text string

const base64Mark = "base64:"

func (t text) MarshalJSON() ([]byte, error) {
	s := string(t)
	if !utf8.ValidString(s) || strings.HasPrefix(s, base64Mark) {
		s = base64Mark + base64.StdEncoding.EncodeToString([]byte(s))
	}
	return json.Marshal(s)
}

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if coded, ok := strings.CutPrefix(s, base64Mark); ok {
		raw, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			return fmt.Errorf("text %q: %w", s, err)
		}
		s = string(raw)
	}
	*t = text(s)
	return nil
}

// opLine has exactly one of its first four fields: the key that was read, written, deleted or appended to.
type opLine struct {
	Read   *text `json:"r,omitempty"`
	Write  *text `json:"w,omitempty"`
	Delete *text `json:"d,omitempty"`
	Append *text `json:"a,omitempty"`
	Value  *text `json:"v,omitempty"`
}

type txnLine struct {
	Client  int      `json:"client"`
	Start   int64    `json:"start"`
	End     *int64   `json:"end,omitempty"`
	Outcome string   `json:"outcome"`
	Ops     []opLine `json:"ops"`
}

// Dump writes the history as lines of JSON, one transaction each, for [Load] and for people with jq.
func (h History) Dump(w io.Writer) error {
	buffered := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffered)
	for i := range h {
		if err := encoder.Encode(lineOf(&h[i])); err != nil {
			return fmt.Errorf("dump transaction T%d: %w", i, err)
		}
	}
	return buffered.Flush()
}

func lineOf(t *Txn) txnLine {
	line := txnLine{Client: t.Client, Start: t.Start, Outcome: t.Outcome.String(), Ops: []opLine{}}
	if t.End != Never {
		line.End = &t.End
	}
	for _, op := range t.Ops {
		line.Ops = append(line.Ops, lineOfOp(op))
	}
	return line
}

func lineOfOp(op Op) (line opLine) {
	key, value := text(op.Key), text(op.Value.Data)
	if op.Value.Present {
		line.Value = &value
	}
	switch {
	case op.Kind == KindRead:
		line.Read = &key
	case op.Kind == KindAppend:
		line.Append = &key
	case op.Value.Present:
		line.Write = &key
	default:
		line.Delete = &key
	}
	return line
}

// Load reads what [History.Dump] wrote.
func Load(r io.Reader) (History, error) {
	var h History
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		t, err := parseLine(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("load history, line %d: %w", len(h)+1, err)
		}
		h = append(h, t)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("load history, line %d: %w", len(h)+1, err)
	}
	return h, nil
}

func parseLine(b []byte) (Txn, error) {
	var line txnLine
	if err := json.Unmarshal(b, &line); err != nil {
		return Txn{}, err
	}
	t := Txn{Client: line.Client, Start: line.Start, End: Never}
	if line.End != nil {
		t.End = *line.End
	}
	for i, name := range outcomeNames {
		if name == line.Outcome {
			t.Outcome = Outcome(i)
		}
	}
	for _, o := range line.Ops {
		op, err := parseOp(o)
		if err != nil {
			return Txn{}, err
		}
		t.Ops = append(t.Ops, op)
	}
	return t, t.malformed()
}

func parseOp(line opLine) (Op, error) {
	value := Absent
	if line.Value != nil {
		value = Of(string(*line.Value))
	}
	var ops []Op
	for kind, key := range []*text{KindRead: line.Read, KindWrite: line.Write, KindAppend: line.Append} {
		if key != nil {
			ops = append(ops, Op{Kind: Kind(kind), Key: string(*key), Value: value})
		}
	}
	if line.Delete != nil {
		ops = append(ops, Delete(string(*line.Delete)))
	}
	if len(ops) != 1 {
		return Op{}, errors.New("an operation needs exactly one of r, w, d and a")
	}
	return ops[0], nil
}
