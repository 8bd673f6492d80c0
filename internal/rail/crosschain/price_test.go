package crosschain_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/rail/railtest"
)

// A price is exact: what is asked for is what the calls take, and the parts of
// the fee add up to what does not arrive.
func TestPricesAreExact(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		from, to asset.ID
		b        lifitest.Behaviour
		fees     []string
		duration time.Duration
	}{
		{"USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{}, []string{"LI.FI fee", "Bridge fee"}, 8 * time.Second},
		{"USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{NoFeeLeg: true}, []string{"Bridge fee"}, 8 * time.Second},
		{"USDT-arbitrum-one", "USDC-base", lifitest.Behaviour{}, []string{"LI.FI fee", "Exchange fee", "Bridge fee"}, 8 * time.Second},
		{"USDC-bsc", "USDCn-matic", lifitest.Behaviour{}, []string{"LI.FI fee", "Bridge fee"}, 8 * time.Second},
		{"USDC-arbitrum-one", "USDC-bsc", lifitest.Behaviour{}, []string{"LI.FI fee", "Bridge fee"}, 8 * time.Second},
		{"USDT-base", "USDC-base", lifitest.Behaviour{}, []string{"LI.FI fee", "Exchange fee"}, 15 * time.Second},
		{"USDC-base", "USDC-mainnet", lifitest.Behaviour{Bridge: lifi.BridgeStargate}, []string{"LI.FI fee", "Bridge fee", "Bridge fee"}, 2 * time.Minute},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s to %s %d", tt.from, tt.to, i), func(t *testing.T) {
			w.router.Behave(tt.b)
			p := w.open(t, tt.to, 10_000, 50)
			p.ID += payment.ID(t.Name())
			o := w.mustPrice(t, p, tt.from)
			calls := w.mustPrepare(t, p, tt.from)
			route := calls.Route
			if o.Estimated || o.Least != nil || len(o.Costs) != 1 || o.Duration != tt.duration || o.ID != w.optionID(t, tt.from) {
				t.Errorf("priced %+v", o)
			}
			if h := calls.Funds.Assets; len(h) != 1 || h[0].Needed.Cmp(o.Costs[0].Amount) != 0 || route.Give.Amount.Cmp(o.Costs[0].Amount) != 0 ||
				route.Give.Asset != tt.from || h[0].Asset != tt.from {
				t.Errorf("takes %+v and %+v, priced %+v", h, route.Give, o.Costs)
			}
			if route.Arrives.Asset != tt.to || route.Arrives.Amount.Cmp(w.dollars(t, tt.to, 10_050)) < 0 {
				t.Errorf("arrives %+v", route.Arrives)
			}
			if route.Fee.Cmp(o.Fee) != 0 || o.Fee.Sign() <= 0 || o.Fee.Cmp(w.dollars(t, tt.from, 60)) > 0 {
				t.Errorf("fee %v, of the route %v", o.Fee, route.Fee)
			}
			sum := new(big.Int)
			for i, f := range route.Fees {
				if i < len(tt.fees) && f.Name != tt.fees[i] || f.Amount.Sign() <= 0 {
					t.Errorf("fees %+v, want %v", route.Fees, tt.fees)
				}
				if f.Asset == tt.from {
					sum.Add(sum, f.Amount)
				}
			}
			if len(route.Fees) != len(tt.fees) || sum.Cmp(route.Fee) != 0 {
				t.Errorf("fees %+v make %v of %v", route.Fees, sum, route.Fee)
			}
			if !route.ExpiresAt.Equal(w.now().Add(45*time.Second)) || !route.FetchedAt.Equal(w.now()) || len(route.Raw) == 0 {
				t.Errorf("fetched %v, expires %v", route.FetchedAt, route.ExpiresAt)
			}
			if across := route.Tool == lifi.BridgeAcross; across != !route.Deadline.IsZero() || route.Duration != tt.duration || route.ToolName == "" {
				t.Errorf("route %+v", route)
			}
		})
	}
}

