package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var api = Rate{PerMinute: 300, Burst: 20}

// allowed makes calls until one is refused and returns how many were not.
func allowed(t *testing.T, l *Limiter, key string) int {
	t.Helper()
	for n := range 10_000 {
		if v := l.Take(t.Context(), api, key); !v.Allowed {
			if v.Retry <= 0 || v.Reset < v.Retry || v.Remaining != 0 {
				t.Errorf("refused with %+v", v)
			}
			return n
		}
	}
	t.Fatal("no limit at all")
	return 0
}

func TestRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(nil, nil)
		first := l.Take(t.Context(), api, "k")
		if want := (Verdict{Allowed: true, Rate: api, Remaining: 19, Reset: 200 * time.Millisecond}); first != want {
			t.Errorf("the first: %+v, want %+v", first, want)
		}
		if n := allowed(t, l, "k"); n != 19 {
			t.Errorf("%d more at once, want 19", n)
		}
		if v := l.Take(t.Context(), api, "k"); v.Retry != 200*time.Millisecond || v.Reset != 4*time.Second {
			t.Errorf("refused with %+v", v)
		}
		time.Sleep(199 * time.Millisecond)
		if n := allowed(t, l, "k"); n != 0 {
			t.Errorf("%d too early", n)
		}
		time.Sleep(time.Millisecond)
		if n := allowed(t, l, "k"); n != 1 {
			t.Errorf("%d after a fifth of a second, want 1", n)
		}
		time.Sleep(time.Second)
		if n := allowed(t, l, "k"); n != 5 {
			t.Errorf("%d after a second, want 5", n)
		}
		time.Sleep(time.Hour)
		if n := allowed(t, l, "k"); n != 20 {
			t.Errorf("%d after an hour, want 20", n)
		}
		if n := allowed(t, l, "other"); n != 20 {
			t.Errorf("%d of another key, want 20", n)
		}
	})
}

// However calls are spread, a minute has the sustained number and one burst.
func TestSustained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(nil, nil)
		n := 0
		for range 60_000 {
			if l.Take(t.Context(), api, "k").Allowed {
				n++
			}
			time.Sleep(time.Millisecond)
		}
		if want := api.PerMinute + api.Burst; n < want-1 || n > want {
			t.Errorf("%d in a minute, want %d", n, want)
		}
	})
}

func TestOff(t *testing.T) {
	l := New(nil, nil)
	for range 1000 {
		if v := l.Take(t.Context(), Rate{}, "k"); !v.Allowed {
			t.Fatal("refused without a limit")
		}
	}
	if _, spent := l.Spent(Rate{}, "k"); spent {
		t.Error("spent without a limit")
	}
}

func TestSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(nil, nil)
		for range 20 {
			if _, spent := l.Spent(api, "k"); spent {
				t.Fatal("spent too early")
			}
			l.Take(t.Context(), api, "k")
		}
		if v, spent := l.Spent(api, "k"); !spent || v.Retry != 200*time.Millisecond {
			t.Errorf("spent %t, %+v", spent, v)
		}
		time.Sleep(200 * time.Millisecond)
		if _, spent := l.Spent(api, "k"); spent {
			t.Error("still spent")
		}
	})
}

// pool is a shared allowance in memory that can be out of order.
type pool struct {
	mu     sync.Mutex
	fullAt map[string]time.Time
	asked  atomic.Int64
	broken error
	slow   bool
}

func newPool() *pool { return &pool{fullAt: map[string]time.Time{}} }

func (p *pool) TakeAllowance(ctx context.Context, key string, every time.Duration, burst, n int, now time.Time) (int, time.Time, error) {
	p.asked.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slow {
		<-ctx.Done()
		return 0, time.Time{}, ctx.Err()
	}
	if p.broken != nil {
		return 0, time.Time{}, p.broken
	}
	full := p.fullAt[key]
	if full.Before(now) {
		full = now
	}
	got := min(n, int((every*time.Duration(burst)-full.Sub(now))/every))
	got = max(0, got)
	p.fullAt[key] = full.Add(every * time.Duration(got))
	return got, p.fullAt[key], nil
}

func TestNodesShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		nodes := []*Limiter{New(p, nil), New(p, nil), New(p, nil)}
		n, slack := 0, len(nodes)*(api.lease()-1)
		for i := range 60_000 {
			if nodes[i%len(nodes)].Take(t.Context(), api, "k").Allowed {
				n++
			}
			time.Sleep(time.Millisecond)
		}
		if want := api.PerMinute + api.Burst; n < want-slack-1 || n > want+slack {
			t.Errorf("%d in a minute over three nodes, want %d ± %d", n, want, slack)
		}
		time.Sleep(time.Hour)
		n = 0
		for _, l := range nodes {
			n += allowed(t, l, "k")
		}
		if n < api.Burst || n > api.Burst+slack {
			t.Errorf("%d at once over three nodes, want %d to %d", n, api.Burst, api.Burst+slack)
		}
	})
}

func TestFewQuestionsToTheStore(t *testing.T) {
	p := newPool()
	l := New(p, nil)
	backend := Rate{PerMinute: 600_000, Burst: 5_000}
	for range 4000 {
		if !l.Take(t.Context(), backend, "k").Allowed {
			t.Fatal("refused")
		}
	}
	if n := p.asked.Load(); n > 5 {
		t.Errorf("asked %d times for 4000 calls", n)
	}
}

// Whoever is refused does not reach the store.
func TestRefusalsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		l := New(p, nil)
		allowed(t, l, "k")
		asked := p.asked.Load()
		for range 1000 {
			if l.Take(t.Context(), api, "k").Allowed {
				t.Fatal("allowed")
			}
		}
		if n := p.asked.Load() - asked; n > 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestStoreThatFailsLocksNobodyOutOrIn(t *testing.T) {
	for name, fail := range map[string]func(*pool){
		"an error": func(p *pool) { p.broken = errors.New("no database") },
		"silence":  func(p *pool) { p.slow = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool()
				fail(p)
				l := New(p, nil)
				if n := allowed(t, l, "k"); n < 20 || n > 22 { // the time in which the store is silent refills
					t.Errorf("%d at once without the store, want 20", n)
				}
				if n := p.asked.Load(); n != 1 {
					t.Errorf("asked %d times within the pause", n)
				}
				p.mu.Lock()
				p.broken, p.slow = nil, false
				p.mu.Unlock()
				time.Sleep(2 * time.Second)
				if v := l.Take(t.Context(), api, "k"); !v.Allowed || p.asked.Load() != 2 {
					t.Errorf("after the store came back: %+v, asked %d times", v, p.asked.Load())
				}
			})
		})
	}
}

// A caller that hangs up must not make the node count alone.
func TestCallerThatLeaves(t *testing.T) {
	p := newPool()
	l := New(p, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v := l.Take(ctx, api, "k"); !v.Allowed {
		t.Errorf("got %+v", v)
	}
	if l.resting(time.Now()) {
		t.Error("the store is taken for broken")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := New(nil, nil)
	l.size = 100
	for range 20 {
		l.Take(t.Context(), api, "mine")
	}
	for i := range 99 {
		l.Take(t.Context(), api, fmt.Sprint(i))
		if l.Take(t.Context(), api, "mine").Allowed && i < 3 {
			t.Fatal("a key in use was forgotten")
		}
	}
	for i := range 10_000 {
		l.Take(t.Context(), api, fmt.Sprint("spray", i))
	}
	if len(l.byKey) != 100 || l.recent.Len() != 100 {
		t.Errorf("%d keys are kept, %d in order, want 100", len(l.byKey), l.recent.Len())
	}
}

func TestManyAtOnce(t *testing.T) {
	p := newPool()
	l := New(p, nil)
	slow := Rate{PerMinute: 1, Burst: 50}
	var n atomic.Int64
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if l.Take(t.Context(), slow, "k").Allowed {
				n.Add(1)
			}
		})
	}
	group.Wait()
	if n.Load() != 50 {
		t.Errorf("%d allowed, want 50", n.Load())
	}
}

func BenchmarkTake(b *testing.B) {
	backend := Rate{PerMinute: MaxPerMinute, Burst: MaxBurst}
	for name, shared := range map[string]Shared{"alone": nil, "shared": newPool()} {
		b.Run(name, func(b *testing.B) {
			l := New(shared, nil)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.Take(b.Context(), backend, "k:01KE0000000000000000000001:203.0.113.7")
				}
			})
		})
	}
}
