package request_test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"

	"quittance/internal/merchant"
	"quittance/internal/pgtest"
	"quittance/internal/ratelimit"
	"quittance/web"
	"quittance/web/webtest"
)

// slowly is so slow that nothing comes back during a test.
func slowly(burst int) ratelimit.Rate { return ratelimit.Rate{PerMinute: 1, Burst: burst} }

// refusedAfter calls until it is refused, and returns how many calls were not.
func refusedAfter(t *testing.T, call func() webtest.Response) int {
	t.Helper()
	for n := range 100 {
		r := call()
		if r.Status != http.StatusTooManyRequests {
			continue
		}
		body := r.JSON()
		wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if body["code"] != "rate_limited" || body["statusCode"] != float64(429) || err != nil || wait < 1 || wait > 60 {
			t.Errorf("refused with %s, Retry-After %q", r.Body, r.Header.Get("Retry-After"))
		}
		return n
	}
	t.Fatal("never refused")
	return 0
}

func TestLimits(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Limits: web.Limits{Clients: slowly(5), Keys: slowly(30), Sessions: slowly(9), Page: slowly(4)}})
	addDestination(t, w)
	path := route + "/" + w.CreatePayment("1")
	pages := credentialOf(t, w, merchant.ClientID, func(c *merchant.Credential) { c.Origins = []string{shop} })
	from := "Origin: " + shop

	first := w.Do(http.MethodGet, path, "", pages, from).Want(http.StatusOK)
	for name, want := range map[string]string{
		"RateLimit-Limit": "5", "RateLimit-Remaining": "4", "RateLimit-Reset": "60", "RateLimit-Policy": "1;w=60;burst=5", "Retry-After": "",
	} {
		if got := first.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if n := refusedAfter(t, func() webtest.Response { return w.Do(http.MethodGet, path, "", pages, from) }); n != 4 {
		t.Errorf("a client id: %d more, want 4", n)
	}
	// A page can read why and for how long.
	r := w.Do(http.MethodPost, route, usdc("1"), pages, from).Want(http.StatusTooManyRequests)
	if r.Header.Get("Access-Control-Allow-Origin") != shop || r.Header.Get("RateLimit-Remaining") != "0" {
		t.Errorf("refused without words for the page: %v", r.Header)
	}
	// Another client id, and the key, are others.
	again := credentialOf(t, w, merchant.ClientID, func(c *merchant.Credential) { c.Origins = []string{shop} })
	w.Do(http.MethodGet, path, "", again, from).Want(http.StatusOK)
	if n := refusedAfter(t, func() webtest.Response { return w.API(http.MethodGet, path, "") }); n != 29 {
		t.Errorf("a key: %d, want 29 beside the creation", n)
	}
	// Signing in and sessions count by address.
	letIn(t, w, w.Chain.Wallet)
	token, _ := signIn(t, w, w.Chain.Wallet)
	if n := refusedAfter(t, func() webtest.Response {
		return w.Get("/v1/auth/session", "Authorization: Bearer "+token)
	}); n != 7 {
		t.Errorf("a session: %d after signing in, want 7", n)
	}
	w.Do(http.MethodPost, "/v1/auth/nonce", "").Want(http.StatusTooManyRequests)
	// So does what the hosted page sends.
	page := "/checkout/" + path[len(route)+1:]
	if n := refusedAfter(t, func() webtest.Response {
		return w.Do(http.MethodPost, page+"/telemetry", `{"kind":"x"}`)
	}); n != 4 {
		t.Errorf("the page: %d, want 4", n)
	}
	w.Get(page + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusTooManyRequests)
	w.Get(page + "/status").Want(http.StatusOK)
}

func TestRefusedCredentialsCount(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Limits: web.Limits{Refused: slowly(5)}})
	w.API(http.MethodGet, "/v2/currencies", "").Want(http.StatusOK)
	if n := refusedAfter(t, func() webtest.Response {
		return w.Get("/v2/currencies", "X-Api-Key: qk_live_guess")
	}); n != 5 {
		t.Errorf("%d guesses, want 5", n)
	}
	// Whoever guessed has to wait, with the right key as well: else the answer
	// would tell.
	w.API(http.MethodGet, "/v2/currencies", "").Want(http.StatusTooManyRequests)
	w.Do(http.MethodPost, "/v1/auth/nonce", "").Want(http.StatusTooManyRequests)
}

// Only a proxy that is trusted says who calls, and an IPv6 caller is its network.
func TestLimitsByAddress(t *testing.T) {
	proxy := &net.IPNet{IP: net.IPv4(192, 0, 2, 0), Mask: net.CIDRMask(24, 32)} // where test requests come from
	call := func(w *webtest.World, forwarded string) func() webtest.Response {
		return func() webtest.Response {
			return w.API(http.MethodGet, "/v2/currencies", "", "X-Forwarded-For: "+forwarded)
		}
	}
	limits := web.Limits{Keys: slowly(5)}
	w := webtest.NewWith(t, webtest.Options{Limits: limits, Proxies: []*net.IPNet{proxy}})
	for i, c := range []struct {
		forwarded string
		want      int
	}{
		{"203.0.113.1", 5}, {"203.0.113.2", 5}, {"203.0.113.1", 0},
		{"198.51.100.9, 203.0.113.1", 0}, // what the caller itself forwarded counts for nothing
		{"::ffff:203.0.113.2", 0},
		{"2001:db8:1:2::1", 5}, {"2001:db8:1:2:ffff::9", 0}, {"2001:db8:1:3::1", 5},
		{"203.0.113.3, 192.0.2.7", 5}, {"203.0.113.3", 0}, // a second proxy of ours
	} {
		if n := refusedAfter(t, call(w, c.forwarded)); n != c.want {
			t.Errorf("call %d, from %s: %d, want %d", i, c.forwarded, n, c.want)
		}
	}
	w = webtest.NewWith(t, webtest.Options{Limits: limits})
	if n := refusedAfter(t, call(w, "203.0.113.1")); n != 5 {
		t.Errorf("%d, want 5", n)
	}
	for i := range 5 {
		if r := call(w, fmt.Sprintf("203.0.113.%d", i))(); r.Status != http.StatusTooManyRequests {
			t.Errorf("a made-up address gets an allowance of its own: %d", r.Status)
		}
	}
}

// Two servers over one database hold a caller to one limit.
func TestTwoServersShareLimits(t *testing.T) {
	dsn := pgtest.DSN(t)
	one := webtest.NewWith(t, webtest.Options{Database: dsn, Limits: web.Limits{Keys: slowly(20)}})
	two := webtest.NewWith(t, webtest.Options{Database: dsn, Limits: web.Limits{Keys: slowly(20)}, Chain: one.Chain})
	two.APIKey = one.APIKey
	n := 0
	for i := range 100 {
		w := one
		if i%2 == 1 {
			w = two
		}
		if w.API(http.MethodGet, "/v2/currencies", "").Status == http.StatusOK {
			n++
		}
	}
	const slack = 2 * (20/5 - 1)
	if n < 20 || n > 20+slack {
		t.Errorf("%d calls, want 20 and at most %d more", n, slack)
	}
}
