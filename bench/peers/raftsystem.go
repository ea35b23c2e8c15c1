package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	raftNodes = 3
	// raftStartTimeout covers three processes and an election, whose timeout is a second.
	raftStartTimeout = 20 * time.Second
)

type raftOptions struct {
	conns            int // shared by all clients; 0 gives each its own
	maxAppendEntries int
	verifyEach       bool // one round of the leader for each read, and not for all that wait
}

// raftSystem is hashicorp/raft with its in-memory store in three processes of this program.
type raftSystem struct {
	raftOptions
	nodes  []*process
	leader string // address of the leader's front end

	shared []*frontConn
	taken  int
}

func newRaftSystem(o raftOptions) *raftSystem { return &raftSystem{raftOptions: o} }

func (s *raftSystem) Name() string { return "raft" }

func (s *raftSystem) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, raftStartTimeout)
	defer cancel()
	fronts, err := s.startNodes(ctx)
	if err != nil {
		return err
	}
	leader, err := s.awaitLeader(ctx)
	if err != nil {
		return err
	}
	s.leader = fronts[leader]
	for range s.conns {
		c, err := dialFront(ctx, s.leader)
		if err != nil {
			return err
		}
		s.shared = append(s.shared, c)
	}
	return nil
}

// startNodes starts the processes, tells them of each other, and returns the addresses of their front ends.
func (s *raftSystem) startNodes(ctx context.Context) (fronts []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	for i := range raftNodes {
		p, err := startProcess("raft node "+strconv.Itoa(i), self,
			"raft-node", "--max-append-entries", strconv.Itoa(s.maxAppendEntries), "--verify-each="+strconv.FormatBool(s.verifyEach))
		if err != nil {
			return nil, err
		}
		s.nodes = append(s.nodes, p)
	}
	peers := make([]string, raftNodes)
	fronts = make([]string, raftNodes)
	for i, p := range s.nodes {
		if peers[i], err = p.hear(ctx, "raft"); err != nil {
			return nil, err
		}
		if fronts[i], err = p.hear(ctx, "front"); err != nil {
			return nil, err
		}
	}
	for _, p := range s.nodes {
		if err := p.say("peers %s", strings.Join(peers, " ")); err != nil {
			return nil, err
		}
	}
	return fronts, nil
}

// awaitLeader returns which node is the first to say that it leads.
func (s *raftSystem) awaitLeader(ctx context.Context) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type word struct {
		node int
		err  error
	}
	words := make(chan word, len(s.nodes))
	for i, p := range s.nodes {
		go func() {
			_, err := p.hear(ctx, "leader")
			words <- word{i, err}
		}()
	}
	w := <-words
	if w.err != nil {
		return 0, fmt.Errorf("elect a leader: %w", w.err)
	}
	return w.node, nil
}

func (s *raftSystem) Client(ctx context.Context) (client, error) {
	if s.conns == 0 {
		c, err := dialFront(ctx, s.leader)
		return raftClient{c}, err
	}
	s.taken++
	return sharedConn{raftClient{s.shared[s.taken%s.conns]}}, nil
}

func (s *raftSystem) Stop() {
	for _, c := range s.shared {
		_ = c.Close()
	}
	for _, p := range s.nodes {
		p.stop()
	}
}

// sharedConn is a client whose connection outlives it.
type sharedConn struct{ raftClient }

func (sharedConn) Close() error { return nil }
