package paxos

import (
	"fmt"
	"strings"

	"github.com/anodekv/anode/paxos/wire"
)

// describe prints a frame on its way, as far as the stories care.
func describe(from, to ReplicaID, f *wire.Frame) string {
	receiver := fmt.Sprint(uint16(to))
	if to == Everyone {
		receiver = "all"
	}
	return fmt.Sprintf("%d->%s %v %s", from, receiver, f.Kind, content(f))
}

func content(f *wire.Frame) string {
	body, err := decoded(f)
	if err != nil {
		return err.Error()
	}
	switch b := body.(type) {
	case *Batch:
		return fmt.Sprintf("v%s op %d chosen %d %s", viewName(f.View), opName(f.Op), opName(f.Chosen), b.Commands)
	case *Heartbeat:
		return fmt.Sprintf("v%s last %d chosen %d nonce %d", viewName(f.View), opName(f.Op), opName(f.Chosen), b.Nonce)
	case *Echo:
		return fmt.Sprintf("v%s last %d nonce %d", viewName(f.View), opName(f.Op), b.Nonce)
	case *Answer:
		if b.Hears {
			return fmt.Sprintf("v%s hears a leader", viewName(f.View))
		}
		return fmt.Sprintf("v%s hears nothing", viewName(f.View))
	case *ViewChange:
		return fmt.Sprintf("v%s holds %d ops of v%s, chosen %d", viewName(f.View), opName(f.Op), viewName(b.LastNormal), opName(f.Chosen))
	case *NewView:
		return fmt.Sprintf("v%s begins with %d ops", viewName(f.View), opName(f.Op))
	case *Fetch:
		if b.At != 0 {
			return fmt.Sprintf("v%s above op %d, image of op %d from %d", viewName(f.View), opName(f.Op), b.At, b.Offset)
		}
		return fmt.Sprintf("v%s above op %d", viewName(f.View), opName(f.Op))
	case *Entries:
		return fmt.Sprintf("v%s after op %d %s", viewName(f.View), opName(f.Op), bodies(b.Bodies))
	case *Form:
		return fmt.Sprintf("from %s", charterName(&b.Charter))
	case *FormReply:
		return fmt.Sprintf("%v, %s", b.Status, charterName(&b.Charter))
	case *Image:
		line := fmt.Sprintf("v%s of op %d, %d bytes from %d", viewName(f.View), opName(f.Op), len(b.Data), b.Offset)
		if b.Last {
			line += ", the last"
		}
		return line
	case *RecoverReply:
		return fmt.Sprintf("v%s last %d chosen %d", viewName(f.View), opName(f.Op), opName(f.Chosen))
	case nil:
		if f.Kind == wire.KindProbe || f.Kind == wire.KindSign {
			return fmt.Sprintf("v%s nonce %d", viewName(f.View), f.Chosen)
		}
	case *Ask, *Suspect, *Recover:
		return fmt.Sprintf("v%s", viewName(f.View))
	}
	return fmt.Sprintf("v%s op %d", viewName(f.View), opName(f.Op))
}

func decoded(f *wire.Frame) (any, error) {
	if f.Kind == wire.KindAccepted || f.Kind == wire.KindGap || f.Kind == wire.KindProbe || f.Kind == wire.KindSign {
		return nil, nil
	}
	return wire.DecodeBody(f.Kind, f.Body)
}

func bodies(entries [][]byte) string {
	var all []string
	for _, b := range entries {
		all = append(all, commands(b))
	}
	return strings.Join(all, " ")
}

// standing prints one line about a replica.
func (h *host) standing() string {
	if h.core == nil {
		return fmt.Sprintf("%d is down, promised view %s", h.id, viewName(h.disk.View))
	}
	s := h.core.State()
	line := fmt.Sprintf("%d %v v%s", h.id, s.Status, viewName(s.Promised))
	if s.Status == Forming {
		return fmt.Sprintf("%d forming: %s", h.id, charterName(&h.disk.Charter))
	}
	if s.LastNormal != s.Promised {
		line += fmt.Sprintf(" (log of v%s)", viewName(s.LastNormal))
	}
	line += fmt.Sprintf(": last %d, chosen %d", opName(s.Last), opName(s.Chosen))
	switch {
	case s.Lost:
		line += ", says that the group is lost"
	case s.Role.Serving:
		line += ", serves"
	case h.core.leads() && h.core.lead.silent:
		line += ", leads in silence"
	case h.core.leads():
		line += ", leads"
	}
	return line
}
