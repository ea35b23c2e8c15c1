package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/anodekv/anode/paxos"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/shard/replica"
)

// RecoverRequest is the body of POST /recover, an operator's decision that is in no way taken back.
type RecoverRequest struct {
	Group *shard.ID `json:"group"`
	// AcceptDataLoss must be true: what the group held is given up.
	AcceptDataLoss bool `json:"accept_data_loss"`
}

// RecoverReply says that the loss was accepted. The group forms anew from here on, by itself.
type RecoverReply struct {
	Group    shard.ID `json:"group"`
	Accepted bool     `json:"accepted"`
}

// decide gives up what a group held, if it is lost anyway.
func (a *admin) decide(r *http.Request) (int, any) {
	q, code, err := readRecover(r)
	if err != nil {
		return code, complain("%v", err)
	}
	err = a.node.AcceptLoss(r.Context(), *q.Group)
	if err != nil {
		a.node.cfg.Log.Warn("a loss was not accepted", "group", uint32(*q.Group), "from", r.RemoteAddr, "error", err)
		code := recoverCode(err)
		if code == http.StatusGatewayTimeout {
			err = fmt.Errorf("%w: the replica has not answered; the status will tell whether it has taken the decision", err)
		}
		return code, complain("%v", err)
	}
	return http.StatusOK, RecoverReply{Group: *q.Group, Accepted: true}
}

func readRecover(r *http.Request) (q RecoverRequest, code int, err error) {
	if code, err := readCommand(r, &q, "anode recover", `{"group":N,"accept_data_loss":true}`); err != nil {
		return q, code, err
	}
	if q.Group == nil {
		return q, http.StatusBadRequest, errors.New(`expected {"group":N,"accept_data_loss":true}`)
	}
	if !q.AcceptDataLoss {
		return q, http.StatusBadRequest, errors.New("accept_data_loss is not true: recovering a lost group gives up every key that it held, on all of its replicas, for good")
	}
	return q, 0, nil
}

// readCommand takes a decision from programs alone: pages in a browser of this machine reach loopback too, but
// a browser says where a page is from, and sends no JSON unasked.
func readCommand(r *http.Request, q any, command, expected string) (code int, err error) {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return http.StatusForbidden, fmt.Errorf("this is not decided in a browser: use `%s`", command)
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return http.StatusUnsupportedMediaType, fmt.Errorf("send application/json, or use `%s`", command)
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(q); err != nil || d.Decode(&struct{}{}) != io.EOF {
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			return http.StatusRequestEntityTooLarge, err
		}
		return http.StatusBadRequest, fmt.Errorf("expected %s", expected)
	}
	return 0, nil
}

func recoverCode(err error) int {
	switch {
	case errors.Is(err, paxos.ErrNotLost):
		return http.StatusConflict
	case errors.Is(err, ErrNotHere):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, replica.ErrStopped), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
