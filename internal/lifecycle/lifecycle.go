// Package lifecycle starts the parts of a program together and stops them in
// order. It knows no part: what a part does, and how it ends its own work when
// its context is cancelled, is the part's.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// DefaultStopWithin is below the ten seconds that container runtimes wait
// before they kill.
const DefaultStopWithin = 8 * time.Second

// Stage orders the stop: every part of a stage has returned before the next
// stage is told to. The start has no order.
type Stage int

// The stages.
const (
	Work     Stage = iota // scanners, workers, timers
	Serve                 // what answers people: it goes on until the work has ended, so that they see its last word
	Farewell              // what says that all is about to stop, and waits until that is known: it ends before all others
)

var stages = []Stage{Farewell, Work, Serve}

// Part is something that runs for as long as the program does.
type Part struct {
	Name  string
	Stage Stage
	// Run works until ctx is cancelled, ends what it has begun and returns. A
	// return before that, even of nil, counts as a failure: a program whose
	// scanner has ended must not go on taking payments.
	Run func(ctx context.Context) error
}

// Group runs parts. The zero value is ready to use.
type Group struct {
	StopWithin time.Duration // for all stages together, 0 for DefaultStopWithin
	Log        *slog.Logger  // nil for none
}

// Run is Group.Run of the zero Group.
func Run(ctx context.Context, parts ...Part) error {
	return (&Group{}).Run(ctx, parts...)
}

// Run starts all parts and returns when all have ended: after ctx is cancelled,
// or after one of them failed, which stops the others.
//
// It returns the first failure in time; nil if there was none. A part that
// panics fails. If parts are still running when the time to stop is over, every
// context is cancelled and the error names them; their goroutines are left behind,
// so the caller must end the process.
func (g *Group) Run(ctx context.Context, parts ...Part) error {
	r := g.start(ctx, parts)
	defer r.cancelAll()
	r.waitForStop(ctx)
	return r.stop(g)
}

// ended is how a part ended.
type ended struct {
	part int
	err  error
}

// running is a group that was started.
type running struct {
	parts   []Part
	cancels map[Stage]context.CancelFunc
	ends    chan ended // has room for all parts: a late one never blocks
	left    map[int]bool
	first   error
	log     *slog.Logger
}

func (g *Group) start(ctx context.Context, parts []Part) *running {
	r := &running{parts: parts, cancels: map[Stage]context.CancelFunc{}, ends: make(chan ended, len(parts)), left: map[int]bool{}, log: g.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	ctxs := map[Stage]context.Context{}
	for _, s := range stages {
		// The stop comes stage by stage and not from above, but values do.
		ctxs[s], r.cancels[s] = context.WithCancel(context.WithoutCancel(ctx))
	}
	for i, p := range parts {
		r.left[i] = true
		go func() { r.ends <- ended{i, call(ctxs[p.Stage], p)} }()
	}
	return r
}

// call runs a part and turns a panic into its failure, so that the other parts
// still stop in order.
func call(ctx context.Context, p Part) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return p.Run(ctx)
}

func (r *running) waitForStop(ctx context.Context) {
	if len(r.parts) == 0 {
		<-ctx.Done()
		return
	}
	select {
	case <-ctx.Done():
	case e := <-r.ends:
		if ctx.Err() != nil {
			r.note(e)
			return
		}
		delete(r.left, e.part)
		if e.err == nil {
			e.err = errors.New("ended by itself")
		}
		r.first = fmt.Errorf("%s: %w", r.parts[e.part].Name, e.err)
	}
}

// note records an end during the stop. That a context was cancelled is what the
// stop is, and no failure.
func (r *running) note(e ended) {
	delete(r.left, e.part)
	name := r.parts[e.part].Name
	if e.err == nil || errors.Is(e.err, context.Canceled) {
		r.log.Debug("part ended", "part", name)
		return
	}
	if r.first == nil {
		r.first = fmt.Errorf("%s: %w", name, e.err)
		return
	}
	r.log.Error("another part failed while stopping", "part", name, "error", e.err)
}

func (r *running) stop(g *Group) error {
	within := g.StopWithin
	if within <= 0 {
		within = DefaultStopWithin
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	for _, s := range stages {
		r.cancels[s]()
		for r.running(s) {
			select {
			case e := <-r.ends:
				r.note(e)
			case <-timer.C:
				return r.abandon(within)
			}
		}
	}
	return r.first
}

func (r *running) running(s Stage) bool {
	for i := range r.left {
		if r.parts[i].Stage == s {
			return true
		}
	}
	return false
}

func (r *running) abandon(within time.Duration) error {
	r.cancelAll()
	var names []string
	for i := range r.left {
		names = append(names, r.parts[i].Name)
	}
	slices.Sort(names)
	return errors.Join(r.first, fmt.Errorf("parts still running after %s: %s", within, strings.Join(names, ", ")))
}

func (r *running) cancelAll() {
	for _, cancel := range r.cancels {
		cancel()
	}
}
