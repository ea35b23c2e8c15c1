package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakePagemap says which small pages are absent. It knows those below a gigabyte.
type fakePagemap map[uintptr]bool

func (f fakePagemap) ReadAt(b []byte, at int64) (int, error) {
	for i := 0; i < len(b); i += 8 {
		page := uintptr(at/8) + uintptr(i/8)
		if page*smallPage >= 1<<30 {
			return i, errors.New("beyond what there is")
		}
		var entry uint64
		if !f[page] {
			entry = 1 << 63
		}
		binary.NativeEndian.PutUint64(b[i:], entry)
	}
	return len(b), nil
}

func TestOnlyWholeHugePagesAreMoved(t *testing.T) {
	const first, last = 3 * hugePage / smallPage, 6*hugePage/smallPage - 1 // absent, at either end of a huge page
	got, err := wholeSpans(fakePagemap{first: true, last: true}, addresses{smallPage, 9*hugePage + smallPage})
	want := []addresses{{hugePage, 3 * hugePage}, {4 * hugePage, 5 * hugePage}, {6 * hugePage, 9 * hugePage}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%x, want %x: %v", got, want, err)
	}
	if got, err := wholeSpans(fakePagemap{}, addresses{smallPage, 2*hugePage - 1}); err != nil || got != nil {
		t.Errorf("%x lie in no huge page: %v", got, err)
	}
	if _, err := wholeSpans(fakePagemap{}, addresses{1<<30 - hugePage, 1<<30 + hugePage}); err == nil {
		t.Error("what could not be read was taken for present")
	}
}

// What is there moves and stays what it was; what is not there takes no memory.
func TestMemoryMovesToHugePages(t *testing.T) {
	const size = 8 << 20
	mapped, err := unix.Mmap(-1, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	for i := range size {
		mapped[i] = byte(i / smallPage)
	}
	before, _ := smaps(t, mapped)
	if n, err := moveToHugePages(); err != nil || n < size-2*hugePage {
		t.Fatalf("%d bytes of %d could be moved: %v", n, size, err)
	}
	after, huge := smaps(t, mapped)
	if after != before {
		t.Errorf("%d bytes were in memory, now %d", before, after)
	}
	for i := range size {
		if mapped[i] != byte(i/smallPage) {
			t.Fatalf("byte %d has changed", i)
		}
	}
	if huge == 0 {
		t.Skip("the system had no huge page to give")
	}
}

// smaps tells how much of a mapping is in memory, and how much of that in huge pages.
func smaps(t *testing.T, mapped []byte) (resident, huge int) {
	t.Helper()
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	address, inside := uint64(uintptr(unsafe.Pointer(&mapped[0]))), false
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var from, to uint64
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); n == 2 {
			inside = from <= address && address < to
		}
		if inside {
			_, _ = fmt.Sscanf(lines.Text(), "Rss: %d kB", &resident)
			_, _ = fmt.Sscanf(lines.Text(), "AnonHugePages: %d kB", &huge)
		}
	}
	if resident == 0 {
		t.Fatal("the mapping is not told")
	}
	return resident, huge
}
