package wire

import (
	"encoding/binary"

	"github.com/dchest/siphash"
)

// KeySize is the length of a cluster key in bytes.
const KeySize = 16

// Key authenticates frames with SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012), which is short
// enough for an XDP program. The zero Key is no key: frames carry a MAC of zero and are not verified.
type Key struct{ k0, k1 uint64 }

// NewKey reads a key of [KeySize] bytes.
func NewKey(b [KeySize]byte) Key {
	return Key{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// Bytes is the key as [NewKey] takes it, for the programs in the kernel. It is a secret like the key.
func (k Key) Bytes() (b [KeySize]byte) {
	binary.LittleEndian.PutUint64(b[:8], k.k0)
	binary.LittleEndian.PutUint64(b[8:], k.k1)
	return b
}

// Zero reports whether the key is absent.
func (k Key) Zero() bool { return k == Key{} }

// sum is the code of an encoded frame, with the MAC field zero and the broadcast flag clear.
func (k Key) sum(frame []byte) uint64 {
	flags := binary.LittleEndian.Uint16(frame[offFlags:])
	binary.LittleEndian.PutUint16(frame[offFlags:], flags&^uint16(FlagBroadcast))
	binary.LittleEndian.PutUint64(frame[offMAC:], 0)
	s := siphash.Hash(k.k0, k.k1, frame)
	binary.LittleEndian.PutUint16(frame[offFlags:], flags)
	return s
}

// Seal writes the code into an encoded frame. Without a key it does nothing.
func (k Key) Seal(frame []byte) {
	if !k.Zero() {
		s := k.sum(frame)
		binary.LittleEndian.PutUint64(frame[offMAC:], s)
	}
}

// Verify reports whether an encoded frame carries the right code. Without a key every frame passes.
// The frame is restored before Verify returns, but is written to meanwhile: it must not be shared.
func (k Key) Verify(frame []byte) bool {
	if k.Zero() {
		return true
	}
	got := binary.LittleEndian.Uint64(frame[offMAC:])
	want := k.sum(frame)
	binary.LittleEndian.PutUint64(frame[offMAC:], got)
	return got == want
}

// Keys are the two keys of a cluster. Replicas hold both, clients the second one only, so that a client can
// never speak as a replica.
type Keys struct {
	Replica Key // among the replicas of the cluster
	Client  Key // requests of clients and the answers to them
	// Also are believed too and never sent under, for as long as keys are being changed; zero for none.
	Also AlsoKeys
}

// AlsoKeys are a second replica key and a second client key.
type AlsoKeys struct{ Replica, Client Key }

// Open reports that there are no keys: every frame is believed, whoever sent it.
func (k Keys) Open() bool { return k.Replica.Zero() && k.Client.Zero() }

// For is the key of frames of that kind.
func (k Keys) For(kind Kind) Key {
	if kind.FromReplica() {
		return k.Replica
	}
	return k.Client
}

// Verify reports whether an encoded frame of that kind carries the right code. Where only the other key is
// set, it does not: a process with half of the keys is not half open. See [Key.Verify] for what it does to
// the frame.
func (k Keys) Verify(kind Kind, frame []byte) bool {
	key, also := k.Client, k.Also.Client
	if kind.FromReplica() {
		key, also = k.Replica, k.Also.Replica
	}
	switch {
	case key.Zero():
		return k.Open()
	case key.Verify(frame):
		return true
	}
	return !also.Zero() && also.Verify(frame)
}
