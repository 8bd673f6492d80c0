//go:build !nosandbox

package app

import (
	"quittance/internal/ratelimit"
	"quittance/web"
)

// demoLimits are a hundred times the defaults, and a thousand times for keys:
// everybody who tries a demo has the same address, and a key's calls are what a
// demo's speed is measured with.
var demoLimits = web.Limits{
	Clients:  ratelimit.Rate{PerMinute: 30_000, Burst: 2_000},
	Keys:     ratelimit.Rate{PerMinute: 12_000_000, Burst: 400_000},
	Sessions: ratelimit.Rate{PerMinute: 30_000, Burst: 2_000},
	Page:     ratelimit.Rate{PerMinute: 30_000, Burst: 6_000},
	Links:    ratelimit.Rate{PerMinute: 6_000, Burst: 6_000},
	Guesses:  ratelimit.Rate{PerMinute: 6_000, Burst: 3_000},
	Refused:  ratelimit.Rate{PerMinute: 6_000, Burst: 3_000},
}
