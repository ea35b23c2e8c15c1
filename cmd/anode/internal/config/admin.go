package config

import (
	"net"
	"strconv"

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
