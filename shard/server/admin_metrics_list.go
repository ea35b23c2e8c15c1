package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/paxos/wire"
)

// A metric of a replica, and how it is read.
type replicaMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*SeatStatus) float64
}

// reasonMetric counts by a second label. What never happened is left out.
type reasonMetric struct {
	desc   *prometheus.Desc
	values func(*SeatStatus) map[string]uint64
}

var statuses = []paxos.Status{paxos.Normal, paxos.Changing, paxos.Recovering, paxos.Forming}

var (
	upDesc           = describe("replica_up", "Whether the replica's loop answers.", "group")
	statusDesc       = describe("replica_status", "1 for the status that the replica is in; it takes part in its group when that is normal.", "group", "status")
	offloadDesc      = describe("offload_rung", "1 for the way by which packets reach the kernel programs; user_space is none.", "rung", "device")
	elsewhereDesc    = describe("offload_packets_elsewhere_total", "Packets that the kernel programs looked at and that belong to no replica of the node, by what they did with them.", "reason")
	doorAnsweredDesc = describe("door_answered_total", "Questions about the cluster's layout answered at the base port.")
	doorRejectedDesc = describe("door_rejected_total", "Frames at the base port that were not answered; a client with a wrong key shows here.", "reason")
)

// Everything that a replica is asked for. The names are promised: dashboards and alerts rest on them.
var replicaMetrics = []replicaMetric{
	gauge("replica_serving", "Whether the replica leads its group and may answer clients.",
		func(s *SeatStatus) float64 { return truth(s.Role.Serving) }),
	gauge("group_lost", "Whether the group has lost its memory and waits for an operator, as far as this replica knows.",
		func(s *SeatStatus) float64 { return truth(s.Lost) }),
	gauge("epoch", "Life of the group; it rises when a loss was accepted.",
		func(s *SeatStatus) float64 { return float64(s.Epoch) }),
	gauge("view", "View promised, from the start of the epoch; it rises with every change of leader.",
		func(s *SeatStatus) float64 { return float64(s.view()) }),
	gauge("incarnation", "Starts of the replica on its disk.",
		func(s *SeatStatus) float64 { return float64(s.Incarnation) }),

	gauge("log_last_op", "Last op of the log, from the start of the epoch.",
		func(s *SeatStatus) float64 { return float64(s.op(s.Last)) }),
	gauge("log_chosen_op", "Last op known to be chosen, from the start of the epoch.",
		func(s *SeatStatus) float64 { return float64(s.op(s.Chosen)) }),
	gauge("log_applied_op", "Last op applied, from the start of the epoch.",
		func(s *SeatStatus) float64 { return float64(s.op(s.Applied)) }),
	gauge("log_bytes", "Bytes of applied entries that the log still holds.",
		func(s *SeatStatus) float64 { return float64(s.LogBytes) }),

	gauge("offload_armed", "Whether the kernel programs acknowledge for the replica, or count for it.",
		func(s *SeatStatus) float64 { return truth(s.Offload.Armed || s.Offload.Leads) }),
	gauge("offload_log_entries", "Entries that the kernel programs have stored and the replica has not taken over.",
		func(s *SeatStatus) float64 { return float64(s.Offload.Pending) }),
	gauge("offload_log_room", "Entries for which the kernel programs have room until the replica takes them over.",
		func(s *SeatStatus) float64 { return float64(s.Offload.Room) }),
	timeCounter("offload_fence_seconds_total", "Time that it took, in all, to take the log back from the kernel programs.",
		func(s *SeatStatus) wire.Duration { return s.Offload.FenceTime }),
	gauge("offload_fence_longest_seconds", "Longest time that it took to take the log back from the kernel programs.",
		func(s *SeatStatus) float64 { return float64(s.Offload.FenceTimeMax) / float64(wire.Second) }),
	counter("offload_fences_total", "How often the log was taken back from the kernel programs.",
		func(s *SeatStatus) uint64 { return s.Offload.Fences }),

	gauge("store_keys", "Keys that have a value.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Store.Keys) }),
	gauge("store_versions", "Versions of keys, tombstones included.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Store.Versions) }),
	gauge("store_tombstones", "Versions that say that a key was deleted.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Store.Tombstones) }),
	gauge("store_bytes", "Bytes of keys and values, all versions.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Store.Bytes) }),
	gauge("store_live_bytes", "Bytes of keys and values, newest values only.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Store.Live) }),

	gauge("sessions", "Clients' sessions.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Sessions) }),
	gauge("transaction_records", "Outcomes remembered to answer repeated requests.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Records) }),
	gauge("transactions_prepared", "Transactions that hold locks and await their outcome.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Prepared) }),
	gauge("requests_waiting", "Requests that wait for locks of others, at the leader.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Waiting) }),
	gauge("requests_in_flight", "Requests on their way through the log, at the leader.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.InFlight) }),
	gauge("transactions_in_doubt", "Prepared transactions that other groups are being asked about.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Doubts) }),
	gauge("transactions_undecidable", "Transactions in doubt in which a group that lost its memory took part, and which wait for others that did.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.Lost) }),
	gauge("transaction_doubt_longest_seconds", "Longest time that a transaction stayed prepared of those that were asked about.",
		func(s *SeatStatus) float64 { return float64(s.Transactions.LongestDoubt) / float64(wire.Second) }),

	counter("inquests_total", "Transactions that other groups were asked about.",
		func(s *SeatStatus) uint64 { return s.Transactions.Inquests }),
	counter("prepares_refused_late_total", "Prepares that came when their transaction had been settled already.",
		func(s *SeatStatus) uint64 { return s.Transactions.RefusedLate }),
	counter("lost_settled_total", "Transactions that were given up because a group that took part lost its memory.",
		func(s *SeatStatus) uint64 { return s.Transactions.SettledLost }),
	counter("sessions_expired_total", "Sessions that ended because their clients were silent.",
		func(s *SeatStatus) uint64 { return s.Transactions.Expired }),
	counter("commands_unreadable_total", "Commands in the log that are none of this shard's.",
		func(s *SeatStatus) uint64 { return s.Transactions.Unreadable }),
	counter("alarms_total", "Outcomes that contradict what is chosen here. Each one is a bug or a forgery.",
		func(s *SeatStatus) uint64 { return s.Transactions.Alarms }),

	counter("requests_repeated_total", "Commands of clients that had come before, because their answers were lost or late.",
		func(s *SeatStatus) uint64 { return s.Traffic.Repeated }),
	counter("requests_waited_total", "How often a request met a lock of another transaction and waited for it.",
		func(s *SeatStatus) uint64 { return s.Traffic.Waited }),
	counter("transactions_conflicted_total", "Transactions voted down, and reads found stale, because another transaction was faster.",
		func(s *SeatStatus) uint64 { return s.Traffic.Conflicts }),

	gauge("transport_streams_open", "Connections for what fits no datagram.",
		func(s *SeatStatus) float64 { return float64(s.Transport.Stream.Open) }),

	counter("frames_received_total", "Frames received.", func(s *SeatStatus) uint64 { return s.Counters.FramesIn }),
	counter("frames_sent_total", "Frames sent.", func(s *SeatStatus) uint64 { return s.Counters.FramesOut }),
	counter("promises_saved_total", "Writes of the promise file, each synced.", func(s *SeatStatus) uint64 { return s.Counters.Promises }),
	counter("clock_set_total", "How often the wall clock was set by more than half a second. The log's clock follows one that was set ahead, and never goes back.",
		func(s *SeatStatus) uint64 { return s.Counters.ClockSets }),
	counter("image_received_bytes_total", "Bytes of images of the state that were received.", func(s *SeatStatus) uint64 { return s.Images.BytesIn }),
	counter("image_sent_bytes_total", "Bytes of images of the state that were sent.", func(s *SeatStatus) uint64 { return s.Images.BytesOut }),
}

var reasonMetrics = []reasonMetric{
	{describe("offload_entries_total", "Entries of a follower: acknowledged by the kernel programs (fast), or by user space while they were armed (claimed) or not (plain).", "group", "way"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"fast": s.Offload.Stored, "claimed": s.Offload.Claimed, "plain": s.Offload.Plain}
		}},
	{describe("offload_packets_total", "Packets that the kernel programs looked at for the replica, by what they did with them.", "group", "reason"),
		func(s *SeatStatus) map[string]uint64 { return s.Offload.Reasons }},
	{describe("frames_rejected_total", "Frames that were not believed.", "group", "reason"),
		func(s *SeatStatus) map[string]uint64 { return rejected(&s.Counters) }},
	{describe("frames_unsent_total", "Frames that could not be sent.", "group", "reason"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"queue_full": s.Counters.Dropped, "unknown_replica": s.Counters.NoAddress}
		}},
	{describe("messages_ignored_total", "Messages of the group that changed nothing.", "group", "reason"),
		func(s *SeatStatus) map[string]uint64 { return ignored(&s.Ignored) }},
	{describe("reads_confirmed_total", "Reads that the leader confirmed.", "group", "by"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"lease": s.Reads.ByLease, "round": s.Reads.ByRound}
		}},
	{describe("requests_refused_total", "Requests of clients that were not carried out.", "group", "reason"),
		func(s *SeatStatus) map[string]uint64 { return refused(&s.Traffic) }},
	{describe("transport_datagrams_total", "Datagrams taken from the system and given to it, those of streams included.", "group", "direction"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"received": s.Transport.Received, "sent": s.Transport.Sent}
		}},
	{describe("transport_bytes_total", "Bytes of those datagrams.", "group", "direction"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"received": s.Transport.ReceivedBytes, "sent": s.Transport.SentBytes}
		}},
	{describe("transport_system_calls_total", "System calls that receive, send, and wait for datagrams.", "group", "call"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"receive": s.Transport.RecvCalls, "send": s.Transport.SendCalls, "wait": s.Transport.WaitCalls}
		}},
	{describe("transport_dropped_total", "Datagrams lost on this machine: the receive queue was full, the system did not take what was sent, or a stream had no room.", "group", "where"),
		func(s *SeatStatus) map[string]uint64 {
			t := &s.Transport
			return map[string]uint64{"receive": t.RecvDrops, "send": t.SendDrops, "stream": t.Stream.SendDrops}
		}},
	{describe("images_total", "Images of the state: taken for others, restored from others, dropped unfinished, wrong.", "group", "fate"),
		func(s *SeatStatus) map[string]uint64 {
			i := &s.Images
			return map[string]uint64{"taken": i.Taken, "restored": i.Restored, "dropped": i.Dropped, "wrong": i.Wrong}
		}},
	{describe("transactions_settled_total", "Transactions that the participants decided, because their client did not.", "group", "outcome"),
		func(s *SeatStatus) map[string]uint64 {
			return map[string]uint64{"committed": s.Transactions.SettledCommits, "aborted": s.Transactions.SettledAborts}
		}},
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("anode_"+name, help, labels, nil)
}

func gauge(name, help string, value func(*SeatStatus) float64) replicaMetric {
	return replicaMetric{describe(name, help, "group"), prometheus.GaugeValue, value}
}

func timeCounter(name, help string, value func(*SeatStatus) wire.Duration) replicaMetric {
	return replicaMetric{describe(name, help, "group"), prometheus.CounterValue,
		func(s *SeatStatus) float64 { return seconds(value(s)) }}
}

func counter(name, help string, value func(*SeatStatus) uint64) replicaMetric {
	return replicaMetric{describe(name, help, "group"), prometheus.CounterValue,
		func(s *SeatStatus) float64 { return float64(value(s)) }}
}
