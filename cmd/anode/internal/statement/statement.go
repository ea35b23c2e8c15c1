package statement

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Verb is what a statement does.
type Verb string

// The verbs.
const (
	Get    Verb = "get"
	Put    Verb = "put"
	Delete Verb = "delete"
	Add    Verb = "add"
	Check  Verb = "check"
	Scan   Verb = "scan"
)

// Test is what a check asks for.
type Test string

// The tests.
const (
	Equal   Test = "="
	Differs Test = "!="
	Exists  Test = "exists"
	Absent  Test = "absent"
)

// Statement is one of a transaction.
type Statement struct {
	Verb Verb
	// Key is a key, or the prefix of a scan.
	Key string
	// Value is what is put, or what a check compares with.
	Value string
	// Number is what is added, or the limit of a scan; there 0 is none.
	Number int64
	Test   Test
	At     Position
}

// Position is where something stands in the text, both counted from 1; columns count characters.
type Position struct{ Line, Column int }

func (p Position) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// String is the statement as text, which parses to the same statement.
func (s Statement) String() string {
	words := []string{string(s.Verb), Quote(s.Key)}
	switch s.Verb {
	case Put:
		words = append(words, Quote(s.Value))
	case Add:
		words = append(words, strconv.FormatInt(s.Number, 10))
	case Check:
		words = append(words, string(s.Test))
		if s.Test == Equal || s.Test == Differs {
			words = append(words, Quote(s.Value))
		}
	case Scan:
		if s.Number > 0 {
			words = append(words, "limit", strconv.FormatInt(s.Number, 10))
		}
	}
	return strings.Join(words, " ")
}

// Quote is a word as it stands in a statement: in double quotes if it holds what would end it, what cannot be
// seen, or what could be taken for a remark in parentheses.
func Quote(word string) string {
	plain := word != "" && word[0] != '(' && utf8.ValidString(word)
	for _, r := range word {
		plain = plain && unicode.IsPrint(r) && !unicode.IsSpace(r) && !strings.ContainsRune(`";#`, r)
	}
	if plain {
		return word
	}
	return strconv.Quote(word)
}

// Error is a mistake in the text.
type Error struct {
	At  Position
	Why string
}

func (e *Error) Error() string { return e.At.String() + ": " + e.Why }

func mistake(at Position, format string, args ...any) *Error {
	return &Error{at, fmt.Sprintf(format, args...)}
}
