package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"
)

// route is one thing that the admin endpoint does.
type route struct {
	path    string
	method  string
	within  time.Duration
	handler http.Handler
}

func (a *admin) routes() []route {
	all := []route{
		{"/status", http.MethodGet, adminAnswerTime, inJSON(a.status)},
		{"/livez", http.MethodGet, adminAnswerTime, inJSON(a.livez)},
		{"/readyz", http.MethodGet, adminAnswerTime, inJSON(a.readyz)},
		{"/metrics", http.MethodGet, adminAnswerTime, a.metrics()},
		{"/offload", http.MethodPost, adminAnswerTime, inJSON(a.switchOffloads)},
		{"/recover", http.MethodPost, adminAnswerTime, inJSON(a.decide)},
	}
	if a.node.cfg.Admin.Pprof {
		for path, h := range map[string]http.HandlerFunc{
			"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
			"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
		} {
			all = append(all, route{path, http.MethodGet, adminProfileTime, h})
		}
	}
	return all
}

// handler answers all that come, a bounded number of them at a time.
func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	var paths []string
	for _, r := range a.routes() {
		mux.Handle(r.path, r.guarded())
		paths = append(paths, r.path)
	}
	slices.Sort(paths)
	mux.Handle("/", inJSON(func(r *http.Request) (int, any) {
		return http.StatusNotFound, complain("there is no %.100q: there are %s", r.URL.Path, strings.Join(paths, ", "))
	}))
	busy := inJSON(func(*http.Request) (int, any) {
		return http.StatusServiceUnavailable, complain("%d requests are being answered: ask again", cap(a.room))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case a.room <- struct{}{}:
			defer func() { <-a.room }()
			mux.ServeHTTP(w, r)
		default:
			busy(w, r)
		}
	})
}

// guarded lets requests of the route's method in, and gives them the route's time. Who may read may also ask
// whether there is something to read.
func (r route) guarded() http.Handler {
	allowed := r.method
	if r.method == http.MethodGet {
		allowed += ", " + http.MethodHead
	}
	refuse := inJSON(func(q *http.Request) (int, any) {
		return http.StatusMethodNotAllowed, complain("%.20s is not for %s: use %s", q.Method, r.path, allowed)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !slices.Contains(strings.Split(allowed, ", "), q.Method) {
			w.Header().Set("Allow", allowed)
			refuse(w, q)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(r.within)) // the server's own stays otherwise
		ctx, cancel := context.WithTimeout(q.Context(), r.within)
		defer cancel()
		q.Body = http.MaxBytesReader(w, q.Body, adminBodyBytes)
		r.handler.ServeHTTP(w, q.WithContext(ctx))
	})
}

// inJSON sends an answer as one line.
func inJSON(answer func(*http.Request) (code int, body any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, body := answer(r)
		line, err := json.Marshal(body)
		if err != nil {
			panic(fmt.Sprintf("server: an answer of ours is no JSON: %v", err))
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(code)
		_, _ = w.Write(append(line, '\n')) // who has gone misses nothing
	}
}

// AdminError is the answer to what cannot be done.
type AdminError struct {
	Error string `json:"error"`
}

func complain(format string, args ...any) AdminError { return AdminError{fmt.Sprintf(format, args...)} }
