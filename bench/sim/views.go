package sim

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard/replica"
)

// What views meet, beside what images and recoveries do.
const (
	viewSkipped      = "leader behind a view that never served"
	viewPrepared     = "leader that finds transactions prepared"
	viewDeposed      = "turn of a leader that does not know that it is deposed"
	viewSilent       = "leader that fell silent"
	viewVoteFound    = "vote behind a fence that found entries which only the kernel knew"
	recoveryTogether = "recovery beside another one in its group"
	imagePrepared    = "image in which transactions are prepared"
)

// accede counts what the first turn is of a leader that serves, in which its view is not the group's latest yet.
func (c *cluster) accede(s *seat, now *replica.State) {
	if now.LastNormal > c.views[s.group]+1 {
		c.situations[viewSkipped]++
	}
	if len(s.engine.Participant().Prepared()) > 0 && now.LastNormal > now.Epoch.First() {
		c.situations[viewPrepared]++
	}
}

// overlook counts what a turn shows of views.
func (c *cluster) overlook(s *seat, now *replica.State) {
	was := &s.seen
	switch {
	case now.Role.Serving && c.views[s.group] > now.LastNormal:
		c.situations[viewDeposed]++
	case was.Role.Serving && !now.Role.Leads && now.Status == paxos.Normal && now.Promised == was.LastNormal:
		c.situations[viewSilent]++
	case now.Status == paxos.Recovering && was.Status != paxos.Recovering && c.recovering(s) > 0:
		c.situations[recoveryTogether]++
	}
	if s.fast != nil {
		if s.fast.found && was.Status == paxos.Normal && now.Status == paxos.Changing {
			c.situations[viewVoteFound]++
		}
		s.fast.found = false
	}
}

// recovering counts the other replicas of the group that recover.
func (c *cluster) recovering(s *seat) (n int) {
	for _, other := range c.groups[s.group] {
		if other != s && other.engine != nil && other.seen.Status == paxos.Recovering {
			n++
		}
	}
	return n
}
