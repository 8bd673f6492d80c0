package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The bounds of how long a read waits for an endpoint before another one is asked as
// well: some times what the endpoint usually takes.
const (
	hedgeTimes = 3
	hedgeMin   = 75 * time.Millisecond
	hedgeMax   = 1500 * time.Millisecond
)

// The budget of second questions: a tenth of all reads, and some at once. A pool that is
// slow as a whole is not asked twice.
const (
	hedgeShare = 0.1
	hedgeBurst = 10
)

// hedges is the budget of a client.
type hedges struct {
	mu   sync.Mutex
	used float64 // of hedgeBurst
}

// earn counts a read.
func (h *hedges) earn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used = max(0, h.used-hedgeShare)
}

// spend takes one second question, if there is one.
func (h *hedges) spend() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.used+1 > hedgeBurst {
		return false
	}
	h.used++
	return true
}

// errBeaten is why an attempt ends when another one was answered.
var errBeaten = errors.New("another endpoint answered first")

// reply is what came of one attempt.
type reply struct {
	endpoint int
	hedge    bool
	rs       []Result
	err      error
}

// race is one question put to one endpoint after the other, and to two at once where the
// first takes long.
type race struct {
	client  *Client
	calls   []Call
	order   []int
	next    int // of order
	running int
	replies chan reply
	wg      sync.WaitGroup
}

// run returns the first sensible answer and whose it is. Nobody is left behind: what is
// still under way is cancelled and waited for.
func (r *race) run(ctx context.Context, hedge bool) (rs []Result, by int, failures []error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer r.wg.Wait()
	defer cancel(errBeaten)
	r.replies = make(chan reply, len(r.order))
	r.start(ctx, false)
	reads := allReads(r.calls)
	slow := r.client.slow(hedge && reads, r.order)
	defer slow.Stop()
	for r.running > 0 {
		select {
		case <-slow.C:
			if r.worthHedging() && r.client.hedges.spend() {
				r.start(ctx, true)
			}
		case got := <-r.replies:
			r.running--
			e := r.client.endpoints[got.endpoint]
			if got.err == nil {
				if got.hedge {
					e.wonHedge()
				}
				return got.rs, got.endpoint, nil
			}
			by, failures = got.endpoint, append(failures, fmt.Errorf("%s: %w", e.name, got.err))
			// What may have been carried out is not asked again elsewhere.
			if ctx.Err() == nil && (reads || errors.Is(got.err, errNotAsked)) {
				r.start(ctx, false)
			}
		}
	}
	return nil, by, failures
}

// start asks the next endpoint, if there is one.
func (r *race) start(ctx context.Context, hedge bool) {
	if r.next == len(r.order) {
		return
	}
	i := r.order[r.next]
	patience := r.client.patience(ctx, len(r.order)-r.next)
	r.next++
	r.running++
	r.wg.Go(func() {
		rs, err := r.client.attempt(ctx, i, r.calls, patience, hedge)
		r.replies <- reply{i, hedge, rs, err}
	})
}

// worthHedging reports whether the next endpoint is there and in good standing.
func (r *race) worthHedging() bool {
	return r.next < len(r.order) && r.client.endpoints[r.order[r.next]].standing(time.Now()) == standsWell
}

// slow is a timer that fires when the first endpoint takes long; never without hedging.
func (c *Client) slow(hedge bool, order []int) *time.Timer {
	if !hedge || len(order) < 2 {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	c.hedges.earn()
	delay := hedgeMax
	if usual := c.endpoints[order[0]].usual(); usual > 0 {
		delay = max(hedgeMin, min(hedgeTimes*usual, hedgeMax))
	}
	return time.NewTimer(delay)
}
