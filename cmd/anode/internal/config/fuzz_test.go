package config

import (
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// Whatever a file holds, it is refused or gives a node that has a place in a cluster of bounded size. The key file is left
// out, for its name may be any file of the machine.
func FuzzLoad(f *testing.F) {
	f.Add(good)
	f.Add(good + "lease: 800ms\nclock-drift: 0.05%\nwindow: 8\nadmin: off\noffload: on\n")
	f.Add("cluster: 1\nnode: a\ndata-dir: d\nnodes: [{name: a, host: h, port: 1}]\ngroups: [[a]]\n")
	f.Add("cluster: 18446744073709551615\nshards: 4294967295\nreplicas: -1\nnodes: 7\n")
	f.Add("cluster: &c 1\nshards: *c\n<<: {node: a}\n? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, content string) {
		path := write(t, "anode.yaml", content)
		c, err := Load(path, map[string]string{"key-file": ""})
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error says nothing")
			}
			return
		}
		if n := len(c.Topology.Groups); n == 0 || n > 1<<16 || c.Topology.Cluster == 0 || c.Timing.Election <= c.Timing.Heartbeat {
			t.Fatalf("accepted: %+v", c)
		}
		if seats := len(c.Topology.Seats(c.Name)); seats > len(c.Topology.Groups) {
			t.Fatalf("%q has %d seats in %+v", c.Name, seats, c.Topology)
		}
	})
}

// Whatever a key file holds, it is refused without a key that counts, or its keys are those of different roles.
func FuzzReadKeys(f *testing.F) {
	f.Add(goodKeys)
	f.Add("client: " + clientHex)
	f.Add(goodKeys + "client-also: " + replicaHex + "\n")
	f.Add("replica:\x00\n: \nclient : zz")
	f.Fuzz(func(t *testing.T, content string) {
		keys, err := ReadKeys(write(t, "keys", content))
		if err != nil {
			if keys != (wire.Keys{}) {
				t.Fatalf("refused, and keys are there: %v", err)
			}
			return
		}
		if keys.Client.Zero() || keys.Client == keys.Replica {
			t.Fatal("a client could speak as a replica, or not at all")
		}
	})
}
