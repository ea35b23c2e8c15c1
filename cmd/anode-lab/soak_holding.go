package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// holding is what a server holds at one moment.
type holding struct {
	residentMB, files, goroutines, maps int64
}

// kinds names what it holds, with how many more of each than at the beginning a server may hold at the end, beside a tenth.
var kinds = []struct {
	name  string
	slack int64
	of    func(holding) int64
}{
	{"MB resident", 16, func(f holding) int64 { return f.residentMB }},
	{"open files", 4, func(f holding) int64 { return f.files }},
	{"goroutines", 8, func(f holding) int64 { return f.goroutines }},
	{"BPF maps", 0, func(f holding) int64 { return f.maps }},
}

// soakLooks is how many looks at a server it takes to tell growth from noise.
const soakLooks = 8

// grown tells what a server holds more of in the last quarter of its samples than in the second; the first quarter
// is for warming up. Too few samples tell nothing, and that is an error, too.
func grown(samples []holding) error {
	n := len(samples)
	if n < soakLooks {
		return fmt.Errorf("only %d looks: growth shows in %d or more", n, soakLooks)
	}
	for _, k := range kinds {
		before, after := highest(samples[n/4:n/2], k.of), highest(samples[n-n/4:], k.of)
		if after > before+before/10+k.slack {
			return fmt.Errorf("%s grew from %d to %d", k.name, before, after)
		}
	}
	return nil
}

func highest(samples []holding, of func(holding) int64) (most int64) {
	for _, s := range samples {
		most = max(most, of(s))
	}
	return most
}

// lookAt reads what a process holds, from the kernel and from its admin endpoint.
func lookAt(ctx context.Context, pid int, admin string) (f holding, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return f, fmt.Errorf("a server has ended: %w", err)
	}
	kb, err := numberAfter(string(status), "VmRSS:")
	if err != nil {
		return f, err
	}
	f.residentMB = kb >> 10
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return f, fmt.Errorf("a server has ended: %w", err)
	}
	for _, file := range files {
		f.files++
		if target, err := os.Readlink(dir + "/" + file.Name()); err == nil && strings.Contains(target, "bpf-map") {
			f.maps++
		}
	}
	f.goroutines, err = goroutines(ctx, admin)
	return f, err
}

// numberAfter reads the number behind a word.
func numberAfter(text, word string) (int64, error) {
	_, rest, _ := strings.Cut(text, word)
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0, fmt.Errorf("there is no %s: a server has ended", word)
	}
	return strconv.ParseInt(words[0], 10, 64)
}

// goroutines asks a server's admin endpoint.
func goroutines(ctx context.Context, admin string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask a server for its metrics: %w", err)
	}
	defer answer.Body.Close()
	return goroutinesIn(answer.Body)
}

func goroutinesIn(metrics io.Reader) (int64, error) {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.ParseInt(n, 10, 64)
		}
	}
	return 0, fmt.Errorf("the metrics do not tell the goroutines: %v", lines.Err())
}

// sparse takes every so many samples, so that hours of them stay few.
func sparse(samples []holding, limit int) []holding {
	if len(samples) < limit {
		return samples
	}
	var kept []holding
	for pair := range slices.Chunk(samples, 2) {
		kept = append(kept, pair[0])
	}
	return kept
}