// What was asked is remembered for payment, way, wallet and amount, as long as
// it is fresh.
func TestPricesAreRemembered(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	other := w.open(t, "USDC-base", 10_000, 50)
	other.ID = "01OTHER"
	ask := func(what string, p *payment.Payment, from asset.ID, payer rail.Payer, quotes int) {
		t.Helper()
		before := w.quotes()
		if _, err := w.rail.Price(t.Context(), p, w.optionID(t, from), payer); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n := w.quotes() - before; n != quotes {
			t.Errorf("%s: %d quotes, want %d", what, n, quotes)
		}
	}
	prepare := func(what string, quotes int) *rail.Calls {
		t.Helper()
		before := w.quotes()
		calls := w.mustPrepare(t, p, "USDC-arbitrum-one")
		if n := w.quotes() - before; n != quotes {
			t.Errorf("%s: %d quotes, want %d", what, n, quotes)
		}
		return calls
	}
	ask("first", p, "USDC-arbitrum-one", payer, 1)
	ask("again", p, "USDC-arbitrum-one", payer, 0)
	ask("another way", p, "USDT-arbitrum-one", payer, 1)
	ask("another wallet", p, "USDC-arbitrum-one", rail.Payer{Wallet: asset.Address{9}}, 1)
	ask("another payment", other, "USDC-arbitrum-one", payer, 1)
	part := railtest.With(p, railtest.Received(p, "1", w.dollars(t, "USDC-base", 100), nil, payment.Pending))
	ask("a part of it", part, "USDC-arbitrum-one", payer, 1)
	fee := railtest.With(p, railtest.Received(p, "1", new(big.Int), w.dollars(t, "USDC-base", 10), payment.Pending))
	ask("a part of the fee", fee, "USDC-arbitrum-one", payer, 1)
	ask("the whole again", p, "USDC-arbitrum-one", payer, 0)

	first := prepare("prepared at once", 0)
	w.wait(29 * time.Second)
	if again := prepare("with time to sign", 0); string(again.Route.Raw) != string(first.Route.Raw) {
		t.Error("prepared again: another route")
	}
	w.wait(2 * time.Second)
	ask("with too little time to sign", p, "USDC-arbitrum-one", payer, 0)
	if again := prepare("with too little time to sign", 1); string(again.Route.Raw) == string(first.Route.Raw) {
		t.Error("a route was handed out that can hardly be signed any more")
	}
	w.wait(46 * time.Second)
	ask("stale", p, "USDC-arbitrum-one", payer, 1)
}

// Nobody changes what is remembered by changing what he got.
func TestRememberedRoutesAreCopies(t *testing.T) {
	w := newWorld(t)
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		p := w.open(t, "USDC-base", 10_000, 50)
		first := w.mustPrepare(t, p, from)
		want := fmt.Sprintf("%+v %x", *first.Route, first.Steps)
		again := w.mustPrepare(t, p, from)
		for i := range again.Steps {
			clear(again.Steps[i].Data)
			again.Steps[i].Value.SetInt64(7)
		}
		again.Route.Give.Amount.SetInt64(7)
		again.Route.Arrives.Amount.SetInt64(7)
		again.Route.Fee.SetInt64(7)
		clear(again.Route.Raw)
		again.Funds.Assets[0].Needed.SetInt64(7)
		w.mustPrice(t, p, from).Costs[0].Amount.SetInt64(7)
		third := w.mustPrepare(t, p, from)
		if got := fmt.Sprintf("%+v %x", *third.Route, third.Steps); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}

// slow holds the first answers back until the bubble's clock has moved on.
type slow struct {
	next  http.RoundTripper
	delay time.Duration
	asked atomic.Int32
}

