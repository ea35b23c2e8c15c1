package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
)

// TestMain makes the test binary a raft node when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "raft-node" {
		main()
		return
	}
	os.Exit(m.Run())
}

func loadOf(name string, length time.Duration) load {
	return load{length: length, workload: workload.Config{Name: name, Keys: 100, ValueBytes: 100}}
}

// TestRaftSystem runs workloads on three real processes, on connections of each kind.
func TestRaftSystem(t *testing.T) {
	for _, conns := range []int{0, 2} {
		s := newRaftSystem(raftOptions{conns: conns, maxAppendEntries: 64})
		defer s.Stop()
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"put", "get", "rmw2", "retwis"} {
			l := loadOf(name, 200*time.Millisecond)
			if err := l.fill(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			r, err := l.run(t.Context(), s, 8)
			if err != nil {
				t.Fatal(err)
			}
			if r.OpsPerSecond < 40 || r.P50Micros <= 0 || r.P99Micros < r.P50Micros || r.CPUMicrosPerOp <= 0 || r.Missing > 0 {
				t.Fatalf("measured %+v", r)
			}
		}
		l := loadOf("ycsb-e", 100*time.Millisecond)
		if _, err := l.run(t.Context(), s, 1); !errors.Is(err, errNoScan) {
			t.Errorf("raft scans: %v", err)
		}
		countTogether(t, s)
	}
}

// TestAnodeSystem runs workloads on three processes of the product's own binary, across shards.
func TestAnodeSystem(t *testing.T) {
	s := newAnodeSystem(anodeOptions{shards: 2, port: 19000 + rand.IntN(10_000)})
	defer s.Stop()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"put", "get", "rmw2", "retwis", "ycsb-e"} {
		l := loadOf(name, 200*time.Millisecond)
		if err := l.fill(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r, err := l.run(t.Context(), s, 4)
		if err != nil {
			t.Fatal(err)
		}
		if r.OpsPerSecond < 20 || r.Missing > 0 || r.Workload != name {
			t.Errorf("measured %+v", r)
		}
	}
}

// TestAnodeSystemNotBesideAnother has a second cluster refuse to start on the ports of a first, whose answers would be taken for its own.
func TestAnodeSystemNotBesideAnother(t *testing.T) {
	o := anodeOptions{shards: 1, port: 19000 + rand.IntN(10_000)}
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: o.port + 2*anodeNodes - 1})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newAnodeSystem(o)
	defer s.Stop()
	if err := s.Start(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("started where a port was taken: %v", err)
	}
}

// countTogether has clients add to two counters in transactions, and looks whether all of it happened, and happened once.
func countTogether(t *testing.T, s system) {
	const clients, times = 4, 15
	keys := []string{"count/a", "count/b"}
	var wait sync.WaitGroup
	for range clients {
		c, err := s.Client(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		wait.Go(func() {
			r := c.(interface {
				call(context.Context, []byte) ([]byte, error)
			})
			for done := 0; done < times; {
				reply, err := r.call(t.Context(), readRequest(askLocal, keys))
				if err != nil {
					t.Error(err)
					return
				}
				answer := cursor{rest: reply[1:]}
				version := answer.uint64()
				value := answer.string()
				versions := []uint64{version, answer.uint64()}
				reply, err = r.call(t.Context(), writeRequest(keys, versions, keys, append(value, 'x')))
				if err != nil {
					t.Error(err)
					return
				}
				if reply[0] == statusDone {
					done++
				}
			}
		})
	}
	wait.Wait()
	c, err := s.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reply, err := c.(interface {
		call(context.Context, []byte) ([]byte, error)
	}).call(t.Context(), readRequest(askLinearizable, keys))
	if err != nil {
		t.Fatal(err)
	}
	answer := cursor{rest: reply[1:]}
	for _, key := range keys {
		answer.uint64()
		if n := len(answer.string()); n != clients*times {
			t.Errorf("%s counts %d", key, n)
		}
	}
}

// TestFollowerRefuses: a write that raft did not take is an error, and so are reads of each kind.
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
	l := loadOf("put", time.Minute)
	if err := l.fill(t.Context(), s); err == nil || !strings.Contains(err.Error(), "not the leader") {
		t.Fatalf("a follower took puts: %v", err)
	}
	c, err := dialFront(t.Context(), s.leader)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, ask := range []byte{askLocal, askLinearizable, 9} {
		if _, err := c.call(t.Context(), readRequest(ask, []string{"k"})); err == nil {
			t.Errorf("a follower answered a read of kind %d", ask)
		}
	}
}

