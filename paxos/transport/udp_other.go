//go:build !linux

package transport

import (
	"errors"
	"fmt"

	"github.com/anodekv/anode/paxos/wire"
)

// ListenUDP works on Linux only.
func ListenUDP(addr wire.Addr, _ Options) (Conn, error) {
	return nil, fmt.Errorf("listen on udp %v: batched sockets need Linux: %w", addr, errors.ErrUnsupported)
}
