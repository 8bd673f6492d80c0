package app_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web/webtest"
)

// What a payer holds is read over both chains, and what he can afford has the
// router's price.
func TestOptionsSayWhatThePayerHolds(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	token := w.CreatePayment("12.34")
	got := options(t, w, token, w.Chain.Address())
	types := map[rail.RouteType]int{}
	for _, way := range got.Ways {
		types[way.Type]++
		if !way.Enough() || way.Estimated || way.Native.Sign() <= 0 || way.Allowance.Sign() != 0 {
			t.Errorf("%s: balance %v of %v, estimated %t, native %v, allowance %v", way.ID, way.Balance, way.Needed(), way.Estimated, way.Native, way.Allowance)
		}
	}
	if types[rail.SameChain] != 1 || types[rail.Conversion] != 1 || types[rail.Crosschain] != 2 || len(got.Silent)+len(got.Missing) != 0 {
		t.Fatalf("ways %v, silent %v, missing %v", types, got.Silent, got.Missing)
	}
	if direct := got.Ways[0]; direct.Type != rail.SameChain || direct.Balance.Cmp(w.Chain.Balance(w.Chain.USDC(), w.Chain.Address())) != 0 {
		t.Errorf("the cheapest is %s with %s", direct.ID, direct.Balance)
	}

	// A chain that fails is named, and the other is not touched by it.
	w.Second.Fail(http.StatusBadGateway)
	got = options(t, w, token, w.Chain.Address())
	if len(got.Silent) != 1 || got.Silent[0] != asset.SandboxArbitrum || len(got.Ways) != 2 {
		t.Errorf("with a dead chain: %+v", got)
	}
}

func options(t *testing.T, w *webtest.World, token, wallet string) checkout.Options {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := asset.ParseAddress(wallet)
	if err != nil {
		t.Fatal(err)
	}
	_, o, err := w.App.Checkout.Options(ctx, payment.ID(token), rail.Payer{Wallet: a})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// journal is a log that a test can read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

// Without its router, or with one whose contracts nobody has read, the server
// starts, is ready and takes payments on their own chain.
func TestAServerWithoutItsRouter(t *testing.T) {
	for name, c := range map[string]struct {
		how  lifitest.Behaviour
		code string
		log  string
	}{
		"down":            {lifitest.Behaviour{Fail: lifitest.Failure{Status: http.StatusBadGateway}}, "routing_unavailable", "the routing service was not reached"},
		"other contracts": {lifitest.Behaviour{Diamond: asset.Address{19: 1}}, "routing_off", "ALARM: the routing service's contracts are not the pinned ones"},
	} {
		t.Run(name, func(t *testing.T) {
			router := lifitest.New(lifitest.Options{Table: lifi.Sandbox()})
			router.Behave(c.how)
			log := &journal{}
			w := webtest.NewWith(t, webtest.Options{Routing: true, Router: router, Log: slog.New(slog.NewTextHandler(log, nil))})
			w.Get("/readyz").Want(http.StatusOK)
			token := w.CreatePayment("12.34")
			w.Await("the router to be looked at", func() bool {
				missing := options(t, w, token, w.Chain.Address()).Missing
				return len(missing) == 1 && missing[0].Code == c.code && log.has(c.log)
			})
			ways := options(t, w, token, w.Chain.Address()).Ways
			if len(ways) != 1 || ways[0].Type != rail.SameChain || !ways[0].Enough() {
				t.Fatalf("offered: %+v", ways)
			}
			w.PayOnChain(w.Chain.Wallet, token, 12_340_000)
			w.Chain.Mine(webtest.Confirmations + 1)
			w.AwaitState(token, payment.Paid)
		})
	}
}
