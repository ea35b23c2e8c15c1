package torture

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/bench/runner"
	"github.com/anodekv/anode/bench/workload"
	"github.com/anodekv/anode/client"
	"github.com/anodekv/anode/paxos/wire"
)

const (
	// patience is what a transaction may take, and lastPatience one that must succeed, of a cluster that is healed.
	patience     = 4 * time.Second
	lastPatience = 30 * time.Second
	// doomedPatience is how long one who has vanished goes on not knowing it.
	doomedPatience = 700 * time.Millisecond
	openTime       = 20 * time.Second
	// clientsEach is how many numbers of clients a process has in a round.
	clientsEach = 100_000
	ycsbKeys    = 500
	ycsbClients = 4
)

// Cluster is what clients must know.
type Cluster struct {
	Servers []string `json:"servers"`
	KeyFile string   `json:"key_file"`
}

// Key reads the clients' key.
func (c *Cluster) Key() ([]byte, error) {
	b, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, err
	}
	_, digits, _ := strings.Cut(string(b), "client: ")
	digits, _, _ = strings.Cut(digits, "\n")
	key, err := hex.DecodeString(strings.TrimSpace(digits))
	if err != nil || len(key) != wire.KeySize {
		return nil, fmt.Errorf("%s holds no key of %d bytes", c.KeyFile, wire.KeySize)
	}
	return key, nil
}

// LoadSpec says what one process does in one round.
type LoadSpec struct {
	Cluster Cluster `json:"cluster"`
	// Dir takes the journal; Process numbers the processes of a round.
	Dir     string `json:"dir"`
	Round   int    `json:"round"`
	Process int    `json:"process"`
	Seed    uint64 `json:"seed"`
	// Workers do the Mix, which are names of workloads, and rest for Pause in the mean.
	Workers int           `json:"workers"`
	Mix     []string      `json:"mix"`
	Pause   time.Duration `json:"pause"`
	// Connections are shared by the workers.
	Connections int `json:"connections"`
	// Doomed workers have each a connection of its own that is cut at a step of a commit.
	Doomed int `json:"doomed"`
	// YCSB is how many operations of workload A a second are asked for besides; nobody judges them.
	YCSB float64 `json:"ycsb"`
	// Mortal processes are killed.
	Mortal bool `json:"mortal"`
}

// Tally counts what a process did.
type Tally struct {
	Committed int64 `json:"committed"`
	Aborted   int64 `json:"aborted"`
	Unknown   int64 `json:"unknown"`
	// Asked counts the outcomes that were asked for.
	Asked int64 `json:"asked"`
	// Vanished counts coordinators that were cut off, by step.
	Vanished map[string]int `json:"vanished,omitempty"`
	// Done counts committed transactions by workload, and YCSB operations that succeeded.
	Done map[string]int64 `json:"done"`
}

// Add adds another.
func (t *Tally) Add(o Tally) {
	t.Committed, t.Aborted, t.Unknown, t.Asked = t.Committed+o.Committed, t.Aborted+o.Aborted, t.Unknown+o.Unknown, t.Asked+o.Asked
	if t.Vanished == nil {
		t.Vanished = map[string]int{}
	}
	for k, n := range o.Vanished {
		t.Vanished[k] += n
	}
	if t.Done == nil {
		t.Done = map[string]int64{}
	}
	for k, n := range o.Done {
		t.Done[k] += n
	}
}

// load is what the workers of one process share.
type load struct {
	spec    LoadSpec
	keys    keys
	key     []byte
	journal *Journal
	mix     []Workload
	shares  int
	dbs     []*client.Client
	began   time.Time

	committed, aborted, unknown, asked atomic.Int64

	mu       sync.Mutex
	clients  int
	vanished map[string]int
	done     map[string]int64
}

// RunLoad does what a spec says until the context ends, and closes the journal. What the cluster does wrong stands there.
func RunLoad(ctx context.Context, spec LoadSpec) (t Tally, err error) {
	l, err := newLoad(ctx, spec)
	if err != nil {
		return t, err
	}
	defer l.close()
	var all sync.WaitGroup
	for i := range spec.Workers {
		all.Go(func() { l.work(ctx, l.worker(l.dbs[i%len(l.dbs)])) })
	}
	for range spec.Doomed {
		all.Go(func() { l.doomed(ctx) })
	}
	if spec.YCSB > 0 {
		all.Go(func() { l.ycsb(ctx) })
	}
	all.Wait()
	return l.tally(), l.journal.Close()
}

