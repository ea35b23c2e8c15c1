package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/anodekv/anode/paxos/wire"
)

// RawKeys are the keys of a cluster as bytes; one that is all zeros is absent.
type RawKeys struct {
	Replica, Client [wire.KeySize]byte
	// AlsoReplica and AlsoClient are believed too, see [wire.Keys].
	AlsoReplica, AlsoClient [wire.KeySize]byte
}

// Keys are the same for a node.
func (k *RawKeys) Keys() wire.Keys {
	return wire.Keys{Replica: wire.NewKey(k.Replica), Client: wire.NewKey(k.Client),
		Also: wire.AlsoKeys{Replica: wire.NewKey(k.AlsoReplica), Client: wire.NewKey(k.AlsoClient)}}
}

// ReadKeys reads a key file: lines of the form `replica: HEX` and `client: HEX`, 16 bytes each as 32 hex
// digits. Nodes need both keys; clients are given a file with the second alone, so that they can never
// speak as a replica. While keys are being changed `replica-also` and `client-also` are lines of the same form.
func ReadKeys(path string) (wire.Keys, error) {
	keys, err := ReadRawKeys(path)
	return keys.Keys(), err
}

// ReadRawKeys is ReadKeys with the keys as bytes.
func ReadRawKeys(path string) (RawKeys, error) {
	var keys RawKeys
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
			return RawKeys{}, fmt.Errorf("key file %s, line %d: %w", path, i+1, err)
		}
	}
	if err := keys.check(); err != nil {
		return RawKeys{}, fmt.Errorf("key file %s %w", path, err)
	}
	return keys, nil
}

var noKey [wire.KeySize]byte

func (k *RawKeys) check() error {
	switch {
	case k.Client == noKey:
		return errors.New("has no client key")
	case k.AlsoReplica != noKey && k.Replica == noKey:
		return errors.New("has a key replica-also and no replica key: what is sent needs one")
	case k.AlsoClient == k.Client, k.AlsoReplica != noKey && k.AlsoReplica == k.Replica:
		return errors.New("names one key twice: the lines that end in -also are for another one")
	case k.Client == k.Replica, k.Client == k.AlsoReplica, k.AlsoClient != noKey && (k.AlsoClient == k.Replica || k.AlsoClient == k.AlsoReplica):
		return errors.New("has a replica key and a client key that are the same: a client could speak as a replica")
	}
	return nil
}

func readKey(keys *RawKeys, line string) (err error) {
	name, value, _ := strings.Cut(line, ":")
	key := map[string]*[wire.KeySize]byte{"replica": &keys.Replica, "client": &keys.Client,
		"replica-also": &keys.AlsoReplica, "client-also": &keys.AlsoClient}[strings.TrimSpace(name)]
	switch {
	case key == nil:
		return errors.New("expected `replica: HEX` or `client: HEX`")
	case *key != [wire.KeySize]byte{}:
		return errors.New("this key was set before")
	}
	*key, err = parseKey(strings.TrimSpace(value))
	return err
}

func parseKey(s string) (key [wire.KeySize]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != wire.KeySize {
		return key, fmt.Errorf("a key is %d hex digits, as `anode config keys` writes them", 2*wire.KeySize)
	}
	key = [wire.KeySize]byte(b)
	if key == [wire.KeySize]byte{} {
		return key, errors.New("a key of zeros is no key")
	}
	return key, nil
}
