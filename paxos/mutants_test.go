//go:build mutants

package paxos

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/anodekv/anode/internal/mutant"
)

// mistakes are the known ways to be wrong that can be put back. Each has a story that notices, and most are
// found by the explorer too. It is not asked for those that only cost time, because it heals all links in
// the end, nor for those that take a longer row of coincidences than its seeds contain.
var mistakes = []struct {
	name, what string
	story      string
	explorer   bool // must find it within explorerSeeds
}{
	{"truncate-first", "state transfer cuts the log to the chosen op before the copy is there (known bug 11)", "second_view_change", true},
	{"ignore-incarnations", "what a replica said before it lost its memory still counts (known bug 12)", "before_the_crash", false},
	{"forget-promise", "a replica that promised a view recovers into an older one (known bug 12)", "promise_first", true},
	{"recover-to-chosen", "a recovered replica holds what is chosen, not all it may have acknowledged (known bug 12)", "recover_to_last", false},
	{"recovering-votes", "a recovering replica takes part in view changes (known bug 13)", "recovering_stays_out", true},
	{"recover-from-anyone", "any normal replica's log will do to recover", "recover_to_last", true},
	{"clear-then-copy", "the list of copied entries is cleared before it is used (known bug 17)", "voter_tail", true},
	{"image-without-tail", "an image is adopted without the entries above it (known bug 17)", "image_and_tail", true},
	{"restore-before-tail", "the state is replaced before the entries above it are there (known bug 11)", "image_and_tail", true},
	{"image-cuts-suffix", "an image replaces a log that reaches beyond it (known bug 11)", "image_only_extends", false},
	{"image-unfenced", "an image is adopted while the fast path goes on", "image_and_fence", true},
	{"image-anew", "every view change throws away an image that is complete", "image_survives", false},
	{"unpinned", "the log above an image that is being sent is dropped like any other", "image_keeps_log", false},
	{"trim-undelivered", "entries that were not applied are dropped from the log", "image_only_extends", true},
	{"voter-counts-twice", "a vote that arrives twice counts twice (known bug 25)", "counted_once", true},
	{"follower-counts-twice", "an acknowledgement that arrives twice counts twice (known bug 25)", "counted_once", true},
	{"serve-at-once", "a new leader serves before its log is chosen in its own view", "new_leader_waits", true},
	{"old-sign-confirms", "a sign for an older probe confirms a read", "read_index", true},
	{"lease-by-ticks", "a leader that was stopped reads by the lease that it had before (known bug 16)", "lease_pause", true},
	{"drift-ignored", "a lease is counted in full on a clock that is slower than the voter's (known bug 16)", "lease_clocks", true},
	{"lease-from-arrival", "a lease counts from the arrival of an answer, however long it was under way", "lease", true},
	{"lease-ungranted", "a lease is counted on for longer than it is granted", "lease_lengths", true},
	{"voter-never-waits", "a replica votes for another leader while a lease is out that it has granted", "lease_voter", true},
	{"own-grant-forgotten", "a vote waits for what the fast path granted, and not for what the core did", "lease_voter", true},
	{"acknowledged-ungranted", "a leader counts on leases that echoes grant, and not on those of acknowledgements", "lease_voter", false},
	{"kernel-grant-forgotten", "a vote does not wait for what the fast path granted", "lease_voter", false},
	{"promise-unsaved", "a view is promised without being written to disk", "promise_first", true},
	{"unclaimed", "user space appends an op that it has not claimed (known bug 2)", "claim", true},
	{"early-stays", "what came early stays where it is when the fast path has filled the gap", "claim", false},
	{"fast-path-unheard", "entries that the fast path takes do not count as hearing the leader", "fast_path_hears", false},
	{"arm-outdated", "the fast path goes on judging by an incarnation that has ended", "fence_and_drain", false},
	{"no-fence", "the view changes while the fast path still acknowledges", "fence_and_drain", true},
	{"drop-acked-of-old", "an entry that the fast path acknowledged is dropped because its sender has restarted since", "fence_and_drain", true},
	{"old-view-counts", "acknowledgements of older views count", "old_view", false},
	{"longest-log-wins", "the longest log is taken over, not that of the latest view", "voter_tail", false},
	{"join-without-log", "a follower joins a view without the log with which the view begins", "late_follower", false},
	{"never-silent", "a leader that hears nobody goes on with its heartbeats", "deaf_leader", false},
	{"deaf-disturbs", "a follower that hears nothing does not ask the others", "deaf_follower", false},
	{"alone-climbs", "a replica alone in a view change climbs from view to view", "deaf_in_change", false},
	{"await-recovering", "a view is given to a leader that is known to be without memory", "recovering_leader_skipped", false},
	{"restart-as-new", "a group whose replicas all restart comes up empty and serves (known bug 14)", "lost_majority", true},
	{"loss-on-demand", "a group that can recover is given up at a word (known bug 14)", "lost_majority", true},
	{"wiped-as-new", "a replica with a new disk takes part as if it had never been there (known bug 15)", "wiped_disk", true},
	{"wiped-keeps-incarnation", "what a replica said before it lost its disk still counts (known bugs 12 and 15)", "wiped_disk", true},
	{"form-in-one-round", "a group is formed on answers of different moments (known bug 15)", "formation_two_rounds", false},
	{"any-disk-will-do", "a group is formed with disks that are no longer there", "formation_again", false},
	{"one-nonce-for-all", "an answer from before the last step of the forming counts", "formation_stale_answer", false},
	{"copy-anew", "every view change throws away what has been copied", "long_copy", false},
}

