package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var limits = map[string]func(*testing.T, *fixture){
	"an allowance is used up and comes back": func(t *testing.T, f *fixture) {
		const every, burst = 200 * time.Millisecond, 20
		take := func(n int, at time.Duration) (int, time.Duration) {
			got, full, err := f.TakeAllowance(t.Context(), "k", every, burst, n, start.Add(at))
			must(t, err)
			return got, full.Sub(start)
		}
		for _, c := range []struct {
			n        int
			at       time.Duration
			got      int
			fullFrom time.Duration
		}{
			{4, 0, 4, 4 * every},
			{15, 0, 15, 19 * every},
			{4, 0, 1, 20 * every},                                            // only one is left
			{4, 0, 0, 20 * every},                                            // none is
			{4, every - 1000, 0, 20 * every},                                 // not quite yet
			{4, every, 1, 21 * every},                                        // one is back
			{4, 4 * every, 3, 24 * every},                                    // three more
			{4, time.Hour, 4, time.Hour + 4*every},                           // and all of it
			{20, time.Hour, 16, time.Hour + 20*every},                        // no more than that
			{4, time.Hour - time.Second, 0, time.Hour + 20*every},            // another node's clock is behind
			{1, time.Hour + time.Minute, 1, time.Hour + time.Minute + every}, // its own pause
		} {
			got, full := take(c.n, c.at)
			if got != c.got || full != c.fullFrom {
				t.Errorf("%d at %s: got %d, whole at %s; want %d, %s", c.n, c.at, got, full, c.got, c.fullFrom)
			}
		}
		if got, _, err := f.TakeAllowance(t.Context(), "other", every, burst, 4, start); err != nil || got != 4 {
			t.Errorf("another key: %d, %v", got, err)
		}
	},

	"nodes together take no more than there is": func(t *testing.T, f *fixture) {
		nodes := []*fixture{f, f.node(t)}
		var taken atomic.Int64
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				got, _, err := nodes[i%2].TakeAllowance(t.Context(), "k", time.Second, 30, 4, start)
				if err != nil {
					t.Error(err)
				}
				taken.Add(int64(got))
			})
		}
		group.Wait()
		if taken.Load() != 30 {
			t.Errorf("took %d of 30", taken.Load())
		}
	},

	"limits are forgotten when they are whole": func(t *testing.T, f *fixture) {
		_, full, err := f.TakeAllowance(t.Context(), "k", time.Second, 30, 4, start)
		must(t, err)
		if n, err := f.PruneExpired(t.Context(), full.Add(-time.Microsecond)); n != 0 || err != nil {
			t.Errorf("forgot %d too early, %v", n, err)
		}
		if n, err := f.PruneExpired(t.Context(), full); n != 1 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
	},
}
