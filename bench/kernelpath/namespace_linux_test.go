package kernelpath

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/bpf"
)

// TestMain runs the tests once more, in a process whose network is nothing but a loopback: what they attach and what
// they send, nobody else sees.
func TestMain(m *testing.M) {
	if err := possible(); err != nil {
		fmt.Fprintln(os.Stderr, "the kernel path cannot be tested here:", err)
		if os.Getenv("ANODE_BPF_REQUIRED") == "1" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	inside, code, err := lab.Isolate()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if inside {
		code = m.Run()
		forgetBinary()
	}
	os.Exit(code)
}

// possible tells what this machine lacks.
func possible() error {
	if os.Getuid() != 0 {
		return errors.New("it takes root")
	}
	return bpf.Probe()
}
