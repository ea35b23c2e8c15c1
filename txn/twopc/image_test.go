package twopc

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"testing"

	"github.com/anodekv/anode/paxos/wire"
	"github.com/anodekv/anode/shard"
	"github.com/anodekv/anode/txn"
)

// logger makes up a log: entries that any replica may apply, from several clients whose sequence numbers,
// marks, sessions and transactions in doubt go their way.
type logger struct {
	rng      *rand.Rand
	source   *Participant
	seqs     [4]uint64
	sessions [4]wire.Op
	open     []txn.ID // what may be prepared
	ended    []txn.ID // what may have committed
}

func (l *logger) entry(op wire.Op) (commands [][]byte) {
	if op <= wire.Op(len(l.seqs)) {
		return [][]byte{l.openSession(int(op-1), op)}
	}
	if l.rng.Intn(40) == 0 {
		client := l.rng.Intn(len(l.seqs))
		s := l.source.sessions[txn.ClientID(client+1)]
		expire := Command(wire.KindExpire, enc(&Expire{Client: s.client, Session: s.op, Used: s.used}))
		return [][]byte{expire, l.openSession(client, op)}
	}
	for range 1 + l.rng.Intn(3) {
		commands = append(commands, l.command(op))
	}
	return commands
}

func (l *logger) openSession(client int, op wire.Op) []byte {
	l.sessions[client] = op
	l.seqs[client]++
	return Command(wire.KindOpenSession, enc(&txn.OpenSession{Client: txn.ClientID(client + 1), First: l.seqs[client]}))
}

func (l *logger) command(op wire.Op) []byte {
	client := l.rng.Intn(len(l.seqs))
	l.seqs[client]++
	seq := l.seqs[client]
	id, session := txn.ID{Client: txn.ClientID(client + 1), Seq: seq}, l.sessions[client]
	mark := seq - min(seq, uint64(l.rng.Intn(12)))
	switch work := l.work(op); l.rng.Intn(12) {
	case 0, 1:
		l.open = append(l.open, id)
		members := []Member{{Group: 0, Session: session}, {Group: 5, Session: 9}}
		return Command(wire.KindPrepare, enc(&Prepare{ID: id, Mark: mark, Members: members, Work: work}))
	case 2, 3, 4:
		if len(l.open) > 0 {
			return l.end(l.take(&l.open))
		}
		return Command(wire.KindResolve, enc(&Resolve{ID: id, Session: session}))
	case 5:
		if len(l.ended) > 0 {
			return Command(wire.KindForget, enc(&Forget{ID: l.take(&l.ended)}))
		}
		return Command(wire.KindAdvance, enc(&Advance{}))
	case 6:
		return Command(wire.KindCollect, enc(&Collect{Below: l.source.Clock() - txn.Timestamp(l.rng.Intn(1<<20))}))
	default:
		return Command(wire.KindSubmit, enc(&txn.Submit{ID: id, Session: session, Mark: mark, Work: work}))
	}
}

// take takes one of a list.
func (l *logger) take(ids *[]txn.ID) txn.ID {
	i := l.rng.Intn(len(*ids))
	id := (*ids)[i]
	*ids = slices.Delete(*ids, i, i+1)
	return id
}

// end gives a transaction its outcome.
func (l *logger) end(id txn.ID) []byte {
	time := txn.Timestamp(l.rng.Intn(1 << 20))
	switch l.rng.Intn(4) {
	case 0:
		return Command(wire.KindAbort, enc(&Abort{ID: id, Because: 5}))
	case 1:
		return Command(wire.KindSettle, enc(&Settle{ID: id, Commit: l.rng.Intn(2) == 0, Time: time, Because: 5}))
	}
	l.ended = append(l.ended, id)
	return Command(wire.KindCommit, enc(&Commit{ID: id, Time: time}))
}

func (l *logger) work(op wire.Op) (w txn.Work) {
	for range 1 + l.rng.Intn(3) {
		key := fmt.Appendf(nil, "key-%02d", l.rng.Intn(30))
		if l.rng.Intn(3) == 0 {
			w.Reads = append(w.Reads, txn.Read{Key: key, At: txn.After(op - 1)})
		}
		value := bytes.Repeat([]byte{byte(op)}, l.rng.Intn(300))
		w.Writes = append(w.Writes, txn.Write{Key: key, Value: value, Delete: l.rng.Intn(5) == 0})
	}
	return w
}

func newShard() *Participant {
	return NewParticipant(ParticipantConfig{Map: shard.Map{Version: 1, Shards: 1}})
}

