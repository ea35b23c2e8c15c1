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

// Situation is something that runs may meet. What many seeds never meet is not tested by them.
type Situation struct {
	Name string
	// Seeds is how many seeds must have met it: few if one in ten does, many if it takes a row of coincidences.
	Seeds int
}

const (
	always = 30
	soon   = 300
	late   = 10_000
)

// Situations are all that runs may meet beyond what the kernel path counts by itself; of runs across a loss, what only they
// may.
func Situations(loss bool) (all []Situation) {
	if loss {
		return within(always, sawLoss, forgotten, lostWhilePrepared, settledLost, kernelAfterLoss)
	}
	return append(within(soon,
		imageToFollower, imageInViewChange, imageInRecovery, imageAbandoned, imagePrepared, viewWithoutEntries,
		viewSkipped, viewPrepared, viewSilent,
		founded, formedAgain, recovered, returned, recoveryView, recoveryMet, recoveryTogether,
		diedSending, diedUnanswered, diedCommitting, diedIdle,
		inquests, settledCommits, settledAborts, refusedLate, forgottenAgreed, sessionsExpired,
		readByLease, readByRound, pastRead, pastReread, pastScan, pastOwn, pastTooOld, pastAbandons,
		kernelAlone, kernelFencedBetween, kernelFenceFound, kernelGapResumed, kernelFullResumed, kernelSwitched, kernelDetached,
		kernelClaimed, kernelClaimLost, kernelPlain, kernelStored, kernelCounted, kernelBroadcast, kernelFences, kernelWorn,
	), within(late, foundedLate, viewDeposed, viewVoteFound)...)
}

func within(seeds int, names ...string) (all []Situation) {
	for _, name := range names {
		all = append(all, Situation{Name: name, Seeds: seeds})
	}
	return all
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
		if len(s.engine.Participant().Prepared()) > 0 {
			c.situations[imagePrepared]++
		}
		c.compareStates(s, now.Applied)
	}
	c.overlook(s, now)
	c.situations[imageAbandoned] += int(now.Images.Dropped - was.Images.Dropped)
	if now.Role.Serving && !was.Role.Serving && now.Base > now.Epoch.Base() {
		c.situations[viewWithoutEntries]++
	}
	if now.Images.Wrong > 0 {
		c.w.fail("%v: an image is not what its source had", s)
	}
}
