package txn

import (
	"errors"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
)

// largest is as much work as a transaction may hold, and takes the most bytes to tell.
func largest() Work {
	var w Work
	value := make([]byte, MaxValueBytes)
	for range MaxTransactionBytes / MaxValueBytes {
		w.Writes = append(w.Writes, Write{Key: []byte("k"), Value: value})
	}
	rest := MaxEntries - len(w.Writes)
	for range rest {
		bound := make([]byte, (MaxTransactionKeyBytes-len(w.Writes))/(2*rest))
		w.Ranges = append(w.Ranges, Range{Start: bound, End: bound, At: After(1 << 60)})
	}
	return w
}

func TestTheLargestTransactionFitsOneCommand(t *testing.T) {
	s := Submit{ID: ID{1 << 63, 1 << 63}, Session: 1 << 63, Mark: 1 << 63, Work: largest()}
	if err := s.Work.Check(); err != nil {
		t.Fatal(err)
	}
	const participants = 2048 * 32 // bytes that a list of them may take
	body := SubmitBody.Append(nil, &s)
	if n := 1 + len(body); n+participants > MaxCommandBytes {
		t.Errorf("the largest transaction takes %d bytes of %d", n, MaxCommandBytes)
	}
	if MaxCommandBytes+1024 > wire.MaxStreamBody {
		t.Error("no room is left for the words of the log around a command")
	}
	var back Submit
	if err := SubmitBody.Decode(body, &back); err != nil || len(back.Work.Ranges) != len(s.Work.Ranges) {
		t.Errorf("%d ranges, %v", len(back.Work.Ranges), err)
	}
}

// What all transactions together may not exceed names itself, its size and its limit.
func TestATransactionIsTooLarge(t *testing.T) {
	for what, grow := range map[string]func(*Work){
		"a transaction of 16385 entries, the limit is 16384": func(w *Work) { w.Reads = append(w.Reads, Read{Key: nil}) },
		"the keys of a transaction of 1048580 bytes, the limit is 1048576": func(w *Work) {
			w.Ranges[0].Start = make([]byte, 4+MaxTransactionKeyBytes-keyBytes(w)+len(w.Ranges[0].Start))
		},
		"the values of a transaction of 8388609 bytes, the limit is 8388608": func(w *Work) {
			w.Ranges = w.Ranges[1:]
			w.Writes = append(w.Writes, Write{Key: []byte("k"), Value: []byte("v")})
		},
		"a value of 1048577 bytes, the limit is 1048576": func(w *Work) { w.Writes = []Write{{Key: []byte("k"), Value: make([]byte, MaxValueBytes+1)}} },
	} {
		w := largest()
		grow(&w)
		err := w.Check()
		var limit *LimitError
		if !errors.Is(err, ErrTooLarge) || !errors.As(err, &limit) || err.Error() != what {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

func keyBytes(w *Work) int {
	var s Size
	s.Add(w)
	return s.KeyBytes
}

func TestSizesAddUp(t *testing.T) {
	w := largest()
	var s Size
	s.Add(&w)
	s.Add(&w)
	s.Sub(&w)
	if s.Entries != MaxEntries || s.ValueBytes != MaxTransactionBytes || s.Memory() < MaxTransactionBytes+MaxTransactionKeyBytes/2 {
		t.Errorf("%+v", s)
	}
	if s.Sub(&w); s != (Size{}) {
		t.Errorf("%+v is left", s)
	}
}

func TestWorkCheck(t *testing.T) {
	key, long := []byte("k"), make([]byte, MaxKeyBytes+1)
	far := make([]byte, MaxBoundBytes+1)
	for name, c := range map[string]struct {
		work Work
		want error
	}{
		"good":              {Work{Reads: []Read{{Key: key}}, Ranges: []Range{{}}, Writes: []Write{{Key: key}}}, nil},
		"empty read key":    {Work{Reads: []Read{{}}}, ErrMalformed},
		"long read key":     {Work{Reads: []Read{{Key: long}}}, ErrTooLarge},
		"long start":        {Work{Ranges: []Range{{Start: far}}}, ErrTooLarge},
		"long end":          {Work{Ranges: []Range{{End: far}}}, ErrTooLarge},
		"behind a long key": {Work{Ranges: []Range{{Start: long, End: long}}}, nil},
		"empty key":         {Work{Writes: []Write{{}}}, ErrMalformed},
		"long key":          {Work{Writes: []Write{{Key: long}}}, ErrTooLarge},
		"large value":       {Work{Writes: []Write{{Key: key, Value: make([]byte, MaxValueBytes+1)}}}, ErrTooLarge},
	} {
		if err := c.work.Check(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
