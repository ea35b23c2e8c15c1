package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"
)

const (
	// DefaultServer is where commands look for a cluster that they are not told about.
	DefaultServer = "127.0.0.1:7000"
	// DefaultTimeout is how long a command may take.
	DefaultTimeout = 10 * time.Second
	maxTimeout     = 24 * time.Hour
)

// Client is how a command reaches a cluster.
type Client struct {
	// Servers are some nodes of the cluster, as host:port.
	Servers []string
	// Key is the cluster's client key, or nothing for a cluster without keys.
	Key []byte
	// AlsoKey is believed too, or nothing.
	AlsoKey []byte
	// Timeout is how long the command may take.
	Timeout time.Duration
}

// clientFile is what a file tells a command: some keys of its own, and those of a node's file that help.
type clientFile struct {
	Servers []string      `mapstructure:"servers"`
	KeyFile string        `mapstructure:"key-file"`
	Timeout time.Duration `mapstructure:"timeout"`
	Nodes   []Node        `mapstructure:"nodes"`
}

// LoadClient finds out how to reach the cluster: by flags, given by their names; by variables ANODE_SERVERS,
// ANODE_KEY_FILE and ANODE_TIMEOUT; by a YAML file, if path is not empty, with the same keys, or a node's file, whose
// nodes are the servers; by defaults. The first that tells something is heard. All mistakes are reported
// at once.
func LoadClient(path string, flags map[string]string) (Client, error) {
	v := newViper(map[string]any{"servers": nil, "key-file": "", "timeout": DefaultTimeout, "nodes": nil})
	where := "the command line and the environment"
	if path != "" {
		where = "config " + path
		v.SetConfigFile(path)
		if err := v.ReadInConfig(); err != nil {
			return Client{}, fmt.Errorf("config %s: %w", path, err)
		}
	}
	for key, value := range flags {
		v.Set(key, value)
	}
	if list, ok := v.Get("servers").(string); ok {
		v.Set("servers", split(list))
	}
	var f clientFile
	if err := decode(v, clientKeys(), &f); err != nil {
		return Client{}, fmt.Errorf("%s: %w", where, err)
	}
	c, err := f.client()
	if err != nil {
		return Client{}, fmt.Errorf("%s: %w", where, err)
	}
	return c, nil
}

// clientKeys are all keys that a command may find in a file: its own, and those of a node.
func clientKeys() []string {
	known := append(slices.Collect(maps.Keys(defaults())), "servers", "timeout")
	slices.Sort(known)
	return known
}

// newViper knows some keys with their defaults, and the environment above them.
func newViper(defaults map[string]any) *viper.Viper {
	v := viper.New()
	v.SetConfigType("yaml")
	v.SetEnvPrefix("anode")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	v.AutomaticEnv()
	return v
}

// split takes a list apart whose parts stand between commas.
func split(list string) []any {
	out := []any{}
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (f *clientFile) client() (Client, error) {
	var m mistakes
	c := Client{Servers: f.Servers, Timeout: f.Timeout}
	if len(c.Servers) == 0 {
		for _, n := range f.Nodes {
			c.Servers = append(c.Servers, net.JoinHostPort(n.Host, strconv.Itoa(n.Port)))
		}
	}
	if len(c.Servers) == 0 {
		c.Servers = []string{DefaultServer}
	}
	for _, server := range c.Servers {
		host, port, err := net.SplitHostPort(server)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" {
			m.add("server %q: write host:port, as in %s", server, DefaultServer)
		}
	}
	inside(&m, "timeout", f.Timeout, time.Millisecond, maxTimeout)
	if f.KeyFile != "" {
		keys, err := ReadRawKeys(f.KeyFile)
		if err != nil {
			m.add("%w", err)
		}
		c.Key = keys.Client[:]
		if keys.AlsoClient != noKey {
			c.AlsoKey = keys.AlsoClient[:]
		}
	}
	return c, m.err()
}
