package config

import (
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
