package kernelpath

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/anodekv/anode/bpf"
)

// inside says that this process lives in a namespace of its own.
const inside = "ANODE_KERNELPATH_INSIDE"

// TestMain runs the tests once more, in a process whose network is nothing but a loopback: what they attach and what
// they send, nobody else sees.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	if err := possible(); err != nil {
		fmt.Fprintln(os.Stderr, "the kernel path cannot be tested here:", err)
		if os.Getenv("ANODE_BPF_REQUIRED") == "1" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	// #nosec: the command is this test binary.
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "a network namespace:", err)
		os.Exit(1)
	}
}

// possible tells what this machine lacks.
func possible() error {
	if os.Getuid() != 0 {
		return errors.New("it takes root")
	}
	return bpf.Probe()
}
