package main

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/anodekv/anode/cmd/anode/internal/statement"
)

// record is one line of output: what became of a key.
type record struct {
	key    string
	result string // found, absent, stored, deleted, swapped or differs
	value  []byte // if there is one
}

// MarshalJSON writes text as text; what is no UTF-8 stands in base64 under another name.
func (r record) MarshalJSON() ([]byte, error) {
	var out struct {
		Key         string  `json:"key,omitempty"`
		KeyBase64   []byte  `json:"key_base64,omitempty"`
		Result      string  `json:"result"`
		Value       *string `json:"value,omitempty"`
		ValueBase64 []byte  `json:"value_base64,omitempty"`
	}
	out.Result = r.result
	if utf8.ValidString(r.key) {
		out.Key = r.key
	} else {
		out.KeyBase64 = []byte(r.key)
	}
	if text := string(r.value); r.value != nil && utf8.Valid(r.value) {
		out.Value = &text
	} else {
		out.ValueBase64 = r.value
	}
	return json.Marshal(out)
}

const recordHelp = `

With -o json each key is one line {"key": …, "result": …, "value": …}; a key or value that is no UTF-8 stands in
base64 under key_base64 or value_base64.`

// found is the record of a key that was read; a nil value stands for none.
func found(key string, value []byte) record {
	if value == nil {
		return record{key: key, result: "absent"}
	}
	return record{key: key, result: "found", value: value}
}

// printRecords writes key and value in a line each, as words of a statement; or JSON.
func printRecords(w io.Writer, output string, records ...record) error {
	for _, r := range records {
		var err error
		switch {
		case output == "json":
			err = json.NewEncoder(w).Encode(r)
		case r.result == "absent":
			_, err = fmt.Fprintf(w, "%s\t(absent)\n", statement.Quote(r.key))
		case r.value != nil:
			_, err = fmt.Fprintf(w, "%s\t%s\n", statement.Quote(r.key), statement.Quote(string(r.value)))
		}
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
	return nil
}
