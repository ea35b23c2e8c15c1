package torture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// disksDir holds the disks of all runs, which have the names of their labs.
	disksDir = "/run/anode-torture"
	// diskBytes is a disk: room for many promises, and quickly filled.
	diskBytes = 256 << 10
)

// makeDisks makes a disk for each node, in memory. Those that a run has left that was killed go first.
func makeDisks(name string, nodes int) (dir string, err error) {
	dir = filepath.Join(disksDir, name)
	if err := dropDisks(dir); err != nil {
		return "", err
	}
	for i := range nodes {
		disk := filepath.Join(dir, fmt.Sprintf("n%d", i))
		if err := os.MkdirAll(disk, 0o700); err != nil {
			return "", err
		}
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskBytes)); err != nil {
			return "", errors.Join(fmt.Errorf("a small disk: %w", err), dropDisks(dir))
		}
	}
	return dir, nil
}

// DropDisks takes away the disks that a run has left which was killed, by the name of its lab; none are fine. Their lab is gone by then.
func DropDisks(name string) error { return dropDisks(filepath.Join(disksDir, name)) }

// dropDisks takes disks away.
func dropDisks(dir string) (err error) {
	disks, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, disk := range disks {
		if e := unix.Unmount(disk, unix.MNT_DETACH); e != nil && !errors.Is(e, unix.EINVAL) { // it was not mounted
			err = errors.Join(err, fmt.Errorf("%s: %w", disk, e))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