func (s *slow) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	select {
	case <-time.After(s.delay):
		return s.next.RoundTrip(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// slowWorld is a world whose routing service takes a while for quotes.
func slowWorld(t *testing.T, delay time.Duration) (*world, *slow) {
	w := newWorld(t)
	s := &slow{next: lifitest.Transport{Router: w.router}, delay: delay}
	var err error
	w.config.Client, err = lifi.NewClient(lifi.Config{Transport: s, Now: w.now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	w.rail = crosschain.New(w.config)
	w.rail.SetPins(nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.rail.Run(ctx) }()
	time.Sleep(delay)
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.asked.Store(0)
	return w, s
}

// Whoever asks for what is being asked already waits for that answer.
func TestOneQuoteForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := slowWorld(t, 3*time.Second)
		p := w.open(t, "USDC-base", 10_000, 50)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = w.rail.Price(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), payer)
				} else {
					_, err = w.rail.Prepare(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), payer)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("%d quotes for 20 questions", n)
		}
	})
}

// Nobody waits longer than his own context, and what was asked is answered even
// if nobody waits for it: the next one has it at once.
func TestAQuestionOutlivesWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := slowWorld(t, 10*time.Second)
		p, id := w.open(t, "USDC-base", 10_000, 50), w.optionID(t, "USDC-arbitrum-one")
		price := func(ctx context.Context) (time.Duration, error) {
			start := time.Now()
			_, err := w.rail.Price(ctx, p, id, payer)
			return time.Since(start), err
		}
		hurry, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if took, err := price(hurry); !errors.Is(err, context.DeadlineExceeded) || took != 2*time.Second {
			t.Errorf("who is in a hurry: %v after %v", err, took)
		}
		if took, err := price(t.Context()); err != nil || took != 8*time.Second {
			t.Errorf("who waits: %v after %v", err, took)
		}
		if took, err := price(t.Context()); err != nil || took != 0 {
			t.Errorf("who comes later: %v after %v", err, took)
		}
		if n := s.asked.Load(); n != 1 {
			t.Errorf("%d quotes, want one", n)
		}
	})
}

// A service that is slower than payers are patient stays in use.
func TestPatienceIsNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := slowWorld(t, 9*time.Second)
		for range 10 {
			p := w.open(t, "USDC-base", 10_000, 50)
			p.ID = payment.ID(payment.NewULID(time.Now()))
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			_, err := w.rail.Price(ctx, p, w.optionID(t, "USDC-arbitrum-one"), payer)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		if !w.client.Available() {
			t.Error("the service is left alone")
		}
		w.rail.Close()
	})
}

// Close ends what is being asked, and nothing is asked afterwards.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := slowWorld(t, 10*time.Second)
		p, id := w.open(t, "USDC-base", 10_000, 50), w.optionID(t, "USDC-arbitrum-one")
		done := make(chan error, 1)
		go func() {
			_, err := w.rail.Price(t.Context(), p, id, payer)
			done <- err
		}()
		time.Sleep(time.Second)
		start := time.Now()
		w.rail.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		if err := <-done; err == nil {
			t.Error("a route was answered")
		}
		_, err := w.rail.Price(t.Context(), p, id, payer)
		wantFault(t, "afterwards", err, fault.Unavailable, "routing_unavailable", "")
		if n := s.asked.Load(); n != 1 {
			t.Errorf("%d quotes", n)
		}
	})
}

func TestNoRoute(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	w.router.Behave(lifitest.Behaviour{NoQuote: true})
	_, err := w.prepare(t, p, "USDC-arbitrum-one")
	wantFault(t, "no quote", err, fault.NotFound, "no_route", "")
	if reason, ok := errors.AsType[*lifi.Error](err); !ok || reason.Code != lifi.CodeNoQuote {
		t.Errorf("the cause is %v", reason)
	}
	// It is asked for again, but not at once.
	w.router.Behave(lifitest.Behaviour{})
	before := w.quotes()
	_, err = w.prepare(t, p, "USDC-arbitrum-one")
	wantFault(t, "at once", err, fault.NotFound, "no_route", "")
	if w.quotes() != before {
		t.Error("it was asked for again at once")
	}
	w.wait(21 * time.Second)
	w.mustPrepare(t, p, "USDC-arbitrum-one")
}

