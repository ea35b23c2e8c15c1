package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
)

var (
	// ErrBadPromise says that a promise file exists and cannot be trusted. The replica must not start: as
	// a fresh one it could vote against what it promised.
	ErrBadPromise = errors.New("promise file is damaged")
	// ErrForeignPromise says that a promise is sound, and another replica's. The replica must not start:
	// its own promise is somewhere else.
	ErrForeignPromise = errors.New("promise file belongs to another replica")
)

// promiseMagic ends in the version of the layout. A file of another one is refused: read as of this one, it
// could pass for that of a replica whose group was never formed.
const promiseMagic = "anodepr2"

// Boot begins a new life of a replica: it loads the promise, or makes the first one, raises the incarnation
// and syncs it, all before the replica says a word.
func Boot(disk Disk, cluster wire.ClusterID, group wire.GroupID, self wire.ReplicaID) (paxos.Promise, error) {
	p, written, err := disk.Load()
	if err != nil {
		return p, err
	}
	if !written {
		p = paxos.Promise{Cluster: cluster, Group: group, Replica: self}
	}
	if p.Cluster != cluster || p.Group != group || p.Replica != self {
		return p, fmt.Errorf("%v: %w: it is that of replica %d of group %d in cluster %d, and this is replica %d of group %d in cluster %d: give every node a data directory of its own",
			disk, ErrForeignPromise, p.Replica, p.Group, uint64(p.Cluster), self, group, uint64(cluster))
	}
	p = p.NextLife()
	return p, disk.Save(p)
}

// PromiseFile is the disk of one replica: a single small file, replaced atomically.
type PromiseFile struct{ Path string }

func (p PromiseFile) String() string { return p.Path }

// Load reads the promise. It reports false when there is none, and [ErrBadPromise] when there is one that
// cannot be read.
func (p PromiseFile) Load() (paxos.Promise, bool, error) {
	var promise paxos.Promise
	b, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return promise, false, nil
	}
	if err != nil {
		return promise, false, fmt.Errorf("read promise: %w", err)
	}
	head := len(promiseMagic) + 8
	if len(b) < head || string(b[:len(promiseMagic)]) != promiseMagic ||
		binary.LittleEndian.Uint64(b[len(promiseMagic):]) != xxhash.Sum64(b[head:]) {
		return promise, false, fmt.Errorf("%s: %w: restore it, or remove it and let the replica return as one that lost its disk", p.Path, ErrBadPromise)
	}
	if err := wire.DecodeValue(b[head:], &promise); err != nil {
		return promise, false, fmt.Errorf("%s: %w: %v", p.Path, ErrBadPromise, err)
	}
	return promise, true, nil
}

// Save replaces the file and returns when file and directory are synced.
func (p PromiseFile) Save(promise paxos.Promise) error {
	body := wire.AppendValue(nil, &promise)
	b := append([]byte(promiseMagic), binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(body))...)
	temporary := p.Path + ".new"
	if err := writeSynced(temporary, append(b, body...)); err != nil {
		return fmt.Errorf("write promise: %w", err)
	}
	if err := os.Rename(temporary, p.Path); err != nil {
		return fmt.Errorf("write promise: %w", err)
	}
	return syncDir(filepath.Dir(p.Path))
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync promise: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync promise: %w", err)
	}
	return nil
}

// MemoryDisk is a disk in memory, for a demo or a test that restarts replicas within one process. It is
// used by one replica at a time.
type MemoryDisk struct {
	promise paxos.Promise
	written bool
}

func (*MemoryDisk) String() string { return "promise in memory" }

// Load returns what was saved last.
func (d *MemoryDisk) Load() (paxos.Promise, bool, error) { return d.promise, d.written, nil }

// Save keeps the promise.
func (d *MemoryDisk) Save(p paxos.Promise) error {
	d.promise, d.written = p, true
	return nil
}
