package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// stopTime is what processes of a lab that is taken away have to end by themselves.
	stopTime = 3 * time.Second
	// endTime is what a node has to end, and whatever was killed to be gone. On a machine with more work than processors it takes
	// seconds, and longer where a control group leaves a process little of them.
	endTime = 20 * time.Second
)

// Down takes a lab away, whole or as much of it as there is: processes, their control groups, namespaces with all that is in them, files.
// [ErrNone] says that there was nothing.
func Down(ctx context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	spaces, err := namespaces(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dirOf(name)); err != nil && len(spaces) == 0 {
		return fmt.Errorf("%w: %s", ErrNone, name)
	}
	if err := stop(ctx, processes(ctx, name, spaces)); err != nil {
		return err
	}
	failed := []error{dropGroups(name)}
	for _, space := range spaces {
		if own(space) { // it lives on, and is to have no wire that leads nowhere
			_ = ip(ctx, space, "link del eth0\n") // there may be none yet
		}
		failed = append(failed, ip(ctx, "", "netns del "+space+"\n"))
	}
	return errors.Join(append(failed, os.RemoveAll(dirOf(name)))...)
}

// processes are those that the lab has written down and, since it may have been killed before it could, those that
// live in its namespaces. Whoever calls this is not among them, nor those that it has started beside it.
func processes(ctx context.Context, name string, spaces []string) (all []Process) {
	if s, err := readState(name); err == nil { // a file that cannot be read is no reason to leave the rest
		for _, n := range s.Nodes {
			if n.Process != nil && n.Process.lives() {
				all = append(all, *n.Process)
			}
		}
	}
	for _, space := range spaces {
		if own(space) {
			continue
		}
		out, _ := exec.CommandContext(ctx, "ip", "netns", "pids", space).Output() // it says nothing of what is gone
		for field := range strings.FieldsSeq(string(out)) {
			pid, err := strconv.Atoi(field)
			if err != nil || pid == os.Getpid() {
				continue
			}
			if p, err := observe(pid); err == nil {
				all = append(all, *p)
			}
		}
	}
	return all
}

func stop(ctx context.Context, all []Process) error {
	limits := map[syscall.Signal]time.Duration{syscall.SIGTERM: stopTime, syscall.SIGKILL: endTime}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for _, p := range all {
			if p.lives() {
				_ = syscall.Kill(p.PID, signal) // it may have ended by now
				_ = syscall.Kill(p.PID, syscall.SIGCONT)
			}
		}
		if gone(ctx, all, limits[signal]) {
			return nil
		}
	}
	return fmt.Errorf("some of the lab's processes do not end: %v", all)
}

// gone waits until none of them lives.
func gone(ctx context.Context, all []Process, limit time.Duration) bool {
	for until := time.Now().Add(limit); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		left := false
		for _, p := range all {
			left = left || p.lives()
		}
		if !left {
			return true
		}
	}
	return false
}

// Sweep takes the labs away whose owners have died without doing so.
func Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(runDir)
	if os.IsNotExist(err) {
		return nil
	}
	for _, e := range entries {
		s, broken := readState(e.Name())
		if broken == nil && s.Owner != nil && !s.Owner.lives() {
			err = errors.Join(err, Down(ctx, s.Config.Name))
		}
	}
	return err
}
