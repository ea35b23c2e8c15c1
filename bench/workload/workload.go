package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is what an operation does.
type Kind uint8

// The kinds. Those of Retwis are transactions.
const (
	Read Kind = iota
	Update
	Insert
	Scan
	ReadModifyWrite
	AddUser
	Follow
	PostTweet
	Timeline
	kinds
)

func (k Kind) String() string {
	return [...]string{"read", "update", "insert", "scan", "read_modify_write", "add_user", "follow", "post_tweet", "timeline"}[k]
}

// Op is one thing to do: one transaction that reads some keys and then writes some, or a scan.
type Op struct {
	Kind Kind
	// Reads and Writes are keys; those of one list differ.
	Reads, Writes []string
	// ScanKeys is how many keys a scan wants, from Reads[0] on.
	ScanKeys int
	// Value is what is written, to each key.
	Value []byte

	inserted uint64 // number of the key that an Insert adds
}

// Config chooses a workload.
type Config struct {
	// Name is one of Names.
	Name string
	// Distribution of the keys; the empty one is the workload's own.
	Distribution Distribution
	// Keys is how many exist at first, 10 or more.
	Keys int
	// ValueBytes is the size of each value; 0 is the workload's own.
	ValueBytes int
	// Ordered names keys by their number, so that keys inserted in a row lie in a row; otherwise the number is hashed.
	// They are YCSB's insertorder=ordered and hashed.
	Ordered bool
	// Seed makes the clients' operations the same in each run.
	Seed uint64
}

// share is one kind of a mix.
type share struct {
	percent int
	kind    Kind
}

type shape struct {
	name         string
	distribution Distribution
	valueBytes   int
	mix          []share
	keys         int // that a read-modify-write touches
}

const (
	// ycsbValueBytes is a record of YCSB: ten fields of 100 bytes. It is one value here, and always written whole.
	ycsbValueBytes = 1000
	valueBytes     = 100
	maxScanKeys    = 100 // YCSB's maxscanlength
	minKeys        = 10  // Retwis reads so many at once
	maxTimeline    = 10

	// MaxKeys bounds the keys of a workload: more than fit the memory of a machine.
	MaxKeys = 1 << 31
	// MaxValueBytes bounds the values, as it does in the store.
	MaxValueBytes = 1 << 20
)

// The workloads. YCSB's are its files workloads/workloada to f, Retwis is the client of TAPIR's evaluation.
var shapes = []shape{
	{"put", Uniform, valueBytes, []share{{100, Update}}, 1},
	{"get", Uniform, valueBytes, []share{{100, Read}}, 1},
	{"rmw2", Uniform, valueBytes, []share{{100, ReadModifyWrite}}, 2},
	{"retwis", Uniform, valueBytes, []share{{5, AddUser}, {15, Follow}, {30, PostTweet}, {50, Timeline}}, 0},
	{"ycsb-a", Zipfian, ycsbValueBytes, []share{{50, Read}, {50, Update}}, 1},
	{"ycsb-b", Zipfian, ycsbValueBytes, []share{{95, Read}, {5, Update}}, 1},
	{"ycsb-c", Zipfian, ycsbValueBytes, []share{{100, Read}}, 1},
	{"ycsb-d", Latest, ycsbValueBytes, []share{{95, Read}, {5, Insert}}, 1},
	{"ycsb-e", Zipfian, ycsbValueBytes, []share{{95, Scan}, {5, Insert}}, 1},
	{"ycsb-f", Zipfian, ycsbValueBytes, []share{{50, Read}, {50, ReadModifyWrite}}, 1},
}

// Names are the workloads that there are.
func Names() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

// Workload is what all clients of one run share.
type Workload struct {
	cfg   Config
	shape shape
	space *keyspace
	ranks Zipf // of as many items as there are keys, if the distribution is Latest
}

// New makes a workload, or says what is wrong with the configuration.
func New(cfg Config) (*Workload, error) {
	i := slices.IndexFunc(shapes, func(s shape) bool { return s.name == cfg.Name })
	switch {
	case i < 0:
		return nil, fmt.Errorf("no workload is called %q: choose one of %s", cfg.Name, strings.Join(Names(), ", "))
	case cfg.Keys < minKeys || cfg.Keys > MaxKeys:
		return nil, fmt.Errorf("%d keys: choose a number from %d to %d", cfg.Keys, minKeys, MaxKeys)
	case cfg.ValueBytes < 0 || cfg.ValueBytes > MaxValueBytes:
		return nil, fmt.Errorf("values of %d bytes: choose a size from 1 to %d, or 0 for the workload's own", cfg.ValueBytes, MaxValueBytes)
	case cfg.Distribution != "" && !slices.Contains(Distributions, cfg.Distribution):
		return nil, fmt.Errorf("no distribution is called %q: choose one of %v", cfg.Distribution, Distributions)
	}
	w := &Workload{cfg: cfg, shape: shapes[i], space: newKeyspace(uint64(cfg.Keys))}
	if cfg.Distribution == "" {
		w.cfg.Distribution = w.shape.distribution
	}
	if cfg.ValueBytes == 0 {
		w.cfg.ValueBytes = w.shape.valueBytes
	}
	if w.cfg.Distribution == Latest {
		w.ranks = *NewZipf(uint64(cfg.Keys))
	}
	return w, nil
}

// Config is the configuration, with what was left to the workload filled in.
func (w *Workload) Config() Config { return w.cfg }

// Key is the name of the key of a number. YCSB hashes the number unless keys are ordered; ordered names
// are padded here, so that they are in the order of the numbers.
func (w *Workload) Key(n uint64) string {
	if !w.cfg.Ordered {
		return "user" + strconv.FormatUint(fnv64(n), 10)
	}
	// As "user%012d", which takes longer than some stores do.
	name := [16]byte([]byte("user000000000000"))
	for i := len(name) - 1; n > 0; i-- {
		if i < len("user") {
			panic("workload: a number of more than 12 digits is no key's")
		}
		name[i] += byte(n % 10)
		n /= 10
	}
	return string(name[:])
}

func (w *Workload) inserts() bool {
	return slices.ContainsFunc(w.shape.mix, func(s share) bool { return s.kind == Insert })
}
