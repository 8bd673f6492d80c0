package ratelimit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"quittance/internal/pgtest"
	"quittance/internal/ratelimit"
	"quittance/internal/store/storetest"
)

// Two nodes over one PostgreSQL database share a limit: together they never
// exceed it by more than what each may hold and not have used.
func TestTwoNodesOverPostgres(t *testing.T) {
	dsn := pgtest.DSN(t)
	nodes := []*ratelimit.Limiter{
		ratelimit.New(storetest.Open(t, dsn), nil), ratelimit.New(storetest.Open(t, dsn), nil),
	}
	// So slow that nothing comes back during the test.
	rate := ratelimit.Rate{PerMinute: 1, Burst: 40}
	const slack = 2 * (40/5 - 1)
	for round := range 3 {
		key := fmt.Sprint(round)
		var n atomic.Int64
		var group sync.WaitGroup
		for i := range 400 {
			group.Go(func() {
				if nodes[i%2].Take(t.Context(), rate, key).Allowed {
					n.Add(1)
				}
			})
		}
		group.Wait()
		if n.Load() < 40 || n.Load() > 40+slack {
			t.Errorf("%d allowed, want 40 and at most %d more", n.Load(), slack)
		}
	}
}