// What would arrive after the payment has closed is not offered; an exchange on
// the payment's own chain takes no time.
func TestTooLate(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 0)
	across, swap := w.optionID(t, "USDC-arbitrum-one"), w.optionID(t, "USDT-base")
	step := w.mustPrepare(t, p, "USDC-arbitrum-one").Route.Raw
	o, err := w.rail.Price(t.Context(), p, across, payer)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		left    time.Duration
		offered bool
	}{{2 * o.Duration, true}, {2*o.Duration - time.Second, false}, {time.Second, false}} {
		p.Terms.ExpiresAt = w.now().Add(tt.left - p.Terms.Grace)
		if _, err := w.rail.Price(t.Context(), p, across, payer); (err == nil) != tt.offered || err != nil && !fault.Is(err, fault.NotFound) {
			t.Errorf("%v before the end: %v", tt.left, err)
		}
		if _, err := w.rail.Prepare(t.Context(), p, across, payer); (err == nil) != tt.offered || err != nil && !fault.Is(err, fault.NotFound) {
			t.Errorf("%v before the end: %v", tt.left, err)
		}
		if _, err := w.rail.Price(t.Context(), p, swap, payer); err != nil {
			t.Errorf("exchange, %v before the end: %v", tt.left, err)
		}
		if _, err := w.rail.Restamp(t.Context(), p, step); (err == nil) != tt.offered || err != nil && fault.From(err).Code != "route_gone" {
			t.Errorf("stamped anew %v before the end: %v", tt.left, err)
		}
	}
}

// An honest route that is too dear is none; a limit decides, not the service.
func TestTooDear(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		cost money.BasisPoints
		ok   bool
	}{{10, true}, {400, true}, {600, false}, {5000, false}} {
		w.router.Behave(lifitest.Behaviour{Cost: tt.cost})
		p := w.open(t, "USDC-base", 10_000, 50)
		p.ID = payment.ID(fmt.Sprint("01COST", tt.cost))
		_, err := w.prepare(t, p, "USDC-arbitrum-one")
		if tt.ok != (err == nil) || err != nil && (fault.From(err).Code != "no_route" || errors.Unwrap(err) == nil) {
			t.Errorf("%v %% for the bridge: %v", tt.cost, err)
		}
	}
	// A lie is none the less one for being dear.
	w.router.Behave(lifitest.Behaviour{Cost: 5000, Lie: "payment.payee"})
	lied := w.open(t, "USDC-base", 10_000, 50)
	lied.ID = "01DEARLIE"
	_, err := w.prepare(t, lied, "USDC-arbitrum-one")
	wantFault(t, "dear and lying", err, fault.Forbidden, "unsafe", lifi.CheckPayment)

	dear := w.config
	dear.MaxCost = 5000
	w.rail = crosschain.New(dear)
	w.rail.SetPins(nil)
	w.connect(t)
	w.router.Behave(lifitest.Behaviour{Cost: 2000})
	p := w.open(t, "USDC-base", 10_000, 50)
	o := w.mustPrice(t, p, "USDC-arbitrum-one")
	if least := w.dollars(t, "USDC-arbitrum-one", 12_500); o.Costs[0].Amount.Cmp(least) < 0 {
		t.Errorf("took %v", o.Costs[0].Amount)
	}
	if first := w.offers(t, p)[0]; first.Costs[0].Amount.Cmp(w.fraction(t, first.Costs[0].Asset, 10_050, 150)) != 0 {
		t.Errorf("offered for %v at most", first.Costs[0].Amount)
	}
}

