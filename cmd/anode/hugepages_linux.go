package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// hugePage is how many bytes one entry of a processor's table of addresses can stand for, and smallPage for how many it
	// usually does.
	hugePage  = 2 << 20
	smallPage = 4 << 10
	// hugeSoon is how often the memory is looked at while it changes, hugeLate while it does not.
	hugeSoon = time.Second
	hugeLate = 30 * time.Second
	// hugeChoice tells what the operator of the system wants of huge pages.
	hugeChoice = "/sys/kernel/mm/transparent_hugepage/enabled"
)

// useHugePages moves the memory of a server to huge pages, where the system leaves the choice to programs. A store is read and
// written everywhere at once: with small pages the processor has to look up where a key is as often as the key.
//
// Invariant: only what is in memory to the last small page is moved, so that the server takes none that it would not have taken.
// Go's runtime does not know that of its heap, and leaves huge pages alone.
func useHugePages(ctx context.Context) {
	if choice, err := os.ReadFile(hugeChoice); err != nil || !bytes.Contains(choice, []byte("[madvise]")) {
		return // they are for everybody, or for nobody
	}
	for pause, last := hugeSoon, 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		n, err := moveToHugePages()
		switch {
		case err != nil:
			return // small ones do as well
		case n == last:
			pause = min(2*pause, hugeLate)
		default:
			pause, last = hugeSoon, n
		}
	}
}

// moveToHugePages asks for huge pages for all that could be moved without taking memory, and returns how many bytes that are.
func moveToHugePages() (bytes int, err error) {
	spans, err := anonymousSpans()
	if err != nil {
		return 0, err
	}
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return 0, err
	}
	defer func() { _ = pagemap.Close() }()
	for _, s := range spans {
		whole, err := wholeSpans(pagemap, s)
		if err != nil {
			return 0, err
		}
		for _, w := range whole {
			bytes += int(w.to - w.from)
			// Part of it may be refused when there is no huge page to be had: it is asked for again.
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, w.from, w.to-w.from, unix.MADV_COLLAPSE)
		}
	}
	return bytes, nil
}

// addresses is a part of the address space.
type addresses struct{ from, to uintptr }

// anonymousSpans are the parts with memory of the process's own, most of it Go's heap.
func anonymousSpans() (spans []addresses, err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer func() { _ = maps.Close() }()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var s addresses
		var access, offset, device string
		var inode int
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %d", &s.from, &s.to, &access, &offset, &device, &inode); n != 6 {
			return nil, fmt.Errorf("/proc/self/maps has the line %q", lines.Text())
		}
		if access == "rw-p" && inode == 0 {
			spans = append(spans, s)
		}
	}
	return spans, lines.Err()
}

// wholeSpans finds what of a span could be huge pages and is in memory to the last small one.
func wholeSpans(pagemap io.ReaderAt, s addresses) (whole []addresses, err error) {
	entries := make([]byte, hugePage/smallPage*8)
	for at := (s.from + hugePage - 1) &^ (hugePage - 1); at+hugePage <= s.to; at += hugePage {
		if _, err := pagemap.ReadAt(entries, int64(at/smallPage*8)); err != nil {
			return nil, err
		}
		switch n := len(whole); {
		case !allPresent(entries):
		case n > 0 && whole[n-1].to == at:
			whole[n-1].to += hugePage
		default:
			whole = append(whole, addresses{at, at + hugePage})
		}
	}
	return whole, nil
}

// allPresent reports whether all pages are in memory that the entries of a pagemap stand for.
func allPresent(entries []byte) bool {
	const present = 1 << 63
	for i := 0; i < len(entries); i += 8 {
		if binary.NativeEndian.Uint64(entries[i:])&present == 0 {
			return false
		}
	}
	return true
}
