package job_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/job"
)

// memory is a queue without a database.
type memory struct {
	mu     sync.Mutex
	jobs   map[string]*entry
	claims int
	fails  int // so many calls fail before the queue answers again
}

type entry struct {
	job.Job
	leased time.Time
	why    string
	buried bool
	done   bool
}

func newMemory(kinds ...string) *memory {
	m := &memory{jobs: map[string]*entry{}}
	for i, k := range kinds {
		m.add(fmt.Sprintf("job%03d", i), k)
	}
	return m
}

func (m *memory) add(id, kind string) { m.put(job.Job{ID: id, Kind: kind}) }

// put adds a job that is due.
func (m *memory) put(j job.Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j.RunAt = time.Now().UTC()
	m.jobs[j.ID] = &entry{Job: j}
}

func (m *memory) get(id string) entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.jobs[id]
}

var errDown = errors.New("the queue is down")

// begin locks the queue and says whether it answers.
func (m *memory) begin(ctx context.Context) error {
	m.mu.Lock()
	if m.fails > 0 {
		m.fails--
		return errDown
	}
	return ctx.Err()
}

func (m *memory) Claim(ctx context.Context, now time.Time, lease time.Duration, room job.Room) ([]job.Job, error) {
	err := m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m.claims++
	var due []*entry
	for _, e := range m.jobs {
		if !e.done && !e.buried && !e.RunAt.After(now) && !e.leased.After(now) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int { return strings.Compare(a.ID, b.ID) })
	var jobs []job.Job
	lanes, free, laned := map[string]int{}, room.Free, room.Laned
	for _, e := range m.jobs {
		if e.leased.After(now) && !e.done {
			lanes[e.Lane]++
		}
	}
	for _, e := range due {
		left := &free
		if e.Lane != "" {
			left = &laned
			if lanes[e.Lane] >= room.PerLane {
				continue
			}
		}
		if *left == 0 {
			continue
		}
		*left--
		lanes[e.Lane]++
		e.leased, e.Attempt = now.Add(lease), e.Attempt+1
		jobs = append(jobs, e.Job)
	}
	return jobs, nil
}

func (m *memory) Renew(ctx context.Context, claimed []job.Job, until time.Time) (kept []string, err error) {
	err = m.begin(ctx)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, j := range claimed {
		if e := m.jobs[j.ID]; !e.done && !e.buried && e.Attempt == j.Attempt && !e.leased.IsZero() {
			e.leased = until
			kept = append(kept, j.ID)
		}
	}
	return kept, nil
}

func (m *memory) settle(ctx context.Context, id string, f func(*entry)) error {
	err := m.begin(ctx)
	defer m.mu.Unlock()
	if err == nil {
		f(m.jobs[id])
	}
	return err
}

func (m *memory) Done(ctx context.Context, id string) error {
	return m.settle(ctx, id, func(e *entry) { e.done = true })
}

func (m *memory) Again(ctx context.Context, id string, at time.Time, why string) error {
	return m.settle(ctx, id, func(e *entry) { e.RunAt, e.why, e.leased = at, why, time.Time{} })
}

func (m *memory) Snooze(ctx context.Context, id string, at time.Time, why string) error {
	return m.settle(ctx, id, func(e *entry) { e.RunAt, e.why, e.leased, e.Attempt = at, why, time.Time{}, 0 })
}

func (m *memory) Bury(ctx context.Context, id string, why string) error {
	return m.settle(ctx, id, func(e *entry) { e.buried, e.why = true, why })
}

// work runs a worker for some time of the bubble and stops it.
func work(t *testing.T, c job.Config, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- job.NewWorker(c).Run(ctx) }()
	time.Sleep(d)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	cause := errors.New("no such thing")
	for name, c := range map[string]struct {
		outcome func() error
		check   func(e entry) bool
	}{
		"done":            {func() error { return nil }, func(e entry) bool { return e.done && e.Attempt == 1 }},
		"cancelled":       {func() error { return fmt.Errorf("looking: %w", job.Cancel(cause)) }, func(e entry) bool { return e.buried && e.Attempt == 1 && strings.Contains(e.why, cause.Error()) }},
		"failed":          {func() error { return cause }, func(e entry) bool { return !e.done && !e.buried && e.why == cause.Error() }},
		"panicked":        {func() error { panic("boom") }, func(e entry) bool { return !e.done && !e.buried && e.why == "panic: boom" }},
		"panicked itself": {func() error { return errors.New(strings.Fields("")[0]) }, func(e entry) bool { return strings.HasPrefix(e.why, "panic: runtime error") }},
		"a long story":    {func() error { return errors.New(strings.Repeat("x", 10_000)) }, func(e entry) bool { return len(e.why) == 500 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory("kind")
				work(t, job.Config{Queue: m, Handlers: map[string]job.Handler{
					"kind": func(context.Context, job.Job) error { return c.outcome() },
				}}, 200*time.Millisecond)
				if e := m.get("job000"); !c.check(e) {
					t.Errorf("left %+v", e)
				}
			})
		})
	}
}

func TestSnoozeIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("kind")
		began := time.Now()
		var at []time.Duration
		work(t, job.Config{Queue: m, MaxAttempts: 2, Handlers: map[string]job.Handler{
			"kind": func(context.Context, job.Job) error {
				at = append(at, time.Since(began))
				switch len(at) {
				case 4:
					return errDown // the first failure, after three snoozes
				case 5:
					return nil
				}
				return fmt.Errorf("delivery: %w", job.Snooze(time.Now().Add(10*time.Minute), "later"))
			},
		}}, time.Hour)
		if want := []time.Duration{0, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute}; len(at) != 5 || !slices.Equal(at[:4], want) {
			t.Errorf("ran at %v, want %v and once more", at, want)
		}
		if e := m.get("job000"); !e.done || e.Attempt != 2 {
			t.Errorf("left %+v", e)
		}
	})
}

func TestFailuresBackOffAndAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("kind")
		var at []time.Time
		work(t, job.Config{Queue: m, MaxAttempts: 6, Handlers: map[string]job.Handler{
			"kind": func(context.Context, job.Job) error { at = append(at, time.Now()); return errDown },
		}}, 10*time.Minute)
		if len(at) != 6 || !m.get("job000").buried {
			t.Fatalf("ran %d times and left %+v", len(at), m.get("job000"))
		}
		for i := 1; i < len(at); i++ {
			least := 500 * time.Millisecond << (i - 1)
			if gap := at[i].Sub(at[i-1]); gap < least || gap > least*5/4+time.Second { // the poll adds up to a second
				t.Errorf("attempt %d came after %v, want %v to %v", i+1, gap, least, least*5/4+time.Second)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	var total time.Duration
	for attempt := -1; attempt < 100; attempt++ {
		wait := job.Backoff(attempt)
		if wait < 500*time.Millisecond || wait > 5*time.Hour {
			t.Errorf("attempt %d: %v", attempt, wait)
		}
		if attempt >= 1 && attempt < 20 {
			total += wait
		}
	}
	if total < 20*time.Hour || total > 60*time.Hour {
		t.Errorf("twenty attempts take %v", total)
	}
}

func TestUnknownKindIsKeptForAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("tomorrow")
		work(t, job.Config{Queue: m}, 100*time.Millisecond)
		if e := m.get("job000"); e.done || e.buried || !strings.Contains(e.why, `"tomorrow"`) {
			t.Errorf("left %+v", e)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(slices.Repeat([]string{"kind"}, 100)...)
		var mu sync.Mutex
		running, most := 0, 0
		began := time.Now()
		var last time.Duration
		work(t, job.Config{Queue: m, Concurrency: 7, Handlers: map[string]job.Handler{
			"kind": func(context.Context, job.Job) error {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
				mu.Lock()
				running--
				last = time.Since(began)
				mu.Unlock()
				return nil
			},
		}}, time.Minute)
		if most != 7 {
			t.Errorf("at most %d ran at the same time, want 7", most)
		}
		// 15 rounds of 100 ms: a freed slot is filled at once and not at the next poll.
		if last > 1600*time.Millisecond {
			t.Errorf("the last job ended after %v", last)
		}
		for id := range m.jobs {
			if !m.get(id).done {
				t.Errorf("%s was not done", id)
			}
		}
	})
}

