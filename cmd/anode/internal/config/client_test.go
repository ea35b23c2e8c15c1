package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Flags go before the environment, that before the file, that before the defaults.
func TestClientLayers(t *testing.T) {
	c, err := LoadClient("", nil)
	if err != nil || !slices.Equal(c.Servers, []string{DefaultServer}) || c.Timeout != DefaultTimeout || c.Key != nil {
		t.Fatalf("%+v, %v", c, err)
	}
	file := write(t, "client.yaml", "servers: [a:1, b:2]\ntimeout: 1s\nkey-file: "+write(t, "keys", "client: "+clientHex)+"\n")
	c, err = LoadClient(file, nil)
	if err != nil || !slices.Equal(c.Servers, []string{"a:1", "b:2"}) || c.Timeout != time.Second || len(c.Key) != 16 || c.Key[0] != 0xff {
		t.Fatalf("%+v, %v", c, err)
	}
	t.Setenv("ANODE_SERVERS", "c:3, d:4,")
	t.Setenv("ANODE_TIMEOUT", "2s")
	c, err = LoadClient(file, nil)
	if err != nil || !slices.Equal(c.Servers, []string{"c:3", "d:4"}) || c.Timeout != 2*time.Second {
		t.Fatalf("%+v, %v", c, err)
	}
	c, err = LoadClient(file, map[string]string{"servers": "e:5", "timeout": "3s"})
	if err != nil || !slices.Equal(c.Servers, []string{"e:5"}) || c.Timeout != 3*time.Second {
		t.Fatalf("%+v, %v", c, err)
	}
}

// A node's own file tells where the cluster is.
func TestClientReadsANodesFile(t *testing.T) {
	c, err := LoadClient(write(t, "anode.yaml", good), nil)
	if err != nil || !slices.Equal(c.Servers, []string{"10.0.0.1:7000", "10.0.0.2:7000", "10.0.0.3:7000"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestClientMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		file  string
		flags map[string]string
		want  string
	}{
		"no port":       {"", map[string]string{"servers": "localhost"}, `server "localhost": write host:port, as in 127.0.0.1:7000`},
		"no host":       {"", map[string]string{"servers": ":7000"}, `server ":7000": write host:port`},
		"an address":    {"", map[string]string{"servers": "http://h:1"}, `server "http://h:1": write host:port`},
		"no time":       {"", map[string]string{"timeout": "soon"}, "'timeout' is soon: write a number and a unit"},
		"no time left":  {"", map[string]string{"timeout": "0s"}, "timeout is 0s: choose between 1ms and 24h"},
		"no keys":       {"", map[string]string{"key-file": "/no/such/keys"}, "key file: open /no/such/keys"},
		"misspelt":      {"server: [a:1]\n", nil, `unknown key "server": do you mean "servers"?`},
		"file and flag": {"timeuot: 1s\n", map[string]string{"servers": "x"}, `unknown key "timeuot": do you mean "timeout"?`},
	} {
		path := ""
		if c.file != "" {
			path = write(t, "client.yaml", c.file)
		}
		if _, err := LoadClient(path, c.flags); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := LoadClient("/no/such/file", nil); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Error(err)
	}
}

// A flag of a node goes before its variable and its file.
func TestFlagsOfANode(t *testing.T) {
	t.Setenv("ANODE_NODE", "b")
	c, err := Load(write(t, "anode.yaml", good), map[string]string{"node": "c", "data-dir": "/flag"})
	if err != nil || c.Name != "c" || c.DataDir != "/flag" {
		t.Errorf("%+v, %v", c, err)
	}
}

// Unknown keys, values that cannot be read and values that make no sense are told together, and nothing twice.
func TestEveryKindOfMistakeAtOnce(t *testing.T) {
	_, err := load(t, good+"heartbeat: soon\nwindwo: 4\nreplicas: 4\nlease: never\n")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`unknown key "windwo": do you mean "window"?`, "'heartbeat' is soon", "'lease' is never", "replicas is 4: choose an odd number"} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is not told once in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "heartbeat is 0s") || strings.Contains(err.Error(), "\n  lease is") {
		t.Errorf("what cannot be read is told twice:\n%v", err)
	}
}
