package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/anodekv/anode/paxos/wire"
)

// ReadKeys reads a key file: lines of the form `replica: HEX` and `client: HEX`, 16 bytes each as 32 hex
// digits. Nodes need both keys; clients are given a file with the second alone, so that they can never
// speak as a replica.
func ReadKeys(path string) (wire.Keys, error) {
	var keys wire.Keys
	b, err := os.ReadFile(path)
	if err != nil {
		return keys, fmt.Errorf("key file: %w", err)
	}
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := readKey(&keys, line); err != nil {
			return wire.Keys{}, fmt.Errorf("key file %s, line %d: %w", path, i+1, err)
		}
	}
	if keys.Client.Zero() {
		return wire.Keys{}, fmt.Errorf("key file %s has no client key", path)
	}
	if keys.Client == keys.Replica {
		return wire.Keys{}, fmt.Errorf("key file %s: the replica key and the client key are the same: a client could speak as a replica", path)
	}
	return keys, nil
}

func readKey(keys *wire.Keys, line string) (err error) {
	name, value, _ := strings.Cut(line, ":")
	key := map[string]*wire.Key{"replica": &keys.Replica, "client": &keys.Client}[strings.TrimSpace(name)]
	switch {
	case key == nil:
		return errors.New("expected `replica: HEX` or `client: HEX`")
	case !key.Zero():
		return errors.New("this key was set before")
	}
	*key, err = parseKey(strings.TrimSpace(value))
	return err
}

func parseKey(s string) (wire.Key, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != wire.KeySize {
		return wire.Key{}, fmt.Errorf("a key is %d hex digits, for example from `openssl rand -hex %d`", 2*wire.KeySize, wire.KeySize)
	}
	key := wire.NewKey([wire.KeySize]byte(b))
	if key.Zero() {
		return wire.Key{}, errors.New("a key of zeros is no key")
	}
	return key, nil
}