// Jobs that hang fill their own lane and no other's places, and those without a
// lane have places of their own.
func TestALaneThatHangsHoldsUpOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 50 {
			m.put(job.Job{ID: fmt.Sprintf("a%02d", i), Kind: "hangs", Lane: "dead"})
			m.put(job.Job{ID: fmt.Sprintf("b%02d", i), Kind: "quick", Lane: fmt.Sprintf("lane%d", i%5)})
			m.put(job.Job{ID: fmt.Sprintf("c%02d", i), Kind: "quick"})
		}
		var mu sync.Mutex
		var hanging, most, quick int
		began := time.Now()
		var last time.Duration
		work(t, job.Config{Queue: m, Concurrency: 2, Laned: 6, PerLane: 3, Handlers: map[string]job.Handler{
			"hangs": func(context.Context, job.Job) error {
				mu.Lock()
				hanging++
				most = max(most, hanging)
				mu.Unlock()
				time.Sleep(5 * time.Second)
				mu.Lock()
				hanging--
				mu.Unlock()
				return nil
			},
			"quick": func(context.Context, job.Job) error {
				time.Sleep(10 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				quick++
				last = time.Since(began)
				return nil
			},
		}}, 2*time.Minute)
		if most != 3 {
			t.Errorf("%d of one lane ran at the same time, want 3", most)
		}
		// 50 jobs in the three places that are left, 50 in the two without lanes.
		if quick != 100 || last > time.Second {
			t.Errorf("%d quick jobs were done, the last after %v", quick, last)
		}
		if e := m.get("a49"); !e.done {
			t.Errorf("the lane's own last job: %+v", e)
		}
	})
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		wake := make(chan struct{}, 1)
		var took time.Duration
		added := time.Now()
		time.AfterFunc(10*time.Second+300*time.Millisecond, func() {
			added = time.Now()
			m.add("new", "kind")
			wake <- struct{}{}
		})
		work(t, job.Config{Queue: m, Wake: wake, Poll: 10 * time.Second, Handlers: map[string]job.Handler{
			"kind": func(context.Context, job.Job) error { took = time.Since(added); return nil },
		}}, time.Minute)
		if !m.get("new").done || took > time.Millisecond {
			t.Errorf("done %v after %v, want at once", m.get("new").done, took)
		}
		if m.claims > 12 {
			t.Errorf("%d claims in a minute of polling every 10 s", m.claims)
		}
	})
}

// A handler that overstays loses its job to another run, and its own context
// ends before that can happen.
func TestHandlersEndBeforeTheirLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("kind")
		began := time.Now()
		var ended []time.Duration
		work(t, job.Config{Queue: m, Lease: 30 * time.Second, Handlers: map[string]job.Handler{
			"kind": func(ctx context.Context, j job.Job) error {
				if j.Attempt > 1 {
					return nil
				}
				<-ctx.Done()
				ended = append(ended, time.Since(began))
				return ctx.Err()
			},
		}}, 2*time.Minute)
		if want := []time.Duration{27 * time.Second}; !slices.Equal(ended, want) {
			t.Errorf("contexts ended after %v, want %v", ended, want)
		}
		if e := m.get("job000"); !e.done || e.Attempt != 2 {
			t.Errorf("left %+v", e)
		}
	})
}

func TestStopWaitsForHandlersAndStoresTheirOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("finishes", "obeys", "finishes")
		work(t, job.Config{Queue: m, Handlers: map[string]job.Handler{
			"finishes": func(ctx context.Context, _ job.Job) error {
				<-ctx.Done()
				time.Sleep(2 * time.Second) // the last bit of work
				return nil
			},
			"obeys": func(ctx context.Context, _ job.Job) error { <-ctx.Done(); return ctx.Err() },
		}}, time.Second)
		for _, id := range []string{"job000", "job002"} {
			if e := m.get(id); !e.done {
				t.Errorf("%s left %+v", id, e)
			}
		}
		if e := m.get("job001"); e.done || e.buried || e.RunAt.After(time.Now()) || !e.leased.IsZero() {
			t.Errorf("the interrupted job is not due at once: %+v", e)
		}
	})
}

func TestQueueThatIsDownForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("kind")
		m.fails = 3
		runs := 0
		var log bytes.Buffer
		work(t, job.Config{
			Queue: m, Lease: 10 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil)), Handlers: map[string]job.Handler{
				"kind": func(context.Context, job.Job) error {
					if runs++; runs == 1 {
						m.mu.Lock()
						m.fails = 1 // the outcome is lost: the job comes again when its lease ends
						m.mu.Unlock()
					}
					return nil
				},
			}}, time.Minute)
		if e := m.get("job000"); !e.done || runs != 2 {
			t.Errorf("ran %d times and left %+v", runs, e)
		}
		if n := strings.Count(log.String(), "jobs could not be claimed"); n != 3 {
			t.Errorf("%d log lines of refused claims, want 3:\n%s", n, log.String())
		}
	})
}
