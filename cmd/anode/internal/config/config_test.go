package config

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/server"
)

const (
	replicaHex = "00112233445566778899aabbccddeeff"
	clientHex  = "ffeeddccbbaa99887766554433221100"
	goodKeys   = "# keys of the cluster\nreplica: " + replicaHex + "\n\nclient: " + clientHex + "\n"
	good       = `cluster: 1
node: a
data-dir: /var/lib/anode
shards: 4
nodes:
  - {name: a, host: 10.0.0.1, port: 7000}
  - {name: b, host: 10.0.0.2, port: 7000}
  - {name: c, host: 10.0.0.3, port: 7000}
`
)

func write(t testing.TB, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, content string) (server.Config, error) {
	t.Helper()
	return Load(write(t, "anode.yaml", content), nil)
}

func TestLoad(t *testing.T) {
	c, err := load(t, good+"heartbeat: 20ms\nelection-timeout: 1s\nlease: 800ms\nclock-drift: 0.05%\nwindow: 8\nbatch-commands: 7\nbatch-bytes: 1000\ndatagram-bytes: 1400\n"+
		"doubt-bound: 300ms\nsession-bound: 5m\nkey-file: "+write(t, "keys", goodKeys))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "a" || c.DataDir != "/var/lib/anode" || c.Topology.Cluster != 1 || len(c.Topology.Groups) != 4 || len(c.Topology.Nodes) != 3 {
		t.Errorf("%+v", c)
	}
	if c.Timing.Heartbeat != 20*wire.Millisecond || c.Timing.Election != wire.Second || c.Timing.Lease != 800*wire.Millisecond || c.Timing.DriftPPM != 500 || c.Limits.Window != 8 || c.Limits.BatchBytes != 1000 || c.Limits.BatchCommands != 7 ||
		c.DatagramBytes != 1400 || c.DoubtBound != 300*time.Millisecond || c.SessionBound != 5*time.Minute {
		t.Errorf("%+v", c)
	}
	if c.Keys.Replica.Zero() || c.Keys.Client.Zero() || c.Keys.Replica == c.Keys.Client {
		t.Error("the keys were not read")
	}
}

func TestDefaults(t *testing.T) {
	c, err := load(t, strings.Replace(good, "shards: 4\n", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Topology.Groups) != 1 || c.Topology.Replicas(0) != 3 || c.Limits.BatchBytes != 0 || c.Limits.Window == 0 || c.Timing.Heartbeat == 0 || c.Timing.Lease != 0 || c.Timing.DriftPPM == 0 {
		t.Errorf("%+v", c)
	}
	if !c.Keys.Open() {
		t.Error("keys from nowhere")
	}
}

func TestGroupsOverrideThePlacement(t *testing.T) {
	c, err := load(t, strings.Replace(good, "shards: 4\n", "groups: [[c, a, b], [b]]\n", 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Topology.Groups) != 2 || c.Topology.Groups[0].Members[0] != "c" || c.Topology.Map.Shards != 2 || c.Topology.Replicas(1) != 1 {
		t.Errorf("%+v", c.Topology)
	}
}

// The environment goes before the file, so that one file serves all nodes.
func TestEnvironment(t *testing.T) {
	t.Setenv("ANODE_NODE", "b")
	t.Setenv("ANODE_DATA_DIR", "/elsewhere")
	t.Setenv("ANODE_SHARDS", "2")
	t.Setenv("ANODE_ELECTION_TIMEOUT", "750ms")
	t.Setenv("ANODE_KEY_FILE", write(t, "keys", goodKeys))
	t.Setenv("ANODE_PORT", "tcp://10.1.2.3:7000") // as a container runtime sets it for a service named anode
	t.Setenv("ANODE_WINDOW", "")                  // set to nothing is not set
	c, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "b" || c.DataDir != "/elsewhere" || len(c.Topology.Groups) != 2 || c.Timing.Election != 750*wire.Millisecond || c.Keys.Open() {
		t.Errorf("%+v", c)
	}
	t.Setenv("ANODE_SHARDS", "some")
	if _, err := load(t, good); err == nil || !strings.Contains(err.Error(), "'shards' is some") {
		t.Errorf("%v", err)
	}
}

// The file that README shows is loaded as it stands there, but for the place of the keys.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(readme), "```yaml\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("README shows no file")
	}
	const keyFile = "/etc/anode/keys"
	if !strings.Contains(block, keyFile) {
		t.Errorf("README's file names no %s", keyFile)
	}
	c, err := load(t, strings.ReplaceAll(block, keyFile, write(t, "keys", goodKeys)))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Topology.Nodes) != 3 || len(c.Topology.Groups) != 4 || c.Keys.Open() || c.Name != "a" {
		t.Errorf("%+v", c)
	}
}

