package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
)

// startLonely starts a node of two groups of one replica each, in memory.
func startLonely(t *testing.T) *Node {
	t.Helper()
	top := shard.Topology{Cluster: 1, Map: shard.Map{Version: 1, Shards: 2}, Nodes: []shard.Node{{Name: "a", Host: "127.93.17.4", Port: 12800}}}
	top.Groups = shard.Place(top.Nodes, 2, 1)
	n, err := Start(context.Background(), Config{
		Topology: top, Name: "a", Disks: func(shard.Seat) replica.Disk { return &replica.MemoryDisk{} }, Admin: AdminConfig{Addr: "127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

func (n *Node) ask(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	n.admin.server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// One replica that hangs makes the node fail its health checks, within a bounded time, and hides no other.
func TestALoopThatHangs(t *testing.T) {
	n := startLonely(t)
	hangs, release := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- n.seats[0].loop.Do(context.Background(), func(*replica.Replica) { close(hangs); <-release })
	}()
	<-hangs
	defer func() {
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	for _, path := range []string{"/livez", "/readyz"} {
		w := n.ask(path)
		var h Health
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil || w.Code != http.StatusServiceUnavailable || h.OK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if len(h.Troubled) == 0 || h.Troubled[0].Group != 0 || !strings.Contains(h.Troubled[0].Why, "deadline") {
			t.Errorf("%s: %+v", path, h.Troubled)
		}
	}
	var s NodeStatus
	if w := n.ask("/status"); json.Unmarshal(w.Body.Bytes(), &s) != nil || s.Normal || s.Replicas[0].Error == "" || s.Replicas[1].Error != "" || s.Replicas[1].Incarnation != 1 {
		t.Errorf("%s", w.Body)
	}
	metrics := n.ask("/metrics").Body.String()
	if !strings.Contains(metrics, `anode_replica_up{group="0"} 0`) || !strings.Contains(metrics, `anode_replica_up{group="1"} 1`) || strings.Contains(metrics, `anode_view{group="0"}`) {
		t.Error(metrics)
	}
	if took := time.Since(began); took > 4*adminLookTime+5*time.Second {
		t.Errorf("four questions took %v", took)
	}
}

// Those who ask stand in nobody's way: beyond a number they are turned away at once.
func TestManyWhoAsk(t *testing.T) {
	n := startLonely(t)
	for range adminRequests {
		n.admin.room <- struct{}{}
	}
	if w := n.ask("/status"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "requests are being answered") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for range adminRequests {
		<-n.admin.room
	}
	if w := n.ask("/status"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
