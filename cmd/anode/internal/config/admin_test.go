package config

import (
	"strings"
	"testing"

	"github.com/anodekv/anode/shard/server"
)

func TestAdmin(t *testing.T) {
	for file, want := range map[string]server.AdminConfig{
		"":                      {Addr: "127.0.0.1:7070"},
		"admin: 10.0.0.1:80\n":  {Addr: "10.0.0.1:80"},
		"admin: '[::1]:7071'\n": {Addr: "[::1]:7071"},
		"admin: ''\n":           {},
		"admin: off\n":          {},
		"admin-pprof: true\n":   {Addr: "127.0.0.1:7070", Pprof: true},
		"admin-pprof: false\n":  {Addr: "127.0.0.1:7070"},
	} {
		c, err := load(t, good+file)
		if err != nil || c.Admin != want {
			t.Errorf("%q: %+v, %v", file, c.Admin, err)
		}
	}
	t.Setenv("ANODE_ADMIN", "127.0.0.1:9999")
	t.Setenv("ANODE_ADMIN_PPROF", "true")
	if c, err := load(t, good); err != nil || c.Admin != (server.AdminConfig{Addr: "127.0.0.1:9999", Pprof: true}) {
		t.Errorf("%+v, %v", c.Admin, err)
	}
	t.Setenv("ANODE_ADMIN", "off")
	t.Setenv("ANODE_ADMIN_PPROF", "false")
	if c, err := load(t, good); err != nil || c.Admin != (server.AdminConfig{}) {
		t.Errorf("%+v, %v", c.Admin, err)
	}
}

// Flags go before the environment, that before the file, that before the default.
func TestAdminLayers(t *testing.T) {
	file := write(t, "anode.yaml", good+"admin: 10.0.0.1:7070\n")
	for _, c := range []struct {
		path, env string
		flag      []string
		want      string
	}{
		{"", "", nil, server.DefaultAdmin},
		{file, "", nil, "10.0.0.1:7070"},
		{write(t, "client.yaml", "servers: [a:1]\n"), "", nil, server.DefaultAdmin},
		{file, "h:1, h:2", nil, "h:1 h:2"},
		{file, "h:1", []string{"i:1", "i:2"}, "i:1 i:2"},
	} {
		t.Setenv("ANODE_ADMIN", c.env)
		if got, err := LoadAdmin(c.path, c.flag); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
	t.Setenv("ANODE_ADMIN", "")
	for content, want := range map[string]string{
		good + "admin: off\n": "admin is off, so that nobody can be asked: give --admin",
		"adnim: h:1\n":        `unknown key "adnim": do you mean "admin"?`,
		"admin: true\n":       "'admin' is true: write a text",
	} {
		if got, err := LoadAdmin(write(t, "anode.yaml", content), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
}
