package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/txn"
)

// raftClient carries out a workload's operations through the front end. A transaction that reads and writes reads what the
// leader holds, and is committed if that has not changed; after a conflict it pauses as clients of anode do.
type raftClient struct{ *frontConn }

var errNoScan = errors.New("raft's front end has no scans: choose another workload")

func (c raftClient) Do(ctx context.Context, op *workload.Op) (out runner.Outcome) {
	switch {
	case op.Kind == workload.Scan:
		out.Err = errNoScan
	case len(op.Writes) == 0:
		_, out.Missing, out.Err = c.read(ctx, askLinearizable, op.Reads)
	default:
		c.transaction(ctx, op, &out)
	}
	return out
}

func (c raftClient) transaction(ctx context.Context, op *workload.Op, out *runner.Outcome) {
	var backoff txn.Backoff
	for {
		began := time.Now()
		var versions []uint64
		if len(op.Reads) > 0 {
			if versions, out.Missing, out.Err = c.read(ctx, askLocal, op.Reads); out.Err != nil {
				return
			}
		}
		reply, err := c.call(ctx, writeRequest(op.Reads, versions, op.Writes, op.Value))
		if out.Err = err; err != nil || reply[0] == statusDone {
			return
		}
		wait := backoff.Next(wire.Duration(time.Since(began)), rand.Float64())
		select {
		case <-time.After(time.Duration(wait)):
			out.Retries++
		case <-ctx.Done():
			out.Err = fmt.Errorf("%w: %w", runner.ErrAborted, ctx.Err())
			return
		}
	}
}

// read returns the versions of keys, and how many there are not.
func (c raftClient) read(ctx context.Context, ask byte, keys []string) (versions []uint64, missing int, err error) {
	reply, err := c.call(ctx, readRequest(ask, keys))
	if err != nil {
		return nil, 0, err
	}
	answer := cursor{rest: reply[1:]}
	for range keys {
		version := answer.uint64()
		answer.string()
		if version == 0 {
			missing++
		}
		versions = append(versions, version)
	}
	return versions, missing, answer.end()
}
