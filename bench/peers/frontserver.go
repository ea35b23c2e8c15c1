package main

import (
	"bufio"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// maxUnderWay is how many puts of one connection may be in raft at once.
	maxUnderWay = 1024
	// enqueueTimeout is how long a put may wait for room in raft's queue.
	enqueueTimeout = 5 * time.Second
	// socketBufferBytes holds hundreds of puts, so that a pipelined batch is one system call.
	socketBufferBytes = 64 << 10
)

// serveFront takes connections until the listener is closed.
func serveFront(l net.Listener, r *raft.Raft) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		underWay := make(chan put, maxUnderWay)
		go readPuts(conn, r, underWay)
		go answerPuts(conn, underWay)
	}
}

// put is a request that raft has taken.
type put struct {
	id     uint64
	future raft.ApplyFuture
}

// readPuts hands every request to raft as it comes. Raft itself batches what arrives together.
func readPuts(conn net.Conn, r *raft.Raft, underWay chan<- put) {
	defer close(underWay)
	in := bufio.NewReaderSize(conn, socketBufferBytes)
	for {
		id, command, err := readFrame(in)
		if err != nil {
			return
		}
		underWay <- put{id: id, future: r.Apply(command, enqueueTimeout)}
	}
}

// answerPuts waits for the puts in order, which is the order in which raft commits them, and writes the
// answers out when there is nothing more to wait for at the moment.
func answerPuts(conn net.Conn, underWay <-chan put) {
	defer conn.Close()
	out := bufio.NewWriterSize(conn, socketBufferBytes)
	for p := range underWay {
		problem := ""
		if err := p.future.Error(); err != nil {
			problem = err.Error()
		} else if err, failed := p.future.Response().(error); failed {
			problem = err.Error()
		}
		_, err := out.Write(appendReply(out.AvailableBuffer(), p.id, problem))
		if err == nil && len(underWay) == 0 {
			err = out.Flush()
		}
		if err != nil {
			_ = conn.Close() // ends readPuts; what is under way drains
		}
	}
}