// Every mistake is told in a sentence that names the key, what is there, and what to do.
func TestMistakes(t *testing.T) {
	set := func(key, value string) string { return good + key + ": " + value + "\n" }
	instead := func(old, other string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not there to be replaced", old)
		}
		return strings.Replace(good, old, other, 1)
	}
	for name, c := range map[string]struct{ file, want string }{
		"misspelt key":        {set("heartbeet", "10ms"), `unknown key "heartbeet": do you mean "heartbeat"?`},
		"underscore":          {set("data_dir", "/x"), `unknown key "data_dir": do you mean "data-dir"?`},
		"foreign key":         {set("colour", "red"), `unknown key "colour": the keys are admin, admin-pprof, batch-bytes, batch-commands, clock-drift`},
		"nested key":          {set("timing", "{heartbeat: 1ms}"), `unknown key "timing"`},
		"misspelt key below":  {instead("port: 7000}\n  - {name: b", "prot: 7000}\n  - {name: b"), `unknown key of node number 1 "prot": do you mean "port"?`},
		"no cluster":          {instead("cluster: 1\n", ""), "cluster is not set: choose any number but 0"},
		"negative cluster":    {instead("cluster: 1\n", "cluster: -1\n"), "'cluster' is -1: write a whole number"},
		"no node":             {instead("node: a\n", ""), "node is not set: name this node, here or in ANODE_NODE"},
		"another node":        {instead("node: a\n", "node: d\n"), `node "d" is not among the nodes: a, b, c`},
		"no directory":        {instead("data-dir: /var/lib/anode\n", ""), "data-dir is not set"},
		"no nodes":            {"cluster: 1\nnode: a\ndata-dir: /x\n", "nodes is empty: list all nodes"},
		"nodes are a name":    {"nodes: a\n", "'nodes' is a: write a list"},
		"a node is a name":    {"nodes: [a]\n", "'nodes[0]' expected a map"},
		"groups are flat":     {set("groups", "[a, b, c]"), "'groups[0]' is a: write a list"},
		"too many replicas":   {set("replicas", "5"), "replicas is 5 and there are 3 nodes: list more nodes, or set fewer replicas"},
		"even replicas":       {set("replicas", "2"), "replicas is 2: choose an odd number up to 9"},
		"no replicas":         {set("replicas", "0"), "replicas is 0"},
		"half a shard":        {instead("shards: 4", "shards: 0.5"), "'shards' is 0.5: write a whole number"},
		"true shards":         {instead("shards: 4", "shards: true"), "'shards' is true"},
		"a billion shards":    {instead("shards: 4", "shards: 1000000000"), "shards is 1000000000: choose between 1 and 4096"},
		"groups and shards":   {set("groups", "[[a, b, c]]"), "shards is 4 and groups lists 1: leave shards out"},
		"group of strangers":  {strings.Replace(good, "shards: 4", "groups: [[a, b, x]]", 1), `group 0 names "x", which is no node`},
		"group of two":        {strings.Replace(good, "shards: 4", "groups: [[a, b]]", 1), "use an odd number"},
		"port beyond all":     {instead("10.0.0.2, port: 7000", "10.0.0.2, port: 70000"), `port of node "b" is 70000: choose between 1 and 65535`},
		"no port":             {instead("10.0.0.2, port: 7000", "10.0.0.2"), `port of node "b" is 0`},
		"ports run out":       {instead("10.0.0.2, port: 7000", "10.0.0.2, port: 65533"), `group 2 on node "b" would listen at port 65536, beyond 65535: lower the base port`},
		"ports overlap":       {instead("10.0.0.2, port: 7000", "10.0.0.1, port: 7002"), "move their base ports further apart"},
		"names twice":         {instead("name: b", "name: a"), `two nodes are named "a"`},
		"no host":             {instead("host: 10.0.0.2, ", ""), `node "b" has no host`},
		"no duration":         {set("heartbeat", "soon"), "'heartbeat' is soon: write a number and a unit, as in 150ms"},
		"duration of nothing": {set("heartbeat", "10"), "'heartbeat' is 10: write a number and a unit"},
		"negative duration":   {set("heartbeat", "-10ms"), "heartbeat is -10ms: choose between 2ms and 30s"},
		"hectic heartbeat":    {set("heartbeat", "10us"), "heartbeat is 10µs: choose between 2ms and 30s"},
		"hasty election":      {set("election-timeout", "15ms"), "election-timeout is 15ms: choose between 20ms and 1m0s"},
		"late election":       {set("election-timeout", "2h"), "election-timeout is 2h0m0s: choose between 20ms and 1m0s"},
		"short lease":         {set("lease", "19ms"), "lease is 19ms: choose at least 20ms, two heartbeats, and less than 100ms, the election timeout; or 0"},
		"long lease":          {set("lease", "100ms"), "lease is 100ms: choose at least 20ms"},
		"negative lease":      {set("lease", "-50ms"), "lease is -50ms"},
		"perfect clocks":      {set("clock-drift", "0ppm"), "clock-drift is 0ppm: choose between 1ppm and 100000ppm"},
		"broken clocks":       {set("clock-drift", "11%"), "clock-drift is 110000ppm: choose between"},
		"drift of nothing":    {set("clock-drift", "2000"), "'clock-drift' is 2000: write whole parts in a million, as in 2000ppm, or percent, as in 0.2%"},
		"part of a part":      {set("clock-drift", "0.5ppm"), "'clock-drift' is 0.5ppm: write whole parts"},
		"drift from anywhere": {set("clock-drift", "NaN%"), "'clock-drift' is NaN%"},
		"hasty doubt":         {set("doubt-bound", "1ms"), "doubt-bound is 1ms: choose between 10ms and 1m0s"},
		"short session":       {set("session-bound", "1s"), "session-bound is 1s: choose between 1m0s and 24h0m0s"},
		"no window":           {set("window", "0"), "window is 0: choose between 1 and 4096"},
		"small batch":         {set("batch-bytes", "10"), "batch-bytes is 10: choose between 256 and 65443"},
		"large batch":         {set("batch-bytes", "65444"), "batch-bytes is 65444"},
		"small datagram":      {set("datagram-bytes", "500"), "datagram-bytes is 500: choose between 576 and 65507"},
		"admin by port":       {set("admin", "7070"), `admin is "7070": write host:port, as in 127.0.0.1:7070, or off`},
		"admin anywhere":      {set("admin", "127.0.0.1:0"), `admin is "127.0.0.1:0"`},
		"admin by name":       {set("admin", "127.0.0.1:http"), `admin is "127.0.0.1:http"`},
		"admin is true":       {set("admin", "true"), "'admin' is true: write a text"},
		"pprof of nothing":    {set("admin", `""`) + "admin-pprof: true\n", "admin-pprof is true and admin is off"},
		"pprof perhaps":       {set("admin-pprof", "perhaps"), "'admin-pprof' is perhaps: write true or false"},
		"pprof by number":     {set("admin-pprof", "1"), "'admin-pprof' is 1: write true or false"},
		"batch over datagram": {set("datagram-bytes", "1400\nbatch-bytes: 1400"), "batch-bytes is 1400: a datagram of 1400 has room for 1336"},
		"key file is away":    {set("key-file", "/no/such/keys"), "key file: open /no/such/keys"},
		"no yaml":             {"nodes: [\n", "yaml: line 1"},
		"a list":              {"- a\n", "cannot unmarshal"},
		"key twice":           {set("cluster", "2"), `mapping key "cluster" already defined`},
	} {
		_, err := load(t, c.file)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
		if lines := strings.Count(err.Error(), "\n"); lines > 0 && strings.Contains(c.file, good) && !strings.Contains(err.Error(), "yaml") {
			t.Errorf("%s: one mistake takes %d lines:\n%v", name, lines+1, err)
		}
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	_, err := load(t, "node: q\nwindow: 0\nheartbeat: 1h\nreplicas: 4\nnodes: [{name: a, host: h, port: 99999}]\nkey-file: /no/keys\n")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"9 mistakes", `node "q"`, "data-dir", "cluster", "port of node", "replicas is 4", "heartbeat is", "election-timeout is", "window is 0", "/no/keys"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in\n%v", want, err)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause of a mistake is lost")
	}
}

