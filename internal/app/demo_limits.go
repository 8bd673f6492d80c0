//go:build !nosandbox

package app

import (
	"quittance/internal/ratelimit"
	"quittance/web"
)

// demoLimits are a hundred times the defaults: everybody who tries a demo has the
// same address.
var demoLimits = web.Limits{
	Clients:  ratelimit.Rate{PerMinute: 30_000, Burst: 2_000},
	Keys:     ratelimit.Rate{PerMinute: 1_200_000, Burst: 40_000},
	Sessions: ratelimit.Rate{PerMinute: 30_000, Burst: 2_000},
	Page:     ratelimit.Rate{PerMinute: 30_000, Burst: 6_000},
	Refused:  ratelimit.Rate{PerMinute: 6_000, Burst: 3_000},
}
