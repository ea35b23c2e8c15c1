package runner

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// cpuTimes is what all CPUs of the machine did since boot.
type cpuTimes struct {
	busy, steal, all time.Duration
}

func (t cpuTimes) minus(u cpuTimes) cpuTimes {
	return cpuTimes{busy: t.busy - u.busy, steal: t.steal - u.steal, all: t.all - u.all}
}

func readCPU() (cpuTimes, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTimes{}, fmt.Errorf("read the machine's busy time: %w", err)
	}
	return parseCPU(string(stat))
}

// The fields of the line "cpu" of /proc/stat. Guest time, which follows, is part of user time already.
const (
	fieldIdle   = 3
	fieldIOWait = 4
	fieldSteal  = 7
	cpuFields   = 8
)

func parseCPU(stat string) (t cpuTimes, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 1+cpuFields || fields[0] != "cpu" {
		return t, fmt.Errorf("parse /proc/stat: %q is not the line of all CPUs", line)
	}
	for i, field := range fields[1 : 1+cpuFields] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return t, fmt.Errorf("parse /proc/stat: %w", err)
		}
		spent := time.Duration(n) * tick
		t.all += spent
		switch i {
		case fieldIdle, fieldIOWait:
		case fieldSteal:
			t.steal += spent
		default:
			t.busy += spent
		}
	}
	return t, nil
}
