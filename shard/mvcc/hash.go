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

// digest hashes one version. The key's length stands first, so that no two pairs of key and value look
// the same.
func digest(key []byte, v *Version) uint64 {
	var b [25]byte
	binary.LittleEndian.PutUint32(b[:], uint32(len(key)))
	binary.LittleEndian.PutUint64(b[4:], uint64(v.At.Op))
	binary.LittleEndian.PutUint32(b[12:], v.At.Index)
	binary.LittleEndian.PutUint64(b[16:], uint64(v.Time))
	if v.Deleted {
		b[24] = 1
	}
	var d xxhash.Digest
	d.Reset()
	d.Write(b[:])
	d.Write(key)
	d.Write(v.Value)
	return d.Sum64()
}
