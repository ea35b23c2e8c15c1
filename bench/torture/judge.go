package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/client"
)

// Judgement is what the judges say of one round.
type Judgement struct {
	Round    int
	Verdicts map[string]check.Verdict
	// Complaints are what clients were told and must not be told.
	Complaints []string
	// Checked is how many transactions the strictest judge took in; Operations are those of the committed ones.
	Checked    int
	Operations int
}

// Judge judges the history of one round, whose last transactions read everything, see [ReadLast].
func Judge(round int, h check.History, complaints []string) *Judgement {
	k := keys{round}
	j := &Judgement{Round: round, Complaints: complaints, Verdicts: map[string]check.Verdict{}}
	all := check.Transactions(h)
	j.Verdicts["transactions"], j.Checked = all, all.Checked
	for _, t := range h {
		if t.Outcome == check.Committed {
			j.Operations += len(t.Ops)
		}
	}
	j.Verdicts["registers"] = check.Registers(only(h, k.key("r")+"/"))
	j.Verdicts["bank"] = check.Bank(h, check.Accounts{Keys: k.many("a", accounts), Total: accounts * opening, Balance: Balance})
	final := lastReads(h)
	lists := map[string]check.Value{}
	for key, v := range final {
		if strings.HasPrefix(key, k.key("l")+"/") {
			lists[key] = v
		}
	}
	if once := check.ExactlyOnce(h, lists); once.Checked > 0 || len(once.Anomalies) > 0 {
		j.Verdicts["exactly once"] = once
	}
	for _, key := range k.many("n", counters) {
		if _, read := final[key]; !read {
			j.Complaints = append(j.Complaints, fmt.Sprintf("counter %q was not read at the end", key))
		} else if touched(h, key) {
			j.Verdicts["counter "+key] = check.Counter(h, key, final[key])
		}
	}
	return j
}

// OK reports whether all is well.
func (j *Judgement) OK() bool {
	return len(j.Complaints) == 0 && !slices.ContainsFunc(slices.Collect(maps.Values(j.Verdicts)), func(v check.Verdict) bool { return !v.OK })
}

// Anomalies is how much is wrong: what the judges found, as far as they tell, and what clients were told and must not be told.
func (j *Judgement) Anomalies() int {
	n := len(j.Complaints)
	for _, v := range j.Verdicts {
		if !v.OK {
			n += max(1, len(v.Anomalies))
		}
	}
	return n
}

func (j *Judgement) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "round %d:\n", j.Round)
	for _, name := range slices.Sorted(maps.Keys(j.Verdicts)) {
		fmt.Fprintf(&b, "%s: %v\n", name, j.Verdicts[name])
	}
	for _, c := range j.Complaints {
		fmt.Fprintf(&b, "complaint: %s\n", c)
	}
	return b.String()
}

// Shortest is the anomaly with the fewest transactions, and those that it is made of. h is what was judged.
func (j *Judgement) Shortest(h check.History) (a check.Anomaly, made check.History, found bool) {
	for _, name := range []string{"transactions", "bank"} { // the others are of parts of the history
		for _, other := range j.Verdicts[name].Anomalies {
			if !found || len(other.Txns) > 0 && (len(a.Txns) == 0 || len(other.Txns) < len(a.Txns)) {
				a, found = other, true
			}
		}
	}
	for _, i := range a.Txns {
		made = append(made, h[i])
	}
	return a, made, found
}

// only are the transactions that touch keys with a prefix, and no others.
func only(h check.History, prefix string) (some check.History) {
	for _, t := range h {
		if len(t.Ops) > 0 && !slices.ContainsFunc(t.Ops, func(o check.Op) bool { return !strings.HasPrefix(o.Key, prefix) }) {
			some = append(some, t)
		}
	}
	return some
}

func touched(h check.History, key string) bool {
	return slices.ContainsFunc(h, func(t check.Txn) bool {
		return t.Outcome == check.Committed && slices.ContainsFunc(t.Ops, func(o check.Op) bool { return o.Key == key && o.Kind != check.KindRead })
	})
}

// lastClient is the number of the client that reads everything at the end of a round.
const lastClient = 0

// lastReads is what it read.
func lastReads(h check.History) map[string]check.Value {
	final := map[string]check.Value{}
	for _, t := range h {
		for _, o := range t.Ops {
			if t.Client == lastClient && t.Outcome == check.Committed {
				final[o.Key] = o.Value
			}
		}
	}
	return final
}

// ReadLast reads all keys that the rounds may have written: those of a sort in one transaction, except for lists. What it
// reads of one round goes to a journal in dir, if there is one.
func ReadLast(ctx context.Context, cluster Cluster, dir string, rounds ...LastRound) (map[string]check.Value, error) {
	key, err := cluster.Key()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lastPatience*time.Duration(1+len(rounds)))
	defer cancel()
	db, err := client.Open(ctx, client.Config{Servers: cluster.Servers, Key: key})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	journal, err := CreateJournal(dir, "last", false)
	if err != nil {
		return nil, err
	}
	l := &load{journal: journal}
	final := map[string]check.Value{}
	for _, r := range rounds {
		w := &worker{load: l, db: db, client: lastClient, patience: lastPatience}
		for _, some := range r.keys() {
			var values []check.Value
			outcome := w.view(ctx, func(ctx context.Context, t tx) (err error) {
				values, err = t.read(ctx, some...)
				return err
			})
			if outcome != check.Committed {
				return nil, errors.Join(fmt.Errorf("the keys %q to %q of round %d cannot be read", some[0], some[len(some)-1], r.Number), journal.Close())
			}
			for i, key := range some {
				final[key] = values[i]
			}
		}
	}
	return final, journal.Close()
}

// LastRound is a round whose keys are read.
type LastRound struct {
	Number int `json:"number"`
	// Lasted is how long its load did, which tells what lists there are.
	Lasted time.Duration `json:"lasted"`
}

// keys are all that the round may have, in portions that are read at once.
func (r LastRound) keys() (portions [][]string) {
	k := keys{r.Number}
	portions = [][]string{k.many("r", registers), k.many("c", cells), k.many("a", accounts), k.many("n", counters),
		append(k.many("i", 4), k.key("h"))}
	for i := range pairs {
		portions = append(portions, k.below("s", i, 2), k.below("e", i, 2), k.below("d", i, doors))
	}
	for i := range sets {
		portions = append(portions, k.below("m", i, members))
	}
	for generation := range int(r.Lasted/listAge) + 1 {
		portions = append(portions, k.below("l", generation, lists))
	}
	return portions
}
