package mvcc

import "unsafe"

// name is a key as the index knows it. It shares the key's bytes, which nobody changes; a copy would cost as much
// memory again as the keys do.
func name(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

// get returns the chain of a key, or nil. A snapshot has no index, and searches the tree.
func (r *Reader) get(key []byte) *chain {
	if r.index != nil {
		return r.index[string(key)]
	}
	e, _ := r.keys.Get(keyed(key))
	return e.chain
}
