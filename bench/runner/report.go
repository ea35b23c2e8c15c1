package runner

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"time"

	"github.com/anodekv/anode/bench/workload"
)

// Report is what a run measured. The names and the order of its fields are those of both JSON and CSV.
type Report struct {
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	// OpsPerSecond counts what is committed, as do latencies, in microseconds.
	OpsPerSecond float64 `json:"ops_per_s"`
	P50Micros    float64 `json:"p50_us"`
	P99Micros    float64 `json:"p99_us"`
	P999Micros   float64 `json:"p999_us"`
	// RetriesPerCommit is how often transactions were run again because others were faster.
	RetriesPerCommit float64 `json:"retries_per_commit"`
	// Aborted were given up after conflicts. Errors failed, or their outcome is unknown.
	Aborted int64 `json:"aborted"`
	Errors  int64 `json:"errors"`
	// CPUMicrosPerOp is the busy time of this whole machine over what is committed: the load is part of it, and so are
	// servers and strangers that run here.
	CPUMicrosPerOp float64 `json:"cpu_us_per_op"`
	// StealPercent is the share of this machine's time that the hypervisor gave to others: with more than a few per cent
	// the figures say more about them.
	StealPercent float64 `json:"steal_percent"`
	// Unstarted were due in an open loop, and no client was free for them.
	Unstarted int64 `json:"unstarted"`
	// Missing counts keys that were read and do not exist.
	Missing      int64                 `json:"missing"`
	Distribution workload.Distribution `json:"distribution"`
	Keys         int                   `json:"keys"`
	ValueBytes   int                   `json:"value_bytes"`
	// Rate is that of an open loop; 0 is a closed one.
	Rate float64 `json:"rate"`
	// Seconds is how long it was measured.
	Seconds float64 `json:"seconds"`

	// FirstError is one of those that are counted, or nil.
	FirstError error `json:"-"`
}

func (r *recorder) report(cfg *Config, cpu cpuTimes) (*Report, error) {
	if r.commits == 0 {
		return nil, fmt.Errorf("%w: %d aborted, %d errors, the first: %w", errNothing, r.aborted, r.errors, orNone(r.first))
	}
	commits, w := float64(r.commits), cfg.Workload.Config()
	quantile := func(q float64) float64 {
		return round(float64(r.latencies.ValueAtQuantile(q)) / float64(time.Microsecond))
	}
	return &Report{
		Workload: w.Name, Clients: len(cfg.Stores), OpsPerSecond: round(commits / cfg.For.Seconds()),
		P50Micros: quantile(50), P99Micros: quantile(99), P999Micros: quantile(99.9),
		RetriesPerCommit: math.Round(1e4*float64(r.retries)/commits) / 1e4, Aborted: r.aborted, Errors: r.errors,
		CPUMicrosPerOp: round(float64(cpu.busy.Microseconds()) / commits),
		StealPercent:   round(100 * cpu.steal.Seconds() / max(cpu.all.Seconds(), tick.Seconds())),
		Unstarted:      r.waiting, Missing: r.missing,
		Distribution: w.Distribution, Keys: w.Keys, ValueBytes: w.ValueBytes,
		Rate: cfg.Rate, Seconds: cfg.For.Seconds(), FirstError: r.first,
	}, nil
}

func orNone(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}

// round keeps what is worth reading: a tenth.
func round(x float64) float64 { return math.Round(10*x) / 10 }

// JSON writes the report as one line.
func (r *Report) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// CSV writes the report as one line, below one with the names of the fields if there is to be a header.
func (r *Report) CSV(w io.Writer, header bool) error {
	var names, values []string
	v := reflect.ValueOf(*r)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("json"); name != "-" {
			names = append(names, name)
			values = append(values, fmt.Sprint(v.Field(i).Interface()))
		}
	}
	out := csv.NewWriter(w)
	if header {
		_ = out.Write(names) // Error tells
	}
	_ = out.Write(values)
	out.Flush()
	return out.Error()
}

// Text writes the report for people, as one line.
func (r *Report) Text(w io.Writer) error {
	loop := "closed loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("%g/s due, %d unstarted", r.Rate, r.Unstarted)
	}
	_, err := fmt.Fprintf(w, "%s, %s, %d clients, %s: %.0f op/s, p50 %.0f us, p99 %.0f us, p99.9 %.0f us, %.3f retries per commit, %d aborted, %d errors, cpu %.1f us/op, steal %.1f %%\n",
		r.Workload, r.Distribution, r.Clients, loop, r.OpsPerSecond, r.P50Micros, r.P99Micros, r.P999Micros,
		r.RetriesPerCommit, r.Aborted, r.Errors, r.CPUMicrosPerOp, r.StealPercent)
	return err
}
