package mvcc

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Hash is a digest of the whole state: every version of every key, floor and horizon. Equal states have equal
// hashes on every machine. It is kept up with each write, so that asking for it costs nothing: the sum
// over versions does not depend on the order in which they came.
func (r *Reader) Hash() uint64 {
	var b [28]byte
	binary.LittleEndian.PutUint64(b[:], r.sum)
	binary.LittleEndian.PutUint64(b[8:], uint64(r.floor.Op))
	binary.LittleEndian.PutUint32(b[16:], r.floor.Index)
	binary.LittleEndian.PutUint64(b[20:], uint64(r.horizon))
	return xxhash.Sum64(b[:])
}

// digest hashes one version of a key of that hash. Key and value are hashed apart, so that no two pairs of them look the same.
func digest(key uint64, v *Version) uint64 {
	var b [37]byte
	binary.LittleEndian.PutUint64(b[:], key)
	binary.LittleEndian.PutUint64(b[8:], xxhash.Sum64(v.Value))
	binary.LittleEndian.PutUint64(b[16:], uint64(v.At.Op))
	binary.LittleEndian.PutUint32(b[24:], v.At.Index)
	binary.LittleEndian.PutUint64(b[28:], uint64(v.Time))
	if v.Deleted {
		b[36] = 1
	}
	return xxhash.Sum64(b[:])
}
