package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"

	"github.com/anodekv/anode/cmd/anode/internal/words"
)

// decode reads what viper holds into out, a pointer to a struct. Keys that are not among the known ones are
// reported together with values that cannot be read.
func decode(v *viper.Viper, known []string, out any) error {
	var m mistakes
	unknown(&m, "", v.AllKeys(), known)
	list, _ := v.Get("nodes").([]any)
	for i, entry := range list {
		if node, ok := entry.(map[string]any); ok {
			unknown(&m, fmt.Sprintf("of node number %d ", i+1), slices.Collect(maps.Keys(node)), []string{"name", "host", "port"})
		}
	}
	if err := v.Unmarshal(out, viper.DecodeHook(convert)); err != nil {
		m.join(cmp.Or(errors.Unwrap(err), err)) // the library puts a headline above its mistakes
	}
	return m.err()
}

// convert turns a value of the file, or the text of a variable, into a field's type, where that loses nothing.
// The library would take 1.5 for 1, true for 1, and -1 for the largest number there is.
func convert(_, to reflect.Type, data any) (any, error) {
	text, isText := data.(string)
	value := reflect.ValueOf(data)
	switch kind := to.Kind(); {
	case value.Type() == to:
	case to == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("is %v: write a number and a unit, as in 150ms", data)
		}
		return d, nil
	case to == reflect.TypeFor[ppm]():
		return parsePPM(data)
	case kind == reflect.Slice && value.Kind() != reflect.Slice:
		return nil, fmt.Errorf("is %v: write a list, in the file", data)
	case kind == reflect.Uint64 || kind == reflect.Int:
		bits := 63
		if kind == reflect.Uint64 {
			bits = 64
		}
		n, err := strconv.ParseUint(fmt.Sprint(data), 10, bits)
		if err != nil {
			return nil, fmt.Errorf("is %v: write a whole number that is not negative", data)
		}
		return n, nil
	case kind == reflect.Bool && text != "true" && text != "false":
		return nil, fmt.Errorf("is %v: write true or false", data)
	case kind == reflect.String && !isText && !value.CanInt():
		return nil, fmt.Errorf("is %v: write a text", data)
	}
	return data, nil
}

// ppm is a ratio in parts in a million.
type ppm int

func (p ppm) String() string { return strconv.Itoa(int(p)) + "ppm" }

// parsePPM reads "2000ppm" or "0.2%".
func parsePPM(data any) (ppm, error) {
	text, _ := data.(string)
	number, unit := strings.TrimSuffix(text, "ppm"), 1.0
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		number, unit = percent, 10_000
	}
	v, err := strconv.ParseFloat(number, 64)
	if rounded := math.Round(v * unit); err == nil && number != text && math.Abs(rounded) <= 1e6 && math.Abs(v*unit-rounded) < 1e-6 {
		return ppm(rounded), nil
	}
	return 0, fmt.Errorf("is %v: write whole parts in a million, as in 2000ppm, or percent, as in 0.2%%", data)
}

// unknown reports keys that do not exist, with the one that may have been meant.
func unknown(m *mistakes, where string, keys, known []string) {
	slices.Sort(keys)
	for _, key := range keys {
		key, _, _ = strings.Cut(key, ".") // viper joins the keys of nested maps
		switch meant := words.Nearest(key, known); {
		case slices.Contains(known, key):
		case meant != "":
			m.add("unknown key %s%q: do you mean %q?", where, key, meant)
		default:
			m.add("unknown key %s%q: the keys are %s", where, key, strings.Join(known, ", "))
		}
	}
}
