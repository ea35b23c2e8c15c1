package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// Connections that trickle, however many, keep nobody from an answer, and are not kept.
func TestTricklersAtTheAdminEndpoint(t *testing.T) {
	n := startLonely(t)
	var crowd []net.Conn
	t.Cleanup(func() {
		for _, c := range crowd {
			c.Close()
		}
	})
	for i := range 3 * adminConnections {
		c, err := net.Dial("tcp", n.AdminAddr())
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
		if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil && i < adminConnections {
			t.Fatal(err)
		}
		if i%16 == 0 {
			livez(t, n.AdminAddr())
		}
		for _, c := range crowd[max(0, len(crowd)-8):] {
			_, _ = c.Write([]byte("z")) // some of them are gone already
		}
	}
	if open := n.admin.guests.count(); open > adminConnections {
		t.Errorf("%d connections are open", open)
	}
	for i, c := range crowd[:adminConnections] {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if b, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d, the oldest, is still there: %d bytes, %v", i, b, err)
		}
	}
}

// livez asks on a connection of its own.
func livez(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
}

// A connection that is being answered is not the one that goes.
func TestWhoIsAnsweredStays(t *testing.T) {
	g := &guests{}
	ctx := context.Background()
	first, peer := net.Pipe()
	defer peer.Close()
	r := (&http.Request{}).WithContext(g.arrive(ctx, first))
	g.attend(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		var others []net.Conn
		for range 2 * adminConnections {
			c, other := net.Pipe()
			others = append(others, other)
			g.arrive(ctx, c)
		}
		if g.count() != adminConnections || g.open[0].conn != first || !g.open[0].serving {
			t.Errorf("%d are open, the first of them %+v", g.count(), g.open[0])
		}
		for _, c := range others {
			c.Close()
		}
	})).ServeHTTP(nil, r)
	if g.open[0].serving {
		t.Error("answered, and still held")
	}
	g.change(first, http.StateClosed)
	if g.count() != adminConnections-1 {
		t.Errorf("%d are open", g.count())
	}
}
