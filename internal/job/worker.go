package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"quittance/internal/span"
)

// Config is what a Worker is made of. Everything but Queue and Handlers has a
// usable zero value.
type Config struct {
	Queue    Queue
	Handlers map[string]Handler // by kind
	Log      *slog.Logger
	// Wake makes the worker look at once; without it jobs wait for Poll.
	Wake <-chan struct{}
	// Poll is how often the worker looks without being woken: for jobs that
	// become due, and for those of other nodes. Default 1 s.
	Poll time.Duration
	// Lease is how long a claimed job may run. A handler's context ends a little
	// earlier. Default 1 min.
	Lease time.Duration
	// Hold is how long a claim is good for unless it is renewed, as it is while the
	// job runs: so long the jobs of a process that died wait. A handler's context ends
	// when the claim cannot be renewed, so that two workers never run one job at the
	// same time unless a handler ignores its context, or clocks differ by more than a
	// fifth of this. Default 7 s, at most Lease.
	Hold time.Duration
	// Concurrency is how many jobs without a lane run at the same time. Default 16.
	Concurrency int
	// Laned is how many jobs with a lane run at the same time. They have places of
	// their own, so that neither sort waits for the other. Default 64.
	Laned int
	// PerLane is how many jobs of one lane run at the same time, on all nodes
	// together. Default 4.
	PerLane int
	// MaxAttempts is after how many failures a job is given up. Default 20,
	// which takes about two days.
	MaxAttempts int
	// Tracer begins a stretch of a trace for each run, nil for none.
	Tracer trace.Tracer
	// Ran hears of each run of a job that is over, nil for nobody. It must be quick.
	Ran func(Run)
}

// Run is how a run of a job ended.
type Run struct {
	Kind    string
	Outcome Outcome
	Took    time.Duration
}

// Outcome is what became of a job.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Snoozed Outcome = "snoozed"  // it comes again, and did not fail
	Failed  Outcome = "failed"   // it comes again
	GivenUp Outcome = "given_up" // nobody tries again
)

// settle bounds how long the outcome of a job may take to be stored.
const settle = 5 * time.Second

// Worker runs jobs.
type Worker struct {
	c     Config
	slots chan struct{} // holds a value for each running job without a lane
	laned chan struct{} // and for each with one
	freed chan struct{} // a job has ended
	runs  sync.WaitGroup
	hold  *hold
}

// NewWorker returns a Worker.
func NewWorker(c Config) *Worker {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.Lease <= 0 {
		c.Lease = time.Minute
	}
	if c.Hold <= 0 {
		c.Hold = 7 * time.Second
	}
	c.Hold = min(c.Hold, c.Lease)
	if c.Concurrency <= 0 {
		c.Concurrency = 16
	}
	if c.Laned <= 0 {
		c.Laned = 64
	}
	if c.PerLane <= 0 {
		c.PerLane = 4
	}
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = 20
	}
	return &Worker{
		c: c, slots: make(chan struct{}, c.Concurrency), laned: make(chan struct{}, c.Laned), freed: make(chan struct{}, 1), hold: newHold(c.Queue, c.Hold),
	}
}

// Run works until ctx ends, then cancels the handlers' contexts, waits for them
// and stores their outcomes; it always returns nil. It must not run twice at
// the same time. When the queue does not answer it keeps trying.
func (w *Worker) Run(ctx context.Context) error {
	// What is waited for in the end is held until then.
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewed sync.WaitGroup
	renewed.Go(func() { w.hold.run(renewing) })
	defer func() {
		w.runs.Wait()
		stop()
		renewed.Wait()
	}()
	tick := time.NewTicker(w.c.Poll)
	defer tick.Stop()
	for {
		more, err := w.round(ctx)
		if err != nil && ctx.Err() == nil {
			w.c.Log.ErrorContext(ctx, "jobs could not be claimed", "err", err)
		}
		if more && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.c.Wake:
		case <-w.freed:
		case <-tick.C:
		}
	}
}

// round claims as many jobs as there are free slots and starts them. more says
// that another round may find more at once.
func (w *Worker) round(ctx context.Context) (more bool, err error) {
	room := Room{Free: cap(w.slots) - len(w.slots), Laned: cap(w.laned) - len(w.laned), PerLane: w.c.PerLane}
	if (room.Free == 0 && room.Laned == 0) || ctx.Err() != nil {
		return false, nil
	}
	// A claim is not broken off: what it leased would lie idle until the lease ends.
	claim, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	claimed := time.Now()
	jobs, err := w.c.Queue.Claim(claim, claimed.UTC(), w.c.Hold, room)
	if err != nil {
		return false, err
	}
	laned := 0
	for _, j := range jobs {
		slots := w.slots
		if j.Lane != "" {
			slots = w.laned
			laned++
		}
		slots <- struct{}{} // never blocks: only this goroutine takes slots
		w.runs.Go(func() {
			defer w.release(slots)
			w.run(ctx, j, claimed)
		})
	}
	free := len(jobs) - laned
	return (free > 0 && free == room.Free) || (laned > 0 && laned == room.Laned), nil
}

