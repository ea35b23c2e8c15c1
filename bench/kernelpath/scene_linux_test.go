package kernelpath

import (
	"context"
	"errors"

	"github.com/anodekv/anode/bench/lab"
	"github.com/anodekv/anode/client"
)

// scene is a cluster whose fast path carries everything, a client of it, faults for its wires, and who leads its first group.
type scene struct {
	*lab.Lab
	db        *client.Client
	faults    *lab.Faults
	leader    int
	followers []int
}

// enter waits until the fast path carries everything. The seed is that of the faults.
func enter(ctx context.Context, l *lab.Lab, seed uint64) (s *scene, err error) {
	s = &scene{Lab: l}
	defer func() {
		if err != nil {
			s.leave()
		}
	}()
	if s.db, err = dial(ctx, l); err != nil {
		return nil, err
	}
	if s.faults, err = l.Faults(seed); err != nil {
		return nil, err
	}
	if err := s.resumes(ctx); err != nil {
		return nil, err
	}
	if s.leader, s.followers, err = l.Roles(ctx, 0); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *scene) leave() {
	if s.faults != nil {
		_ = s.faults.Close() // the lab goes down
	}
	if s.db != nil {
		_ = s.db.Close()
	}
}

// resumes waits until the fast path carries everything again.
func (s *scene) resumes(ctx context.Context) error { return resumes(ctx, s.Lab, s.db) }

// named are the names of some nodes.
func (s *scene) named(nodes ...int) (names []string) {
	for _, i := range nodes {
		names = append(names, s.Nodes()[i].Name)
	}
	return names
}

// deafen has some nodes hear nothing but what their kernels hear.
func (s *scene) deafen(ctx context.Context, nodes ...int) (err error) {
	for _, name := range s.named(nodes...) {
		err = errors.Join(err, s.Deafen(ctx, name))
	}
	return err
}