// Variables go before the file, so a mistake may be theirs: they are named, those that flags go before left out.
func TestMistakesOfTheEnvironment(t *testing.T) {
	keys := write(t, "client-keys", "client: "+clientHex+"\n")
	t.Setenv("ANODE_KEY_FILE", keys)
	t.Setenv("ANODE_NODE", "q")
	for want, flags := range map[string]map[string]string{
		"anode.yaml with ANODE_KEY_FILE, ANODE_NODE of the environment: 2 mistakes": nil,
		"anode.yaml with ANODE_KEY_FILE of the environment: key file " + keys:       {"node": "a"},
	} {
		if _, err := Load(write(t, "anode.yaml", good), flags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", flags, err)
		}
	}
}

func TestNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.yaml")
	if _, err := Load(path, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestKeyFileMistakes(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"empty":       {"", "has no client key"},
		"no client":   {"replica: " + replicaHex, "has no client key"},
		"short":       {"client: 00", "line 1: a key is 32 hex digits, as `anode config keys` writes them"},
		"no hex":      {"client: " + strings.Repeat("xy", 16), "line 1: a key is 32 hex digits"},
		"zeros":       {"client: " + strings.Repeat("00", 16), "a key of zeros is no key"},
		"other name":  {"# first\nadmin: " + clientHex, "line 2: expected `replica: HEX` or `client: HEX`"},
		"no name":     {clientHex, "expected `replica: HEX`"},
		"twice":       {"client: " + clientHex + "\nclient: " + replicaHex, "line 2: this key was set before"},
		"same keys":   {"client: " + clientHex + "\nreplica: " + clientHex, "are the same: a client could speak as a replica"},
		"same also":   {"client: " + clientHex + "\nreplica: " + replicaHex + "\nclient-also: " + replicaHex, "a client could speak as a replica"},
		"also same":   {"client: " + clientHex + "\nreplica: " + replicaHex + "\nreplica-also: " + clientHex, "a client could speak as a replica"},
		"no change":   {"client: " + clientHex + "\nclient-also: " + clientHex, "names one key twice"},
		"no present":  {"client: " + clientHex + "\nreplica-also: " + replicaHex, "replica-also and no replica key"},
		"half a node": {"client: " + clientHex, "has no replica key: a node needs both"},
	} {
		path := write(t, "keys", c.file)
		_, err := load(t, good+"key-file: "+path+"\n")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Clients are given a file with their key alone.
func TestClientKeyFile(t *testing.T) {
	keys, err := ReadKeys(write(t, "keys", "client: "+clientHex))
	if err != nil || keys.Client.Zero() || !keys.Replica.Zero() {
		t.Errorf("%+v, %v", keys, err)
	}
}

// While keys are changed a file has two of each, and says which are sent under.
func TestKeysThatAreChanged(t *testing.T) {
	c, err := load(t, good+"key-file: "+write(t, "keys", "replica-also: "+clientHex+"\nreplica: "+replicaHex+
		"\nclient: "+strings.Repeat("01", 16)+"\nclient-also: "+strings.Repeat("02", 16))+"\n")
	if err != nil {
		t.Fatal(err)
	}
	sent, also := c.Keys.Replica.Bytes(), c.Keys.Also.Replica.Bytes()
	if hex.EncodeToString(sent[:]) != replicaHex || hex.EncodeToString(also[:]) != clientHex {
		t.Errorf("sent under %x, also believed %x", sent, also)
	}
	sent, also = c.Keys.Client.Bytes(), c.Keys.Also.Client.Bytes()
	if sent[0] != 1 || also[0] != 2 {
		t.Errorf("clients: sent under %x, also believed %x", sent, also)
	}
}
