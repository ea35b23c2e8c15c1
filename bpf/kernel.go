//go:build linux

package bpf

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
)

const (
	// defaultLogSlots is how many ops a follower's log holds that user space has not taken over: 1.5 MB per
	// slot, and at 100,000 ops a second 10 ms between two looks.
	defaultLogSlots = 1024
	// maxLogSlots keeps a typing error in a configuration from pinning the machine's memory: 96 MB per slot.
	maxLogSlots = 1 << 16
)

// Options of [Load]. The zero value is good.
type Options struct {
	// LogSlots is the number of records in each follower's log, a power of two; 0 stands for 1024.
	LogSlots int
}

// Kernel is the programs in the kernel with their memory. It is safe for concurrent use.
type Kernel struct {
	objects  kernelObjects
	log      *ebpf.MapSpec // of every slot's log
	controls memory[kernelControl]
	configs  memory[kernelConfig]

	mu    sync.Mutex
	taken [kernelLimitLIMIT_SLOTS]bool
	links []io.Closer
}

// Load brings the programs into the kernel. They do nothing until they are attached and a slot is armed. An error
// says what the machine lacks, see [ErrPermission] and [ErrUnsupported].
func Load(o Options) (*Kernel, error) {
	if o.LogSlots == 0 {
		o.LogSlots = defaultLogSlots
	}
	if o.LogSlots < 0 || o.LogSlots > maxLogSlots || o.LogSlots&(o.LogSlots-1) != 0 {
		return nil, fmt.Errorf("bpf: a log of %d slots: take a power of two up to %d", o.LogSlots, maxLogSlots)
	}
	spec, err := loadKernel()
	if err != nil {
		return nil, fmt.Errorf("bpf: read the compiled programs: %w", err)
	}
	k := &Kernel{log: spec.Maps[kernelMapLogs].InnerMap}
	k.log.MaxEntries = uint32(o.LogSlots)
	if err := spec.Variables[kernelVarLogMask].Set(uint32(o.LogSlots - 1)); err != nil {
		return nil, fmt.Errorf("bpf: set the size of the logs: %w", err)
	}
	if err := spec.LoadAndAssign(&k.objects, nil); err != nil {
		return nil, explain(fmt.Errorf("load the programs: %w", err))
	}
	if err := k.share(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *Kernel) share() (err error) {
	if k.controls, err = share[kernelControl](k.objects.Controls); err != nil {
		return err
	}
	k.configs, err = share[kernelConfig](k.objects.Configs)
	return err
}

// LogSlots is how many ops each follower's log holds.
func (k *Kernel) LogSlots() int { return int(k.log.MaxEntries) }

// Close detaches the programs and removes them. All slots must be closed before, or it does nothing and fails.
func (k *Kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.Contains(k.taken[:], true) {
		return errors.New("bpf: close the slots before the kernel")
	}
	var errs []error
	for _, l := range k.links {
		errs = append(errs, l.Close())
	}
	k.links = nil
	k.controls.unmap()
	k.configs.unmap()
	return errors.Join(append(errs, k.objects.Close())...)
}
