package sim

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard/replica"
)

// What a run may meet and is counted. A situation that many seeds never meet is not tested by them.
const (
	imageToFollower    = "image to a normal follower"
	imageInViewChange  = "image in a view change"
	imageInRecovery    = "image in a recovery"
	imageAbandoned     = "image abandoned"
	viewWithoutEntries = "leader whose log begins late"
)

// situate counts what one turn of a replica was an instance of.
func (c *cluster) situate(s *seat, now *replica.State) {
	was := &s.seen
	if n := now.Images.Restored - was.Images.Restored; n > 0 {
		switch was.Status {
		case paxos.Normal:
			c.situations[imageToFollower]++
		case paxos.Changing:
			c.situations[imageInViewChange]++
		default:
			c.situations[imageInRecovery]++
		}
		c.compareStates(s, now.Applied)
	}
	c.situations[imageAbandoned] += int(now.Images.Dropped - was.Images.Dropped)
	if now.Role.Serving && !was.Role.Serving && now.Base > now.Epoch.Base() {
		c.situations[viewWithoutEntries]++
	}
	if now.Images.Wrong > 0 {
		c.w.fail("%v: an image is not what its source had", s)
	}
}
