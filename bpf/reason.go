//go:build linux

package bpf

import "fmt"

// Reason says why a program did with a packet what it did. The programs count every packet under exactly one;
// src/reasons.h tells what each means.
type Reason uint8

// Reasons is their number; reason 0 is never counted.
const Reasons = int(kernelReasonREASONS)

// reasonNames are the labels of metrics. A test compares them with the object.
var reasonNames = [Reasons]string{
	kernelReasonREASON_NONE:              "none",
	kernelReasonREASON_FOREIGN:           "foreign",
	kernelReasonREASON_OPTIONS:           "options",
	kernelReasonREASON_FRAGMENT:          "fragment",
	kernelReasonREASON_NO_SLOT:           "no_slot",
	kernelReasonREASON_LENGTH:            "length",
	kernelReasonREASON_MALFORMED:         "malformed",
	kernelReasonREASON_OTHER_KIND:        "other_kind",
	kernelReasonREASON_FENCED:            "fenced",
	kernelReasonREASON_WRONG_CLUSTER:     "wrong_cluster",
	kernelReasonREASON_WRONG_VIEW:        "wrong_view",
	kernelReasonREASON_WRONG_DESTINATION: "wrong_destination",
	kernelReasonREASON_WRONG_SENDER:      "wrong_sender",
	kernelReasonREASON_WRONG_SOURCE:      "wrong_source",
	kernelReasonREASON_WRONG_INCARNATION: "wrong_incarnation",
	kernelReasonREASON_WRONG_MAC:         "wrong_mac",
	kernelReasonREASON_UNREADABLE:        "unreadable",
	kernelReasonREASON_TOO_LARGE:         "too_large",
	kernelReasonREASON_OP_RANGE:          "op_range",
	kernelReasonREASON_GAP:               "gap",
	kernelReasonREASON_LOG_FULL:          "log_full",
	kernelReasonREASON_NO_LOG:            "no_log",
	kernelReasonREASON_CONTENDED:         "contended",
	kernelReasonREASON_RACED:             "raced",
	kernelReasonREASON_ACKED:             "acked",
	kernelReasonREASON_REACKED:           "reacked",
	kernelReasonREASON_SIGNED:            "signed",
	kernelReasonREASON_UNANSWERED:        "unanswered",
	kernelReasonREASON_ABOVE_LAST:        "above_last",
	kernelReasonREASON_OLD_CELL:          "old_cell",
	kernelReasonREASON_CHOSEN:            "chosen",
	kernelReasonREASON_ALWAYS:            "always",
	kernelReasonREASON_COUNTED:           "counted",
	kernelReasonREASON_REPEATED:          "repeated",
	kernelReasonREASON_QUIET:             "quiet",
	kernelReasonREASON_BROADCAST:         "broadcast",
	kernelReasonREASON_SEGMENTED:         "segmented",
	kernelReasonREASON_CLONED:            "cloned",
	kernelReasonREASON_NO_NEIGHBOUR:      "no_neighbour",
	kernelReasonREASON_CLONE_FAILED:      "clone_failed",
}

func (r Reason) String() string {
	if int(r) < Reasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// The reasons by which the share of the fast path is told.
const (
	ReasonAcked     = Reason(kernelReasonREASON_ACKED)
	ReasonReacked   = Reason(kernelReasonREASON_REACKED)
	ReasonSigned    = Reason(kernelReasonREASON_SIGNED)
	ReasonGap       = Reason(kernelReasonREASON_GAP)
	ReasonLogFull   = Reason(kernelReasonREASON_LOG_FULL)
	ReasonTooLarge  = Reason(kernelReasonREASON_TOO_LARGE)
	ReasonChosen    = Reason(kernelReasonREASON_CHOSEN)
	ReasonCounted   = Reason(kernelReasonREASON_COUNTED)
	ReasonQuiet     = Reason(kernelReasonREASON_QUIET)
	ReasonBroadcast = Reason(kernelReasonREASON_BROADCAST)
)

// Counters are packets by reason, since the slot was opened.
type Counters [Reasons]uint64

// Counters reads the slot's counts.
func (s *Slot) Counters() (Counters, error) { return s.kernel.row(s.index) }

// Elsewhere reads the counts of packets that belong to no slot, since the programs were loaded.
func (k *Kernel) Elsewhere() (Counters, error) { return k.row(uint32(kernelLimitLIMIT_SLOTS)) }

func (k *Kernel) row(index uint32) (sum Counters, err error) {
	var cpus []kernelCounters
	if err := k.objects.Counts.Lookup(index, &cpus); err != nil {
		return sum, fmt.Errorf("bpf: read the counters: %w", err)
	}
	for _, cpu := range cpus {
		for i, n := range cpu.N {
			sum[i] += n
		}
	}
	return sum, nil
}
