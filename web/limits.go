package web

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/ratelimit"
)

// Limits are how often each kind of caller may call. A rate that is off limits
// nothing; the zero value limits nobody.
type Limits struct {
	Clients  ratelimit.Rate // of each client id and address
	Keys     ratelimit.Rate // of each API key and address
	Links    ratelimit.Rate // of each token for payment links and address
	Sessions ratelimit.Rate // of each address, by sessions and for signing in
	Page     ratelimit.Rate // of each address, what the hosted page sends
	Refused  ratelimit.Rate // of each address, credentials that are refused
	Guesses  ratelimit.Rate // of each address, payment links that are nobody's
}

// Limiter applies limits to requests. Callers are counted over all nodes; what
// was refused on each node alone, so that who guesses keys writes no rows.
type Limiter struct {
	Limits
	calls    *ratelimit.Limiter
	refusals *ratelimit.Limiter
	guesses  *ratelimit.Limiter
}

// NewLimiter returns a Limiter over one that counts for all nodes.
func NewLimiter(l Limits, calls *ratelimit.Limiter) *Limiter {
	return &Limiter{Limits: l, calls: calls, refusals: ratelimit.New(nil, nil), guesses: ratelimit.New(nil, nil)}
}

// RateLimitHeaders are the headers that tell a caller where they stand
// (draft-ietf-httpapi-ratelimit-headers-07): how many at once, how many of them
// are left, and the seconds until all are back.
const RateLimitHeaders = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy"

// Take counts one call of a class by an id from the request's address, and tells
// the caller where they stand.
//
// Faults: Limited "rate_limited", with Retry-After set.
func (l *Limiter) Take(c echo.Context, r ratelimit.Rate, class, id string) error {
	if r.Off() {
		return nil
	}
	v := l.calls.Take(c.Request().Context(), r, class+" "+id+" "+Address(c))
	h := c.Response().Header()
	h.Set("Ratelimit-Limit", strconv.Itoa(r.Burst))
	h.Set("Ratelimit-Remaining", strconv.Itoa(v.Remaining))
	h.Set("Ratelimit-Reset", seconds(v.Reset))
	h.Set("Ratelimit-Policy", strconv.Itoa(r.PerMinute)+";w=60;burst="+strconv.Itoa(r.Burst))
	if v.Allowed {
		return nil
	}
	return limited(c, v, "Too many requests. Wait as long as Retry-After says.")
}

// Guessing refuses an address that presented too many credentials which were
// refused.
//
// Faults: Limited "rate_limited".
func (l *Limiter) Guessing(c echo.Context) error {
	if v, spent := l.refusals.Spent(l.Refused, Address(c)); spent {
		return limited(c, v, "Too many refused credentials from this address. Wait as long as Retry-After says.")
	}
	return nil
}

// Guessed counts a credential that was refused.
func (l *Limiter) Guessed(c echo.Context) {
	l.refusals.Take(c.Request().Context(), l.Refused, Address(c))
}

// Seeking refuses an address that has asked for too many payment links that are nobody's.
// Links have short names, and whoever tries them one by one is to find none.
//
// Faults: Limited "rate_limited".
func (l *Limiter) Seeking(c echo.Context) error {
	if v, spent := l.guesses.Spent(l.Guesses, Address(c)); spent {
		return limited(c, v, "Too many payment links that do not exist. Wait as long as Retry-After says.")
	}
	return nil
}

// Sought counts a payment link that is nobody's.
func (l *Limiter) Sought(c echo.Context) {
	l.guesses.Take(c.Request().Context(), l.Guesses, Address(c))
}

func limited(c echo.Context, v ratelimit.Verdict, why string) error {
	c.Response().Header().Set(echo.HeaderRetryAfter, seconds(max(v.Retry, time.Second)))
	return fault.New(fault.Limited, "rate_limited", why)
}

// seconds writes a duration in whole seconds, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// Address is what a caller's address is counted as: all of an IPv6 network that
// is given to one customer (/64) is one caller, since whoever has it has all of
// its addresses.
func Address(c echo.Context) string {
	ip := c.RealIP()
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}

// LimitPage counts calls of the hosted page.
func (l *Limiter) LimitPage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := l.Take(c, l.Page, "page", ""); err != nil {
			return err
		}
		return next(c)
	}
}
