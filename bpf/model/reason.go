package model

// Reason says why a program did with a packet what it did; bpf/src/reasons.h tells what each means.
type Reason uint8

// The reasons, in the order of the programs.
const (
	ReasonNone Reason = iota
	ReasonForeign
	ReasonOptions
	ReasonFragment
	ReasonNoSlot
	ReasonLength
	ReasonMalformed
	ReasonOtherKind
	ReasonFenced
	ReasonWrongCluster
	ReasonWrongView
	ReasonWrongDestination
	ReasonWrongSender
	ReasonWrongSource
	ReasonWrongIncarnation
	ReasonWrongMAC
	ReasonUnreadable
	ReasonTooLarge
	ReasonOpRange
	ReasonGap
	ReasonLogFull
	ReasonNoLog
	ReasonContended
	ReasonRaced
	ReasonAcked
	ReasonReacked
	ReasonSigned
	ReasonUnanswered
	ReasonAboveLast
	ReasonOldCell
	ReasonChosen
	ReasonAlways
	ReasonCounted
	ReasonRepeated
	ReasonQuiet
	ReasonBroadcast
	ReasonSegmented
	ReasonCloned
	ReasonNoNeighbour
	ReasonCloneFailed

	// Reasons is their number.
	Reasons = iota
)

var reasonNames = [Reasons]string{
	ReasonNone:             "none",
	ReasonForeign:          "foreign",
	ReasonOptions:          "options",
	ReasonFragment:         "fragment",
	ReasonNoSlot:           "no_slot",
	ReasonLength:           "length",
	ReasonMalformed:        "malformed",
	ReasonOtherKind:        "other_kind",
	ReasonFenced:           "fenced",
	ReasonWrongCluster:     "wrong_cluster",
	ReasonWrongView:        "wrong_view",
	ReasonWrongDestination: "wrong_destination",
	ReasonWrongSender:      "wrong_sender",
	ReasonWrongSource:      "wrong_source",
	ReasonWrongIncarnation: "wrong_incarnation",
	ReasonWrongMAC:         "wrong_mac",
	ReasonUnreadable:       "unreadable",
	ReasonTooLarge:         "too_large",
	ReasonOpRange:          "op_range",
	ReasonGap:              "gap",
	ReasonLogFull:          "log_full",
	ReasonNoLog:            "no_log",
	ReasonContended:        "contended",
	ReasonRaced:            "raced",
	ReasonAcked:            "acked",
	ReasonReacked:          "reacked",
	ReasonSigned:           "signed",
	ReasonUnanswered:       "unanswered",
	ReasonAboveLast:        "above_last",
	ReasonOldCell:          "old_cell",
	ReasonChosen:           "chosen",
	ReasonAlways:           "always",
	ReasonCounted:          "counted",
	ReasonRepeated:         "repeated",
	ReasonQuiet:            "quiet",
	ReasonBroadcast:        "broadcast",
	ReasonSegmented:        "segmented",
	ReasonCloned:           "cloned",
	ReasonNoNeighbour:      "no_neighbour",
	ReasonCloneFailed:      "clone_failed",
}

func (r Reason) String() string { return reasonNames[r] }

// Verdict is what becomes of a packet.
type Verdict uint8

const (
	// Pass gives it to the network stack, unchanged.
	Pass Verdict = iota
	// Answer sends it back, rewritten.
	Answer
	// Consume ends it.
	Consume
)

// verdict follows from the reason alone.
func (r Reason) verdict() Verdict {
	switch r {
	case ReasonAcked, ReasonReacked, ReasonSigned:
		return Answer
	case ReasonUnanswered, ReasonCounted, ReasonRepeated, ReasonQuiet:
		return Consume
	}
	return Pass
}
