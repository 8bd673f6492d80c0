// Package ratelimit counts how often something is done and says when it is too
// often: on one node exactly, on several by allowances that nodes take from a
// shared store a few at a time. It knows keys and times; it knows no HTTP, no
// callers and no SQL.
package ratelimit

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"
)

// Rate is how often: a sustained number a minute, and how many at once after a
// pause. Without a number a minute there is no limit.
type Rate struct {
	PerMinute int
	Burst     int
}

// Off reports whether there is no limit.
func (r Rate) Off() bool { return r.PerMinute <= 0 }

// Bounds of a Rate.
const (
	MaxPerMinute = 6_000_000 // a microsecond is what stores keep
	MaxBurst     = 1_000_000
)

// every is the time in which one more is allowed.
func (r Rate) every() time.Duration { return time.Minute / time.Duration(r.PerMinute) }

// whole is the time in which an allowance that was used up is whole again.
func (r Rate) whole() time.Duration { return r.every() * time.Duration(r.Burst) }

// lease is how many a node takes from the shared allowance at once. The sum of
// all nodes' unused ones is how far the limit can be exceeded.
func (r Rate) lease() int { return max(1, r.Burst/5) }

// leaseLife is how long a node may use what it took.
const leaseLife = time.Minute

// Shared is the allowance that all nodes draw from.
type Shared interface {
	// TakeAllowance charges up to n to a key, as many as there are, and returns how
	// many it got and when the key has its whole allowance again. every is the time
	// in which one more is allowed, burst how many there are at most.
	TakeAllowance(ctx context.Context, key string, every time.Duration, burst, n int, now time.Time) (got int, fullAt time.Time, err error)
}

// Verdict is what became of one call.
type Verdict struct {
	Allowed   bool
	Rate      Rate
	Remaining int           // how many may follow at once, as far as this node knows
	Reset     time.Duration // until the allowance is whole again
	Retry     time.Duration // until the next may be tried, 0 if this one was allowed
}

// Limiter counts by key. It is safe for concurrent use.
//
// A shared store that does not answer locks nobody out and nobody in: while it
// does not, each node counts by itself, and the limit is that of one node times
// the number of nodes.
type Limiter struct {
	shared Shared // nil if this node is alone
	size   int
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	byKey  map[string]*list.Element
	recent *list.List // of *entry, last used first
	down   time.Time  // the shared store is not asked before
}

// keysKept bounds memory: about 300 bytes a key. Whoever has more addresses than
// that to call from can make the node forget the one that was used least lately,
// and is not held by a limit on each address anyway.
const keysKept = 50_000

const (
	sharedTimeout = 500 * time.Millisecond // what a slow store may cost one request
	sharedRest    = time.Second            // between two attempts at a store that failed
)

// New returns a Limiter. Without a shared store it counts on this node alone,
// and exactly.
func New(shared Shared, log *slog.Logger) *Limiter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Limiter{shared: shared, size: keysKept, now: time.Now, log: log, byKey: map[string]*list.Element{}, recent: list.New()}
}

// entry is what a node knows of one key.
type entry struct {
	key string

	mu     sync.Mutex
	fullAt time.Time // by this node's own count: when the allowance is whole (GCRA)

	tokens     int       // taken from the shared allowance and not used yet
	until      time.Time // they may be used until then
	sharedFull time.Time // when the shared allowance is whole, as last heard
	denied     time.Time // until then there is nothing to take
}

// Take counts one call of a key. A key always comes with the same rate.
func (l *Limiter) Take(ctx context.Context, r Rate, key string) Verdict {
	if r.Off() {
		return Verdict{Allowed: true}
	}
	e := l.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := l.now()
	if l.shared == nil || l.resting(now) {
		return e.count(r, now)
	}
	if now.After(e.until) {
		e.tokens = 0
	}
	if e.tokens == 0 && now.Before(e.denied) {
		return e.refuse(r, now)
	}
	if e.tokens == 0 {
		if err := l.take(ctx, e, r, now); err != nil {
			l.rest(ctx, now, err)
			return e.count(r, now)
		}
		if e.tokens == 0 {
			return e.refuse(r, now)
		}
	}
	e.tokens--
	e.count(r, now) // kept up for the time when the store does not answer
	left := e.tokens + room(r, e.sharedFull, now)
	return Verdict{Allowed: true, Rate: r, Remaining: min(left, r.Burst), Reset: max(0, e.sharedFull.Sub(now))}
}

// Spent reports whether a key has nothing left, and counts nothing. It looks at
// this node's own count.
func (l *Limiter) Spent(r Rate, key string) (Verdict, bool) {
	if r.Off() {
		return Verdict{}, false
	}
	e := l.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := l.now()
	if room(r, e.fullAt, now) > 0 {
		return Verdict{}, false
	}
	return refusal(r, e.fullAt, now), true
}

// count is the generic cell rate algorithm on this node's own knowledge.
func (e *entry) count(r Rate, now time.Time) Verdict {
	left := room(r, e.fullAt, now)
	if left < 1 {
		return refusal(r, e.fullAt, now)
	}
	if e.fullAt.Before(now) {
		e.fullAt = now
	}
	e.fullAt = e.fullAt.Add(r.every())
	return Verdict{Allowed: true, Rate: r, Remaining: left - 1, Reset: e.fullAt.Sub(now)}
}

func (e *entry) refuse(r Rate, now time.Time) Verdict { return refusal(r, e.sharedFull, now) }

// room is how many are allowed at once when the allowance is whole at fullAt.
func room(r Rate, fullAt, now time.Time) int {
	missing := max(0, fullAt.Sub(now))
	return max(0, int((r.whole()-missing)/r.every()))
}

func refusal(r Rate, fullAt, now time.Time) Verdict {
	next := fullAt.Sub(now) - r.whole() + r.every()
	return Verdict{Rate: r, Reset: fullAt.Sub(now), Retry: max(next, time.Millisecond)}
}

// take asks the shared store for a lease.
func (l *Limiter) take(ctx context.Context, e *entry, r Rate, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTimeout)
	defer cancel()
	got, fullAt, err := l.shared.TakeAllowance(ctx, storeKey(e.key), r.every(), r.Burst, r.lease(), now)
	if err != nil {
		return err
	}
	e.tokens, e.until, e.sharedFull = got, now.Add(leaseLife), fullAt
	if got == 0 {
		e.denied = now.Add(refusal(r, fullAt, now).Retry)
	}
	return nil
}

// storeKey keeps addresses and ids out of the store, and bounds their length.
func storeKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

func (l *Limiter) resting(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.down)
}

func (l *Limiter) rest(ctx context.Context, now time.Time, err error) {
	l.mu.Lock()
	known := now.Before(l.down)
	l.down = now.Add(sharedRest)
	l.mu.Unlock()
	if !known {
		l.log.WarnContext(ctx, "shared limits do not answer: this node counts alone", "err", err)
	}
}

// entry finds or makes what is known of a key.
func (l *Limiter) entry(key string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if el, ok := l.byKey[key]; ok {
		l.recent.MoveToFront(el)
		return el.Value.(*entry)
	}
	e := &entry{key: key}
	l.byKey[key] = l.recent.PushFront(e)
	if l.recent.Len() > l.size {
		oldest := l.recent.Back()
		l.recent.Remove(oldest)
		delete(l.byKey, oldest.Value.(*entry).key)
	}
	return e
}
