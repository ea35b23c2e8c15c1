package runner

import "time"

const (
	// aheadLength is how many operations may be due before a client takes them. The pacer waits when there are more, and
	// they keep the times at which they were due.
	aheadLength = 1 << 16
	// finestPace bounds how often the pacer wakes up; what falls due in between is given out together.
	finestPace = 50 * time.Microsecond
)

// pacer gives out the times at which operations are due.
type pacer struct {
	due chan time.Time // closed at the end

	start, end time.Time
	rate       float64
	quit       chan struct{}
	ended      chan struct{}
}

func newPacer(start, end time.Time, rate float64) (*pacer, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	p := &pacer{due: make(chan time.Time, aheadLength), start: start, end: end, rate: rate, quit: make(chan struct{}), ended: make(chan struct{})}
	go p.run(a)
	return p, nil
}

// at is when an operation is due; the first one is number 0.
func (p *pacer) at(n int64) time.Time {
	return p.start.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
}

// run ends when the time is over, though some that were due may not have been given out by then.
func (p *pacer) run(a alarm) {
	defer close(p.ended)
	defer close(p.due)
	defer a.close()
	over := time.NewTimer(time.Until(p.end))
	defer over.Stop()
	for n := int64(0); ; n++ {
		due := p.at(n)
		if !due.Before(p.end) {
			return
		}
		if early := time.Until(due); early > 0 {
			a.sleep(max(early, finestPace))
		}
		select {
		case p.due <- due:
		case <-over.C:
			return
		case <-p.quit:
			return
		}
	}
}

// stop ends it, and waits.
func (p *pacer) stop() {
	close(p.quit)
	<-p.ended
}

// number is that of the first operation that is not due before a time.
func (p *pacer) number(t time.Time) int64 {
	n := int64(t.Sub(p.start).Seconds() * p.rate)
	for n > 0 && !p.at(n-1).Before(t) {
		n--
	}
	for p.at(n).Before(t) {
		n++
	}
	return n
}
