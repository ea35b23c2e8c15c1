package server

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
)

// OffloadStatus tells how far a node has come into the kernel.
type OffloadStatus struct {
	// Mode is what the node was started with: auto, on or off.
	Mode   string `json:"mode"`
	Device string `json:"device,omitempty"`
	// Rung is the way by which packets reach the programs; without one Why tells what keeps the node in user space.
	Rung string `json:"rung,omitempty"`
	Why  string `json:"why,omitempty"`
	// Failed are the better ways that were tried.
	Failed []StepDown `json:"failed,omitempty"`
	// NoBroadcast is why copies are made by user space, if they are.
	NoBroadcast string `json:"no_broadcast,omitempty"`
	// Settled is false while something is still being tried.
	Settled bool `json:"settled"`
	// Elsewhere counts packets that belong to no replica of the node, by what the programs did with them.
	Elsewhere map[string]uint64 `json:"elsewhere,omitempty"`
}

// ReplicaOffloadStatus tells what the kernel does for one replica.
type ReplicaOffloadStatus struct {
	// Wanted is what is to be offloaded, Offered what of that can be: all, none, or names with commas between them.
	Wanted  string `json:"wanted"`
	Offered string `json:"offered"`
	// Armed: the programs acknowledge for this follower. Counting: they count for this leader.
	Armed    bool   `json:"armed"`
	Counting bool   `json:"counting"`
	Why      string `json:"why,omitempty"`
	// Fast, Claimed and Plain are a follower's entries: those that the programs acknowledged, those that came to user
	// space while the programs were armed, and those that came while they were not. Share is the part of the first.
	Fast    uint64  `json:"fast"`
	Claimed uint64  `json:"claimed"`
	Plain   uint64  `json:"plain"`
	Share   float64 `json:"share"`
	// Counted is the acknowledgements that a leader read from the programs' cells; Broadcasts and Unicasts are the
	// entries that it sent as one datagram and to each follower.
	Counted    uint64 `json:"counted"`
	Broadcasts uint64 `json:"broadcasts"`
	Unicasts   uint64 `json:"unicasts"`
	// Pending is how many entries stand in the programs' log of Room, not taken over yet.
	Pending int    `json:"pending"`
	Room    int    `json:"room"`
	Arms    uint64 `json:"arms"`
	Refused uint64 `json:"refused"`
	// Fences counts how often the end of the log was taken back from the programs.
	Fences     uint64  `json:"fences"`
	FenceMs    float64 `json:"fence_ms"`
	LongestMs  float64 `json:"longest_fence_ms"`
	ClaimsLost uint64  `json:"claims_lost"`
	// Reasons counts packets by what the programs did with them.
	Reasons map[string]uint64 `json:"reasons,omitempty"`
}

func (s *OffloadState) tell() OffloadStatus {
	return OffloadStatus{
		Mode: s.Mode.String(), Device: s.Device, Rung: s.Rung, Why: s.Why, Failed: s.Failed, NoBroadcast: s.NoBroadcast, Settled: s.Settled,
		Elsewhere: s.Elsewhere,
	}
}

func (l *LaneStatus) tell() ReplicaOffloadStatus {
	out := ReplicaOffloadStatus{
		Wanted: l.Wish.String(), Offered: l.On.String(), Armed: l.Armed, Counting: l.Leads, Why: l.Why,
		Fast: l.Stored, Claimed: l.Claimed, Plain: l.Plain, Share: l.Share(),
		Counted: l.Counted, Broadcasts: l.Broadcasts, Unicasts: l.Unicasts, Pending: l.Pending, Room: l.Room,
		Arms: l.Arms, Refused: l.Refused, Fences: l.Fences, FenceMs: inMs(l.FenceTime), LongestMs: inMs(l.FenceTimeMax),
		ClaimsLost: l.ClaimsLost, Reasons: l.Reasons,
	}
	if out.Why == "" && l.FastStats.Why != nil {
		out.Why = l.FastStats.Why.Error()
	}
	return out
}

func inMs(d wire.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// OffloadRequest is the body of POST /offload.
type OffloadRequest struct {
	// Group is the only one that is meant; without it, all of the node are.
	Group *shard.ID `json:"group,omitempty"`
	// Offloads is what is to be offloaded from now on: all, none, or some of ack, broadcast and quorum with commas
	// between them.
	Offloads string `json:"offloads"`
	// Off turns it round: these are switched off, and the others stay as they are.
	Off bool `json:"off,omitempty"`
}

// OffloadReply tells what the node's replicas do now.
type OffloadReply struct {
	Node     string           `json:"node"`
	Offload  OffloadStatus    `json:"offload"`
	Replicas []OffloadOutcome `json:"replicas"`
}

// OffloadOutcome is one replica of an [OffloadReply].
type OffloadOutcome struct {
	Group   shard.ID `json:"group"`
	Replica uint16   `json:"replica"`
	ReplicaOffloadStatus
}

// switchOffloads does what an operator says about the kernel path.
func (a *admin) switchOffloads(r *http.Request) (int, any) {
	var q OffloadRequest
	if code, err := readCommand(r, &q, "anode offload", `{"offloads":"all"}`); err != nil {
		return code, complain("%v", err)
	}
	wish, err := replica.ParseOffloads(q.Offloads)
	if err != nil {
		return http.StatusBadRequest, complain("offloads: %v", err)
	}
	set := a.node.SetOffloads
	if q.Off {
		set = a.node.DropOffloads
	}
	if err := set(r.Context(), q.Group, wish); err != nil {
		code := recoverCode(err)
		if errors.Is(err, ErrOffloadOff) {
			code = http.StatusConflict
		}
		if code == http.StatusGatewayTimeout {
			err = fmt.Errorf("%w: the replica has not answered; the status will tell what it does", err)
		}
		return code, complain("%v", err)
	}
	state := a.node.Offload()
	out := OffloadReply{Node: a.node.cfg.Name, Offload: state.tell(), Replicas: []OffloadOutcome{}}
	for _, s := range a.look(r) {
		if s.Err == nil && (q.Group == nil || s.Group == *q.Group) {
			out.Replicas = append(out.Replicas, OffloadOutcome{s.Group, s.Replica, s.Offload.tell()})
		}
	}
	return http.StatusOK, out
}
