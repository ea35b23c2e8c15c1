package sim

import (
	"fmt"
	"slices"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
	"github.com/anodekv/anode/txn/twopc"
)

// What may happen to transactions whose clients die.
const (
	diedSending     = "clients that died between two datagrams of a commit"
	diedUnanswered  = "clients that died before a commit was answered"
	diedCommitting  = "clients that died after the answer and before all shards knew"
	diedIdle        = "clients that died with nothing open"
	inquests        = "transactions that participants asked each other about"
	settledCommits  = "commits by inquiry"
	settledAborts   = "aborts by inquiry"
	refusedLate     = "prepares that came after a refusal"
	forgottenAgreed = "commits forgotten by agreement"
	sessionsExpired = "sessions expired"
)

// settleBound is how soon after the last fault everything must be settled that was prepared then: groups
// find their leaders, replicas recover, and the doubt's own bound passes.
const settleBound = 5 * wire.Second

// tallyDoubts takes down what a leader knows and its group's log does not, before it is forgotten.
func (s *seat) tallyDoubts() {
	if s.engine == nil {
		return
	}
	st := s.engine.Participant().Stats()
	s.c.situations[inquests] += int(st.Inquests)
	s.c.longestDoubt = max(s.c.longestDoubt, st.LongestDoubt)
}

// tallySettled takes down what the logs say, at the end of a run.
func (c *cluster) tallySettled() {
	for _, group := range c.groups {
		var log twopc.LogStats
		var applied wire.Op
		for _, s := range group {
			s.tallyDoubts()
			if s.engine != nil && s.engine.State().Applied >= applied {
				applied, log = s.engine.State().Applied, s.engine.Participant().Stats().LogStats
			}
		}
		c.situations[settledCommits] += int(log.SettledCommits)
		c.situations[settledAborts] += int(log.SettledAborts)
		if log.SettledLost > 0 {
			c.situations[settledLost] += int(log.SettledLost)
		}
		c.situations[refusedLate] += int(log.RefusedLate)
		c.situations[forgottenAgreed] += int(log.Forgotten)
		c.situations[sessionsExpired] += int(log.Expired)
	}
}

// expectNoDoubt fails the run if what is prepared now is not settled in time.
func (c *cluster) expectNoDoubt() {
	open := map[*seat][]txn.ID{}
	for _, group := range c.groups {
		for _, s := range group {
			if s.engine != nil {
				open[s] = s.engine.Participant().Prepared()
			}
		}
	}
	c.w.after(settleBound, func() {
		for _, group := range c.groups {
			for _, s := range group {
				if s.engine == nil {
					continue
				}
				for _, id := range s.engine.Participant().Prepared() {
					if slices.Contains(open[s], id) {
						c.w.fail("%v: %v is still prepared %d s after the last fault", s, id, settleBound/wire.Second)
					}
				}
			}
		}
	})
}

// contradictions tells of outcomes in any log that contradict what is chosen there.
func (c *cluster) contradictions() string {
	for _, group := range c.groups {
		for _, s := range group {
			if s.engine == nil {
				continue
			}
			if st := s.engine.Participant().Stats(); st.Alarms+st.Unreadable > 0 {
				return fmt.Sprintf("%v: %d outcomes contradict its log, %d commands are unreadable", s, st.Alarms, st.Unreadable)
			}
		}
	}
	return ""
}
