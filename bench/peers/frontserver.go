package main

import (
	"bufio"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// maxUnderWay is how many requests of one connection may be in raft at once.
	maxUnderWay = 1024
	// enqueueTimeout is how long a write may wait for room in raft's queue.
	enqueueTimeout = 5 * time.Second
	// socketBufferBytes holds hundreds of requests, so that a pipelined batch is one system call.
	socketBufferBytes = 64 << 10
)

// front serves clients of one raft node.
type front struct {
	raft  *raft.Raft
	table *table
	// asked holds linearizable reads. All that have come by the time are made sure of by one round of raft's leader: it
	// would be unfair to have it do one for each.
	asked chan pendingRead
	// verifyEach: one round for each read all the same, as who uses the library without more ado would have it.
	verifyEach bool
	// ready: this node leads, and has applied what the leaders before it had answered.
	ready atomic.Bool
}

type pendingRead struct {
	request []byte
	answer  chan<- []byte
}

func newFront(r *raft.Raft, t *table, verifyEach bool) *front {
	return &front{raft: r, table: t, asked: make(chan pendingRead, maxUnderWay), verifyEach: verifyEach}
}

// lead follows the changes of leadership, and tells of each one that is won. A barrier makes sure that what leaders
// before had applied is applied here. What this one answers is applied here already, so that from then on
// a read needs no more than that it still leads.
func (f *front) lead(won func()) {
	for leads := range f.raft.LeaderCh() {
		f.ready.Store(leads && f.raft.Barrier(enqueueTimeout).Error() == nil)
		if f.ready.Load() {
			won()
		}
	}
}

// serve takes connections until the listener is closed.
func (f *front) serve(l net.Listener) error {
	go f.confirmReads()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		underWay := make(chan pending, maxUnderWay)
		go f.take(conn, underWay)
		go answerAll(conn, underWay)
	}
}

// confirmReads answers linearizable reads, all that wait at once.
func (f *front) confirmReads() {
	for first := range f.asked {
		reads := []pendingRead{first}
		for range len(f.asked) {
			reads = append(reads, <-f.asked)
		}
		f.confirm(reads...)
	}
}

// confirm answers reads after it has made sure, once for all of them, that this node leads.
func (f *front) confirm(reads ...pendingRead) {
	err := f.raft.VerifyLeader().Error()
	if err == nil && !f.ready.Load() {
		err = raft.ErrNotLeader
	}
	for _, r := range reads {
		if err != nil {
			r.answer <- failed(err)
		} else {
			r.answer <- f.look(r.request)
		}
	}
}

func (f *front) look(request []byte) []byte {
	b, err := f.table.read(request)
	if err != nil {
		return failed(err)
	}
	return b
}

func failed(err error) []byte { return append([]byte{statusFailed}, err.Error()...) }

// pending is a request that waits for its answer: of raft, or else on a channel.
type pending struct {
	id     uint64
	future raft.ApplyFuture
	answer <-chan []byte
}

func (p *pending) wait() []byte {
	if p.future == nil {
		return <-p.answer
	}
	err := p.future.Error()
	if err == nil {
		err, _ = p.future.Response().(error)
	}
	switch {
	case err == nil:
		return []byte{statusDone}
	case errors.Is(err, errConflict):
		return []byte{statusConflict}
	}
	return failed(err)
}

// take hands every request on as it comes. Raft itself batches what arrives together.
func (f *front) take(conn net.Conn, underWay chan<- pending) {
	defer close(underWay)
	in := bufio.NewReaderSize(conn, socketBufferBytes)
	for {
		id, request, err := readFrame(in)
		if err != nil || len(request) == 0 {
			return
		}
		p := pending{id: id}
		answer := make(chan []byte, 1)
		switch request[0] {
		case askWrite:
			p.future = f.raft.Apply(request, enqueueTimeout)
		case askLinearizable:
			if r := (pendingRead{request, answer}); f.verifyEach {
				go f.confirm(r)
			} else {
				f.asked <- r
			}
		case askLocal:
			if f.ready.Load() {
				answer <- f.look(request)
			} else {
				answer <- failed(raft.ErrNotLeader)
			}
		default:
			answer <- failed(errFrame)
		}
		p.answer = answer
		underWay <- p
	}
}

// answerAll waits for the answers in order, and writes them out when there is nothing more to wait for at the moment.
func answerAll(conn net.Conn, underWay <-chan pending) {
	defer conn.Close()
	out := bufio.NewWriterSize(conn, socketBufferBytes)
	for p := range underWay {
		_, err := out.Write(frame(p.id, p.wait()))
		if err == nil && len(underWay) == 0 {
			err = out.Flush()
		}
		if err != nil {
			_ = conn.Close() // ends take; what is under way drains
		}
	}
}
