package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func (l *Lab) program() string { return filepath.Join(l.Dir(), "anode") }

func (l *Lab) logFile(node string) string { return filepath.Join(l.Dir(), node+".log") }

// LogFile is what a node has said, over all its lives.
func (l *Lab) LogFile(i int) string { return l.logFile(l.state.Nodes[i].Name) }

// DataDir is where a node keeps its promises.
func (l *Lab) DataDir(i int) string { return l.dataDir(l.state.Nodes[i].Name) }

func (l *Lab) dataDir(node string) string {
	if l.state.Config.DataDir != "" {
		return filepath.Join(l.state.Config.DataDir, node)
	}
	return filepath.Join(l.Dir(), node)
}

// copyProgram keeps the program for as long as nodes may be started.
func (l *Lab) copyProgram() (err error) {
	from, err := os.Open(l.state.Config.Program)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(l.program(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

func (l *Lab) writeConfig(i int) error {
	n, cfg := &l.state.Nodes[i], &l.state.Config
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: 1\nnode: %s\nadmin: %s:%d\ndata-dir: %s\nkey-file: %s\nshards: %d\nreplicas: %d\noffload: %v\nbatch-commands: %d\n",
		n.Name, n.IP, adminPort, l.dataDir(n.Name), filepath.Join(l.Dir(), "keys"), cfg.Shards, cfg.Replicas, cfg.Offload, cfg.BatchCommands)
	for _, key := range slices.Sorted(maps.Keys(cfg.Settings)) {
		fmt.Fprintf(&b, "%s: %s\n", key, cfg.Settings[key])
	}
	fmt.Fprintln(&b, "nodes:")
	for _, other := range l.state.Nodes {
		fmt.Fprintf(&b, "  - {name: %s, host: %s, port: %d}\n", other.Name, other.IP, port)
	}
	return os.WriteFile(l.configFile(n.Name), []byte(b.String()), 0o600)
}

func (l *Lab) configFile(node string) string { return filepath.Join(l.Dir(), node+".yaml") }

// Start starts a node's process, for the first time or again; its log goes on. [ErrRuns] says that it has one.
// [Lab.AwaitNode] waits until it takes part.
func (l *Lab) Start(i int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, cfg := &l.state.Nodes[i], &l.state.Config
	if n.Process.lives() {
		return fmt.Errorf("%w: %s", ErrRuns, n.Name)
	}
	log, err := os.OpenFile(l.logFile(n.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// ip replaces itself by the program: the process is the node.
	args := []string{"netns", "exec", cfg.space(n.Name), l.program(), "serve", "--config", l.configFile(n.Name)}
	cmd := exec.Command("ip", append(args, cfg.Flags...)...)
	cmd.Env = append(plainEnviron(), cfg.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what stops the shell's job does not stop it
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start node %s: %w", n.Name, err), log.Close())
	}
	n.Process, err = observe(cmd.Process.Pid)
	go func() { // nobody else would learn that it has ended, and how
		_ = cmd.Wait()
		fmt.Fprintf(log, "the laboratory: process %d has ended: %v\n", cmd.Process.Pid, cmd.ProcessState)
		_ = log.Close() // it was written to as well as it could be
	}()
	if err != nil {
		return fmt.Errorf("node %s has ended at once: %w", n.Name, err)
	}
	return l.state.save()
}

// Signal sends a node's process a signal. [ErrStopped] says that it has none.
func (l *Lab) Signal(i int, signal syscall.Signal) error {
	n := l.Nodes()[i]
	if !n.Process.lives() {
		return fmt.Errorf("%w: %s", ErrStopped, n.Name)
	}
	return syscall.Kill(n.Process.PID, signal)
}

// Kill ends a node without a warning, and returns when nothing of the process is left.
func (l *Lab) Kill(ctx context.Context, i int) error { return l.end(ctx, i, syscall.SIGKILL) }

// Stop has a node end by itself. It fails if that takes more than 20 s.
func (l *Lab) Stop(ctx context.Context, i int) error { return l.end(ctx, i, syscall.SIGTERM) }

func (l *Lab) end(ctx context.Context, i int, signal syscall.Signal) error {
	n := l.Nodes()[i]
	if err := l.Signal(i, signal); err != nil {
		return err
	}
	if !gone(ctx, []Process{*n.Process}, endTime) {
		return fmt.Errorf("%w: %s, after %v", ErrRuns, n.Name, signal)
	}
	return nil
}

// Pause stops a node's process where it stands: what the kernel does for it goes on. Resume lets it run on.
func (l *Lab) Pause(i int) error { return l.Signal(i, syscall.SIGSTOP) }

// Resume undoes Pause.
func (l *Lab) Resume(i int) error { return l.Signal(i, syscall.SIGCONT) }

// Runs reports whether a node has a process, be it paused.
func (l *Lab) Runs(i int) bool { return l.Nodes()[i].Process.lives() }

// Wipe takes all away that is on a node's disk. [ErrRuns] says that it is still in use.
func (l *Lab) Wipe(i int) error {
	n := l.Nodes()[i]
	if n.Process.lives() {
		return fmt.Errorf("%w: %s", ErrRuns, n.Name)
	}
	entries, err := os.ReadDir(l.dataDir(n.Name)) // the directory itself may be a disk
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(l.dataDir(n.Name), e.Name())))
	}
	return err
}
