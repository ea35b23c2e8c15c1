package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	// ErrPrivileges says that this process may not make network namespaces.
	ErrPrivileges = errors.New("a lab takes root")
	// ErrExists says that there is a lab of that name already.
	ErrExists = errors.New("there is a lab of this name")
	// ErrNone says that there is no lab of that name.
	ErrNone = errors.New("there is no lab of this name")
	// ErrTool says that a program is missing on this machine.
	ErrTool = errors.New("a program is missing")
	// ErrRuns says that a node's process must have ended first.
	ErrRuns = errors.New("the node runs")
	// ErrStopped says that a node's process has ended.
	ErrStopped = errors.New("the node does not run")
	// ErrConfig says what is wrong with a [Config].
	ErrConfig = errors.New("no such lab can be made")
)

const (
	// runDir is in memory and empty after a boot, as the namespaces are.
	runDir = "/run/anode-lab"
	// prefix begins the names of all namespaces.
	prefix = "anode-lab-"
)

// Process is one that a lab has started. The number alone may be another's by now.
type Process struct {
	PID int `json:"pid"`
	// Start is when it was started, in ticks since boot.
	Start uint64 `json:"start"`
}

// Node is one server.
type Node struct {
	Name    string   `json:"name"`
	IP      string   `json:"ip"`
	Process *Process `json:"process,omitempty"`
}

// state is what is known of a lab, in its file.
type state struct {
	Config Config `json:"config"`
	Nodes  []Node `json:"nodes"`
	// Owner is the process without which the lab is to be no more, if there is one.
	Owner *Process `json:"owner,omitempty"`
}

// goodName has no dash, so that no lab's name begins with another's and a dash; and leaves room for an interface's.
var goodName = regexp.MustCompile(`^[a-z0-9]{1,20}$`)

func checkName(name string) error {
	if !goodName.MatchString(name) {
		return fmt.Errorf("%w: name %q: choose up to 20 small letters and digits", ErrConfig, name)
	}
	return nil
}

func dirOf(name string) string { return filepath.Join(runDir, name) }

func (s *state) file() string { return filepath.Join(dirOf(s.Config.Name), "state.json") }

// save replaces the file in one step: who is killed meanwhile leaves the one before.
func (s *state) save() error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file()+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.file()+".new", s.file())
}

func readState(name string) (*state, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	s := &state{Config: Config{Name: name}}
	b, err := os.ReadFile(s.file())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNone, name)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	return s, nil
}

// observe finds out when a process was started.
func observe(pid int) (*Process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The name of the program stands in parentheses and may hold anything.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	const startField = 19 // the 22nd of all
	if len(fields) <= startField {
		return nil, fmt.Errorf("/proc/%d/stat has too few fields", pid)
	}
	start, err := strconv.ParseUint(fields[startField], 10, 64)
	return &Process{PID: pid, Start: start}, err
}

// lives reports whether there is one, and it is still the same.
func (p *Process) lives() bool {
	if p == nil {
		return false
	}
	now, err := observe(p.PID)
	return err == nil && *now == *p && !zombie(p.PID)
}

// zombie reports whether a process has ended and only its parent does not know. The first of its threads may end before
// others that still hold its sockets.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil && !strings.HasPrefix(string(b[strings.LastIndexByte(string(b), ')')+1:]), " Z") {
		return false
	}
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // there is none of what is gone
	return len(threads) <= 1
}
