package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/ratelimit"
	"quittance/web"
	"quittance/web/webtest"
)

// roaming is a tab that comes back whenever its stream ends, as browsers do.
type roaming struct {
	tab
	times atomic.Int64 // it was let in
}

// roam follows a payment, on one node first and then wherever the balancer says.
func (x *roaming) roam(ctx context.Context, b *balancer, n *serving, token string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for pace := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; <-pace.C {
		if n != nil {
			x.once(ctx, client, n.url+"/checkout/"+token+"/events")
		}
		n, _ = b.pick()
	}
}

func (x *roaming) once(ctx context.Context, client *http.Client, url string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	answer, err := client.Do(r)
	if err != nil {
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusOK {
		x.times.Add(1)
		x.read(answer.Body)
	}
}

// Each of three nodes is restarted in turn, and while it is away a payment is made whose
// pages were open there: they come back to another node, and see it.
func TestTabsSeeWhatHappenedInARollingRestart(t *testing.T) {
	dsn := pgtest.DSN(t)
	world := webtest.NewWith(t, webtest.Options{Database: dsn}) // pays, and serves no page
	setup := world.Setup(webtest.Options{Database: dsn})
	setup.Drain = 600 * time.Millisecond
	b := &balancer{good: map[*serving]bool{}}
	for range 3 {
		b.replace(nil, serveNode(t, setup))
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { b.watch(ctx) })

	var tokens []string
	tabs := map[string][]*roaming{}
	for _, n := range b.nodes {
		token := world.CreatePayment("10")
		tokens = append(tokens, token)
		for range 2 {
			x := &roaming{tab: tab{at: map[string]time.Time{}}}
			tabs[token] = append(tabs[token], x)
			all.Go(func() { x.roam(ctx, b, n, token) })
			within(t, time.Minute, "the first state", func() bool { return !x.told("open").IsZero() })
		}
	}
	for i, token := range tokens {
		old := b.nodes[i]
		if err := old.stop(); err != nil {
			t.Errorf("node %d stopped with %v", i, err)
		}
		world.PayOnChain(world.Chain.Wallet, token, 10_000_000)
		world.Chain.Mine(webtest.Confirmations)
		world.AwaitState(token, payment.Paid)
		for _, x := range tabs[token] {
			within(t, time.Minute, "a tab to see the payment", func() bool { return !x.told(string(payment.Paid)).IsZero() })
			if x.times.Load() < 2 {
				t.Error("a tab did not have to come back")
			}
		}
		b.replace(old, serveNode(t, setup))
	}
}

// A client that spreads its calls over three nodes gets what it would get from one.
func TestLimitsAreCountedOverNodes(t *testing.T) {
	const burst = 20
	c := newCluster(t, 3, webtest.Options{Limits: web.Limits{Page: ratelimit.Rate{PerMinute: 1, Burst: burst}}})
	token := c.nodes[0].CreatePayment("10")
	var got []int
	// A node to which the database does not answer in half a second counts alone, for a
	// second: where a busy machine has that happen, another client tries.
	for client := range 5 {
		begun, allowed := time.Now(), 0
		for i := range 3 * (burst + 5) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/checkout/"+token+"/telemetry", nil)
			r.RemoteAddr = fmt.Sprintf("192.0.2.%d:4000", client+10)
			rec := httptest.NewRecorder()
			c.nodes[i%3].App.Server.ServeHTTP(rec, r)
			if rec.Code != http.StatusTooManyRequests {
				allowed++
			}
		}
		got = append(got, allowed)
		if allowed >= burst && allowed <= burst+1+int(time.Since(begun).Minutes()) {
			return
		}
	}
	t.Errorf("three nodes allowed %v calls, one would %d", got, burst)
}
