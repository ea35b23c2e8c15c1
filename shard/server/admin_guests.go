package server

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// adminConnections are open at a time. Beyond them the oldest of those goes that is not being answered just now:
// whoever opens many and says little, or a byte now and then, makes room for those who ask.
const adminConnections = 128

// guests are the connections of the admin endpoint.
type guests struct {
	mu   sync.Mutex
	open []*guest // in the order in which they came
}

type guest struct {
	conn    net.Conn
	serving bool
}

type guestKey struct{}

// arrive is the server's ConnContext.
func (g *guests) arrive(ctx context.Context, c net.Conn) context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.open) >= adminConnections {
		if i := slices.IndexFunc(g.open, func(o *guest) bool { return !o.serving }); i >= 0 {
			_ = g.open[i].conn.Close()
			g.open = slices.Delete(g.open, i, i+1)
		}
	}
	o := &guest{conn: c}
	g.open = append(g.open, o)
	return context.WithValue(ctx, guestKey{}, o)
}

// change is the server's ConnState.
func (g *guests) change(c net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = slices.DeleteFunc(g.open, func(o *guest) bool { return o.conn == c })
}

// attend marks a connection while it is being answered.
func (g *guests) attend(next http.Handler) http.Handler {
	mark := func(r *http.Request, serving bool) {
		if o, ok := r.Context().Value(guestKey{}).(*guest); ok {
			g.mu.Lock()
			defer g.mu.Unlock()
			o.serving = serving
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mark(r, true)
		defer mark(r, false)
		next.ServeHTTP(w, r)
	})
}

func (g *guests) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}
