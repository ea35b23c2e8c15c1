package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/anodekv/anode/bench/check"
	"github.com/anodekv/anode/client"
)

const (
	workers   = 16
	accounts  = 32
	registers = 64
	opening   = 1000 // what each account holds at first
	// maxHistory bounds what is recorded, and so the memory and the time of the judgement.
	maxHistory = 200_000
	// patience is how long one transaction may take before its caller gives up.
	patience = 5 * time.Second
	// verifyPatience is for what must succeed: the opening and the last look.
	verifyPatience = 30 * time.Second
)

func account(i int) string  { return "account/" + strconv.Itoa(i) }
func register(i int) string { return "register/" + strconv.Itoa(i) }

func accountKeys() []string {
	keys := make([]string, accounts)
	for i := range keys {
		keys[i] = account(i)
	}
	return keys
}

// A balance is an amount and a token that makes the value unique, so that a checker can tell versions apart.
func formatBalance(amount int64, token string) string { return fmt.Sprint(amount, " ", token) }

func parseBalance(v check.Value) (int64, error) {
	amount, _, _ := strings.Cut(v.Data, " ")
	n, err := strconv.ParseInt(amount, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("an account holds %v: %w", v, err)
	}
	return n, nil
}

// load drives one cluster through the SDK and records everything that it sees.
type load struct {
	db       *client.Client
	recorder *check.Recorder
	rates    *rates
	started  time.Time
	pace     time.Duration // of one worker, between transactions: the history must last until the end
}

// openAccounts fills all accounts, in one transaction.
func (l *load) openAccounts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, verifyPatience)
	defer cancel()
	return l.update(ctx, workers, func(ctx context.Context, t *recordedTxn) error {
		for i := range accounts {
			if err := t.put(ctx, account(i), formatBalance(opening, "opening-"+strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	})
}

// work runs one worker until the context ends or the history is full. What fails for a good reason has been
// recorded; any other error ends the demo.
func (l *load) work(ctx context.Context, id int, seed uint64) error {
	w := &worker{load: l, id: id, rand: rand.New(rand.NewPCG(seed, uint64(id)))}
	for ctx.Err() == nil {
		err := w.step(ctx)
		switch {
		case errors.Is(err, check.ErrFull):
			return nil
		case err != nil && !excusable(err):
			return fmt.Errorf("worker %d: %w", id, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.pace):
		}
	}
	return nil
}

// excusable errors are what a client must expect of a cluster whose nodes die.
func excusable(err error) bool {
	for _, e := range []error{client.ErrConflict, client.ErrUnavailable, client.ErrOutcomeUnknown, client.ErrOverloaded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// worker is one closed loop.
type worker struct {
	load  *load
	id    int
	rand  *rand.Rand
	count int
}

func (w *worker) unique() string {
	w.count++
	return fmt.Sprintf("w%d-%d", w.id, w.count)
}

// step runs one transaction, to its end: what was begun is finished even when the demo ends meanwhile.
func (w *worker) step(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	key := register(w.rand.IntN(registers))
	switch n := w.rand.IntN(100); {
	case n < 40:
		return w.transfer(ctx)
	case n < 42:
		return w.audit(ctx)
	case n < 70:
		return w.load.get(ctx, w.id, key)
	default:
		return w.load.put(ctx, w.id, key, w.unique())
	}
}

// transfer moves money between two accounts, most often of two shards.
func (w *worker) transfer(ctx context.Context) error {
	from := w.rand.IntN(accounts)
	to := (from + 1 + w.rand.IntN(accounts-1)) % accounts
	amount := 1 + w.rand.Int64N(9)
	return w.load.update(ctx, w.id, func(ctx context.Context, t *recordedTxn) error {
		if err := t.add(ctx, account(from), -amount, w.unique()); err != nil {
			return err
		}
		return t.add(ctx, account(to), amount, w.unique())
	})
}

// audit reads all accounts in one transaction.
func (w *worker) audit(ctx context.Context) error {
	return w.load.update(ctx, w.id, readAccounts)
}

func readAccounts(ctx context.Context, t *recordedTxn) error {
	for i := range accounts {
		if _, err := t.get(ctx, account(i)); err != nil {
			return err
		}
	}
	return nil
}
