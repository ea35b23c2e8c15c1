package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopTimeout is how long a server has to end by itself when it is told to.
	stopTimeout = 3 * time.Second
	// stderrBytes is how much of the end of a server's stderr is kept, to show when it fails.
	stderrBytes = 4 << 10
)

// process is a server that may talk to us in lines over its standard input and output. None survives a load
// generator that was killed: the system ends them with it.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // closed when the process ended
	stderr tail
}

func startProcess(name, path string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(path, args...), lines: make(chan string, 16)}
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
		_ = p.cmd.Wait() // how it ended shows on stderr
	}()
	return p, nil
}

// say sends the process a line.
func (p *process) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(p.stdin, format+"\n", args...); err != nil {
		return fmt.Errorf("%s does not listen: %w; its last words: %s", p.name, err, &p.stderr)
	}
	return nil
}

// hear waits for a line that begins with the word, and returns the rest of it.
func (p *process) hear(ctx context.Context, word string) (string, error) {
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("%s ended before it said %q; its last words: %s", p.name, word, &p.stderr)
			}
			if first, rest, _ := strings.Cut(line, " "); first == word {
				return rest, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("wait for %s to say %q: %w", p.name, word, ctx.Err())
		}
	}
}

// stop ends the process, kindly at first.
func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	for range p.lines {
		continue
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	end []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	if len(t.end) > stderrBytes {
		t.end = bytes.Clone(t.end[len(t.end)-stderrBytes:])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.end) == 0 {
		return "none"
	}
	return strings.TrimSpace(string(t.end))
}
