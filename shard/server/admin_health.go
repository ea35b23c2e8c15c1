package server

import (
	"context"
	"net/http"

	"github.com/anodekv/anode/shard"
)

// Health is the answer of /livez and /readyz: with code 200 if all is well, and with 503 if not.
type Health struct {
	OK bool `json:"ok"`
	// Troubled are the replicas that keep the node from being well.
	Troubled []Trouble `json:"troubled,omitempty"`
}

// Trouble is what is wrong with one replica.
type Trouble struct {
	Group   shard.ID `json:"group"`
	Replica uint16   `json:"replica"`
	Why     string   `json:"why"`
}

// livez: the loops of all replicas run. It fails when one of them does not answer, which no more than a
// restart can change. A restart costs the node its memory: let several failures in a row pass before.
func (a *admin) livez(r *http.Request) (int, any) {
	return a.health(r, func(s *SeatStatus) string {
		if s.Err != nil {
			return s.Err.Error()
		}
		return ""
	})
}

// readyz: every replica of the node takes part in its group. It fails while one is forming, recovering or
// changing its view. It says nothing about other nodes: clients find a group's leader by themselves.
func (a *admin) readyz(r *http.Request) (int, any) {
	return a.health(r, func(s *SeatStatus) string {
		switch {
		case s.Err != nil:
			return s.Err.Error()
		case s.Lost:
			return "the group has lost its memory; decide with: " + a.node.deciding(s.Group)
		case !s.Normal():
			return s.Status.String()
		}
		return ""
	})
}

func (a *admin) health(r *http.Request, wrong func(*SeatStatus) string) (int, any) {
	h := Health{OK: true}
	for _, s := range a.look(r) {
		if why := wrong(&s); why != "" {
			h.OK = false
			h.Troubled = append(h.Troubled, Trouble{s.Group, s.Replica, why})
		}
	}
	if !h.OK {
		return http.StatusServiceUnavailable, h
	}
	return http.StatusOK, h
}

// look asks all replicas, and waits no longer than one that runs would take.
func (a *admin) look(r *http.Request) []SeatStatus {
	ctx, cancel := context.WithTimeout(r.Context(), adminLookTime)
	defer cancel()
	return a.node.Status(ctx)
}
