package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/transport"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
	"github.com/anodekv/anode/txn/twopc"
)

// NodeStatus is the answer of /status.
type NodeStatus struct {
	Node    string `json:"node"`
	Cluster uint64 `json:"cluster"`
	// Normal: every replica of the node takes part in its group.
	Normal   bool            `json:"normal"`
	Door     DoorStatus      `json:"door"`
	Offload  OffloadStatus   `json:"offload"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// DoorStatus counts who came to the node's base port to learn about the cluster.
type DoorStatus struct {
	Answered uint64            `json:"answered"`
	Rejected map[string]uint64 `json:"rejected,omitempty"`
}

// ReplicaStatus describes one replica. Views and ops are counted from the start of the epoch.
type ReplicaStatus struct {
	Group   shard.ID `json:"group"`
	Replica uint16   `json:"replica"`
	// Error is why the replica does not answer, if it does not; then nothing else is known.
	Error       string `json:"error,omitempty"`
	Status      string `json:"status,omitempty"`
	Epoch       uint32 `json:"epoch"`
	View        uint64 `json:"view"`
	Incarnation uint32 `json:"incarnation"`
	// Leads: it leads the view. Serving: and it may answer clients.
	Leads   bool `json:"leads"`
	Serving bool `json:"serving"`
	// Lost: the group has lost its memory, and is closed until Decide is run or a replica that remembers is back.
	Lost   bool   `json:"lost"`
	Decide string `json:"decide,omitempty"`
	// Disagrees names the nodes whose files lay the cluster out in another way: with them the replica takes no part in its group.
	Disagrees []string  `json:"disagrees,omitempty"`
	Log       LogStatus `json:"log"`
	// Hash is the digest of the state at log.applied. Two replicas of a group that have applied the same op and differ in it
	// would not hold the same.
	Hash         string               `json:"hash,omitempty"`
	Store        StoreStatus          `json:"store"`
	Transactions TransactionsStatus   `json:"transactions"`
	Reads        ReadsStatus          `json:"reads"`
	Images       ImagesStatus         `json:"images"`
	Frames       FramesStatus         `json:"frames"`
	Offload      ReplicaOffloadStatus `json:"offload"`
	// Ignored counts messages of the group that changed nothing, by reason.
	Ignored map[string]uint64 `json:"ignored,omitempty"`
}

// LogStatus tells how far a replica's log reaches, and what is kept of it.
type LogStatus struct {
	Base    uint64 `json:"base"`
	Applied uint64 `json:"applied"`
	Chosen  uint64 `json:"chosen"`
	Last    uint64 `json:"last"`
	Bytes   int    `json:"bytes"`
}

// StoreStatus tells what a replica holds for clients.
type StoreStatus struct {
	Keys       int   `json:"keys"`
	Versions   int   `json:"versions"`
	Tombstones int   `json:"tombstones"`
	Bytes      int64 `json:"bytes"`
	LiveBytes  int64 `json:"live_bytes"`
}

// TransactionsStatus tells what a replica holds of transactions, and how those ended whose clients died.
type TransactionsStatus struct {
	Sessions       int     `json:"sessions"`
	Records        int     `json:"records"`
	Prepared       int     `json:"prepared"`
	Waiting        int     `json:"waiting"`
	InFlight       int     `json:"in_flight"`
	Doubts         int     `json:"doubts"`
	Undecidable    int     `json:"undecidable"`
	LongestDoubtMs float64 `json:"longest_doubt_ms"`
	SettledCommits uint64  `json:"settled_commits"`
	SettledAborts  uint64  `json:"settled_aborts"`
	Expired        uint64  `json:"expired_sessions"`
	Alarms         uint64  `json:"alarms"`
}

// ReadsStatus counts the reads that a leader has confirmed.
type ReadsStatus struct {
	ByLease uint64 `json:"by_lease"`
	ByRound uint64 `json:"by_round"`
}

// ImagesStatus counts images of the state that were sent and received.
type ImagesStatus struct {
	Taken    uint64 `json:"taken"`
	Restored uint64 `json:"restored"`
	Dropped  uint64 `json:"dropped"`
	Wrong    uint64 `json:"wrong"`
	BytesOut uint64 `json:"bytes_out"`
	BytesIn  uint64 `json:"bytes_in"`
}

// FramesStatus counts frames.
type FramesStatus struct {
	In       uint64            `json:"in"`
	Out      uint64            `json:"out"`
	Dropped  uint64            `json:"dropped"`
	Rejected map[string]uint64 `json:"rejected,omitempty"`
	Promises uint64            `json:"promises"`
}

func (a *admin) status(r *http.Request) (int, any) {
	n := a.node
	out := NodeStatus{
		Node: n.cfg.Name, Cluster: n.cfg.Topology.Cluster, Normal: true, Replicas: []ReplicaStatus{},
		Door: DoorStatus{Answered: n.Door().Answered, Rejected: n.Door().rejected()},
	}
	state := n.Offload()
	out.Offload = state.tell()
	for _, s := range a.look(r) {
		told := tell(&s)
		if s.Lost {
			told.Decide = n.deciding(s.Group)
		}
		told.Disagrees = n.disagreeing(&s)
		out.Normal = out.Normal && s.Normal()
		out.Replicas = append(out.Replicas, told)
	}
	return http.StatusOK, out
}

// tell puts what is known of a replica into the words of the answer.
func tell(s *SeatStatus) ReplicaStatus {
	out := ReplicaStatus{Group: s.Group, Replica: s.Replica}
	if s.Err != nil {
		out.Error = s.Err.Error()
		return out
	}
	out.Status, out.Epoch, out.View, out.Incarnation = s.Status.String(), uint32(s.Epoch), s.view(), uint32(s.Incarnation)
	out.Leads, out.Serving, out.Lost = s.Role.Leads, s.Role.Serving, s.Lost
	out.Log = LogStatus{Base: s.op(s.Base), Applied: s.op(s.Applied), Chosen: s.op(s.Chosen), Last: s.op(s.Last), Bytes: s.LogBytes}
	out.Hash = fmt.Sprintf("%016x", s.Hash)
	out.Store, out.Transactions = tellStore(&s.Transactions), tellTransactions(&s.Transactions)
	out.Reads = ReadsStatus(s.Reads)
	out.Images = ImagesStatus(s.Images)
	c := &s.Counters
	out.Frames = FramesStatus{In: c.FramesIn, Out: c.FramesOut, Dropped: c.Dropped + c.NoAddress, Rejected: rejected(c), Promises: c.Promises}
	out.Offload = s.Offload.tell()
	out.Ignored = ignored(&s.Ignored)
	return out
}

func tellStore(t *twopc.ParticipantStats) StoreStatus {
	return StoreStatus{
		Keys: t.Store.Keys, Versions: t.Store.Versions, Tombstones: t.Store.Tombstones,
		Bytes: t.Store.Bytes, LiveBytes: t.Store.Live,
	}
}

func tellTransactions(t *twopc.ParticipantStats) TransactionsStatus {
	return TransactionsStatus{
		Sessions: t.Sessions, Records: t.Records, Prepared: t.Prepared, Waiting: t.Waiting, InFlight: t.InFlight,
		Doubts: t.Doubts, Undecidable: t.Lost, LongestDoubtMs: float64(t.LongestDoubt) / float64(time.Millisecond),
		SettledCommits: t.SettledCommits, SettledAborts: t.SettledAborts, Expired: t.Expired, Alarms: t.Alarms,
	}
}

// view is the view promised, from the start of the epoch.
func (s *SeatStatus) view() uint64 { return uint64(s.Promised - s.Epoch.First()) }

// op counts an op from the start of the epoch; a log that has not begun in it yet counts as empty.
func (s *SeatStatus) op(o wire.Op) uint64 {
	if base := s.Epoch.Base(); o > base {
		return uint64(o - base)
	}
	return 0
}

// rejected are the frames that a replica took no notice of, by reason.
func rejected(c *replica.Counters) map[string]uint64 {
	out := byReason(&c.BadFrames)
	for reason, n := range map[string]uint64{
		"not_for_servers": c.NotForServers, "wrong_cluster": c.WrongCluster, "wrong_group": c.WrongGroup, "wrong_source": c.WrongSource,
	} {
		if n > 0 {
			out[reason] = n
		}
	}
	return out
}

func (c DoorCounters) rejected() map[string]uint64 {
	out := byReason(&c.BadFrames)
	if c.WrongDoor > 0 {
		out["wrong_door"] = c.WrongDoor
	}
	return out
}

func byReason(counts *[transport.Rejects]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for reason, n := range counts {
		if n > 0 {
			out[label(transport.Reject(reason).String())] = n
		}
	}
	return out
}

func ignored(counts *paxos.Ignored) map[string]uint64 {
	out := map[string]uint64{}
	for reason, n := range counts {
		if n > 0 {
			out[label(paxos.Reason(reason).String())] = n
		}
	}
	return out
}

// label makes a name of a few words.
func label(words string) string { return strings.ReplaceAll(strings.ToLower(words), " ", "_") }
