// Package jobtest is the conformance suite of a job queue. It knows the ports of
// package job and no queue in particular. It is test support: only _test.go
// files may import it.
package jobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/job"
)

// Database is a queue and the transactions that enqueue into it.
type Database interface {
	job.Queue
	// Transact runs f in one transaction and commits it if f returns nil.
	Transact(ctx context.Context, f func(job.Enqueuer) error) error
	// Buried lists jobs that were given up, newest first, below an id.
	Buried(ctx context.Context, before string, limit int) ([]job.Buried, error)
	// Revive makes a buried job due again.
	Revive(ctx context.Context, id string, at time.Time) error
}

// Run runs the suite on queues that start empty. open may be called twice for
// one test: again opens the same database a second time.
func Run(t *testing.T, open func(t *testing.T) (db Database, again func() Database)) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"a job is there when its transaction has committed":  durable,
		"a rollback enqueues nothing":                        rollback,
		"eight workers never claim the same of 500 jobs":     claimedOnce,
		"the oldest come first, and none before its time":    ordered,
		"a job whose lease ran out is due again":             leased,
		"a lease that is renewed goes on":                    renewed,
		"again, done and bury":                               settled,
		"a worker of another process does what was enqueued": worked,
		"failures come back, and are given up in the end":    retried,
		"a lane has its limit and no part in the others'":    laned,
		"those with the fewest before them come first":       fair,
		"no lane is starved, and none of 400 is done twice":  shared,
		"a lease that ran out gives its place in the lane":   takenOver,
	} {
		t.Run(name, func(t *testing.T) {
			db, again := open(t)
			test(t, &fixture{Database: db, again: again})
		})
	}
}

type fixture struct {
	Database
	again func() Database
	made  int
}

var start = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const lease = time.Minute

func (f *fixture) enqueue(t *testing.T, n int, at time.Time) []string {
	t.Helper()
	var ids []string
	must(t, f.Transact(t.Context(), func(q job.Enqueuer) error {
		for range n {
			f.made++
			ids = append(ids, fmt.Sprintf("01KE%022d", f.made))
			if err := q.Enqueue(t.Context(), job.Job{ID: ids[len(ids)-1], Kind: "count", Args: fmt.Sprint(f.made), RunAt: at}); err != nil {
				return err
			}
		}
		return nil
	}))
	return ids
}

func (f *fixture) claim(t *testing.T, now time.Time, n int) []job.Job {
	t.Helper()
	jobs, err := f.Claim(t.Context(), now, lease, job.Room{Free: n})
	must(t, err)
	return jobs
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got []job.Job, want ...string) {
	t.Helper()
	var ids []string
	for _, j := range got {
		ids = append(ids, j.ID)
	}
	if fmt.Sprint(ids) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, ids, want)
	}
}

func durable(t *testing.T, f *fixture) {
	must(t, f.Transact(t.Context(), func(q job.Enqueuer) error {
		return q.Enqueue(t.Context(), job.Job{Kind: "kind", Args: "ärgs", RunAt: start})
	}))
	other := f.again()
	jobs, err := other.Claim(t.Context(), start, lease, job.Room{Free: 10})
	must(t, err)
	if len(jobs) != 1 || jobs[0].ID == "" || jobs[0].Kind != "kind" || jobs[0].Args != "ärgs" || jobs[0].Attempt != 1 || !jobs[0].RunAt.Equal(start) {
		t.Errorf("got %+v", jobs)
	}
}

var errRollback = errors.New("roll back, please")