// failer is a test, or whoever waits for one to fail.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// copyOf carries an image over in pieces of chance sizes, some of which are asked for again.
func copyOf(t failer, rng *rand.Rand, i *Image, to *Participant) *Staging {
	t.Helper()
	g, cursor := to.Stage(), []byte(nil)
	for {
		data, next, last, err := i.Piece(cursor, 1+rng.Intn(1500))
		if err != nil {
			t.Fatalf("%v", err)
		}
		if rng.Intn(4) == 0 {
			continue // lost
		}
		if err := g.Add(data); err != nil {
			t.Fatalf("%v", err)
		}
		if last {
			if err := g.Complete(); err != nil {
				t.Fatalf("%v", err)
			}
			return g
		}
		cursor = next
	}
}

// A participant that adopts an image is as the source was when it was taken, whatever the source did since,
// and goes on as the source went on.
func TestImageIsTheWholeState(t *testing.T) {
	for seed := range int64(40) {
		wholeState(t, seed)
	}
}

func wholeState(t failer, seed int64) {
	rng := rand.New(rand.NewSource(seed))
	source, late := newShard(), newShard()
	l := &logger{rng: rng, source: source}
	var entries [][][]byte
	apply := func(p *Participant) {
		op := p.Applied() + 1
		if int(op) > len(entries) {
			entries = append(entries, l.entry(op))
		}
		p.Apply(op, txn.Timestamp(10*op), entries[op-1])
	}
	for range 20 + rng.Intn(400) {
		apply(source)
		if rng.Intn(50) == 0 {
			source.Image() // one that nobody asks for
		}
	}
	image, hash, at := source.Image(), source.Hash(), source.Applied()
	prepared, orphans := source.Prepared(), source.orphans.Items()
	for range rng.Intn(200) {
		apply(source)
	}
	for range rng.Intn(20) {
		apply(late)
	}
	late.Adopt(copyOf(t, rng, image, late))
	if late.Hash() != hash || late.Applied() != at || image.Op() != at {
		t.Fatalf("seed %d: the image of op %d has hash %x, adopted %x of op %d", seed, at, hash, late.Hash(), late.Applied())
	}
	if !slices.Equal(late.Prepared(), prepared) || !slices.Equal(late.orphans.Items(), orphans) {
		t.Fatalf("seed %d: prepared %v, adopted %v; orphans %v, adopted %v", seed, prepared, late.Prepared(), orphans, late.orphans.Items())
	}
	for late.Applied() < source.Applied() {
		apply(late)
	}
	for range 150 {
		apply(source)
		apply(late)
		if source.Hash() != late.Hash() {
			t.Fatalf("seed %d: after op %d the copy differs", seed, source.Applied())
		}
	}
	if a, b := source.Stats(), late.Stats(); a != b {
		t.Fatalf("seed %d: %+v and %+v", seed, a, b)
	}
}

// A transaction prepared in the image keeps its locks, and its outcome can be applied.
func TestImageKeepsLocks(t *testing.T) {
	o := newOne(t)
	o.want(o.status(wire.KindPrepare, prepare(1, join(o.saw("r"), o.scanned("s", "t"), writes("w")))), txn.StatusYes, "prepare")
	follower := newShard()
	g := copyOf(t, rand.New(rand.NewSource(1)), o.Image(), follower)
	follower.Adopt(g)
	follower.Lead(0, 4)
	n := &one{t: t, Participant: follower, now: 1}
	for i, w := range []txn.Work{writes("r"), writes("s1"), writes("w"), n.saw("w")} {
		n.log(Command(wire.KindSubmit, submit(uint64(10+i), w)))
		if r := n.find(tid(uint64(10 + i))); r == nil || r.status != txn.StatusNo {
			t.Errorf("work %d passed the locks of a prepared transaction: %+v", i, r)
		}
	}
	n.want(n.status(wire.KindCommit, commit(1)), txn.StatusCommitted, "commit")
	if !n.has("w") {
		t.Error("the write of the prepared transaction is not there")
	}
}

