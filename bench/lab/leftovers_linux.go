package lab

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// KernelObject is a program, a map or a link that a process holds. Its number is never given to another.
type KernelObject struct {
	Sort   string // of prog, map and link
	Number uint32
}

// freeTime is what the kernel takes to free what nobody holds any more.
const freeTime = 3 * time.Second

// KernelObjects are those that a node's process holds now; none without a process.
func (l *Lab) KernelObjects(i int) ([]KernelObject, error) {
	p := l.Nodes()[i].Process
	if !p.lives() {
		return nil, nil
	}
	return HeldBy(p.PID)
}

// HeldBy is what a process has in the kernel now.
func HeldBy(pid int) ([]KernelObject, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return nil, err
	}
	found := map[KernelObject]bool{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue // it has been closed meanwhile
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ":")
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			if sort, ok := strings.CutSuffix(field, "_id"); ok && err == nil && slices.Contains([]string{"prog", "map", "link"}, sort) {
				found[KernelObject{sort, uint32(n)}] = true
			}
		}
		_ = f.Close() // it was read
	}
	return slices.Collect(maps.Keys(found)), nil
}

// Leftovers are those of the objects that there are still, after the kernel has had its time to free them.
func Leftovers(objects []KernelObject) (left []KernelObject, err error) {
	for until := time.Now().Add(freeTime); ; time.Sleep(20 * time.Millisecond) {
		left, err = present(objects)
		if len(left) == 0 || err != nil || time.Now().After(until) {
			return left, err
		}
		objects = left
	}
}

func present(objects []KernelObject) (left []KernelObject, err error) {
	for _, o := range objects {
		switch there, e := o.present(); {
		case e != nil:
			err = errors.Join(err, fmt.Errorf("%s %d: %w", o.Sort, o.Number, e))
		case there:
			left = append(left, o)
		}
	}
	return left, err
}

func (o KernelObject) present() (bool, error) {
	var held interface{ Close() error }
	var err error
	switch o.Sort {
	case "prog":
		held, err = ebpf.NewProgramFromID(ebpf.ProgramID(o.Number))
	case "map":
		held, err = ebpf.NewMapFromID(ebpf.MapID(o.Number))
	default:
		held, err = link.NewFromID(link.ID(o.Number))
	}
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, held.Close()
}
