package sim

import (
	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard/replica"
)

// What becomes of images of the state.
const (
	imageToFollower    = "image to a normal follower"
	imageInViewChange  = "image in a view change"
	imageInRecovery    = "image in a recovery"
	imageAbandoned     = "image abandoned"
	viewWithoutEntries = "leader whose log begins late"
)

// Situations are all that runs may meet beyond what the kernel path counts by itself; of runs across a loss, what only they
// may. What many seeds never meet is not tested by them.
func Situations(loss bool) []string {
	if loss {
		return []string{sawLoss, forgotten, lostWhilePrepared, settledLost, kernelAfterLoss}
	}
	return []string{
		imageToFollower, imageInViewChange, imageInRecovery, imageAbandoned, viewWithoutEntries,
		founded, foundedLate, formedAgain, recovered, returned, recoveryView, recoveryMet,
		diedSending, diedUnanswered, diedCommitting, diedIdle,
		inquests, settledCommits, settledAborts, refusedLate, forgottenAgreed, sessionsExpired,
		readByLease, readByRound, pastRead, pastReread, pastScan, pastOwn, pastTooOld, pastAbandons,
		kernelAlone, kernelFencedBetween, kernelFenceFound, kernelGapResumed, kernelFullResumed, kernelSwitched, kernelDetached,
		kernelClaimed, kernelClaimLost, kernelPlain, kernelStored, kernelCounted, kernelBroadcast, kernelFences, kernelWorn,
	}
}

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
