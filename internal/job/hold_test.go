package job_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/job"
)

// What a process that died was doing runs elsewhere soon, and what takes long
// elsewhere is not done twice for that.
func TestClaimsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("kind", "long")
		began := time.Now()
		if _, err := m.Claim(t.Context(), began, 7*time.Second, job.Room{Free: 1}); err != nil { // by one that dies
			t.Fatal(err)
		}
		var mu sync.Mutex
		var runs []string
		ran := func(what ...any) {
			mu.Lock()
			defer mu.Unlock()
			runs = append(runs, fmt.Sprint(what...))
		}
		work(t, job.Config{Queue: m, Handlers: map[string]job.Handler{
			"kind": func(context.Context, job.Job) error {
				ran("kind ", time.Since(began))
				return nil
			},
			"long": func(ctx context.Context, j job.Job) error {
				ran("long ", j.Attempt)
				time.Sleep(40 * time.Second)
				return ctx.Err()
			},
		}}, time.Minute)
		if want := []string{"long 1", "kind 7s"}; !slices.Equal(runs, want) {
			t.Errorf("ran %v, want %v", runs, want)
		}
		if !m.get("job000").done || !m.get("job001").done {
			t.Errorf("left %+v, %+v", m.get("job000"), m.get("job001"))
		}
	})
}

// A handler ends before its job can be another worker's, when the queue does not
// answer and when the job was taken; what it says then counts for nothing.
func TestLostClaimsEndTheirHandlers(t *testing.T) {
	for name, lose := range map[string]func(*memory){
		"the queue is down": func(m *memory) { m.fails = 5 },
		"another has it": func(m *memory) {
			e := m.jobs["job000"]
			e.Attempt, e.leased = 2, time.Now().Add(time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory("kind")
				began := time.Now()
				var ended time.Duration
				time.AfterFunc(3*time.Second+time.Millisecond, func() {
					m.mu.Lock()
					defer m.mu.Unlock()
					lose(m)
				})
				work(t, job.Config{Queue: m, Poll: time.Hour, Handlers: map[string]job.Handler{
					"kind": func(ctx context.Context, j job.Job) error {
						<-ctx.Done()
						ended = time.Since(began)
						return ctx.Err()
					},
				}}, 20*time.Second)
				if ended < 3*time.Second || ended >= 9*time.Second {
					t.Errorf("the handler ended after %v", ended)
				}
				if e := m.get("job000"); e.why != "" || e.leased.IsZero() {
					t.Errorf("left %+v", e)
				}
			})
		})
	}
}
