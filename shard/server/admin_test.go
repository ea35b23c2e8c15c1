package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

// operator asks the admin endpoint of one node.
type operator struct {
	tb   testing.TB
	base string
	http http.Client
}

// startWithAdmin starts a node with an admin endpoint at a port that the system chooses.
func (c *cluster) startWithAdmin(name string, change ...func(*server.Config)) *operator {
	c.tb.Helper()
	cfg := c.config(name)
	cfg.Admin.Addr = "127.0.0.1:0"
	for _, fn := range change {
		fn(&cfg)
	}
	n, err := server.Start(context.Background(), cfg)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.nodes[name] = n
	o := &operator{tb: c.tb, base: "http://" + n.AdminAddr(), http: http.Client{Transport: &http.Transport{}}}
	c.tb.Cleanup(o.http.CloseIdleConnections)
	return o
}

// do sends a request and returns all of the answer.
func (o *operator) do(method, path, body string, header ...string) (code int, answer string, h http.Header) {
	o.tb.Helper()
	r, err := http.NewRequestWithContext(within(o.tb, patience), method, o.base+path, strings.NewReader(body))
	if err != nil {
		o.tb.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := o.http.Do(r)
	if err != nil {
		o.tb.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		o.tb.Fatal(err)
	}
	return a.StatusCode, string(b), a.Header
}

// read decodes the answer to a GET into v, strictly: what is told is what the types say.
func (o *operator) read(path string, v any) (code int) {
	o.tb.Helper()
	code, answer, h := o.do(http.MethodGet, path, "")
	d := json.NewDecoder(strings.NewReader(answer))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || strings.Count(answer, "\n") != 1 || h.Get("Content-Type") != "application/json" {
		o.tb.Fatalf("%s: %v, %q", path, err, answer)
	}
	return code
}

func TestStatusTellsAll(t *testing.T) {
	top := layOut(3, 2, 3)
	c := newCluster(t, top, bothKeys)
	operators := map[string]*operator{}
	for _, n := range top.Nodes {
		operators[n.Name] = c.startWithAdmin(n.Name)
	}
	db := c.open()
	if err := db.Put(within(t, patience), keyIn(top, 1, "k"), []byte("value")); err != nil {
		t.Fatal(err)
	}
	leader := c.leader(1)
	var s server.NodeStatus
	if code := operators[leader].read("/status", &s); code != http.StatusOK {
		t.Fatal(code)
	}
	if s.Node != leader || s.Cluster != top.Cluster || !s.Normal || len(s.Replicas) != 2 {
		t.Fatalf("%+v", s)
	}
	r := s.Replicas[1]
	if r.Group != 1 || r.Error != "" || r.Status != "normal" || !r.Leads || !r.Serving || r.Lost || r.Incarnation != 1 || r.Epoch != 0 {
		t.Errorf("%+v", r)
	}
	if r.Log.Last == 0 || r.Log.Chosen != r.Log.Last || r.Log.Applied != r.Log.Last || r.Log.Bytes == 0 {
		t.Errorf("log %+v", r.Log)
	}
	if r.Store.Keys != 1 || r.Store.LiveBytes == 0 || r.Transactions.Sessions != 1 || r.Frames.In == 0 || r.Frames.Out == 0 || r.Frames.Promises == 0 {
		t.Errorf("%+v %+v %+v", r.Store, r.Transactions, r.Frames)
	}
	if s.Replicas[0].Store.Keys != 0 {
		t.Errorf("the other group has %+v", s.Replicas[0].Store)
	}
}

// What a replica holds has a hash, which all replicas of a group that have applied the same op agree on.
func TestStatusTellsTheHashOfTheState(t *testing.T) {
	top := layOut(3, 1, 3)
	c := newCluster(t, top, bothKeys)
	var operators []*operator
	for _, n := range top.Nodes {
		operators = append(operators, c.startWithAdmin(n.Name))
	}
	db := c.open()
	seen := map[string]bool{}
	for _, value := range []string{"one", "two"} {
		if err := db.Put(within(t, patience), "k", []byte(value)); err != nil {
			t.Fatal(err)
		}
		var all []server.ReplicaStatus
		for even := false; !even; {
			all, even = nil, true
			for _, o := range operators {
				var s server.NodeStatus
				o.read("/status", &s)
				all = append(all, s.Replicas[0])
				even = even && s.Replicas[0].Log.Applied == all[0].Log.Applied
			}
		}
		if all[0].Hash != all[1].Hash || all[0].Hash != all[2].Hash {
			t.Errorf("at op %d the replicas have %s, %s, %s", all[0].Log.Applied, all[0].Hash, all[1].Hash, all[2].Hash)
		}
		seen[all[0].Hash] = true
	}
	if len(seen) != 2 || seen[""] || seen["0000000000000000"] {
		t.Errorf("two states have the hashes %v", seen)
	}
}

// A node alone is alive and not ready. It is ready when its groups have formed.
func TestLiveAndReady(t *testing.T) {
	top := layOut(3, 2, 3)
	c := newCluster(t, top, bothKeys)
	first := c.startWithAdmin(top.Nodes[0].Name)
	var h server.Health
	if code := first.read("/livez", &h); code != http.StatusOK || !h.OK || len(h.Troubled) != 0 {
		t.Errorf("alone: live %d %+v", code, h)
	}
	if code := first.read("/readyz", &h); code != http.StatusServiceUnavailable || h.OK || len(h.Troubled) != 2 || h.Troubled[1].Group != 1 || h.Troubled[1].Why != "forming" {
		t.Errorf("alone: ready %d %+v", code, h)
	}
	for _, n := range top.Nodes[1:] {
		c.start(n.Name)
	}
	c.recovered(top.Nodes[0].Name)
	h = server.Health{}
	if code := first.read("/readyz", &h); code != http.StatusOK || !h.OK || len(h.Troubled) != 0 {
		t.Errorf("together: ready %d %+v", code, h)
	}
}

func TestMetricsOfANode(t *testing.T) {
	top := layOut(1, 2, 1)
	c := newCluster(t, top, bothKeys)
	o := c.startWithAdmin("n0")
	c.leader(1)
	s := newSocket(t, bothKeys)
	stray := wire.Frame{Header: wire.Header{Kind: wire.KindRead, Cluster: wire.ClusterID(top.Cluster) + 1, Group: 1}}
	s.send(endpoint(t, top, shard.Seat{Group: 1}), stray, bothKeys.Client)
	c.eventually("the stray frame is counted", func() bool { return c.status("n0", 1).Counters.WrongCluster == 1 })
	code, text, h := o.do(http.MethodGet, "/metrics", "")
	if code != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %v", code, h)
	}
	for _, want := range []string{
		`anode_replica_up{group="1"} 1`, `anode_replica_status{group="1",status="normal"} 1`, `anode_replica_status{group="1",status="recovering"} 0`,
		`anode_replica_serving{group="0"} 1`, `anode_offload_log_room{group="0"} 0`, `anode_offload_fence_seconds_total{group="0"} 0`, `anode_group_lost{group="0"} 0`, `anode_incarnation{group="1"} 1`,
		`anode_frames_rejected_total{group="1",reason="wrong_cluster"} 1`, `anode_transactions_settled_total{group="0",outcome="aborted"} 0`,
		`anode_requests_refused_total{group="0",reason="wrong_shard"} 0`, `anode_transport_system_calls_total{call="wait",group="1"}`,
		`anode_request_duration_seconds_bucket{group="0",kind="submit",le="1.6e-05"} 0`, `anode_request_duration_seconds_count{group="0",kind="read"} 0`,
		"# TYPE anode_request_duration_seconds histogram", "# TYPE anode_frames_received_total counter", "# TYPE anode_log_bytes gauge", "go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(text, want+"\n") && !strings.Contains(text, want+" ") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// Everything that is asked wrongly is told so in JSON, and changes nothing.
func TestWrongRequests(t *testing.T) {
	top := layOut(3, 2, 1) // group 0 on n0, group 1 on n1
	c := newCluster(t, top, bothKeys)
	o := c.startWithAdmin("n0")
	c.leader(0)
	const asJSON = "application/json"
	decision := `{"group":0,"accept_data_loss":true}`
	for name, q := range map[string]struct {
		method, path, body string
		header             []string
		code               int
		want               string
	}{
		"no such path":      {method: "GET", path: "/stats", code: 404, want: `there is no \"/stats\": there are /livez, /metrics, /offload, /readyz, /recover, /status`},
		"no profiles":       {method: "GET", path: "/debug/pprof/heap", code: 404, want: "there is no"},
		"a post of status":  {method: "POST", path: "/status", code: 405, want: "POST is not for /status: use GET, HEAD"},
		"a read decision":   {method: "GET", path: "/recover", code: 405, want: "use POST"},
		"a form":            {"POST", "/recover", "group=0", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "send application/json"},
		"a page":            {"POST", "/recover", decision, []string{"Content-Type", asJSON, "Origin", "http://evil.example"}, 403, "not decided in a browser"},
		"a rebound page":    {"POST", "/recover", decision, []string{"Content-Type", asJSON, "Sec-Fetch-Site", "same-origin"}, 403, "not decided in a browser"},
		"nothing":           {"POST", "/recover", "", []string{"Content-Type", asJSON}, 400, `expected {\"group\":N,\"accept_data_loss\":true}`},
		"no group":          {"POST", "/recover", `{"accept_data_loss":true}`, []string{"Content-Type", asJSON}, 400, "expected"},
		"a negative group":  {"POST", "/recover", `{"group":-1,"accept_data_loss":true}`, []string{"Content-Type", asJSON}, 400, "expected"},
		"a misspelt key":    {"POST", "/recover", `{"group":0,"accept_loss":true}`, []string{"Content-Type", asJSON}, 400, "expected"},
		"two decisions":     {"POST", "/recover", decision + decision, []string{"Content-Type", asJSON}, 400, "expected"},
		"a long decision":   {"POST", "/recover", strings.Repeat(" ", 5000) + decision, []string{"Content-Type", asJSON}, 413, "too large"},
		"a half decision":   {"POST", "/recover", `{"group":0}`, []string{"Content-Type", asJSON}, 400, "gives up every key"},
		"a needless one":    {"POST", "/recover", decision, []string{"Content-Type", asJSON}, 409, "not known to have lost its memory"},
		"another's":         {"POST", "/recover", `{"group":1,"accept_data_loss":true}`, []string{"Content-Type", asJSON + "; charset=utf-8"}, 404, "ask n1"},
		"of no such group":  {"POST", "/recover", `{"group":2,"accept_data_loss":true}`, []string{"Content-Type", asJSON}, 404, "the groups 0 to 1"},
		"of a great number": {"POST", "/recover", `{"group":4294967295,"accept_data_loss":true}`, []string{"Content-Type", asJSON}, 404, "the groups 0 to 1"},
	} {
		code, answer, h := o.do(q.method, q.path, q.body, q.header...)
		var e server.AdminError
		if err := json.Unmarshal([]byte(answer), &e); err != nil || e.Error == "" || !strings.Contains(answer, q.want) || code != q.code {
			t.Errorf("%s: %d %s (%v), want %d with %q", name, code, answer, err, q.code, q.want)
		}
		if code == http.StatusMethodNotAllowed && h.Get("Allow") == "" {
			t.Errorf("%s: the answer does not tell what is allowed", name)
		}
	}
	if s := c.status("n0", 0); s.Epoch != 0 || !s.Normal() {
		t.Errorf("after all that: %+v", s.State)
	}
}

// The kernel path is switched by what is named: on --only names all that is on, off --only what is switched off. Whether
// this machine has one does not matter to what is wanted of it.
func TestOffloadsAreSwitchedByName(t *testing.T) {
	c := newCluster(t, layOut(1, 2, 1), bothKeys)
	o := c.startWithAdmin("n0", func(cfg *server.Config) { cfg.Offload = server.OffloadAuto })
	c.nodes["n0"].AwaitOffload(within(t, patience)) // what is just being loaded cannot be stopped
	for _, step := range []struct {
		body string
		want [2]string // of group 0 and group 1
	}{
		{`{"offloads":"ack","off":true}`, [2]string{"broadcast,quorum", "broadcast,quorum"}},
		{`{"group":1,"offloads":"quorum","off":true}`, [2]string{"broadcast,quorum", "broadcast"}},
		{`{"group":0,"offloads":"ack"}`, [2]string{"ack", "broadcast"}},
		{`{"offloads":"all","off":true}`, [2]string{"none", "none"}},
		{`{"offloads":"all"}`, [2]string{"all", "all"}},
		{`{"offloads":"none","off":true}`, [2]string{"all", "all"}},
	} {
		code, text, _ := o.do(http.MethodPost, "/offload", step.body, "Content-Type", "application/json")
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", step.body, code, text)
		}
		for g, want := range step.want {
			if got := c.status("n0", shard.ID(g)).Offload.Wish.String(); got != want {
				t.Errorf("after %s group %d wants %s, not %s", step.body, g, got, want)
			}
		}
	}
}

func TestProfilesAreThereWhenAskedFor(t *testing.T) {
	c := newCluster(t, layOut(1, 1, 1), bothKeys)
	o := c.startWithAdmin("n0", func(cfg *server.Config) { cfg.Admin.Pprof = true })
	if code, text, _ := o.do(http.MethodGet, "/debug/pprof/goroutine?debug=1", ""); code != http.StatusOK || !strings.Contains(text, "replica.(*Loop).Run") {
		t.Errorf("%d %.200s", code, text)
	}
}

// Nobody keeps a node from stopping: not who measures for a minute, not who never says what they want.
func TestStopDoesNotWaitForOperators(t *testing.T) {
	c := newCluster(t, layOut(1, 1, 1), bothKeys)
	o := c.startWithAdmin("n0", func(cfg *server.Config) { cfg.Admin.Pprof = true })
	addr := strings.TrimPrefix(o.base, "http://")
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	c.eventually("the trace has begun", func() bool {
		_, text, _ := o.do(http.MethodGet, "/debug/pprof/goroutine?debug=1", "")
		return strings.Contains(text, "pprof.Trace")
	})
	began := time.Now()
	c.stop("n0")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	c.startWithAdmin("n0", func(cfg *server.Config) { cfg.Admin.Addr = addr }) // the port is free again
}

// The second node on a host learns at once that it needs an admin address of its own, and has begun no life.
func TestAdminAddressIsTaken(t *testing.T) {
	top := layOut(3, 1, 3)
	c := newCluster(t, top, bothKeys)
	o := c.startWithAdmin("n0")
	cfg := c.config("n1")
	cfg.Admin.Addr = strings.TrimPrefix(o.base, "http://")
	refused(t, "a second node", cfg, syscall.EADDRINUSE, cfg.Admin.Addr, "admin endpoint", "each node of a host has its own")
	c.start("n1")
	if s := c.status("n1", 0); s.Incarnation != 1 {
		t.Errorf("incarnation %d in its first life", s.Incarnation)
	}
	cfg = c.config("n2")
	cfg.Admin.Addr = "nonsense"
	refused(t, "no address", cfg, nil, "nonsense")
}

func TestAnOpenEndpointIsLoud(t *testing.T) {
	for addr, loud := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		c := newCluster(t, layOut(1, 1, 1), bothKeys)
		var log bytes.Buffer
		c.startWithAdmin("n0", func(cfg *server.Config) {
			cfg.Admin.Addr, cfg.Log = addr, slog.New(slog.NewTextHandler(&log, nil))
		})
		c.stop("n0")
		if warned := strings.Contains(log.String(), "admin endpoint is open to other machines"); warned != loud {
			t.Errorf("%s: warned %v\n%s", addr, warned, &log)
		}
	}
}
