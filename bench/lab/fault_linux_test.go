package lab

import (
	"bytes"
	"errors"
	"math"
	"math/bits"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard/server"
)

const (
	strayPort = 9999
	stray     = 1000             // packets in a volley
	strayKind = wire.KindRecover // which nodes that are well never send
)

// shooting is a socket among the clients that shoots frames at one in a node's namespace.
type shooting struct {
	*cluster
	from, at *net.UDPConn
	got      chan shot
}

type shot struct {
	frame []byte
	after time.Duration
}

func newShooting(c *cluster, node string) *shooting {
	s := &shooting{cluster: c, got: make(chan shot, 8*stray)}
	to := &net.UDPAddr{IP: net.ParseIP(c.Nodes()[0].IP), Port: strayPort}
	var err error
	c.must(inside(c.state.Config.space(node), func() error { s.at, err = net.ListenUDP("udp4", to); return err }))
	s.from, err = net.DialUDP("udp4", nil, to)
	c.must(err)
	c.must(s.at.SetReadBuffer(8 << 20))
	c.tb.Cleanup(func() { s.from.Close(); s.at.Close() })
	began := time.Now()
	go func() {
		b := make([]byte, 2048)
		for {
			n, err := s.at.Read(b)
			if err != nil {
				return
			}
			s.got <- shot{slices.Clone(b[:n]), time.Since(began)}
		}
	}()
	return s
}

func strayFrame(kind wire.Kind, op int) []byte {
	f := wire.Frame{Header: wire.Header{Kind: kind, Op: wire.Op(op)}, Body: make([]byte, 100)}
	b, err := f.Append(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// frames are all kinds of them; without ARP, nothing would arrive at all.
func frames() (all []wire.Kind) {
	for k := NoFrame + 1; k != 0; k++ {
		all = append(all, k)
	}
	return all
}

// volley shoots, and gathers what arrives until nothing has for a while.
func (s *shooting) volley(kind wire.Kind) (got []shot) {
	s.tb.Helper()
	for i := range stray {
		_, err := s.from.Write(strayFrame(kind, i))
		s.must(err)
		if i%50 == 49 {
			time.Sleep(time.Millisecond)
		}
	}
	for {
		select {
		case g := <-s.got:
			got = append(got, g)
		case <-time.After(200 * time.Millisecond):
			return got
		}
	}
}

// ops are those of the frames in the order of their arrival.
func ops(got []shot) (all []int) {
	for _, g := range got {
		f, _, _, err := wire.Parse(g.frame)
		if err != nil {
			all = append(all, -1)
			continue
		}
		all = append(all, int(f.Op))
	}
	return all
}

// aim is a member's wire, in one direction.
type aim struct {
	*shooting
	faults *Faults
	member string
	way    Way
}

// volley also tells what was done meanwhile.
func (a *aim) volley() ([]shot, Count) {
	a.tb.Helper()
	before := a.count()
	got := a.shooting.volley(strayKind)
	after := a.count()
	return got, Count{after.Seen - before.Seen, after.Dropped - before.Dropped, after.Corrupted - before.Corrupted,
		after.Duplicated - before.Duplicated, after.Replayed - before.Replayed, after.Delayed - before.Delayed, after.Failed - before.Failed}
}

func (a *aim) count() Count {
	a.tb.Helper()
	n, err := a.faults.Count([]string{a.member}, []Way{a.way}, []wire.Kind{strayKind})
	a.must(err)
	return n
}

const (
	struck   = 0.3
	soonest  = 20 * time.Millisecond
	latest   = 60 * time.Millisecond
	tolerant = 0.06 // four deviations of a share of 1,000
)

// outcomes say for each fault how many it met, and whether what arrives fits.
var outcomes = map[string]struct {
	fault Fault
	met   func(Count) uint64
	fits  func(got []shot, met int) bool
}{
	"drop": {Fault{Drop: struck}, func(n Count) uint64 { return n.Dropped },
		func(got []shot, met int) bool { return len(got) == stray-met && foreign(got) == 0 }},
	"corrupt": {Fault{Corrupt: struck}, func(n Count) uint64 { return n.Corrupted },
		func(got []shot, met int) bool { return len(got) == stray && flippedBits(got) == met }},
	"duplicate": {Fault{Duplicate: struck}, func(n Count) uint64 { return n.Duplicated },
		func(got []shot, met int) bool {
			return len(got) == stray+met && len(apart(got)) == met && foreign(got) == 0
		}},
	"replay": {Fault{Replay: struck, Min: soonest, Max: latest}, func(n Count) uint64 { return n.Replayed },
		func(got []shot, met int) bool {
			return len(got) == stray+met && len(apart(got)) == met && middle(apart(got)) > soonest && foreign(got) == 0
		}},
	"delay": {Fault{Delay: struck, Min: soonest, Max: latest}, func(n Count) uint64 { return n.Delayed },
		func(got []shot, met int) bool {
			late := overtaken(ops(got))
			return len(got) == stray && foreign(got) == 0 && late > met*9/10 && late < stray*(1-struck)
		}},
}

// Each fault meets the share, the kind and the way that it was set for and nothing else, and counts what it did.
func TestFaultsDoWhatTheySay(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOff})
	f, err := c.Faults(1)
	c.must(err)
	t.Cleanup(func() { c.must(f.Close()) })
	s := newShooting(c, "n0")
	others := slices.DeleteFunc(frames(), func(k wire.Kind) bool { return k == strayKind })
	for name, a := range map[string]*aim{"from": {s, f, Clients, From}, "to": {s, f, "n0", To}} {
		t.Run(name, func(t *testing.T) {
			all := Fault{Drop: 1, Corrupt: 1, Duplicate: 1, Replay: 1, Delay: 1, Max: time.Second}
			c.must(f.Clear())
			c.must(f.Set([]string{"n1", "n2"}, nil, nil, all))
			c.must(f.Set([]string{a.member}, []Way{a.way ^ 1}, frames(), all))
			c.must(f.Set([]string{a.member}, []Way{a.way}, others, all))
			if got, n := a.volley(); len(got) != stray || n != (Count{Seen: stray}) || flippedBits(got) != 0 {
				t.Errorf("rules for others: %d arrive of %d, %+v", len(got), stray, n)
			}
			for name, o := range outcomes {
				c.must(f.Clear())
				c.must(f.Set([]string{a.member}, []Way{a.way}, []wire.Kind{strayKind}, o.fault))
				got, n := a.volley()
				met := o.met(n)
				if share := float64(met) / stray; math.Abs(share-struck) > tolerant || n.Seen != stray || n.Failed != 0 || !o.fits(got, int(met)) {
					t.Errorf("%s: %d of %d arrive, %d of them foreign, %d twice, %d late: %+v",
						name, len(got), stray, foreign(got), len(apart(got)), overtaken(ops(got)), n)
				}
			}
		})
	}
}

