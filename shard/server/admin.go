package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// DefaultAdmin is where the admin endpoint of a node listens that runs by itself on its machine.
const DefaultAdmin = "127.0.0.1:7070"

// What the admin endpoint spends on those who ask: they may be slow, or many, and the node has other work.
const (
	// adminReadTime is for a whole request, adminHeaderTime for its head: both fit into a packet or two.
	adminHeaderTime = 5 * time.Second
	adminReadTime   = 10 * time.Second
	// adminAnswerTime bounds an answer, adminProfileTime one that measures before it speaks.
	adminAnswerTime  = 10 * time.Second
	adminProfileTime = 2 * time.Minute
	// adminIdleTime is longer than the usual interval between two scrapes.
	adminIdleTime = 2 * time.Minute
	// adminLookTime is how long a replica may take to say how it is. It answers between two turns, which take
	// microseconds, or as long as the disk takes to keep a promise.
	adminLookTime = 2 * time.Second
	// adminStopTime is what answers under way are given when the node stops: they are short.
	adminStopTime = time.Second
	// adminHeaderBytes and adminBodyBytes are far more than any request takes.
	adminHeaderBytes = 16 << 10
	adminBodyBytes   = 4 << 10
	// adminRequests are served at a time; more would only stand in each other's way.
	adminRequests = 16
)

// AdminConfig is the endpoint through which operators see and decide. Whoever reaches it needs no key, so it
// belongs on loopback, or behind something that asks who is there.
type AdminConfig struct {
	// Addr is the TCP address, as host:port; empty means that there is no endpoint. Nodes of one host need
	// different ones.
	Addr string
	// Pprof adds Go's profiles under /debug/pprof/. They slow the node down while they measure.
	Pprof bool
}

// admin serves operators over HTTP.
type admin struct {
	node     *Node
	listener net.Listener
	server   *http.Server
	opened   chan struct{}
	room     chan struct{} // holds one for each request that is being served
	guests   guests
}

// openAdmin takes the endpoint's address, before any replica has begun a life that would be over if another
// node had it. Nobody is answered before [admin.open].
func (n *Node) openAdmin(ctx, run context.Context) error {
	if n.cfg.Admin.Addr == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", n.cfg.Admin.Addr)
	if err != nil {
		return fmt.Errorf("admin endpoint: %w: choose another address for it, each node of a host has its own", err)
	}
	a := &admin{node: n, listener: listener, opened: make(chan struct{}), room: make(chan struct{}, adminRequests)}
	if !a.local() {
		n.cfg.Log.Warn("the admin endpoint is open to other machines: whoever reaches it can look into this node, "+
			"and can give up a group that has lost its memory", "admin", listener.Addr())
	}
	a.server = &http.Server{
		Handler: a.guests.attend(a.handler()), BaseContext: func(net.Listener) context.Context { return run },
		ConnContext: a.guests.arrive, ConnState: a.guests.change,
		ReadHeaderTimeout: adminHeaderTime, ReadTimeout: adminReadTime, WriteTimeout: adminProfileTime, IdleTimeout: adminIdleTime,
		MaxHeaderBytes: adminHeaderBytes, ErrorLog: slog.NewLogLogger(n.cfg.Log.Handler(), slog.LevelWarn),
	}
	n.cfg.Log.Info("the admin endpoint listens", "admin", listener.Addr())
	n.admin = a
	n.wg.Go(func() { a.run(run) })
	return nil
}

// local reports whether only this machine can reach the endpoint.
func (a *admin) local() bool {
	addr, err := netip.ParseAddrPort(a.listener.Addr().String())
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// open lets those in who ask; the node has all its replicas now.
func (a *admin) open() {
	if a != nil {
		close(a.opened)
	}
}

// run serves until the node stops. Nothing of it is left when it returns.
func (a *admin) run(run context.Context) {
	select {
	case <-a.opened:
	case <-run.Done():
		_ = a.listener.Close()
		return
	}
	var closing sync.WaitGroup
	closing.Go(func() { <-run.Done(); a.close() })
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		a.node.cfg.Log.Error("the admin endpoint has closed", "error", err)
	}
	closing.Wait()
	for range cap(a.room) {
		a.room <- struct{}{} // whoever is still being answered finds the connection closed, and leaves
	}
}

func (a *admin) close() {
	ctx, cancel := context.WithTimeout(context.Background(), adminStopTime)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close()
	}
}

// AdminAddr is where the admin endpoint listens; it is empty if there is none.
func (n *Node) AdminAddr() string {
	if n.admin == nil {
		return ""
	}
	return n.admin.listener.Addr().String()
}
