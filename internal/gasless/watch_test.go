package gasless

import (
	"bytes"
	"context"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

// safeLog is a log that a test can read while it is written.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Services that fail are an alarm and nothing is offered; once they are back, it is.
// A question that failed has them checked at once.
func TestWatch(t *testing.T) {
	t.Parallel()
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	var log safeLog
	w.one.log = slog.New(slog.NewTextHandler(&log, nil))
	w.one.well.Store(false)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	defer func() { stop(); <-done }()
	await := func(what string, want bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if _, offered := w.Offer(sandbox); offered == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("waited too long for %s\n%s", what, log.String())
			}
		}
	}
	await("the first check", true)
	s.Gateway.Behave(gateway.Behaviour{Status: 500})
	d := w.draw("payer", w.USDC())
	if _, err := w.send(d, d.op); err == nil {
		t.Fatal("a broken bundler takes operations")
	}
	await("the trouble to be noticed", false)
	s.Gateway.Behave(gateway.Behaviour{})
	await("the services to be back", true)
	text := log.String()
	for part, n := range map[string]int{"ALARM: the bundler or the sponsor": 1, "level=INFO msg=\"gas is paid for\"": 2} {
		if got := strings.Count(text, part); got < n {
			t.Errorf("%q stands %d times in the log, want %d\n%s", part, got, n, text)
		}
	}
	if strings.Contains(text, s.URL) {
		t.Errorf("the log has the address:\n%s", text)
	}
}

// Of a configuration that cannot work nothing is made.
func TestNewRefuses(t *testing.T) {
	good := Chain{Provider: ProviderPimlico, BundlerURL: "https://bundler.example/HIDDEN", MaxFeePerGas: big.NewInt(1), MaxCost: big.NewInt(1)}
	build := func(c Chain, on asset.ChainID) error {
		g, err := New(Config{
			Table: userop.At(sandbox), Chains: map[asset.ChainID]Chain{on: c}, Nodes: map[asset.ChainID]chain.Batcher{sandbox: nil},
			Registry: official.Default(), Log: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			g.Close()
		}
		return err
	}
	if err := build(good, sandbox); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Chain){
		"another provider":   func(c *Chain) { c.Provider = "x" },
		"another kind":       func(c *Chain) { c.Kind = "x" },
		"no policy":          func(c *Chain) { c.Provider = ProviderAlchemy },
		"a policy in quotes": func(c *Chain) { c.Policy = `x","y":"` },
		"no address":         func(c *Chain) { c.BundlerURL = "" },
		"plain http":         func(c *Chain) { c.BundlerURL = "http://bundler.example/HIDDEN" },
		"no context":         func(c *Chain) { c.Provider, c.Context = ProviderERC7677, "[1]" },
	} {
		c := good
		change(&c)
		if err := build(c, sandbox); err == nil || strings.Contains(err.Error(), "HIDDEN") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := build(good, 77); err == nil {
		t.Error("a chain that there is not")
	}
	policy, err := Chain{Provider: ProviderPimlico, Policy: "sp_x"}.context()
	if err != nil || policy != `{"sponsorshipPolicyId":"sp_x"}` {
		t.Errorf("Pimlico is told %s, %v", policy, err)
	}
}