func newLoad(ctx context.Context, spec LoadSpec) (l *load, err error) {
	l = &load{spec: spec, keys: keys{spec.Round}, began: time.Now(), vanished: map[string]int{}, done: map[string]int64{}}
	for _, name := range spec.Mix {
		for _, w := range Workloads() {
			if w.Name == name {
				l.mix, l.shares = append(l.mix, w), l.shares+w.Share
			}
		}
	}
	if len(l.mix) != len(spec.Mix) {
		return nil, fmt.Errorf("some of the workloads %v are not known", spec.Mix)
	}
	if l.key, err = spec.Cluster.Key(); err != nil {
		return nil, err
	}
	if l.journal, err = CreateJournal(spec.Dir, fmt.Sprintf("clients-%03d", spec.Process), spec.Mortal); err != nil {
		return nil, err
	}
	for range max(1, spec.Connections) {
		db, err := l.open(ctx)
		if err != nil {
			l.close()
			return nil, errors.Join(err, l.journal.Close())
		}
		l.dbs = append(l.dbs, db)
	}
	return l, nil
}

// open makes a client of the SDK. The cluster may be under faults.
func (l *load) open(ctx context.Context) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	return client.Open(ctx, client.Config{Servers: l.spec.Cluster.Servers, Key: l.key})
}

func (l *load) close() {
	for _, db := range l.dbs {
		_ = db.Close()
	}
}

// worker makes one, with a number that nobody had.
func (l *load) worker(db *client.Client) *worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clients++
	n := l.spec.Process*clientsEach + l.clients
	return &worker{load: l, db: db, client: n, rand: rand.New(rand.NewPCG(l.spec.Seed, uint64(n))), patience: patience, asks: 0.7}
}

func (l *load) work(ctx context.Context, w *worker) {
	for ctx.Err() == nil {
		l.one(ctx, w)
		pause(ctx, time.Duration(w.rand.ExpFloat64()*float64(l.spec.Pause)))
	}
}

// one does one thing of the mix.
func (l *load) one(ctx context.Context, w *worker) {
	n := w.rand.IntN(l.shares)
	for _, m := range l.mix {
		if n -= m.Share; n < 0 {
			before := w.commits
			m.do(w, ctx)
			l.mu.Lock()
			l.done[m.Name] += w.commits - before
			l.mu.Unlock()
			return
		}
	}
}

// doomed has one coordinator after another vanish at a step of its work.
func (l *load) doomed(ctx context.Context) {
	server := 0
	for ctx.Err() == nil {
		w := l.worker(nil)
		server++
		conn, err := dialMortal(l.spec.Cluster.Servers[server%len(l.spec.Cluster.Servers)], wire.NewKey([wire.KeySize]byte(l.key)))
		if err != nil {
			l.journal.Complain("a doomed client has no connection: %v", err)
			return
		}
		open, cancel := context.WithTimeout(ctx, openTime)
		w.db, err = client.Open(open, client.Config{Servers: l.spec.Cluster.Servers, Key: l.key, Conn: conn, CloseWait: time.Millisecond})
		cancel()
		if err != nil {
			continue
		}
		w.asks = 0
		l.die(ctx, w, conn)
		_ = w.db.Close()
	}
}

// die works until the connection is cut, and a little longer.
func (l *load) die(ctx context.Context, w *worker, conn *mortalConn) {
	for range w.rand.IntN(4) { // its sessions may be open, or not
		l.one(ctx, w)
	}
	step := randomStep(w.rand)
	conn.doom(step)
	w.patience = doomedPatience
	for until := time.Now().Add(3 * time.Second); !conn.gone() && ctx.Err() == nil && time.Now().Before(until); {
		l.one(ctx, w)
	}
	if conn.gone() {
		l.mu.Lock()
		l.vanished[step.Name]++
		l.mu.Unlock()
	}
}

// ycsb is what others do beside.
func (l *load) ycsb(ctx context.Context) {
	w, err := workload.New(workload.Config{Name: "ycsb-a", Keys: ycsbKeys, Seed: l.spec.Seed})
	if err != nil {
		panic(err) // it is ours
	}
	stores := make([]runner.Store, ycsbClients)
	for i := range stores {
		stores[i] = &runner.Anode{DB: l.dbs[i%len(l.dbs)]}
	}
	for ctx.Err() == nil {
		report, err := runner.Run(ctx, runner.Config{Workload: w, Stores: stores, Rate: l.spec.YCSB, For: 2 * time.Second, Timeout: patience})
		if err != nil {
			pause(ctx, 100*time.Millisecond) // it may be that nothing succeeds
			continue
		}
		l.mu.Lock()
		l.done["ycsb"] += int64(report.OpsPerSecond * report.Seconds)
		l.mu.Unlock()
	}
}

func (l *load) count(o check.Outcome) {
	switch o {
	case check.Committed:
		l.committed.Add(1)
	case check.Aborted:
		l.aborted.Add(1)
	default:
		l.unknown.Add(1)
	}
}

func (l *load) tally() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Tally{Committed: l.committed.Load(), Aborted: l.aborted.Load(), Unknown: l.unknown.Load(), Asked: l.asked.Load(),
		Vanished: l.vanished, Done: l.done}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
