package job

import (
	"context"
	"sync"
	"time"
)

// hold keeps the claims on jobs that run. A claim is short, so that the jobs of a
// process that died run elsewhere soon; and a handler whose claim could not be
// renewed is told to end before another worker can have its job.
type hold struct {
	queue Queue
	lasts time.Duration

	mu   sync.Mutex
	jobs map[string]*held
}

// held is a job that runs here.
type held struct {
	job    Job
	cancel context.CancelFunc
	doubt  *time.Timer // cancels when the claim is about to be over
	lost   bool
}

func newHold(q Queue, lasts time.Duration) *hold {
	return &hold{queue: q, lasts: lasts, jobs: map[string]*held{}}
}

// sure is for how long after a claim was asked for nobody else can have the job: a
// fifth of the claim is left for the handler to end, and for clocks that differ.
func (h *hold) sure() time.Duration { return h.lasts - h.lasts/5 }

// begin holds a job until end is called, which reports whether the claim was lost.
// What runs under the context it returns must end with it.
func (h *hold) begin(ctx context.Context, j Job, claimed time.Time) (_ context.Context, end func() (lost bool)) {
	ctx, cancel := context.WithCancel(ctx)
	x := &held{job: j, cancel: cancel}
	h.mu.Lock()
	defer h.mu.Unlock()
	x.doubt = time.AfterFunc(time.Until(claimed.Add(h.sure())), func() { h.lose(x) })
	h.jobs[j.ID] = x
	return ctx, func() bool {
		defer cancel()
		h.mu.Lock()
		defer h.mu.Unlock()
		x.doubt.Stop()
		if h.jobs[j.ID] == x {
			delete(h.jobs, j.ID)
		}
		return x.lost
	}
}

func (h *hold) lose(x *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x.lost = true
	x.cancel()
}

// run renews until ctx ends. Short jobs are over before they are renewed once.
func (h *hold) run(ctx context.Context) {
	tick := time.NewTicker(h.lasts / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.renew(ctx)
	}
}

func (h *hold) renew(ctx context.Context) {
	var jobs []Job
	h.mu.Lock()
	for _, x := range h.jobs {
		if !x.lost {
			jobs = append(jobs, x.job)
		}
	}
	h.mu.Unlock()
	if len(jobs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.lasts/2)
	defer cancel()
	sent := time.Now()
	kept, err := h.queue.Renew(ctx, jobs, sent.UTC().Add(h.lasts))
	if err != nil {
		return // doubt goes on growing; the claims are asked for, too, and say so
	}
	ours := map[string]bool{}
	for _, id := range kept {
		ours[id] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, j := range jobs {
		x := h.jobs[j.ID]
		if x == nil || x.job.Attempt != j.Attempt {
			continue // it has ended meanwhile
		}
		if !ours[j.ID] || !x.doubt.Reset(time.Until(sent.Add(h.sure()))) {
			x.doubt.Stop()
			x.lost = true
			x.cancel()
		}
	}
}
