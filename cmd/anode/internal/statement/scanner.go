package statement

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is one word of a text.
type word struct {
	text   string
	quoted bool
	at     Position
}

// scanner takes a text apart into statements of words.
type scanner struct {
	rest string
	at   Position
}

// next returns the words of the next statement, or none at the end of the text. Empty statements are passed over.
func (s *scanner) next() ([]word, error) {
	var words []word
	for s.rest != "" {
		r, size := utf8.DecodeRuneInString(s.rest)
		switch {
		case r == ';' || r == '\n':
			s.advance(size)
			if len(words) > 0 {
				return words, nil
			}
		case r == '#':
			s.comment()
		case unicode.IsSpace(r):
			s.advance(size)
		default:
			w, err := s.word()
			if err != nil {
				return nil, err
			}
			words = append(words, w)
		}
	}
	return words, nil
}

func (s *scanner) comment() {
	end := strings.IndexByte(s.rest, '\n')
	if end < 0 {
		end = len(s.rest)
	}
	s.advance(end)
}

func (s *scanner) word() (word, error) {
	if s.rest[0] == '"' {
		return s.quoted()
	}
	end := strings.IndexFunc(s.rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`;#"`, r) })
	if end < 0 {
		end = len(s.rest)
	}
	w := word{text: s.rest[:end], at: s.at}
	s.advance(end)
	if strings.HasPrefix(s.rest, `"`) {
		return w, mistake(s.at, "a quote in the middle of a word: leave a blank before it, or put the whole word in quotes")
	}
	return w, nil
}

// quoted takes a word in quotes. It does not cross the end of a line, so that a quote that was forgotten is told
// where it is missing.
func (s *scanner) quoted() (word, error) {
	w := word{quoted: true, at: s.at}
	text, err := strconv.QuotedPrefix(s.rest)
	if err != nil {
		line, _, _ := strings.Cut(s.rest, "\n")
		if strings.Count(line, `"`)-strings.Count(line, `\"`) < 2 {
			return w, mistake(s.at, "the quote that begins here is not closed on this line")
		}
		return w, mistake(s.at, `the quotes that begin here hold an escape that is none: there are \n, \t, \", \\, \xNN, \uNNNN`)
	}
	if w.text, err = strconv.Unquote(text); err != nil {
		return w, mistake(s.at, "the word in quotes cannot be read")
	}
	s.advance(len(text))
	if r, _ := utf8.DecodeRuneInString(s.rest); s.rest != "" && !unicode.IsSpace(r) && r != ';' && r != '#' {
		return w, mistake(s.at, "a blank is missing behind the quote")
	}
	return w, nil
}

// advance passes n bytes.
func (s *scanner) advance(n int) {
	for _, r := range s.rest[:n] {
		s.at.Column++
		if r == '\n' {
			s.at = Position{s.at.Line + 1, 1}
		}
	}
	s.rest = s.rest[n:]
}
