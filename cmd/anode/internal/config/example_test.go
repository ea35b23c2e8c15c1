package config

import (
	"maps"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// What the example shows can be started from, for hosts of any number.
func TestExampleLoads(t *testing.T) {
	for _, hosts := range [][]string{{"10.0.0.1"}, {"h1", "h2"}, {"h1", "h2", "h3"}, {"127.0.0.1", "127.0.0.1", "127.0.0.1"}, {"a", "a", "b", "b", "c", "c", "d"}} {
		for _, shards := range []int{1, 4, 99, 100, 250} {
			file, err := Example(hosts, shards)
			if err != nil {
				t.Fatal(err)
			}
			c, err := load(t, file)
			if err != nil {
				t.Fatalf("%v: %v\n%s", hosts, err, file)
			}
			if len(c.Topology.Nodes) != len(hosts) || len(c.Topology.Groups) != shards {
				t.Errorf("%v: %+v", hosts, c.Topology)
			}
		}
	}
}

// It names every key there is, and what is commented out shows the default: a file with all of it uncommented is the
// same as one with nothing of it.
func TestExampleShowsTheDefaults(t *testing.T) {
	file, err := Example([]string{"h1", "h2", "h3"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`(?m)^# ([a-z-]+: )`)
	full := setting.ReplaceAllString(file, "$1")
	for key := range maps.Keys(defaults()) {
		if !strings.Contains(full, "\n"+key+":") {
			t.Errorf("the example does not show %s", key)
		}
	}
	for _, key := range []string{"groups", "key-file"} { // these have no default
		full = regexp.MustCompile(`(?m)^`+key+":.*\n").ReplaceAllString(full, "")
	}
	shown, err := load(t, strings.ReplaceAll(full, "doubt-bound: 250ms", "doubt-bound: 0s"))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := load(t, file)
	if err != nil {
		t.Fatal(err)
	}
	shown.SessionBound = 0
	if shown.Timing != bare.Timing || shown.Limits != bare.Limits || shown.Admin != bare.Admin || shown.DatagramBytes != bare.DatagramBytes || shown.DoubtBound != bare.DoubtBound {
		t.Errorf("shown\n%+v\nbare\n%+v", shown, bare)
	}
}

func TestExampleMistakes(t *testing.T) {
	_, err := Example([]string{"a:7000", ""}, 0)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`host "a:7000": write a name`, `host ""`, "shards is 0: choose between 1 and 4096"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
	if _, err := Example(nil, 1); err == nil {
		t.Error("no hosts: accepted")
	}
	if _, err := Example(strings.Split(strings.Repeat("a ", 20)+"a", " "), 4096); err == nil {
		t.Error("too many ports: accepted")
	}
}

// As JSON it is one line, from which a node starts in the same way.
func TestExampleAsJSON(t *testing.T) {
	file, err := Example([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 8)
	if err != nil {
		t.Fatal(err)
	}
	line, err := JSON(file)
	if err != nil || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "{") {
		t.Fatalf("%q, %v", line, err)
	}
	want, err := load(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := load(t, line); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
