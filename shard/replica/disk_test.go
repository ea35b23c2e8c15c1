package replica_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/replica"
)

func somePromise(view wire.View) paxos.Promise {
	return paxos.Promise{Cluster: 7, Group: 3, Replica: 1, Incarnation: 12, View: view}
}

func savedFile(t *testing.T, p paxos.Promise) replica.PromiseFile {
	t.Helper()
	file := replica.PromiseFile{Path: filepath.Join(t.TempDir(), "promise")}
	if err := file.Save(p); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDisksKeepWhatWasSavedLast(t *testing.T) {
	for _, disk := range []replica.Disk{
		replica.PromiseFile{Path: filepath.Join(t.TempDir(), "promise")}, &replica.MemoryDisk{},
	} {
		if _, written, err := disk.Load(); written || err != nil {
			t.Errorf("%v: an empty disk says %v, %v", disk, written, err)
		}
		for view := range wire.View(3) {
			if err := disk.Save(somePromise(view)); err != nil {
				t.Fatal(err)
			}
			if p, written, err := disk.Load(); !reflect.DeepEqual(p, somePromise(view)) || !written || err != nil {
				t.Errorf("%v: %+v, %v, %v", disk, p, written, err)
			}
		}
	}
}

// A crash between the writing of the new file and its taking the old one's place leaves the old promise, in
// whatever state the new file is; and the next save is not troubled by it.
func TestCrashWhileSavingLeavesTheOldPromise(t *testing.T) {
	next := savedFile(t, somePromise(2))
	whole, err := os.ReadFile(next.Path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		file := savedFile(t, somePromise(1))
		if err := os.WriteFile(file.Path+".new", whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if p, written, err := file.Load(); p.View != 1 || !written || err != nil {
			t.Fatalf("%d bytes of the new file: %+v, %v, %v", n, p, written, err)
		}
		if err := file.Save(somePromise(3)); err != nil {
			t.Fatal(err)
		}
		if p, _, err := file.Load(); p.View != 3 || err != nil {
			t.Fatalf("after %d bytes of another file: %+v, %v", n, p, err)
		}
	}
}

// A save that fails leaves what was there.
func TestFailedSaveChangesNothing(t *testing.T) {
	file := savedFile(t, somePromise(1))
	if err := os.Mkdir(file.Path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := file.Save(somePromise(2)); err == nil || !strings.Contains(err.Error(), file.Path) {
		t.Errorf("the error %v does not name the file", err)
	}
	if p, _, err := file.Load(); p.View != 1 || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// Damage at any place of the file is found: no bit of it may be believed, nor its absence.
func TestEveryDamageToAPromiseIsFound(t *testing.T) {
	file := savedFile(t, somePromise(77))
	whole, err := os.ReadFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	found := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(file.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, written, err := file.Load()
		if !errors.Is(err, replica.ErrBadPromise) || written || !strings.Contains(err.Error(), file.Path) {
			t.Errorf("%s: %+v, %v, %v", what, p, written, err)
		}
		if _, err := replica.Boot(file, 7, 3, 1); !errors.Is(err, replica.ErrBadPromise) {
			t.Errorf("%s: it boots, %v", what, err)
		}
		if after, err := os.ReadFile(file.Path); err != nil || !slices.Equal(after, b) {
			t.Errorf("%s: the evidence was altered, %v", what, err)
		}
	}
	for i := range whole {
		for bit := range 8 {
			b := slices.Clone(whole)
			b[i] ^= 1 << bit
			found(fmt.Sprintf("bit %d of byte %d", bit, i), b)
		}
		found(fmt.Sprintf("cut to %d bytes", i), whole[:i])
	}
	found("a byte more", append(slices.Clone(whole), 0))
	found("twice", append(slices.Clone(whole), whole...))
}

func TestBootBeginsANewLife(t *testing.T) {
	file := replica.PromiseFile{Path: filepath.Join(t.TempDir(), "promise")}
	p, err := replica.Boot(file, 7, 3, 1)
	if err != nil || p.Incarnation != 1 || p.Cluster != 7 || p.Group != 3 || p.Replica != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	if saved, written, err := file.Load(); !written || err != nil || !reflect.DeepEqual(saved, p) {
		t.Errorf("it has begun a life that its disk does not know: %+v, %v, %v", saved, written, err)
	}
	// A life in which something may have been promised is followed by another one.
	p.Charter.Stage, p.View = paxos.Served, 5
	if err := file.Save(p); err != nil {
		t.Fatal(err)
	}
	q, err := replica.Boot(file, 7, 3, 1)
	if err != nil || q.Incarnation != 2 || q.View != 5 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestBootRefusesThePromiseOfAnother(t *testing.T) {
	for name, change := range map[string]func(*paxos.Promise){
		"cluster": func(p *paxos.Promise) { p.Cluster = 8 },
		"group":   func(p *paxos.Promise) { p.Group = 4 },
		"replica": func(p *paxos.Promise) { p.Replica = 2 },
	} {
		p := somePromise(1)
		change(&p)
		file := savedFile(t, p)
		_, err := replica.Boot(file, 7, 3, 1)
		if !errors.Is(err, replica.ErrForeignPromise) || errors.Is(err, replica.ErrBadPromise) || !strings.Contains(err.Error(), file.Path) {
			t.Errorf("another %s: %v", name, err)
		}
		if q, _, err := file.Load(); err != nil || !reflect.DeepEqual(p, q) {
			t.Errorf("another %s: its promise was changed to %+v, %v", name, q, err)
		}
	}
}
