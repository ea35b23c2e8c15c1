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

// inside runs f in a namespace. The thread is given up: it could not be trusted to be back.
func inside(space string, f func() error) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		failed <- enter(space, f)
	}()
	return <-failed
}

func enter(space string, f func() error) error {
	file, err := os.Open(filepath.Join("/run/netns", space))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", space, err)
	}
	return f()
}

// web asks nodes over HTTP, from wherever this process is: a socket stays in the namespace in which it was made.
func (l *Lab) web() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			err = inside(namespace(l.state.Name, clientNamespace), func() (err error) {
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
	for i := range l.state.Nodes {
		if err := l.ask(ctx, i, http.MethodPost, "/offload", server.OffloadRequest{Offloads: offloads}, &server.OffloadReply{}); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) ask(ctx context.Context, i int, method, path string, question, answer any) error {
	b, err := json.Marshal(question)
	if err != nil {
		return err
	}
	n := l.state.Nodes[i]
	request, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s:%d%s", n.IP, adminPort, path), bytes.NewReader(b))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := l.web().Do(request)
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

// await waits until every node takes part and has settled how far it comes into the kernel.
func (l *Lab) await(ctx context.Context) error {
	for i, n := range l.state.Nodes {
		for {
			s, err := l.Status(ctx, i)
			if err == nil && s.Normal && (s.Offload.Settled || s.Offload.Rung != "") {
				break
			}
			if !n.Process.lives() {
				return fmt.Errorf("node %s has ended: %s", n.Name, l.lastWords(n.Name))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("node %s does not serve: %w (%v); its last words: %s", n.Name, ctx.Err(), err, l.lastWords(n.Name))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// lastWords is the end of a node's log.
func (l *Lab) lastWords(node string) string {
	b, _ := os.ReadFile(filepath.Join(l.Dir(), node+".log"))
	return string(bytes.TrimSpace(b[max(0, len(b)-2<<10):]))
}