// LI.FI's own fee has a limit that the operator may lower.
func TestFeeLimit(t *testing.T) {
	w := newWorld(t)
	strict := w.config
	strict.MaxFee = 20
	w.rail = crosschain.New(strict)
	w.rail.SetPins(nil)
	w.connect(t)
	_, err := w.prepare(t, w.open(t, "USDC-base", 10_000, 50), "USDC-arbitrum-one")
	wantFault(t, "0.25 % of 0.20 %", err, fault.Forbidden, "unsafe", lifi.CheckSource)
}

// However many ask, what is kept is bounded.
func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t)
	p, id := w.open(t, "USDC-base", 10_000, 50), w.optionID(t, "USDC-arbitrum-one")
	for i := range crosschain.MaxOffers + 50 {
		wallet := rail.Payer{Wallet: asset.Address{1, byte(i >> 8), byte(i), 19: 1}}
		if _, err := w.rail.Price(t.Context(), p, id, wallet); err != nil {
			t.Fatal(err)
		}
	}
	answers, bytes := w.rail.Remembered()
	if answers != crosschain.MaxOffers || bytes <= 0 || bytes > 32<<20 {
		t.Errorf("%d answers with %d bytes are kept", answers, bytes)
	}
	before := w.quotes()
	if _, err := w.rail.Price(t.Context(), p, id, rail.Payer{Wallet: asset.Address{1, 0, 0, 19: 1}}); err != nil || w.quotes() != before+1 {
		t.Errorf("the oldest was not the one that was forgotten: %v", err)
	}
	w.wait(time.Minute)
	w.router.Behave(lifitest.Behaviour{NoQuote: true})
	_, err := w.rail.Price(t.Context(), p, id, rail.Payer{Wallet: asset.Address{1, 4, 0, 19: 1}})
	wantFault(t, "stale", err, fault.NotFound, "no_route", "")
	if again, _ := w.rail.Remembered(); again > crosschain.MaxOffers {
		t.Errorf("%d answers are kept", again)
	}
}

// What the service answers decides what a payer is told.
func TestRouterErrors(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name string
		b    lifitest.Behaviour
		kind fault.Kind
		code string
	}{
		{"no quote", lifitest.Behaviour{NoQuote: true}, fault.NotFound, "no_route"},
		{"slippage", lifitest.Behaviour{Fail: lifitest.Failure{Status: 409, Code: lifi.CodeSlippage}}, fault.NotFound, "no_route"},
		{"limited", lifitest.Behaviour{Fail: lifitest.Failure{Status: 429, Code: lifi.CodeRateLimit}}, fault.Limited, "routing_limited"},
		{"no key", lifitest.Behaviour{Fail: lifitest.Failure{Status: 401, Code: lifi.CodeUnauthorized}}, fault.Unavailable, "routing_unavailable"},
		{"a page of HTML", lifitest.Behaviour{Fail: lifitest.Failure{Status: 200}}, fault.Unavailable, "routing_unavailable"},
		{"broken", lifitest.Behaviour{Fail: lifitest.Failure{Status: 500, Code: lifi.CodeServer}}, fault.Unavailable, "routing_unavailable"},
		{"invalid", lifitest.Behaviour{Fail: lifitest.Failure{Status: 400, Code: lifi.CodeValidation}}, fault.Invalid, "route_invalid"},
	}
	for i, tt := range tests {
		for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
			w.wait(3 * time.Hour) // limits are over
			w.router.Behave(tt.b)
			p := w.open(t, "USDC-base", 10_000, 50)
			p.ID = payment.ID(fmt.Sprint("01ERROR", i, from))
			p.Terms.ExpiresAt = w.now().Add(time.Hour)
			_, err := w.prepare(t, p, from)
			wantFault(t, tt.name, err, tt.kind, tt.code, "")
			if errors.Unwrap(fault.From(err)) == nil {
				t.Errorf("%s: no cause for the logs", tt.name)
			}
		}
	}
}
