//go:build linux

package bpf

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestProveLoopback(t *testing.T) {
	namespace(t)
	for _, r := range []Rung{RungTCX, RungXDPGeneric} {
		if err := Prove("lo", r); errors.Is(err, ErrPermission) {
			unavailable(t, err)
		} else if err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
	if err := Prove("lo", RungXDPNative); err == nil || errors.Is(err, ErrUnproven) {
		t.Errorf("native XDP does not attach to a loopback, and the proof says %v", err)
	}
	if err := Prove("nowhere", RungTCX); err == nil {
		t.Error("proven on an interface that is not there")
	}
}

// Without the attachment nothing is proven, and it is said in time, and nothing stays behind.
func TestNothingIsProvenWithoutAProgram(t *testing.T) {
	namespace(t)
	k := loadKernelFor(t, Options{LogSlots: 1})
	began := time.Now()
	if err := k.Prove(loopback, RungTCX); !errors.Is(err, ErrUnproven) {
		t.Errorf("proven without a program: %v", err)
	}
	if took := time.Since(began); took > echoPatience+time.Second {
		t.Errorf("it took %v", took)
	}
	l, err := k.Attach(loopback, RungTCX)
	if err != nil {
		unavailable(t, err)
	}
	if err := k.Prove(loopback, RungTCX); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// On a wire the other end's system answers; with nobody there it is said why nothing is proven.
func TestProveVeth(t *testing.T) {
	w := newWired(t)
	there := netip.MustParseAddr("10.77.0.2")
	for _, r := range []Rung{RungTCX, RungXDPGeneric} {
		if err := Prove("anode-l", r, there); err != nil {
			t.Errorf("%v: %v", r, err)
		}
		if err := Prove("anode-l", r); err != nil {
			t.Errorf("%v, with the system's neighbours: %v", r, err)
		}
	}
	if err := Prove("anode-l", RungXDPNative, there); !errors.Is(err, ErrUnproven) {
		t.Errorf("native XDP on a veth: %v", err)
	}
	if err := w.kernel.Prove(w.near, RungTCX, there); !errors.Is(err, ErrUnproven) {
		t.Errorf("proven without a program: %v", err)
	}
	ip(t, "link set anode-l down")
	if err := Prove("anode-l", RungTCX, there); !errors.Is(err, ErrUnproven) {
		t.Errorf("on an interface that is down: %v", err)
	}
	ip(t, "link set anode-l up")
	ip(t, "neigh flush dev anode-l")
	if _, err := net.InterfaceByName("anode-l"); err != nil {
		t.Error(err)
	}
	if err := Prove("anode-l", RungTCX); !errors.Is(err, ErrUnproven) {
		t.Errorf("with nobody to ask: %v", err)
	}
}
