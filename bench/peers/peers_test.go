package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain makes the test binary a raft node when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "raft-node" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRaftSystem puts through three real processes, on connections of each kind.
func TestRaftSystem(t *testing.T) {
	for _, conns := range []int{0, 2} {
		s := newRaftSystem(raftOptions{conns: conns, maxAppendEntries: 64})
		defer s.Stop()
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := load{length: 300 * time.Millisecond, keys: 100, valueBytes: 100}
		r, err := l.run(t.Context(), s, 8)
		if err != nil {
			t.Fatal(err)
		}
		if r.Ops < 8 || r.OpsPerSecond <= 0 || r.P50Micros <= 0 || r.P99Micros < r.P50Micros || r.CPUMicrosPerOp <= 0 {
			t.Fatalf("measured %+v", r)
		}
	}
}

// TestFollowerRefuses: a put that raft did not take is an error, and ends the run.
func TestFollowerRefuses(t *testing.T) {
	s := newRaftSystem(raftOptions{maxAppendEntries: 64})
	defer s.Stop()
	fronts, err := s.startNodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leader, err := s.awaitLeader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.leader = fronts[(leader+1)%raftNodes]
	l := load{length: time.Minute, keys: 1}
	if _, err := l.run(t.Context(), s, 2); err == nil || !strings.Contains(err.Error(), "not the leader") {
		t.Fatalf("a follower took puts: %v", err)
	}
}

func TestFrames(t *testing.T) {
	b := appendRequest(nil, 7, []byte("key"), []byte("value"))
	b = appendReply(b, 8, "broken")
	in := bufio.NewReader(bytes.NewReader(b))
	id, rest, err := readFrame(in)
	if err != nil || id != 7 {
		t.Fatal(id, err)
	}
	key, value, err := parseCommand(rest)
	if err != nil || string(key) != "key" || string(value) != "value" {
		t.Fatalf("%q %q %v", key, value, err)
	}
	id, rest, err = readFrame(in)
	if err != nil || id != 8 || string(rest) != "broken" {
		t.Fatal(id, string(rest), err)
	}
	if _, _, err := readFrame(in); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "\x01", "\x05\x00key"} {
		if _, _, err := parseCommand([]byte(bad)); err == nil {
			t.Errorf("command %q was taken", bad)
		}
	}
	huge := bytes.Repeat([]byte{0xff}, 20)
	if _, _, err := readFrame(bufio.NewReader(bytes.NewReader(huge))); err == nil {
		t.Error("a frame of 4 GB was taken")
	}
}

// TestFrontConn pairs answers with requests by id, in whatever order they come, and tells all that wait
// when the connection ends.
func TestFrontConn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const puts = 10
	go answerBackwards(l, puts)
	c, err := dialFront(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wait sync.WaitGroup
	for i := range puts {
		wait.Go(func() {
			key := []byte{byte('a' + i)}
			if err := c.Put(t.Context(), key, nil); err == nil || err.Error() != string(key) {
				t.Errorf("put %s was answered %v", key, err)
			}
		})
	}
	wait.Wait()
	if err := c.Put(t.Context(), []byte("last"), nil); !errors.Is(err, errClosed) {
		t.Errorf("a put on a connection that ended: %v", err)
	}
}

// answerBackwards answers each put with an error that is its key, the last one first, and closes.
func answerBackwards(l net.Listener, puts int) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var answers []byte
	for range puts {
		id, command, err := readFrame(in)
		if err != nil {
			return
		}
		key, _, _ := parseCommand(command)
		answers = append(appendReply(nil, id, string(key)), answers...)
	}
	_, _ = conn.Write(answers)
}

func TestParseCPU(t *testing.T) {
	got, err := parseCPU("cpu  100 10 50 800 20 5 15 30 7 0\ncpu0 1 1 1 1 1 1 1 1\n")
	want := cpuTimes{busy: 1800 * time.Millisecond, steal: 300 * time.Millisecond, all: 10300 * time.Millisecond}
	if err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseCPU(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{9, 1, 2}); m != 2 {
		t.Error(m)
	}
	if m := median([]float64{4, 1, 2, 9}); m != 3 {
		t.Error(m)
	}
}

// TestCompare alternates two systems and takes ratios within pairs.
func TestCompare(t *testing.T) {
	c := comparison{load: load{length: 100 * time.Millisecond, keys: 10}, clients: []int{1}, pairs: 2}
	fast, slow := &sleeper{"fast", time.Millisecond}, &sleeper{"slow", 4 * time.Millisecond}
	var out strings.Builder
	if err := c.run(t.Context(), &out, slow, fast); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 {
		t.Fatalf("got\n%s", &out)
	}
	for i, name := range []string{"slow", "fast", "fast", "slow", "fast over slow, 1 clients, medians of 2 pairs"} {
		if !strings.HasPrefix(lines[i], name) {
			t.Errorf("line %d does not begin with %q:\n%s", i+1, name, &out)
		}
	}
	if _, err := pick(systems(options{}), "etcd"); err == nil || !strings.Contains(err.Error(), "choose one of raft") {
		t.Error(err)
	}
}

// sleeper is a system whose puts take a known time.
type sleeper struct {
	name string
	put  time.Duration
}

func (s *sleeper) Name() string                           { return s.name }
func (s *sleeper) Start(context.Context) error            { return nil }
func (s *sleeper) Stop()                                  {}
func (s *sleeper) Client(context.Context) (client, error) { return s, nil }
func (s *sleeper) Close() error                           { return nil }
func (s *sleeper) Put(ctx context.Context, _, _ []byte) error {
	sleep(ctx, s.put)
	return nil
}

// TestProcessLastWords: a server that fails to start says why.
func TestProcessLastWords(t *testing.T) {
	p, err := startProcess("failing", "/bin/sh", "-c", "echo ready 1; echo no luck >&2; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if rest, err := p.hear(t.Context(), "ready"); err != nil || rest != "1" {
		t.Fatal(rest, err)
	}
	if _, err := p.hear(t.Context(), "leader"); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Fatalf("it ended with %v", err)
	}
}