func TestFrames(t *testing.T) {
	b := frame(7, readRequest(askLocal, []string{"key", ""}))
	b = append(b, frame(8, []byte("broken"))...)
	in := bufio.NewReader(bytes.NewReader(b))
	id, rest, err := readFrame(in)
	if err != nil || id != 7 {
		t.Fatal(id, err)
	}
	c := cursor{rest: rest}
	if ask, n, key, none := c.byte(), c.uint16(), c.string(), c.string(); ask != askLocal || n != 2 || string(key) != "key" || len(none) != 0 || c.end() != nil {
		t.Fatalf("%d %d %q %q %v", ask, n, key, none, c.end())
	}
	id, rest, err = readFrame(in)
	if err != nil || id != 8 || string(rest) != "broken" {
		t.Fatal(id, string(rest), err)
	}
	if _, _, err := readFrame(in); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	huge := bytes.Repeat([]byte{0xff}, 20)
	if _, _, err := readFrame(bufio.NewReader(bytes.NewReader(huge))); err == nil {
		t.Error("a frame of 4 GB was taken")
	}
}

// TestTable: a write is applied whole if all that it read is as it was, and otherwise not at all; what cannot be
// read changes nothing.
func TestTable(t *testing.T) {
	table, index := newTable(), uint64(0)
	apply := func(data []byte) any {
		index++
		return table.Apply(&raft.Log{Index: index, Type: raft.LogCommand, Data: data})
	}
	look := func(key string) (uint64, string) {
		b, err := table.read(readRequest(askLocal, []string{key}))
		if err != nil {
			t.Fatal(err)
		}
		c := cursor{rest: b[1:]}
		return c.uint64(), string(c.string())
	}
	one := []byte("1")
	if a := apply(writeRequest([]string{"x"}, []uint64{0}, []string{"x", "y"}, one)); a != nil {
		t.Error(a)
	}
	if a := apply(writeRequest([]string{"y", "x"}, []uint64{1, 0}, []string{"x", "z"}, []byte("2"))); a != errConflict {
		t.Error(a)
	}
	for key, want := range map[string]uint64{"x": 1, "y": 1, "z": 0} {
		if v, s := look(key); v != want || v == 1 && s != "1" {
			t.Errorf("%s: version %d, %q", key, v, s)
		}
	}
	good := writeRequest([]string{"x"}, []uint64{1}, []string{"x"}, []byte("3"))
	for n := range good {
		if a := apply(good[:n]); a == nil {
			t.Errorf("%d bytes of a write were applied", n)
		}
	}
	if a := apply(append(good, 0)); a == nil {
		t.Error("a write with a tail was applied")
	}
	if v, _ := look("x"); v != 1 {
		t.Errorf("version %d", v)
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
			key := string(rune('a' + i))
			if _, err := c.call(t.Context(), []byte(key)); err == nil || err.Error() != key {
				t.Errorf("put %s was answered %v", key, err)
			}
		})
	}
	wait.Wait()
	if _, err := c.call(t.Context(), []byte("last")); !errors.Is(err, errClosed) {
		t.Errorf("a put on a connection that ended: %v", err)
	}
}

// answerBackwards answers each request with an error that repeats it, the last one first, and closes.
func answerBackwards(l net.Listener, puts int) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var answers []byte
	for range puts {
		id, request, err := readFrame(in)
		if err != nil {
			return
		}
		answers = append(frame(id, failed(errors.New(string(request)))), answers...)
	}
	_, _ = conn.Write(answers)
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
	c := comparison{load: loadOf("put", 100*time.Millisecond), clients: []int{1}, pairs: 2}
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
func (s *sleeper) Do(context.Context, *workload.Op) runner.Outcome {
	time.Sleep(s.put)
	return runner.Outcome{}
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
