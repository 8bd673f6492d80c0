package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// standing is how much is thought of an endpoint: those with a lower one are asked first.
type standing int

const (
	standsWell   standing = iota
	standsBehind          // it answers late, or its head is behind that of the others
	standsAside           // it lied
	standsOff             // it rests, or is refused
)

func (e *endpoint) standing(now time.Time) standing {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.refused, now.Before(e.restUntil):
		return standsOff
	case now.Before(e.asideUntil):
		return standsAside
	case e.stale && now.Sub(e.headAt) < headCounts, now.Before(e.slowUntil):
		return standsBehind
	}
	return standsWell
}

// order is the order in which endpoints are asked: by standing, and then as configured.
// Those for which avoid returns true stand no better than liars.
func (c *Client) order(avoid func(i int) bool) []int {
	now := time.Now()
	order := make([]int, len(c.endpoints))
	stands := make([]standing, len(c.endpoints))
	for i, e := range c.endpoints {
		order[i], stands[i] = i, e.standing(now)
		if avoid != nil && avoid(i) {
			stands[i] = max(stands[i], standsAside)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(stands[a], stands[b]) })
	return order
}

// staleBy is how many blocks a head may be behind that of the others.
const staleBy = 5

// headCounts is for how long a head that was told counts. Heads only grow: an old one is
// still one that the chain has passed.
const headCounts = 10 * time.Minute

// sawHead compares the head that an endpoint told just now with what others have told
// before: with the greatest of one other, or with the one that two others have reached.
func (c *Client) sawHead(ctx context.Context, i int, head uint64) {
	now := time.Now()
	var others []uint64
	for j, e := range c.endpoints {
		if j != i {
			if h, ok := e.headOf(now); ok {
				others = append(others, h)
			}
		}
	}
	slices.SortFunc(others, func(a, b uint64) int { return cmp.Compare(b, a) })
	stale := len(others) > 0 && others[min(1, len(others)-1)] > head+staleBy
	if c.endpoints[i].tellHead(now, head, stale) {
		c.endpoints[i].stoodStill()
		c.log.WarnContext(ctx, "endpoint told what is not so", "endpoint", c.endpoints[i].name, "kind", string(StaleHead),
			"detail", fmt.Sprintf("its head is %d, others have %d", head, others[0]))
	}
}

// headOf is the endpoint's head, if it told one lately and is believed.
func (e *endpoint) headOf(now time.Time) (uint64, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen.Head, !e.headAt.IsZero() && now.Sub(e.headAt) < headCounts && !now.Before(e.asideUntil) && !e.refused
}

// tellHead keeps a head, and reports whether it is news that it is behind.
func (e *endpoint) tellHead(now time.Time, head uint64, stale bool) (news bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	news = stale && !e.stale
	e.seen.Head, e.headAt, e.stale = head, now, stale
	return news
}

// stoodStill counts a head that is behind.
func (e *endpoint) stoodStill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count.lies[StaleHead]++
	e.seen.LastLie, e.seen.LastLieAt = StaleHead, time.Now()
}

// usual is what the endpoint usually takes, 0 if that is not known.
func (e *endpoint) usual() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen.Latency
}

// wonHedge counts a second question that was answered before the first.
func (e *endpoint) wonHedge() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count.hedgesWon++
}
