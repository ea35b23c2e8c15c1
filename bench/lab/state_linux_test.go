package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const headless = "ANODE_LAB_TEST_HEADLESS"

// A process whose first thread ends, and whose others do not.
func init() {
	if os.Getenv(headless) == "" {
		return
	}
	go func() {
		time.Sleep(time.Minute)
		os.Exit(1)
	}()
	_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0) // of this thread alone: init runs on the first
}

// Nodes that are killed lose their threads one after the other: as long as one is left their ports are taken.
func TestAProcessLivesAsLongAsAnyOfItsThreads(t *testing.T) {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), headless+"=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || time.Now().After(until) {
			t.Fatalf("its first thread does not end: %v", err)
		}
		if strings.Contains(string(b), ") Z ") {
			break
		}
	}
	p, err := observe(pid)
	if err != nil || !p.lives() {
		t.Errorf("%v: it is thought dead", err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); p.lives(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it was killed, and is thought to live")
		}
	}
	_ = c.Wait() // it was killed
}
