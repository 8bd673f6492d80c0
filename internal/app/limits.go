package app

import (
	"strings"

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
