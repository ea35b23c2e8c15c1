package main

import (
	"strings"
	"testing"

	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/server"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1049: "1.0 kB", 9949: "9.9 kB", 9951: "10 kB", 999_499: "999 kB",
		999_500: "1.0 MB", 24 << 20: "25 MB", 3_700_000_000: "3.7 GB", 1<<63 - 1: "9.2 EB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// The table stands in the order of the groups, whatever node was asked first; what a lost group needs is said once.
func TestTable(t *testing.T) {
	replica := func(group shard.ID, r server.ReplicaStatus) server.ReplicaStatus {
		r.Group = group
		return r
	}
	lost := server.ReplicaStatus{Status: "recovering", Lost: true, Leads: true, Decide: "anode recover --group 1"}
	nodes := []server.NodeStatus{
		{Node: "b", Replicas: []server.ReplicaStatus{replica(1, lost), replica(2, server.ReplicaStatus{Error: "stopped"})}},
		{Node: "a", Replicas: []server.ReplicaStatus{
			replica(0, server.ReplicaStatus{Status: "normal", Leads: true, Serving: true, Log: server.LogStatus{Applied: 7, Last: 9}}),
			replica(1, lost),
			replica(2, server.ReplicaStatus{Status: "normal", Disagrees: []string{"b"}}),
			replica(3, server.ReplicaStatus{Status: "forming", Disagrees: []string{"b", "c"}}),
		}},
	}
	var out strings.Builder
	if err := printStatus(&out, nodes, "text"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		"GROUP NODE STATUS ROLE EPOCH VIEW APPLIED BEHIND LOG KEYS DATA SESSIONS DOUBTS",
		"0 a normal leader 0 0 7 2 0 B 0 0 B 0 0",
		"1 b lost - 0 0 0 0 0 B 0 0 B 0 0",
		"1 a lost - 0 0 0 0 0 B 0 0 B 0 0",
		"2 b no answer: stopped",
		"2 a normal follower 0 0 0 0 0 B 0 0 B 0 0",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d:\n got %s\nwant %s", i, got, want)
		}
	}
	for _, other := range []string{"a and b", "a and c"} {
		if strings.Count(out.String(), "the files of the nodes "+other+" disagree") != 1 {
			t.Error(out.String())
		}
	}
	if strings.Count(out.String(), "group 1 has lost its memory") != 1 || strings.Count(out.String(), "anode recover --group 1") != 1 {
		t.Error(out.String())
	}
}
