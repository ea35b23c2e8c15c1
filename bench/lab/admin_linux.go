package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anodekv/anode/shard/server"
)

// inside runs f in a namespace, in a thread that is given up: it could not be trusted to be back.
func inside(space string, f func() error) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The first thread never ends, and the system takes its namespace for the process's. It is held until another
			// one has done it.
			failed <- inside(space, f)
			runtime.UnlockOSThread()
			return
		}
		failed <- enter(space, f)
	}()
	return <-failed
}

func enter(space string, f func() error) error {
	file, err := os.Open(filepath.Join(netnsDir, space))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", space, err)
	}
	return f()
}

// web asks a node over HTTP, from wherever this process is: a socket stays in the namespace in which it was made. It is
// the node's own, so that what is done to the network between nodes does not matter.
func (l *Lab) web(node string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			err = inside(l.state.Config.space(node), func() (err error) {
				conn, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return conn, err
		}}}
}

// Status is what a node says of itself.
func (l *Lab) Status(ctx context.Context, i int) (*server.NodeStatus, error) {
	s := &server.NodeStatus{}
	return s, l.ask(ctx, i, http.MethodGet, "/status", nil, s)
}

// SetOffloads switches the kernel path of all nodes: all, none, or some of ack, broadcast and quorum with commas between.
func (l *Lab) SetOffloads(ctx context.Context, offloads string) error {
	for i := range l.Nodes() {
		if err := l.SetOffload(ctx, i, offloads); err != nil {
			return err
		}
	}
	return nil
}

// SetOffload switches that of one node.
func (l *Lab) SetOffload(ctx context.Context, i int, offloads string) error {
	return l.ask(ctx, i, http.MethodPost, "/offload", server.OffloadRequest{Offloads: offloads}, &server.OffloadReply{})
}

func (l *Lab) ask(ctx context.Context, i int, method, path string, question, answer any) error {
	b, err := json.Marshal(question)
	if err != nil {
		return err
	}
	n := l.Nodes()[i]
	request, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s:%d%s", n.IP, adminPort, path), bytes.NewReader(b))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := l.web(n.Name).Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(reply.Body, 1<<10))
		return fmt.Errorf("node %s, %s: %s: %s", n.Name, path, reply.Status, bytes.TrimSpace(why))
	}
	return json.NewDecoder(reply.Body).Decode(answer)
}

// Await waits until every node takes part and has settled how far it comes into the kernel.
func (l *Lab) Await(ctx context.Context) error {
	for i := range l.Nodes() {
		if err := l.AwaitNode(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// AwaitNode waits for one.
func (l *Lab) AwaitNode(ctx context.Context, i int) error {
	for {
		s, err := l.Status(ctx, i)
		if err == nil && s.Normal && (s.Offload.Settled || s.Offload.Rung != "") {
			return nil
		}
		n := l.Nodes()[i]
		if !n.Process.lives() {
			return fmt.Errorf("%w: %s has ended: %s", ErrStopped, n.Name, l.lastWords(n.Name))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s does not serve: %w (%v); its last words: %s", n.Name, ctx.Err(), err, l.lastWords(n.Name))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastWords is the end of a node's log.
func (l *Lab) lastWords(node string) string {
	b, _ := os.ReadFile(l.logFile(node))
	return string(bytes.TrimSpace(b[max(0, len(b)-2<<10):]))
}
