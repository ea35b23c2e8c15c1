package statement

import (
	"strconv"
	"strings"

	"github.com/anodekv/anode/cmd/anode/internal/words"
)

// usage shows each verb as it is written.
var usage = map[Verb]string{
	Get: "get KEY", Put: "put KEY VALUE", Delete: "delete KEY", Add: "add KEY NUMBER",
	Check: "check KEY = VALUE, check KEY != VALUE, check KEY exists, or check KEY absent",
	Scan:  "scan PREFIX, or scan PREFIX limit NUMBER",
}

var verbs = []string{string(Get), string(Put), string(Delete), string(Add), string(Check), string(Scan)}

// Parse reads statements. It fails with an [*Error] at the first mistake.
func Parse(text string) ([]Statement, error) {
	s := scanner{rest: text, at: Position{1, 1}}
	var out []Statement
	for {
		line, err := s.next()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			return out, nil
		}
		one, err := parse(line)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
}

// parse reads one statement from its words.
func parse(line []word) (Statement, error) {
	s := Statement{Verb: Verb(strings.ToLower(line[0].text)), At: line[0].at}
	how, known := usage[s.Verb]
	if !known {
		if meant := words.Nearest(string(s.Verb), verbs); meant != "" {
			return s, mistake(s.At, "%s is no statement: do you mean %q?", Quote(line[0].text), meant)
		}
		return s, mistake(s.At, "%s is no statement: there are %s", Quote(line[0].text), strings.Join(verbs, ", "))
	}
	if len(line) < 2 {
		return s, mistake(s.At, "%s names nothing: write %s", s.Verb, how)
	}
	s.Key = line[1].text
	if s.Key == "" && s.Verb != Scan {
		return s, mistake(line[1].at, "the key is empty")
	}
	read := map[Verb]func(*Statement, []word) (rest []word, err error){
		Get: nothing, Delete: nothing, Put: putValue, Add: addNumber, Check: checkTest, Scan: scanLimit,
	}[s.Verb]
	rest, err := read(&s, line[2:])
	switch {
	case err != nil:
		return s, err
	case len(rest) > 0:
		return s, mistake(rest[0].at, "%s is one word too many: write %s; words with blanks stand in double quotes", Quote(rest[0].text), how)
	}
	return s, nil
}

func nothing(_ *Statement, line []word) ([]word, error) { return line, nil }

func putValue(s *Statement, line []word) ([]word, error) {
	if len(line) == 0 {
		return nil, mistake(s.At, `put has no value: write %s, with "" for an empty one`, usage[Put])
	}
	s.Value = line[0].text
	return line[1:], nil
}

func addNumber(s *Statement, line []word) (_ []word, err error) {
	if len(line) == 0 {
		return nil, mistake(s.At, "add has no number: write %s", usage[Add])
	}
	if s.Number, err = strconv.ParseInt(line[0].text, 10, 64); err != nil {
		return nil, mistake(line[0].at, "%s is no whole number of 64 bits", Quote(line[0].text))
	}
	return line[1:], nil
}

func checkTest(s *Statement, line []word) ([]word, error) {
	if len(line) == 0 {
		return nil, mistake(s.At, "check asks for nothing: write %s", usage[Check])
	}
	s.Test = Test(strings.ToLower(line[0].text))
	switch s.Test {
	case Exists, Absent:
		return line[1:], nil
	case "==":
		s.Test = Equal
	case Equal, Differs:
	default:
		return nil, mistake(line[0].at, "%s is no test: write %s", Quote(line[0].text), usage[Check])
	}
	if len(line) == 1 {
		return nil, mistake(line[0].at, `%s compares with nothing: write the value behind it, "" for an empty one`, s.Test)
	}
	s.Value = line[1].text
	return line[2:], nil
}

func scanLimit(s *Statement, line []word) (_ []word, err error) {
	if len(line) == 0 {
		return nil, nil
	}
	if line[0].quoted || !strings.EqualFold(line[0].text, "limit") {
		return line, nil // one word too many
	}
	if len(line) == 1 {
		return nil, mistake(line[0].at, "limit has no number: write %s", usage[Scan])
	}
	if s.Number, err = strconv.ParseInt(line[1].text, 10, 32); err != nil || s.Number < 1 {
		return nil, mistake(line[1].at, "the limit is %s: write a whole number from 1 up", Quote(line[1].text))
	}
	return line[2:], nil
}
