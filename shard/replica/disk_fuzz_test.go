package replica_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/anodekv/anode/shard/replica"
)

// A promise file with a right checksum but any content is refused, or is a promise that is kept when it is written again.
func FuzzPromise(f *testing.F) {
	dir := f.TempDir()
	file := replica.PromiseFile{Path: filepath.Join(dir, "promise")}
	if err := file.Save(somePromise(7)); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(file.Path)
	if err != nil {
		f.Fatal(err)
	}
	head := len(whole) - bodyLength(f, whole)
	magic := whole[:head-8]
	f.Add(whole[head:])
	f.Add([]byte{})
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff}) // a map of 2^32-1
	f.Fuzz(func(t *testing.T, body []byte) {
		file := replica.PromiseFile{Path: filepath.Join(t.TempDir(), "promise")}
		b := append(append([]byte(nil), magic...), binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(body))...)
		if err := os.WriteFile(file.Path, append(b, body...), 0o600); err != nil {
			t.Fatal(err)
		}
		p, written, err := file.Load()
		if err != nil {
			if !errors.Is(err, replica.ErrBadPromise) || written {
				t.Fatalf("%v, written %v", err, written)
			}
			return
		}
		if err := file.Save(p); err != nil {
			t.Fatal(err)
		}
		if again, _, err := file.Load(); err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v, %v, was %+v", again, err, p)
		}
	})
}

// bodyLength finds where the checksum's subject begins.
func bodyLength(f *testing.F, whole []byte) int {
	for head := 8; head <= len(whole); head++ {
		if binary.LittleEndian.Uint64(whole[head-8:]) == xxhash.Sum64(whole[head:]) {
			return len(whole) - head
		}
	}
	f.Fatal("a promise file holds no checksum of its end")
	return 0
}
