package app

import (
	"context"
	"strings"
	"time"

	"quittance/internal/config"
	"quittance/internal/ratelimit"
	"quittance/web"
)

// limiter counts over all nodes where there can be several. A file has one node,
// which counts in memory, and exactly.
func (a *App) limiter(s Setup) *web.Limiter {
	var shared ratelimit.Shared
	if !strings.HasPrefix(s.Database, "sqlite:") {
		shared = a.Store
	}
	return web.NewLimiter(s.Limits, ratelimit.New(shared, s.Log))
}

// limits are the configured ones.
func limits(c config.Limits) web.Limits {
	rate := func(r config.Rate) ratelimit.Rate { return ratelimit.Rate{PerMinute: r.PerMinute, Burst: r.Burst} }
	return web.Limits{
		Clients: rate(c.ClientIDs), Keys: rate(c.APIKeys), Sessions: rate(c.Sessions), Page: rate(c.Page), Refused: rate(c.Refused),
		Links: rate(c.Links), Guesses: rate(c.Guesses),
	}
}

// keepHouse forgets what has served its time: idempotent answers past the time
// they are promised for, numbers and sessions that are over, allowances that are
// whole again.
func (a *App) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		now := time.Now().UTC()
		a.keep(ctx, "answers", func() (int, error) { return a.Store.PruneAnswers(ctx, now) })
		a.keep(ctx, "sessions and limits", func() (int, error) { return a.Store.PruneExpired(ctx, now) })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) keep(ctx context.Context, what string, prune func() (int, error)) {
	n, err := prune()
	if err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "what is over was not deleted", "what", what, "err", err)
	} else if n > 0 {
		a.log.DebugContext(ctx, "what is over was deleted", "what", what, "count", n)
	}
}
