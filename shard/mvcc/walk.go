package mvcc

import (
	"iter"
	"math"

	"github.com/anodekv/anode/txn"
)

// Now is a time after every other: walking there shows each key's newest version.
const Now = txn.Timestamp(math.MaxInt64)

// Walk walks start <= key < end as it stood at a time, downwards if asked to. Unlike [Reader.Ascend] it shows
// the keys that are absent there too, as tombstones, so that the caller can bound what it looks at. An empty
// end means no upper bound. The store must not change meanwhile.
func (r *Reader) Walk(start, end []byte, time txn.Timestamp, reverse bool) iter.Seq2[[]byte, Version] {
	return func(yield func([]byte, Version) bool) {
		visit := func(c entry) bool {
			v, ok := c.find(func(v *Version) bool { return v.Time <= time })
			if !ok {
				v.Deleted = true
			}
			return yield(c.key, v)
		}
		if reverse {
			r.descend(start, end, visit)
		} else {
			r.ascend(start, end, visit)
		}
	}
}