func rollback(t *testing.T, f *fixture) {
	err := f.Transact(t.Context(), func(q job.Enqueuer) error {
		must(t, q.Enqueue(t.Context(), job.Job{Kind: "never", RunAt: start}))
		return errRollback
	})
	if !errors.Is(err, errRollback) {
		t.Errorf("got %v, want the function's own error", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		_ = f.Transact(t.Context(), func(q job.Enqueuer) error {
			must(t, q.Enqueue(t.Context(), job.Job{Kind: "never", RunAt: start}))
			panic("boom")
		})
	}()
	same(t, "claimed", f.claim(t, start.Add(time.Hour), 10))
}

func claimedOnce(t *testing.T, f *fixture) {
	const jobs, workers = 500, 8
	want := f.enqueue(t, jobs, start)
	nodes := []Database{f.Database, f.again()}
	var mu sync.Mutex
	claimed := map[string]int{}
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for {
				mine, err := nodes[w%2].Claim(t.Context(), start, lease, job.Room{Free: 5})
				if err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
				if len(mine) == 0 {
					return
				}
				if len(mine) > 5 {
					t.Errorf("worker %d: got %d jobs, asked for 5", w, len(mine))
				}
				mu.Lock()
				for _, j := range mine {
					claimed[j.ID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for _, id := range want {
		if claimed[id] != 1 {
			t.Errorf("job %s was claimed %d times", id, claimed[id])
		}
	}
	if len(claimed) != jobs {
		t.Errorf("%d jobs were claimed, want %d", len(claimed), jobs)
	}
}

func ordered(t *testing.T, f *fixture) {
	second := f.enqueue(t, 2, start)
	first := f.enqueue(t, 1, start.Add(-time.Minute))
	later := f.enqueue(t, 1, start.Add(time.Second))
	same(t, "two", f.claim(t, start, 2), first[0], second[0])
	same(t, "the rest", f.claim(t, start, 10), second[1])
	same(t, "just before its time", f.claim(t, start.Add(time.Second-time.Microsecond), 10))
	same(t, "at its time", f.claim(t, start.Add(time.Second), 10), later[0])
}

func leased(t *testing.T, f *fixture) {
	id := f.enqueue(t, 1, start)[0]
	same(t, "claimed", f.claim(t, start, 10), id)
	same(t, "within the lease", f.claim(t, start.Add(lease-time.Microsecond), 10))
	again := f.claim(t, start.Add(lease), 10)
	same(t, "when the lease ends", again, id)
	if len(again) == 1 && again[0].Attempt != 2 {
		t.Errorf("attempt %d, want 2", again[0].Attempt)
	}
	must(t, f.Done(t.Context(), id)) // the first worker, late
	must(t, f.Done(t.Context(), id)) // the second
	must(t, f.Again(t.Context(), id, start, "nothing is left"))
	same(t, "done", f.claim(t, start.Add(time.Hour), 10))
}

func renewed(t *testing.T, f *fixture) {
	const many = 70 // more than a statement takes
	ids := f.enqueue(t, many, start)
	jobs := f.claim(t, start, many)
	must(t, f.Done(t.Context(), ids[1]))
	must(t, f.Again(t.Context(), ids[2], start.Add(time.Hour), "later"))
	mistaken := jobs[3]
	jobs[3].Attempt++
	kept, err := f.Renew(t.Context(), jobs, start.Add(2*lease))
	must(t, err)
	slices.Sort(kept)
	if want := append([]string{ids[0]}, ids[4:]...); !slices.Equal(kept, want) {
		t.Errorf("kept %d: %v", len(kept), kept)
	}
	same(t, "when the first lease ends", f.claim(t, start.Add(lease), many), mistaken.ID)
	kept, err = f.Renew(t.Context(), []job.Job{mistaken}, start.Add(2*lease))
	if must(t, err); len(kept) != 0 {
		t.Errorf("kept what another has claimed: %v", kept)
	}
	if again := f.claim(t, start.Add(2*lease), 2*many); len(again) != many-2 {
		t.Errorf("%d are due when the second lease ends", len(again))
	}
}

func settled(t *testing.T, f *fixture) {
	ids := f.enqueue(t, 4, start)
	same(t, "claimed", f.claim(t, start, 10), ids...)
	must(t, f.Snooze(t.Context(), ids[3], start.Add(time.Second), "wait"))
	woken := f.claim(t, start.Add(time.Second), 10)
	same(t, "snoozed", woken, ids[3])
	if len(woken) == 1 && woken[0].Attempt != 1 {
		t.Errorf("a snoozed job comes with attempt %d, want 1", woken[0].Attempt)
	}
	must(t, f.Done(t.Context(), ids[3]))
	must(t, f.Done(t.Context(), ids[0]))
	must(t, f.Again(t.Context(), ids[1], start.Add(time.Hour), "not\x00 now \xff"))
	must(t, f.Bury(t.Context(), ids[2], "it is hopeless"))
	same(t, "before its new time", f.claim(t, start.Add(time.Hour-time.Microsecond), 10))
	again := f.claim(t, start.Add(time.Hour), 10)
	same(t, "at its new time", again, ids[1])
	if len(again) == 1 && again[0].Attempt != 2 {
		t.Errorf("a failed job comes with attempt %d, want 2", again[0].Attempt)
	}
	buried, err := f.Buried(t.Context(), "", 10)
	must(t, err)
	if len(buried) != 1 || buried[0].ID != ids[2] || buried[0].Why != "it is hopeless" || buried[0].Kind != "count" {
		t.Errorf("buried %+v", buried)
	}
	must(t, f.Again(t.Context(), ids[2], start, "a late worker"))
	same(t, "a buried job stays so", f.claim(t, start.Add(2*time.Minute), 10))
	must(t, f.Revive(t.Context(), ids[2], start.Add(time.Minute)))
	revived := f.claim(t, start.Add(time.Minute), 10)
	same(t, "revived", revived, ids[2])
	if len(revived) == 1 && revived[0].Attempt != 1 {
		t.Errorf("a revived job begins with attempt %d", revived[0].Attempt)
	}
	if err := f.Revive(t.Context(), ids[0], start); err == nil {
		t.Error("a job that is done was revived")
	}
}

// patience bounds how long a test waits for a worker.
const patience = time.Minute

// running runs a worker until the test says stop.
func running(t *testing.T, c job.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- job.NewWorker(c).Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the worker ended with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("the worker does not end")
		}
	}
}

func worked(t *testing.T, f *fixture) {
	const jobs = 60
	f.enqueue(t, jobs, time.Now().UTC())
	done := make(chan string, 2*jobs)
	stop := running(t, job.Config{Queue: f.again(), Poll: 5 * time.Millisecond, Handlers: map[string]job.Handler{
		"count": func(_ context.Context, j job.Job) error { done <- j.Args; return nil },
	}})
	seen := map[string]bool{}
	for len(seen) < jobs {
		select {
		case args := <-done:
			if seen[args] {
				t.Errorf("job %s was done twice", args)
			}
			seen[args] = true
		case <-time.After(patience):
			t.Fatalf("%d of %d jobs were done", len(seen), jobs)
		}
	}
	stop()
	same(t, "left over", f.claim(t, time.Now().UTC().Add(24*time.Hour), 100))
}

func retried(t *testing.T, f *fixture) {
	id := f.enqueue(t, 1, time.Now().UTC())[0]
	attempts := make(chan int, 10)
	stop := running(t, job.Config{Queue: f.Database, Poll: 5 * time.Millisecond, MaxAttempts: 2, Handlers: map[string]job.Handler{
		"count": func(_ context.Context, j job.Job) error {
			attempts <- j.Attempt
			return fmt.Errorf("attempt %d failed", j.Attempt)
		},
	}})
	defer stop()
	for want := 1; want <= 2; want++ {
		select {
		case got := <-attempts:
			if got != want {
				t.Errorf("attempt %d, want %d", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("attempt %d did not come", want)
		}
	}
	for deadline := time.Now().Add(patience); ; {
		buried, err := f.Buried(t.Context(), "", 10)
		must(t, err)
		if len(buried) == 1 && buried[0].ID == id && buried[0].Why == "attempt 2 failed" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("buried %+v", buried)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}