// Items longer than a piece are cut, and every cursor in between works.
func TestImageCutsLongItems(t *testing.T) {
	o := newOne(t)
	long := txn.Work{Writes: []txn.Write{{Key: []byte("k"), Value: bytes.Repeat([]byte("v"), txn.MaxValueBytes)}}}
	o.want(o.status(wire.KindSubmit, submit(1, long)), txn.StatusCommitted, "submit")
	image, to := o.Image(), newShard()
	whole, _, last, err := image.Piece(nil, 1<<30)
	if err != nil || !last || len(whole) < txn.MaxValueBytes {
		t.Fatalf("%d bytes, last %v, %v", len(whole), last, err)
	}
	whole = bytes.Clone(whole)
	for _, budget := range []int{1, 7, 1000, len(whole) - 1, len(whole)} {
		var got, cursor []byte
		for last := false; !last; {
			var data []byte
			if data, cursor, last, err = image.Piece(cursor, budget); err != nil || len(data) > budget {
				t.Fatalf("a piece of %d for %d: %v", len(data), budget, err)
			}
			got = append(got, data...)
			if budget == 1 && len(got) > 2000 {
				got = append(got, whole[len(got):]...)
				break
			}
		}
		if !bytes.Equal(got, whole) {
			t.Fatalf("pieces of %d make another stream", budget)
		}
	}
	to.Adopt(copyOf(t, rand.New(rand.NewSource(1)), image, to))
	if to.Hash() != o.Hash() {
		t.Error("another state")
	}
}

// Reading a piece costs what the piece holds, not what the shard holds: the cost in the middle of many keys
// is that of few.
func TestPieceCostsItself(t *testing.T) {
	cost := func(keys int) float64 {
		p := newShard()
		for i := range keys {
			p.store.Put(fmt.Appendf(nil, "key-%08d", i), []byte("value"), txn.Position{Op: 1, Index: uint32(i)}, 1)
		}
		image := p.Image()
		cursor := wire.AppendValue(nil, &imageCursor{Section: sectionVersions, Key: fmt.Appendf(nil, "key-%08d", keys/2)})
		return testing.AllocsPerRun(20, func() {
			if data, _, last, err := image.Piece(cursor, 1300); err != nil || last || len(data) != 1300 {
				t.Fatalf("%d bytes, last %v, %v", len(data), last, err)
			}
		})
	}
	if few, many := cost(500), cost(200_000); many > 2*few {
		t.Errorf("a piece of an image of 500 keys takes %v allocations, of 200,000 keys %v", few, many)
	}
}

func TestStagingRefusesWhatIsNoImage(t *testing.T) {
	o := newOne(t)
	o.do(wire.KindSubmit, submit(1, writes("a", "b")))
	o.do(wire.KindPrepare, prepare(2, writes("c")))
	whole, _, _, _ := o.Image().Piece(nil, 1<<20)
	take := func(b []byte) error {
		g := newShard().Stage()
		if err := g.Add(b); err != nil {
			return err
		}
		return g.Complete()
	}
	if err := take(whole); err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := take(whole[:cut]); !errors.Is(err, ErrImage) {
			t.Fatalf("the first %d bytes pass: %v", cut, err)
		}
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x15
		if err := take(bad); err != nil && !errors.Is(err, ErrImage) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for name, b := range map[string][]byte{
		"twice":        append(bytes.Clone(whole), whole...),
		"a huge item":  {0xff, 0xff, 0xff, 0xff, 0x7f},
		"no item":      {0},
		"unknown kind": {1, 99},
	} {
		if err := take(b); !errors.Is(err, ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, cursor := range [][]byte{{1}, wire.AppendValue(nil, &imageCursor{Section: 9})} {
		if _, _, _, err := o.Image().Piece(cursor, 100); !errors.Is(err, ErrImage) {
			t.Errorf("cursor %x: %v", cursor, err)
		}
	}
}

// Whoever adds a field to the replicated state must decide what it is in an image: this list is the decision.
func TestEveryFieldOfTheStateHasItsPlaceInAnImage(t *testing.T) {
	for _, c := range []struct {
		of     reflect.Type
		fields []string
	}{
		{reflect.TypeFor[machine](), []string{"realm", "store", "locks", "sessions", "reserved", "records", "applied", "clock", "orphans", "sum", "generation", "spare", "unreadable", "alarms", "counted"}},
		{reflect.TypeFor[session](), []string{"client", "first", "op", "mark", "claimed", "used", "reserved", "records", "generation"}},
		{reflect.TypeFor[record](), []string{"id", "hash", "status", "time", "key", "prepare", "members", "frozen"}},
	} {
		var got []string
		for f := range c.of.Fields() {
			got = append(got, f.Name)
		}
		if !slices.Equal(got, c.fields) {
			t.Errorf("%v has the fields %v, an image knows %v", c.of, got, c.fields)
		}
	}
}

func FuzzStaging(f *testing.F) {
	p := newShard()
	p.store.Put([]byte("k"), []byte("v"), txn.Position{Op: 1}, 1)
	whole, _, _, _ := p.Image().Piece(nil, 1<<20)
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		g := newShard().Stage()
		if g.Add(b) == nil && g.Complete() == nil {
			newShard().Adopt(g)
		}
	})
}