// explorerSeeds is how many seeds the explorer has to notice one mistake.
const explorerSeeds = 1000

func TestMutants(t *testing.T) {
	for _, m := range mistakes {
		mutant.Catch(t, m.name, m.what, "paxos/testdata/"+m.story, func() string { return storyNotices(t, m.story) })
		if m.explorer {
			mutant.Catch(t, m.name, m.what, "the explorer of paxos", mutant.Seeds(explorerSeeds, explorerNotices))
		}
	}
}

// A copy that is complete asks for a fence although the view is being left behind one.
func TestMutantFencedTwice(t *testing.T) {
	mutant.Catch(t, fencedTwice, "two fences are asked for, and the second forgets where the first led", "the copies of paxos", func() string {
		return mutant.Complaint(func() {
			if wrong := completedWhileLeaving(t); wrong != "" {
				panic(wrong)
			}
		})
	})
}

const (
	fencedTwice      = "fenced-twice"
	overtakenGoesOn  = "overtaken-goes-on"
	pageDroppedEarly = "page-dropped-early"
	pageUsedAtOnce   = "page-used-at-once"
)

// The memory of a log is used again too early.
func TestMutantPages(t *testing.T) {
	mutant.Catch(t, pageDroppedEarly, "an entry that the log holds is overwritten", "the explorer of paxos", mutant.Seeds(explorerSeeds, explorerNotices))
	mutant.Catch(t, pageUsedAtOnce, "an entry is overwritten before it is applied", "the pages of paxos", func() string { return toldStays(t) })
}

// A burst of an image that was overtaken by a later one goes on beside it.
func TestMutantOvertaken(t *testing.T) {
	mutant.Catch(t, overtakenGoesOn, "what was slow makes the rest of an image come twice", "the copies of paxos", func() string { return overtaken(t) })
}

func explorerNotices(seed int64) string {
	if err := newExplorer(seed).run(); err != nil {
		return err.Error()
	}
	return ""
}

// storyNotices tells a story and returns how it went wrong, or nothing.
func storyNotices(t *testing.T, name string) string {
	path := filepath.Join("testdata", name+".txt")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return mutant.Complaint(func() { tellStory(witness{t}, path) })
}

// witness is a test that may fail: failing ends the story, not the test.
type witness struct{ testing.TB }

func (w witness) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (w witness) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (w witness) Logf(string, ...any)               {}
func (w witness) Failed() bool                      { return false }

// Every place in the code that asks for a mutant is in the table, and the other way round.
func TestMutantsAreListed(t *testing.T) {
	listed := []string{fencedTwice, overtakenGoesOn, pageDroppedEarly, pageUsedAtOnce}
	for _, m := range mistakes {
		listed = append(listed, m.name)
	}
	mutant.Listed(t, listed, "*.go")
}
