package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/anodekv/anode/shard/server"
)

// adminOff means that there is no admin endpoint. In the file an empty text does, too; a variable that is set to
// nothing is not set.
const adminOff = "off"

func (f *File) hasAdmin() bool { return f.Admin != "" && f.Admin != adminOff }

func (f *File) checkAdmin(m *mistakes) {
	if !f.hasAdmin() {
		if f.AdminPprof {
			m.add("admin-pprof is true and admin is off: profiles are read at the admin endpoint, give it an address")
		}
		return
	}
	_, port, err := net.SplitHostPort(f.Admin)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		m.add("admin is %q: write host:port, as in %s, or %s", f.Admin, server.DefaultAdmin, adminOff)
	}
}

func (f *File) admin() server.AdminConfig {
	if !f.hasAdmin() {
		return server.AdminConfig{}
	}
	return server.AdminConfig{Addr: f.Admin, Pprof: f.AdminPprof}
}

// LoadAdmin finds out at which admin addresses a command is to ask: by a flag, if it is not nil; by the variable ANODE_ADMIN;
// by the key admin of the file, if path is not empty; by the default. The first that tells something is heard.
func LoadAdmin(path string, flag []string) ([]string, error) {
	if len(flag) > 0 {
		return flag, nil
	}
	v := newViper(map[string]any{"admin": server.DefaultAdmin})
	where := "the environment"
	if path != "" {
		where = "config " + path
		v.SetConfigFile(path)
		if err := v.ReadInConfig(); err != nil {
			return nil, fmt.Errorf("config %s: %w", path, err)
		}
	}
	var f struct {
		Admin string `mapstructure:"admin"`
	}
	if err := decode(v, clientKeys(), &f); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	if f.Admin == "" || f.Admin == adminOff {
		return nil, fmt.Errorf("%s: admin is off, so that nobody can be asked: give --admin the address of another node", where)
	}
	var addrs []string
	for addr := range strings.SplitSeq(f.Admin, ",") {
		addrs = append(addrs, strings.TrimSpace(addr))
	}
	return addrs, nil
}
