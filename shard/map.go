package shard

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// ID numbers a shard, from 0. The group that holds the shard's data has the same number.
type ID uint32

func (id ID) String() string { return "shard " + strconv.FormatUint(uint64(id), 10) }

// Map assigns every key to one of Shards shards. Client and server must agree on it, so it carries a
// version; the assignment of one version never changes.
type Map struct {
	Version uint64
	Shards  uint32
}

// Of returns the shard that owns key. The map must have at least one shard.
func (m Map) Of(key []byte) ID { return ID(xxhash.Sum64(key) % uint64(m.Shards)) }
