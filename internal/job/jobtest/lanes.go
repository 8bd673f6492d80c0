package jobtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"quittance/internal/job"
)

// in enqueues n jobs of one lane, which are due at.
func (f *fixture) in(t *testing.T, lane string, n int, at time.Time) []string {
	t.Helper()
	var ids []string
	must(t, f.Transact(t.Context(), func(q job.Enqueuer) error {
		for range n {
			f.made++
			ids = append(ids, fmt.Sprintf("01KE%022d", f.made))
			if err := q.Enqueue(t.Context(), job.Job{ID: ids[len(ids)-1], Kind: "count", Args: lane, Lane: lane, RunAt: at}); err != nil {
				return err
			}
		}
		return nil
	}))
	return ids
}

// take claims with room for jobs of lanes.
func (f *fixture) take(t *testing.T, now time.Time, room job.Room) []job.Job {
	t.Helper()
	jobs, err := f.Claim(t.Context(), now, lease, room)
	must(t, err)
	return jobs
}

func laned(t *testing.T, f *fixture) {
	a, b := f.in(t, "a", 4, start), f.in(t, "b", 1, start.Add(time.Second))
	plain := f.enqueue(t, 2, start.Add(2*time.Second))
	now := start.Add(time.Minute)
	got := f.take(t, now, job.Room{Laned: 10, PerLane: 2})
	same(t, "two of each lane", got, a[0], a[1], b[0])
	if len(got) > 0 && (got[0].Lane != "a" || got[0].Attempt != 1) {
		t.Errorf("got %+v, want the first attempt in lane a", got[0])
	}
	same(t, "while these are leased", f.take(t, now, job.Room{Laned: 10, PerLane: 2}))
	same(t, "no room for lanes", f.take(t, now, job.Room{Free: 1}), plain[0])
	must(t, f.Done(t.Context(), a[0]))
	same(t, "one is done", f.take(t, now, job.Room{Free: 10, Laned: 10, PerLane: 2}), a[2], plain[1])
	must(t, f.Snooze(t.Context(), a[1], start.Add(time.Hour), "later"))
	same(t, "one sleeps", f.take(t, now, job.Room{Laned: 10, PerLane: 2}), a[3])
	same(t, "all are leased or asleep", f.take(t, now, job.Room{Laned: 10, PerLane: 9}))
	must(t, f.Bury(t.Context(), a[2], "hopeless"))
	must(t, f.Done(t.Context(), a[3]))
	same(t, "it keeps its lane", f.take(t, start.Add(time.Hour), job.Room{Laned: 10, PerLane: 1}), b[0], a[1])
	buried, err := f.Buried(t.Context(), "", 10)
	must(t, err)
	if len(buried) != 1 || buried[0].Lane != "a" {
		t.Errorf("buried %+v, want one of lane a", buried)
	}
}

func fair(t *testing.T, f *fixture) {
	busy := f.in(t, "busy", 6, start)
	same(t, "the oldest two", f.take(t, start, job.Room{Laned: 2, PerLane: 4}), busy[0], busy[1])
	young, younger := f.in(t, "young", 2, start.Add(10*time.Second)), f.in(t, "younger", 1, start.Add(20*time.Second))
	f.in(t, "future", 1, start.Add(time.Hour))
	now := start.Add(30 * time.Second)
	same(t, "the heads of the others", f.take(t, now, job.Room{Laned: 2, PerLane: 4}), young[0], younger[0])
	same(t, "who has one before it", f.take(t, now, job.Room{Laned: 1, PerLane: 4}), young[1])
	same(t, "who has two", f.take(t, now, job.Room{Laned: 10, PerLane: 4}), busy[2], busy[3])
}

// shared lets two nodes work off lanes of which one never gets on.
func shared(t *testing.T, f *fixture) {
	const lanes, each = 8, 50
	var want []string
	for i := range lanes {
		want = append(want, f.in(t, fmt.Sprintf("lane%d", i), each, time.Now().UTC().Add(-time.Minute))...)
	}
	dead := f.in(t, "dead", 40, time.Now().UTC().Add(-time.Hour))
	var mu sync.Mutex
	done, hung := map[string]int{}, map[string]int{}
	all := make(chan struct{})
	handlers := map[string]job.Handler{"count": func(ctx context.Context, j job.Job) error {
		if j.Lane == "dead" {
			mu.Lock()
			hung[j.ID]++
			mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}
		mu.Lock()
		defer mu.Unlock()
		done[j.ID]++
		if len(done) == len(want) && done[j.ID] == 1 {
			close(all)
		}
		return nil
	}}
	for _, node := range []job.Queue{f.Database, f.again()} {
		defer running(t, job.Config{Queue: node, Poll: 5 * time.Millisecond, Laned: 12, PerLane: 2, Handlers: handlers})()
	}
	select {
	case <-all:
	case <-time.After(patience):
		mu.Lock()
		t.Fatalf("%d of %d jobs were done beside a lane that hangs", len(done), len(want))
	}
	mu.Lock()
	defer mu.Unlock()
	for _, id := range want {
		if done[id] != 1 {
			t.Errorf("job %s was done %d times", id, done[id])
		}
	}
	// Two claims in the same moment may each fill the lane, no more.
	if len(hung) > 4 || len(hung) == 0 {
		t.Errorf("%d of the %d jobs that hang were begun, want 2, or 4 if both nodes claimed at once", len(hung), len(dead))
	}
}

func takenOver(t *testing.T, f *fixture) {
	ids := f.in(t, "a", 3, start)
	same(t, "claimed", f.take(t, start, job.Room{Laned: 9, PerLane: 2}), ids[0], ids[1])
	other := f.again()
	jobs, err := other.Claim(t.Context(), start.Add(lease-time.Microsecond), lease, job.Room{Laned: 9, PerLane: 2})
	must(t, err)
	same(t, "another node, within the lease", jobs)
	jobs, err = other.Claim(t.Context(), start.Add(lease), lease, job.Room{Laned: 9, PerLane: 2})
	must(t, err)
	same(t, "another node, when the lease has ended", jobs, ids[0], ids[1])
	if len(jobs) == 2 && (jobs[0].Attempt != 2 || jobs[1].Attempt != 2) {
		t.Errorf("got %+v, want second attempts", jobs)
	}
}
