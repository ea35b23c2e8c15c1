package paxos

import (
	"flag"
	"testing"
)

var (
	exploreSeeds = flag.Int("seeds", exploredSeeds, "how many seeds TestExplore explores")
	exploreTell  = flag.Bool("tell", false, "print what the replicas do and send, for one seed")
	exploreSeed  = flag.Int64("seed", 1, "the first of them")
)

// TestExplore drives groups by chance through faults and back. It prints how to repeat what fails.
func TestExplore(t *testing.T) {
	var total auditor
	var faults, chosen int
	restores := map[Status]int{}
	for seed := *exploreSeed; seed < *exploreSeed+int64(*exploreSeeds); seed++ {
		e := newExplorer(seed)
		if *exploreTell {
			e.tell = func(format string, args ...any) { t.Logf("%d µs: "+format, append([]any{e.micros()}, args...)...) }
			e.tellSent = e.tell
		}
		if err := e.run(); err != nil {
			t.Errorf("seed %d: %v\nrepeat it with: go test ./paxos/ -run 'TestExplore$' -v -seeds 1 -tell -seed %d", seed, err, seed)
		}
		total.viewChanges += e.auditor.viewChanges
		total.recoveries += e.auditor.recoveries
		total.confirmations += e.auditor.confirmations
		total.taken += e.auditor.taken
		total.formations += e.auditor.formations
		total.again += e.auditor.again
		total.back += e.auditor.back
		total.wipes += e.auditor.wipes
		total.disasters += e.auditor.disasters
		total.images += e.auditor.images
		total.abandoned += e.auditor.abandoned
		for status, n := range e.auditor.restores {
			restores[status] += n
		}
		total.leases.leased += e.auditor.leases.leased
		faults += e.faults
		chosen += len(e.auditor.ledger)
	}
	t.Logf("%d seeds: %d faults, %d ops chosen, %d of them taken by a fast path, %d views, %d recoveries, %d reads, %d founders, %d formed again, %d of them in vain, %d disks wiped, %d groups lost",
		*exploreSeeds, faults, chosen, total.taken, total.viewChanges, total.recoveries, total.confirmations,
		total.formations, total.again, total.back, total.wipes, total.disasters)
	t.Logf("%d bursts of images, %v restored, %d abandoned, %d reads by lease", total.images, restores, total.abandoned, total.leases.leased)
	// An explorer that meets nothing finds nothing.
	seeds := *exploreSeeds
	if total.viewChanges < 2*seeds || total.recoveries < seeds || total.confirmations < seeds || total.taken < seeds || chosen < 50*seeds ||
		total.wipes < seeds || total.leases.leased < seeds || total.disasters < seeds/10 {
		t.Errorf("the explorer has become too tame")
	}
}

// The same seed is the same run, to the last byte sent.
func TestExploreIsDeterministic(t *testing.T) {
	hash := func(seed int64) uint64 {
		e := newExplorer(seed)
		if err := e.run(); err != nil {
			t.Fatal(err)
		}
		return e.trace.hash.Sum64()
	}
	one := hash(7)
	if again := hash(7); one != again {
		t.Fatalf("seed 7 gives %x and then %x", one, again)
	}
	if other := hash(8); one == other {
		t.Fatalf("seeds 7 and 8 give the same trace %x", one)
	}
}
