package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

// serving is one node that listens.
type serving struct {
	url  string
	stop func() error
}

// serveNode starts a node of a setup and waits until it is ready.
func serveNode(t *testing.T, s app.Setup) *serving {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, l) }()
	n := &serving{url: "http://" + l.Addr().String()}
	n.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, a.Close())
	})
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("a node stopped with %v", err)
		}
	})
	within(t, time.Minute, "a node to be ready", n.ready)
	return n
}

func (n *serving) ready() bool {
	r, err := http.Get(n.url + "/readyz")
	if err != nil {
		return false
	}
	_ = r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// balancer sends each request to the next node that was ready at the last look, and
// to another only if nobody listens there. It is what stands before nodes.
type balancer struct {
	mu    sync.Mutex
	nodes []*serving
	good  map[*serving]bool
	next  int
}

// watch looks at the nodes until ctx ends.
func (b *balancer) watch(ctx context.Context) {
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		b.mu.Lock()
		nodes := append([]*serving(nil), b.nodes...)
		b.mu.Unlock()
		good := map[*serving]bool{}
		for _, n := range nodes {
			good[n] = n.ready()
		}
		b.mu.Lock()
		b.good = good
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

// replace has a node be looked at instead of another; nil for none.
func (b *balancer) replace(old, by *serving) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, n := range b.nodes {
		if n == old {
			b.nodes[i] = by
			return
		}
	}
	b.nodes = append(b.nodes, by)
}

func (b *balancer) pick() (*serving, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.nodes {
		b.next++
		if n := b.nodes[b.next%len(b.nodes)]; b.good[n] {
			return n, true
		}
	}
	return nil, false
}

// do sends a request to some node. Each is a connection of its own: nothing that an
// HTTP client retries by itself is hidden.
func (b *balancer) do(ctx context.Context, method, path, body string, headers ...string) (status int, text string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	for range 3 {
		n, ok := b.pick()
		if !ok {
			return 0, "", errors.New("no node is ready")
		}
		r, err := http.NewRequestWithContext(ctx, method, n.url+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		answer, err := client.Do(r)
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		if err != nil {
			return 0, "", err
		}
		got, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(got), errors.Join(err, answer.Body.Close())
	}
	return 0, "", errors.New("no node listens")
}

// Each of three nodes is restarted in turn while payers look at pages and merchants
// create payments all the time: not one request fails, and what was paid meanwhile
// counts.
func TestARollingRestart(t *testing.T) {
	dsn := pgtest.DSN(t)
	world := webtest.NewWith(t, webtest.Options{Database: dsn}) // makes the chain and the merchant
	setup := world.Setup(webtest.Options{Database: dsn})
	setup.Drain = 3 * time.Second // many looks of the balancer, also of a slow one
	world.Stop()

	b := &balancer{good: map[*serving]bool{}}
	for range 3 {
		b.replace(nil, serveNode(t, setup))
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { b.watch(ctx) })
	within(t, time.Minute, "the balancer to see nodes", func() bool { _, ok := b.pick(); return ok })

	token := creates(t, b, world)
	var asked atomic.Int64
	failed := func(what string, status int, text string, err error) {
		if ctx.Err() == nil {
			t.Errorf("%s: status %d, %.200s, %v", what, status, text, err)
		}
	}
	for _, path := range []string{"/?token=" + token, "/checkout/" + token + "/status", "/checkout/" + token + "/options?wallet=" + world.Chain.Wallet.Address()} {
		all.Go(func() {
			for pace := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-pace.C {
				status, text, err := b.do(ctx, http.MethodGet, path, "")
				if err != nil || status != http.StatusOK {
					failed(path, status, text, err)
				}
				asked.Add(1)
			}
		})
	}
	var made []string
	var mu sync.Mutex
	all.Go(func() {
		for pace := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-pace.C {
			status, text, err := b.do(ctx, http.MethodPost, "/v2/secure-payments", tenBody, "X-Api-Key: "+world.APIKey, "Content-Type: application/json")
			if err != nil || status != http.StatusCreated {
				failed("create", status, text, err)
				continue
			}
			asked.Add(1)
			mu.Lock()
			made = append(made, tokenIn(text))
			mu.Unlock()
		}
	})
	for i := range 3 {
		old := b.nodes[i]
		if err := old.stop(); err != nil {
			t.Errorf("node %d stopped with %v", i, err)
		}
		b.replace(old, serveNode(t, setup))
		within(t, time.Minute, "the new node to be seen", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.good[b.nodes[i]]
		})
	}
	stop()
	all.Wait()
	t.Logf("%d requests, %d of them created payments", asked.Load(), len(made))
	after := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: world.Chain})
	after.PayOnChain(after.Chain.Wallet, made[0], 10_000_000)
	after.Chain.Mine(webtest.Confirmations)
	after.AwaitState(made[0], payment.Paid)
}

var tenBody = fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}]}`, webtest.Payee)

// tokenIn is the token in the answer to a creation.
func tokenIn(answer string) string {
	_, rest, _ := strings.Cut(answer, `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

func creates(t *testing.T, b *balancer, w *webtest.World) string {
	t.Helper()
	status, text, err := b.do(t.Context(), http.MethodPost, "/v2/secure-payments", tenBody, "X-Api-Key: "+w.APIKey, "Content-Type: application/json")
	if err != nil || status != http.StatusCreated {
		t.Fatalf("create: %d %s %v", status, text, err)
	}
	return tokenIn(text)
}
