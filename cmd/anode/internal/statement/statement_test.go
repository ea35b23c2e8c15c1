package statement

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse("get a; PUT b \"two words\"\n\n# a comment; get nothing\n  delete c # behind\nadd n -3;check a = 5;check a == \"\"\n" +
		"check a != x;check a exists;check a absent;scan user/ limit 10;scan \"\";put é \"\\x00\\n\"")
	if err != nil {
		t.Fatal(err)
	}
	want := []Statement{
		{Verb: Get, Key: "a", At: Position{1, 1}},
		{Verb: Put, Key: "b", Value: "two words", At: Position{1, 8}},
		{Verb: Delete, Key: "c", At: Position{4, 3}},
		{Verb: Add, Key: "n", Number: -3, At: Position{5, 1}},
		{Verb: Check, Key: "a", Test: Equal, Value: "5", At: Position{5, 10}},
		{Verb: Check, Key: "a", Test: Equal, At: Position{5, 22}},
		{Verb: Check, Key: "a", Test: Differs, Value: "x", At: Position{6, 1}},
		{Verb: Check, Key: "a", Test: Exists, At: Position{6, 14}},
		{Verb: Check, Key: "a", Test: Absent, At: Position{6, 29}},
		{Verb: Scan, Key: "user/", Number: 10, At: Position{6, 44}},
		{Verb: Scan, At: Position{6, 64}},
		{Verb: Put, Key: "é", Value: "\x00\n", At: Position{6, 72}},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if got, err := Parse(" ;\n#\n;; "); len(got) != 0 || err != nil {
		t.Errorf("%v, %v: nothing is no mistake", got, err)
	}
}

// Each mistake is told with its place, and with what to write instead.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"gte a":                     `line 1, column 1: gte is no statement: do you mean "get"?`,
		"get a\n  dlete b":          `line 2, column 3: dlete is no statement: do you mean "delete"?`,
		"lock a":                    "line 1, column 1: lock is no statement: there are get, put, delete, add, check, scan",
		"get":                       "line 1, column 1: get names nothing: write get KEY",
		`get ""`:                    "line 1, column 5: the key is empty",
		"get a b":                   "line 1, column 7: b is one word too many: write get KEY; words with blanks stand in double quotes",
		"put a":                     `line 1, column 1: put has no value: write put KEY VALUE, with "" for an empty one`,
		"put a hello world":         "line 1, column 13: world is one word too many",
		`put é "open`:               "line 1, column 7: the quote that begins here is not closed on this line",
		"put a \"open\nput b \"x\"": "line 1, column 7: the quote that begins here is not closed on this line",
		`put a "x\q"`:               "line 1, column 7: the quotes that begin here hold an escape that is none",
		`put a x"y"`:                "line 1, column 8: a quote in the middle of a word",
		`put a "x"y`:                "line 1, column 10: a blank is missing behind the quote",
		"add n":                     "line 1, column 1: add has no number",
		"add n 1.5":                 "line 1, column 7: 1.5 is no whole number of 64 bits",
		"add n 9223372036854775808": "is no whole number of 64 bits",
		"check a":                   "line 1, column 1: check asks for nothing",
		"check a is 5":              "line 1, column 9: is is no test: write check KEY = VALUE",
		"check a=5":                 "check asks for nothing: write check KEY = VALUE",
		"check a =":                 `line 1, column 9: = compares with nothing`,
		"check a exists 5":          "line 1, column 16: 5 is one word too many",
		"scan":                      "line 1, column 1: scan names nothing",
		"scan a limit":              "line 1, column 8: limit has no number",
		"scan a limit 0":            "line 1, column 14: the limit is 0: write a whole number from 1 up",
		"scan a limit ten":          "line 1, column 14: the limit is ten",
		"scan a b":                  "line 1, column 8: b is one word too many",
		"get a;get b;put":           "line 1, column 13: put names nothing",
	} {
		_, err := Parse(text)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"a": "a", "": `""`, "a b": `"a b"`, "a;b": `"a;b"`, "#": `"#"`, "\x00": `"\x00"`, "(absent)": `"(absent)"`, "é": "é", "\xff": `"\xff"`, "a'b": "a'b",
	} {
		if got := Quote(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

// Whatever parses can be written down and parses to the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"get a; put b \"x y\"", "check a != \"\\xff\" # c", "scan \"\" limit 3\nadd n -5", `put "\u00e9" "\""`, "check a absent;;\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.At.Line < 1 || e.At.Column < 1 || e.At.Line > 1+strings.Count(text, "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, s := range statements {
			again, err := Parse(s.String())
			s.At = Position{1, 1}
			if err != nil || len(again) != 1 || again[0] != s {
				t.Fatalf("%+v is written %q, which is %+v, %v", s, s.String(), again, err)
			}
		}
	})
}
