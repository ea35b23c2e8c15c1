package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// isolated says that this process lives in a network namespace that was made for it, and names the one before.
const isolated = "ANODE_LAB_ISOLATED"

// Isolate runs this program once more in a network namespace of its own, which has nothing but a loopback that is down,
// and returns its exit code. In there it returns at once that it is inside. It is to be called before anything else: all
// threads of the process are in there, so that it can be a lab's clients, see [Config.Here].
func Isolate() (inside bool, code int, err error) {
	if os.Getenv(isolated) != "" {
		return true, 0, nil
	}
	outside, err := network()
	if err != nil {
		return false, 1, err
	}
	// #nosec: the command is this program.
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), isolated+"="+outside)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := c.Start(); err != nil {
		return false, 1, fmt.Errorf("a network namespace: %w", err)
	}
	go func() {
		for s := range signals {
			_ = c.Process.Signal(s) // it knows how to end
		}
	}()
	err = c.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return false, max(1, exit.ExitCode()), nil
	}
	return false, 0, err
}

// network names this process's network namespace.
func network() (string, error) {
	return os.Readlink("/proc/self/ns/net")
}

// alone says why this process's network namespace cannot be that of a lab's clients.
func alone() error {
	now, err := network()
	if before := os.Getenv(isolated); err == nil && (before == "" || before == now) {
		return errors.New("this process's network is not its own")
	}
	return err
}