// foreign counts frames that are not as they were shot.
func foreign(got []shot) (n int) {
	for i, op := range ops(got) {
		if op < 0 || !bytes.Equal(got[i].frame, strayFrame(strayKind, op)) {
			n++
		}
	}
	return n
}

// flippedBits counts in how many bits frames differ from those that were shot, if all arrive and in order.
func flippedBits(got []shot) (n int) {
	for op, g := range got {
		want := strayFrame(strayKind, op)
		if len(g.frame) != len(want) {
			return -1
		}
		for i := range want {
			n += bits.OnesCount8(want[i] ^ g.frame[i])
		}
	}
	return n
}

// apart is the time between the first and the second arrival of each frame that came twice.
func apart(got []shot) (all []time.Duration) {
	first := map[int]time.Duration{}
	for i, op := range ops(got) {
		if at, ok := first[op]; ok {
			all = append(all, got[i].after-at)
			continue
		}
		first[op] = got[i].after
	}
	return all
}

// middle is the median: what this process reads late seems to have come late.
func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// overtaken counts those that came behind a later one.
func overtaken(order []int) (n int) {
	highest := -1
	for _, op := range order {
		if op < highest {
			n++
		}
		highest = max(highest, op)
	}
	return n
}

// With the same seed the same packets of a way are met, with another one others.
func TestFaultsFollowTheirSeed(t *testing.T) {
	c := start(t, Config{Offload: server.OffloadOff})
	s := newShooting(c, "n0")
	volley := func(seed uint64) []int {
		t.Helper()
		f, err := c.Faults(seed)
		c.must(err)
		defer f.Close()
		c.must(f.Set([]string{"n0"}, []Way{To}, []wire.Kind{strayKind}, Fault{Drop: 0.5}))
		return ops(s.volley(strayKind))
	}
	a, b, other := volley(1), volley(1), volley(2)
	if !slices.Equal(a, b) || slices.Equal(a, other) {
		t.Errorf("%d, %d and %d arrive with the seeds 1, 1 and 2", len(a), len(b), len(other))
	}
}

func TestBadFaultsAreRefused(t *testing.T) {
	f := &Faults{members: []string{"n0", Clients}, room: &room{}}
	for name, err := range map[string]error{
		"member": f.Set([]string{"n9"}, nil, nil, Fault{}),
		"share":  f.Set(nil, nil, nil, Fault{Drop: 1.5}),
		"order":  f.Set(nil, nil, nil, Fault{Delay: 1, Min: 2, Max: 1}),
		"long":   f.Set(nil, nil, nil, Fault{Delay: 1, Max: 2 * maxWait}),
		"stream": f.Set(nil, nil, []wire.Kind{NoFrame}, Fault{Corrupt: 1}),
	} {
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
