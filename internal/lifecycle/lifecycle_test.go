package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// diary notes what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, ", ")
}

// part runs until it is told to stop, takes a while for it and returns err.
func (d *diary) part(name string, stage Stage, takes time.Duration, err error) Part {
	return Part{Name: name, Stage: stage, Run: func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(takes)
		d.note(name + " stopped")
		return err
	}}
}

// broken runs for a second, then returns err.
func broken(name string, stage Stage, err error) Part {
	return Part{Name: name, Stage: stage, Run: func(ctx context.Context) error {
		time.Sleep(time.Second)
		return err
	}}
}

func TestPartsStartTogetherAndServeStopsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, func() {
			d.note("stop")
			cancel()
		})
		start := time.Now()
		err := Run(ctx,
			d.part("http", Serve, time.Second, nil),
			d.part("scanner", Work, 3*time.Second, context.Canceled),
			d.part("worker", Work, 2*time.Second, nil),
		)
		if err != nil {
			t.Error(err)
		}
		if got, want := d.String(), "stop, worker stopped, scanner stopped, http stopped"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if took := time.Since(start); took != time.Minute+4*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestServeIsNotToldWhileWorkStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var told time.Time
		http := Part{Name: "http", Stage: Serve, Run: func(ctx context.Context) error {
			<-ctx.Done()
			told = time.Now()
			return nil
		}}
		var d diary
		cancel()
		start := time.Now()
		if err := Run(ctx, http, d.part("worker", Work, 5*time.Second, nil)); err != nil {
			t.Error(err)
		}
		if got := told.Sub(start); got != 5*time.Second {
			t.Errorf("told after %s, want 5s", got)
		}
	})
}

func TestFirstFailureStopsAllAndIsReturned(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		part Part
		want string
	}{
		{"an error", broken("scanner", Work, boom), "scanner: boom"},
		{"an error of what serves", broken("http", Serve, boom), "http: boom"},
		{"a return without one", broken("scanner", Work, nil), "scanner: ended by itself"},
		{"a cancelled context nobody cancelled", broken("scanner", Work, context.Canceled), "scanner: context canceled"},
		{"a panic", Part{Name: "scanner", Run: func(context.Context) error { panic("ouch") }}, "scanner: panic: ouch\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				err := Run(t.Context(), c.part,
					d.part("worker", Work, time.Second, errors.New("a later failure")),
					d.part("pages", Serve, 0, nil))
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "later") {
					t.Errorf("got %v, want %s", err, c.want)
				}
				if got, want := d.String(), "worker stopped, pages stopped"; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		})
	}
}

func TestFailureWhileStopping(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a real one is returned", errors.New("not flushed"), "worker: not flushed"},
		{"being cancelled is none", context.Canceled, ""},
		{"nor is it when wrapped", errors.Join(errors.New("claiming a job"), context.Canceled), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				var d diary
				err := Run(ctx, d.part("worker", Work, 0, c.err))
				if (err == nil) != (c.want == "") || (err != nil && err.Error() != c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestLaterFailuresAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		g := Group{Log: slog.New(slog.NewTextHandler(&out, nil))}
		var d diary
		err := g.Run(t.Context(), broken("scanner", Work, errors.New("first")), d.part("worker", Work, 0, errors.New("second")))
		if err == nil || err.Error() != "scanner: first" {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(out.String(), "part=worker error=second") {
			t.Errorf("logged %q", out.String())
		}
	})
}

func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		defer close(free) // the bubble waits for every goroutine
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		stuck := Part{Name: "stuck", Run: func(context.Context) error { <-free; return nil }}
		var served error
		http := Part{Name: "http", Stage: Serve, Run: func(ctx context.Context) error {
			<-ctx.Done()
			served = ctx.Err()
			<-free
			return nil
		}}
		var d diary
		start := time.Now()
		err := (&Group{StopWithin: 5 * time.Second}).Run(ctx, http, stuck, d.part("worker", Work, time.Second, errors.New("first")))
		synctest.Wait()
		if want := "worker: first\nparts still running after 5s: http, stuck"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %s", took)
		}
		if served == nil {
			t.Error("what is left was not told to stop")
		}
	})
}

func TestNoPartsWaitForTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := Run(ctx); err != nil || time.Since(start) != time.Minute {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

func TestValuesOfTheContextReachParts(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	cancel()
	var got any
	if err := Run(ctx, Part{Name: "one", Run: func(ctx context.Context) error { got = ctx.Value(key{}); return nil }}); err != nil || got != "value" {
		t.Errorf("got %v, %v", got, err)
	}
}
