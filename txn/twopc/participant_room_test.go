package twopc

import (
	"bytes"
	"testing"

	"github.com/anodekv/anode/txn"
)

func TestARecordThatAnImageMayHoldIsNotUsedAgain(t *testing.T) {
	m := newMachine(realm{})
	m.generation = 1
	r := &record{id: txn.ID{Client: 1, Seq: 2}}
	m.scrap(&session{}, r)
	if len(m.spare) != 0 || r.id.Seq != 2 {
		t.Error("it was")
	}
	m.scrap(&session{generation: 1}, r)
	if len(m.spare) != 1 || m.newRecord() != r || r.id.Seq != 0 {
		t.Error("the other was not, or holds what it held")
	}
}

func TestAFlightUnderWayIsNotRetired(t *testing.T) {
	for name, prepare := range map[string]func(*desk, *flight){
		"on the desk": func(d *desk, f *flight) { d.embark(f) },
		"waiting":     func(_ *desk, f *flight) { f.waiter = &f.wait },
	} {
		d := newDesk()
		f := d.board()
		prepare(&d, f)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was", name)
				}
			}()
			d.retire(f)
		}()
	}
}

func TestTextsOfASheetStayAsTheyWere(t *testing.T) {
	var s sheet
	var texts [][]byte
	for i := range 3000 {
		text := s.text(func(to []byte) []byte { return append(to, bytes.Repeat([]byte{byte(i)}, i*7%700)...) })
		texts = append(texts, text)
		if cap(text) != len(text) {
			t.Fatalf("text %d has room to grow into the next", i)
		}
	}
	for i, text := range texts {
		if !bytes.Equal(text, bytes.Repeat([]byte{byte(i)}, i*7%700)) {
			t.Fatalf("text %d was overwritten", i)
		}
	}
}
