package sim

import (
	"slices"

	"github.com/anodekv/anode/paxos/wire"
)

// shortest is the shortest time of faults that [Shrink] tries: below it clients hardly begin.
const shortest = 50 * wire.Millisecond

// Shrunk is the smallest failing run that was found.
type Shrunk struct {
	Cut    Cut
	Report Report
	// Err is how it fails. It may fail in another way than the run that it comes from.
	Err error
	// Runs is how many were played.
	Runs int
}

// Shrink leaves out of a failing run what it can while the run still fails: time, clients, kinds of faults, faults. It plays
// at most so many runs, the first of which is the whole; an Err that is nil says that the whole does not fail.
// The same arguments find the same.
func Shrink(seed int64, swarm bool, runs int) Shrunk {
	s := Shrunk{Runs: 1}
	s.Report, s.Err = RunCut(seed, swarm, Cut{})
	for smaller := s.Err != nil; smaller; {
		smaller = false
		for _, cut := range []func() []Cut{s.shorter, s.lonelier, s.simpler, s.calmer} {
			for _, c := range cut() {
				if s.Runs >= runs {
					return s
				}
				s.Runs++
				if report, err := RunCut(seed, swarm, c); err != nil {
					s.Cut, s.Report, s.Err = c, report, err
					smaller = true
					break // what was smaller than the last one is known no more
				}
			}
		}
	}
	return s
}

// The four ways to be smaller list what to try, the smallest first.

func (s *Shrunk) shorter() (cuts []Cut) {
	now := s.Report.Plan.Faults
	for _, d := range []wire.Duration{now / 8, now / 2, now * 3 / 4} {
		if d >= shortest {
			c := s.Cut
			c.Faults = d / wire.Millisecond * wire.Millisecond // as a person can write it
			cuts = append(cuts, c)
		}
	}
	return cuts
}

func (s *Shrunk) lonelier() (cuts []Cut) {
	for n := 1; n < s.Report.Plan.Clients; n++ {
		c := s.Cut
		c.Clients = n
		cuts = append(cuts, c)
	}
	return cuts
}

func (s *Shrunk) simpler() (cuts []Cut) {
	for _, name := range FaultKinds() {
		if s.Report.Faults[name] > 0 && !slices.Contains(s.Cut.Without, name) {
			c := s.Cut
			c.Without = append(slices.Clone(s.Cut.Without), name)
			cuts = append(cuts, c)
		}
	}
	return cuts
}

func (s *Shrunk) calmer() (cuts []Cut) {
	total := 0
	for _, n := range s.Report.Faults {
		total += n
	}
	for _, n := range []int{1, total / 2, total - 1} {
		if n > 0 && n < total {
			c := s.Cut
			c.Strikes = n
			cuts = append(cuts, c)
		}
	}
	return cuts
}