func (w *Worker) release(slots chan struct{}) {
	<-slots
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

// run does one job and stores its outcome.
func (w *Worker) run(ctx context.Context, j Job, claimed time.Time) {
	// A tenth of the lease, at most the time of settling, is left to store the outcome.
	begun := time.Now()
	traced, end := span.Root(span.Under(ctx, j.Trace), w.c.Tracer, "job "+w.kind(j))
	limit, cancel := context.WithDeadline(traced, claimed.Add(w.c.Lease-min(settle, w.c.Lease/10)))
	limit, release := w.hold.begin(limit, j, claimed)
	err := w.handle(limit, j)
	cancel()
	if lost := release(); lost && err != nil {
		// Another worker may have it: what became of it here is not for us to say.
		end(err)
		w.c.Log.WarnContext(ctx, "job left to others: its claim could not be renewed", "job", j.ID, "kind", j.Kind, "err", err)
		return
	}
	record, cancel := context.WithTimeout(context.WithoutCancel(traced), settle)
	defer cancel()
	outcome, serr := w.settle(record, j, err, ctx.Err() != nil)
	if outcome == Failed || outcome == GivenUp {
		end(err)
	} else {
		end(serr)
	}
	if w.c.Ran != nil {
		w.c.Ran(Run{Kind: w.kind(j), Outcome: outcome, Took: time.Since(begun)})
	}
	if serr != nil {
		// The job comes again when its lease has run out.
		w.c.Log.ErrorContext(ctx, "job's outcome not stored", "job", j.ID, "kind", j.Kind, "err", serr)
	}
}

// kind is a job's kind, if it is one of ours: others may be many.
func (w *Worker) kind(j Job) string {
	if _, ok := w.c.Handlers[j.Kind]; ok {
		return j.Kind
	}
	return "unknown"
}

// handle calls the handler and turns a panic into an error.
func (w *Worker) handle(ctx context.Context, j Job) (err error) {
	h, ok := w.c.Handlers[j.Kind]
	if !ok {
		// Another version of the program may know the kind: so it is not cancelled.
		return fmt.Errorf("no handler for jobs of kind %q", j.Kind)
	}
	defer func() {
		if v := recover(); v != nil {
			w.c.Log.ErrorContext(ctx, "job panicked", "job", j.ID, "kind", j.Kind, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return h(ctx, j)
}

// settle stores what became of a job.
func (w *Worker) settle(ctx context.Context, j Job, err error, stopping bool) (Outcome, error) {
	now := time.Now().UTC()
	if err == nil {
		return Done, w.c.Queue.Done(ctx, j.ID)
	}
	if at, why, ok := snoozedUntil(err); ok {
		return Snoozed, w.c.Queue.Snooze(ctx, j.ID, at, why)
	}
	if isCanceled(err) {
		w.c.Log.WarnContext(ctx, "job cancelled", "job", j.ID, "kind", j.Kind, "err", err)
		return GivenUp, w.c.Queue.Bury(ctx, j.ID, shorten(err))
	}
	if stopping && errors.Is(err, context.Canceled) {
		return Snoozed, w.c.Queue.Snooze(ctx, j.ID, now, "interrupted by a stop")
	}
	if j.Attempt >= w.c.MaxAttempts {
		w.c.Log.ErrorContext(ctx, "job given up", "job", j.ID, "kind", j.Kind, "attempt", j.Attempt, "err", err)
		return GivenUp, w.c.Queue.Bury(ctx, j.ID, shorten(err))
	}
	wait := Backoff(j.Attempt)
	w.c.Log.WarnContext(ctx, "job failed", "job", j.ID, "kind", j.Kind, "attempt", j.Attempt, "again_in", wait, "err", err)
	return Failed, w.c.Queue.Again(ctx, j.ID, now.Add(wait), shorten(err))
}

const (
	firstWait = 500 * time.Millisecond
	longest   = 4 * time.Hour
)

// Backoff is how long to wait after a job failed for the given time: doubling
// from about half a second up to about four hours, up to a quarter more at random so
// that jobs which failed together do not come back together.
func Backoff(attempt int) time.Duration {
	wait := longest
	if n := max(attempt, 1) - 1; n < 15 { // 2^15 half seconds are more than the longest
		wait = min(longest, firstWait<<n)
	}
	return wait + rand.N(wait/4)
}

// maxWhy bounds what is kept of an error's text.
const maxWhy = 500

func shorten(err error) string {
	text := err.Error()
	if len(text) > maxWhy {
		text = text[:maxWhy]
	}
	return text
}
