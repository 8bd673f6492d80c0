package webhook_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/job"
	"quittance/internal/webhook"
)

// scripted answers calls without a network, for tests in a bubble of time.
type scripted func(r *http.Request) (int, error)

func (f scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	status, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// until delivers as a worker would, sleeping until each attempt is due.
func until(ctx context.Context, m *memory, s *webhook.Service, id string) (made int) {
	for ; m.deliveries[id].State == webhook.Queued; made++ {
		time.Sleep(time.Until(m.deliveries[id].NextAt))
		_ = s.Deliver(ctx, job.Job{Args: id}) // the outcome is in the store
	}
	return made
}

func TestScheduleFromTheFirstSecondToTheLastDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type call struct {
			at                           time.Time
			id, stamp, sig, count, bytes string
		}
		var calls []call
		client := &http.Client{Transport: scripted(func(r *http.Request) (int, error) {
			body, err := io.ReadAll(r.Body)
			h := r.Header
			calls = append(calls, call{time.Now(), h.Get(webhook.HeaderID), h.Get(webhook.HeaderTimestamp),
				h.Get(webhook.HeaderSignature), h.Get("X-Request-Network-Retry-Count"), string(body)})
			return 500, err
		})}
		m, s, j := one(t, endpoint("one", "https://hooks.example.com/"), client)
		if made := until(t.Context(), m, s, j.Args); made != 12 {
			t.Fatalf("%d attempts, want 12", made)
		}
		if d := m.only(t); d.State != webhook.Exhausted || d.Attempts != 12 || !d.NextAt.IsZero() {
			t.Errorf("ends as %+v", d)
		}
		want := []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, 5 * time.Minute, 30 * time.Minute,
			2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
		exact := 0
		for i, w := range want {
			gap := calls[i+1].at.Sub(calls[i].at)
			if off := (gap - w).Abs(); off > w/10 || (i < 3 && off != 0) {
				t.Errorf("wait %d is %s, want %s", i+1, gap, w)
			}
			if gap == w {
				exact++
			}
		}
		if exact == len(want) {
			t.Error("no wait varies")
		}
		stamps, sigs := map[string]bool{}, map[string]bool{}
		for i, c := range calls {
			if c.id != j.Args || c.bytes != string(confirmed.Body) || c.count != strconv.Itoa(i) {
				t.Errorf("call %d: %+v", i, c)
			}
			stamps[c.stamp], sigs[c.sig] = true, true
		}
		if len(stamps) != 12 || len(sigs) != 12 {
			t.Errorf("%d timestamps and %d signatures, want 12 of each", len(stamps), len(sigs))
		}

		if err := s.Replay(t.Context(), j.Args); err != nil {
			t.Fatal(err)
		}
		if made := until(t.Context(), m, s, j.Args); made != 1 || calls[12].id != j.Args || calls[12].count != "12" {
			t.Errorf("a replay made %d attempts, the last %+v", made, calls[len(calls)-1])
		}
	})
}

// queue is one job as job.Queue has it, for a worker to run.
type queue struct {
	mu   sync.Mutex
	j    job.Job
	done chan string // how it ended
}

func (q *queue) Claim(_ context.Context, now time.Time, _ time.Duration, _ job.Room) ([]job.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.j.ID == "" || now.Before(q.j.RunAt) {
		return nil, nil
	}
	j := q.j
	j.Attempt++
	q.j.ID = ""
	return []job.Job{j}, nil
}

func (q *queue) Again(_ context.Context, id string, at time.Time, _ string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.j.ID, q.j.RunAt = id, at
	return nil
}

func (q *queue) Snooze(ctx context.Context, id string, at time.Time, why string) error {
	return q.Again(ctx, id, at, why)
}

// Renew keeps every claim: there is one worker, and nobody to lose a job to.
func (q *queue) Renew(_ context.Context, claimed []job.Job, _ time.Time) ([]string, error) {
	kept := make([]string, 0, len(claimed))
	for _, j := range claimed {
		kept = append(kept, j.ID)
	}
	return kept, nil
}

func (q *queue) Done(context.Context, string) error          { q.done <- "done"; return nil }
func (q *queue) Bury(_ context.Context, _, why string) error { q.done <- "buried: " + why; return nil }

// The worker must take what Deliver returns for what it means: the schedule is
// the delivery's and not the worker's back-off, and its end is no failure.
func TestWorkerKeepsTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		client := &http.Client{Transport: scripted(func(*http.Request) (int, error) {
			calls = append(calls, time.Now())
			return 500, nil
		})}
		m, s, j := one(t, endpoint("one", "https://hooks.example.com/"), client)
		j.ID, j.RunAt = "J1", time.Now()
		q := &queue{j: j, done: make(chan string, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		w := job.NewWorker(job.Config{Queue: q, Handlers: s.Handlers(), Log: slog.New(slog.DiscardHandler)})
		go func() { ended <- w.Run(ctx) }()
		select {
		case how := <-q.done:
			if how != "done" {
				t.Errorf("the job ended as %q", how)
			}
		case <-time.After(7 * 24 * time.Hour):
			t.Error("the job has not ended in a week") // fake time goes on for ever
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if d := m.only(t); len(calls) != 12 || d.State != webhook.Exhausted {
			t.Errorf("%d calls, ends as %s", len(calls), d.State)
		}
		if took := calls[3].Sub(calls[0]); took < 21*time.Second || took > 25*time.Second {
			t.Errorf("the documented retries took %s, want 21s and the worker's polling", took)
		}
	})
}
