package kernelpath

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
)

// noticed is what the death of a leader may cost a client, on a machine that also does other things.
const noticed = 3 * time.Second

// Followers go on by what the kernel acknowledges: when their user space hears nothing at all, because their own firewalls
// drop it behind the programs, and when nothing but heartbeats is lost. They call no election, and the leader keeps its
// lease and answers reads by it alone. When it dies they notice in time.
func TestTheKernelAcknowledgesAlone(t *testing.T) { holds(t, patient, alone) }

// patient nodes have leases, and call for another leader for no other reason than silence: not because a machine with few
// cores has let one wait.
var patient = lab.Config{Settings: map[string]string{"election-timeout": "500ms", "lease": "400ms"}}

// silence is long enough for several elections.
const silence = 2 * time.Second

func alone(ctx context.Context, l *lab.Lab) error {
	s, err := enter(ctx, l, 4)
	if err != nil {
		return err
	}
	defer s.leave()
	// Something is written all the time: where there is nothing to acknowledge, heartbeats are all that there is.
	talking, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for talking.Err() == nil {
			_ = s.db.Put(talking, "talk", nil)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if err := s.deafen(ctx, s.followers...); err != nil {
		return err
	}
	if err := s.quiet(ctx); err != nil {
		return fmt.Errorf("deaf: %w", err)
	}
	beats := []wire.Kind{wire.KindHeartbeat}
	if err := errors.Join(l.Heal(ctx), s.faults.Set(s.named(s.followers...), []lab.Way{lab.To}, beats, lab.Fault{Drop: 1})); err != nil {
		return err
	}
	if err := s.quiet(ctx); err != nil {
		return fmt.Errorf("without heartbeats: %w", err)
	}
	return deathIsNoticed(ctx, l, s.db, s.leader)
}

// quiet has nothing happen but writes and reads.
func (s *scene) quiet(ctx context.Context) error {
	before := s.Replica(ctx, s.leader, 0)
	was, err := waysOf(ctx, s.Lab, s.followers)
	if err != nil {
		return err
	}
	asked, err := writeAndRead(ctx, s.db, silence)
	if err != nil {
		return err
	}
	after := s.Replica(ctx, s.leader, 0)
	w, err := waysOf(ctx, s.Lab, s.followers)
	if err != nil {
		return err
	}
	w = w.minus(was)
	switch {
	case after.View != before.View || !after.Serving:
		return fmt.Errorf("the view was %d and is %d: the followers did not hear their leader", before.View, after.View)
	case w.fast != w.all || w.all < uint64(asked):
		return fmt.Errorf("%d of %d entries came the fast way, of %d puts", w.fast, w.all, asked)
	case after.Reads.ByRound != before.Reads.ByRound || after.Reads.ByLease-before.Reads.ByLease < uint64(asked):
		return fmt.Errorf("%d reads: %+v before and %+v then", asked, before.Reads, after.Reads)
	}
	for _, f := range s.followers {
		if r := s.Replica(ctx, f, 0); r == nil || r.View != before.View || r.Status != "normal" {
			return fmt.Errorf("node %d is at %+v, and the leader in view %d", f, r, before.View)
		}
	}
	return nil
}

// writeAndRead puts and gets in turns for a while, and returns how often.
func writeAndRead(ctx context.Context, db *client.Client, length time.Duration) (n int, err error) {
	for until := time.Now().Add(length); time.Now().Before(until); n++ {
		value := fmt.Sprint(n)
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := db.Put(short, "alone", []byte(value))
		var got []byte
		if err == nil {
			got, err = db.Get(short, "alone")
		}
		cancel()
		if err != nil || string(got) != value {
			return n, fmt.Errorf("%q was put and is %q: %w", value, got, err)
		}
		time.Sleep(time.Millisecond)
	}
	return n, nil
}

// deathIsNoticed kills the leader while it is being heard by the kernel alone.
func deathIsNoticed(ctx context.Context, l *lab.Lab, db *client.Client, leader int) error {
	if err := l.Kill(ctx, leader); err != nil {
		return err
	}
	began := time.Now()
	short, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	if err := db.Put(short, "orphan", nil); err != nil {
		return fmt.Errorf("%v after the leader's death: %w", time.Since(began), err)
	}
	return nil
}

// A leader goes on by what its kernel counts: what the programs pass up of acknowledgements is lost behind them, and what they
// have counted once, however often it is sent again, they do not pass up.
func TestWhatTheKernelCountsIsEnough(t *testing.T) { holds(t, patient, counted) }

func counted(ctx context.Context, l *lab.Lab) error {
	s, err := enter(ctx, l, 6)
	if err != nil {
		return err
	}
	defer s.leave()
	before := l.Replica(ctx, s.leader, 0)
	if err := l.Deafen(ctx, l.Nodes()[s.leader].Name, wire.KindAccepted, wire.KindEcho); err != nil {
		return err
	}
	n, err := writeAndRead(ctx, s.db, silence)
	if err != nil {
		return err
	}
	after := l.Replica(ctx, s.leader, 0)
	if after.View != before.View || !after.Serving || after.Offload.Counted-before.Offload.Counted < uint64(n) {
		return fmt.Errorf("%d puts, %d acknowledgements were read from the cells before and %d then; the view was %d and is %d",
			n, before.Offload.Counted, after.Offload.Counted, before.View, after.View)
	}
	if err := l.Heal(ctx); err != nil {
		return err
	}
	return s.resumes(ctx)
}

// With a packet in a hundred lost for a minute the fast path goes on; after a gap, after lost packets of a quorum, it resumes
// by itself.
func TestTheFastPathLivesThroughLoss(t *testing.T) { holds(t, lab.Config{}, loss(time.Minute)) }

func loss(length time.Duration) check {
	return func(ctx context.Context, l *lab.Lab) error {
		s, err := enter(ctx, l, 1)
		if err != nil {
			return err
		}
		defer s.leave()
		if err := s.lossy(ctx, length); err != nil {
			return err
		}
		for _, lost := range []struct {
			what   string
			member int
			kind   wire.Kind
		}{{"entries of a follower", s.followers[0], wire.KindAccept}, {"acknowledgements", s.leader, wire.KindAccepted}} {
			if err := s.allLost(ctx, lost.member, lost.kind); err != nil {
				return fmt.Errorf("%s were lost: %w", lost.what, err)
			}
		}
		return large(ctx, l, s.db)
	}
}

// lossy has a packet in a hundred be lost everywhere.
func (s *scene) lossy(ctx context.Context, length time.Duration) error {
	if err := s.faults.Set(nil, nil, nil, lab.Fault{Drop: 0.01}); err != nil {
		return err
	}
	before, err := waysOf(ctx, s.Lab, s.followers)
	if err != nil {
		return err
	}
	n, err := puts(ctx, s.db, "lossy", 1<<30, length)
	if err != nil {
		return err
	}
	w, err := waysOf(ctx, s.Lab, s.followers)
	if err != nil {
		return err
	}
	if w = w.minus(before); w.share() < 0.9 || w.all < uint64(n/10) {
		return fmt.Errorf("with 1 %% of loss %d of %d entries came the fast way, of %d puts", w.fast, w.all, n)
	}
	return nil
}

// allLost has all frames of a kind be lost on their way to a node, for a while, under load.
func (s *scene) allLost(ctx context.Context, member int, kind wire.Kind) error {
	if err := errors.Join(s.faults.Clear(), s.faults.Set(s.named(member), []lab.Way{lab.To}, []wire.Kind{kind}, lab.Fault{Drop: 1})); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { _, err := puts(ctx, s.db, "gap", 400, patience); ended <- err }()
	time.Sleep(10 * time.Millisecond) // what is under way arrives
	before, err := waysOf(ctx, s.Lab, s.followers[:1])
	time.Sleep(200 * time.Millisecond)
	after, failed := waysOf(ctx, s.Lab, s.followers[:1])
	if err := errors.Join(err, failed); err != nil || kind == wire.KindAccept && before != after {
		return fmt.Errorf("%+v entries reached a follower, and %+v then: %w", before, after, err)
	}
	if err := errors.Join(s.faults.Clear(), <-ended); err != nil {
		return err
	}
	return s.resumes(ctx)
}

// large entries, which the programs do not carry, come between small ones.
func large(ctx context.Context, l *lab.Lab, db *client.Client) error {
	want := strings.Repeat("large", 1000)
	for i := range 20 {
		key := fmt.Sprint("large", i)
		if err := errors.Join(db.Put(ctx, key, []byte(want)), db.Put(ctx, "small", []byte(key))); err != nil {
			return err
		}
		if v, err := db.Get(ctx, key); err != nil || string(v) != want {
			return fmt.Errorf("%s has %d bytes: %w", key, len(v), err)
		}
	}
	return resumes(ctx, l, db)
}

// A follower is stopped for seconds while the other one is cut off: what it acknowledges meanwhile, the kernel does, until
// its log is full. Then the leader dies, and what was acknowledged is nowhere but in that log. Nothing of it is lost.
func TestWhatTheKernelAcknowledgedIsThere(t *testing.T) { holds(t, lab.Config{}, stopped) }

func stopped(ctx context.Context, l *lab.Lab) error {
	s, err := enter(ctx, l, 5)
	if err != nil {
		return err
	}
	defer s.leave()
	leader, followers := s.leader, s.followers
	room := l.Replica(ctx, followers[0], 0).Offload.Room
	if err := errors.Join(l.Pause(followers[0]), l.CutOff(ctx, l.Nodes()[followers[1]].Name)); err != nil {
		return err
	}
	// Each entry holds one put of several; the last ones wait for room that there is not.
	acknowledged, err := putUntilStuck(ctx, s.db, 4*room)
	if err != nil {
		return err
	}
	if acknowledged < room/2 || acknowledged == 4*room {
		return fmt.Errorf("%d of %d puts were acknowledged with room for %d entries", acknowledged, 4*room, room)
	}
	// It was silent for seconds, and must not call for another view before it has looked into its log.
	if err := errors.Join(l.Signal(leader, syscall.SIGKILL), l.Resume(followers[0]), l.Heal(ctx)); err != nil {
		return err
	}
	if err := allThere(ctx, s.db, acknowledged); err != nil {
		return err
	}
	if err := errors.Join(l.Start(leader), l.AwaitNode(ctx, leader)); err != nil {
		return err
	}
	return s.resumes(ctx)
}

// putUntilStuck puts one after the other until one is not acknowledged within a second.
func putUntilStuck(ctx context.Context, db *client.Client, most int) (n int, err error) {
	for ; n < most; n++ {
		short, cancel := context.WithTimeout(ctx, time.Second)
		err := db.Put(short, fmt.Sprint("stuck", n), []byte(fmt.Sprint(n)))
		late := short.Err() != nil
		cancel()
		if late {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
