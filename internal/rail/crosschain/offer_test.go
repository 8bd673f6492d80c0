package crosschain_test

import (
	"context"
	"errors"
	"math/big"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/rail/railtest"
)

func (w *world) offers(t testing.TB, p *payment.Payment) []rail.Option {
	t.Helper()
	options, err := w.rail.Offer(t.Context(), p, payer)
	if err != nil {
		t.Fatalf("offer: %v", err)
	}
	return options
}

// Every asset of the pinned table can be paid with every other.
func TestEveryPairIsOffered(t *testing.T) {
	w := newWorld(t)
	var stables []asset.Token
	for _, id := range real {
		n, _ := w.client.Table().Network(id)
		stables = append(stables, n.Stables...)
	}
	if len(stables) != 13 {
		t.Fatalf("%d assets in the table", len(stables))
	}
	asked := w.router.Asked("/v1/tools")
	for _, to := range stables {
		p := w.open(t, to.ID, 10_000, 50)
		got := map[string]rail.Option{}
		for _, o := range w.offers(t, p) {
			got[o.ID] = o
		}
		if len(got) != len(stables)-1 {
			t.Errorf("%s: %d ways, want %d", to.ID, len(got), len(stables)-1)
		}
		for _, from := range stables {
			if from.ID == to.ID {
				continue
			}
			n, _ := w.client.Table().Network(from.Chain)
			want := rail.Option{
				ID: w.optionID(t, from.ID), Rail: crosschain.ID, Type: rail.Crosschain, Chain: from.Chain, Spender: n.Diamond,
				Costs:     []rail.Cost{{Asset: from.ID, Amount: w.fraction(t, from.ID, 10_050, 105)}},
				Estimated: true, Least: w.dollars(t, from.ID, 10_050),
			}
			if from.Chain == to.Chain {
				want.Type = rail.Conversion
			}
			if o := got[want.ID]; !reflect.DeepEqual(o, want) {
				t.Errorf("%s with %s: got %+v, want %+v", to.ID, from.ID, o, want)
			}
		}
		if missing := w.rail.Missing(t.Context(), p); len(missing) != 0 {
			t.Errorf("%s: missing %+v", to.ID, missing)
		}
	}
	if n := w.router.Asked("/v1/tools") - asked + w.quotes(); n != 0 {
		t.Errorf("offering asked the routing service %d times", n)
	}
	for id, n := range w.nodes {
		if n.batches != 0 {
			t.Errorf("offering asked chain %d", id)
		}
	}
}

// fraction is a share in hundredths of some cents.
func (w *world) fraction(t testing.TB, id asset.ID, cents, percent int64) *big.Int {
	v := w.dollars(t, id, cents)
	v.Mul(v, big.NewInt(percent))
	return v.Quo(v, big.NewInt(100))
}

// What arrives over a bridge comes by a call of the direct rail's contract, and that rail
// sees it: so nothing is carried out here.
func TestConformance(t *testing.T) {
	w := newWorld(t)
	usdc := w.request(t, "USDC-base", 10_000, 50)
	railtest.Run(t, railtest.Subject{
		Rail: w.rail, Payer: payer,
		Payable: map[string]*payment.Payment{"a token": w.open(t, "USDC-base", 10_000, 0), "a token with a fee": w.open(t, "USDC-base", 10_000, 50)},
		Foreign: map[string]*payment.Payment{"two requests": railtest.Open(t, w.rail, usdc, usdc), "native": w.open(t, "ETH-base", 10_000, 0)},
		Outside: w.questions,
		Silence: w.silence,
	})
}

// Nobody changes an offer by what is done to another's copy.
func TestLeastIsACopy(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 0)
	first, again := w.offers(t, p), w.offers(t, p)
	first[0].Least.SetInt64(0)
	if !reflect.DeepEqual(w.offers(t, p), again) {
		t.Error("a caller changed its copy, and with it the offer")
	}
}

// What does not fit gets nothing: no way, no explanation, and no calls.
func TestForeignPayments(t *testing.T) {
	w := newWorld(t)
	usdc := w.request(t, "USDC-base", 10_000, 50)
	canceled, expired := w.open(t, "USDC-base", 10_000, 0), w.open(t, "USDC-base", 10_000, 0)
	canceled.Terms.CanceledAt = railtest.Now.Add(-time.Minute)
	expired.Terms.ExpiresAt = railtest.Now.Add(-time.Minute)
	whole := w.open(t, "USDC-base", 10_000, 50)
	share := w.request(t, "USDC-base", 10_000, 0) // of euros, by a contract call and at a quote
	share.Asset, share.Due, share.Chain = asset.EUR, money.Cents(10_000), w.token(t, "USDC-base").Chain
	tests := map[string]struct {
		p    *payment.Payment
		kind fault.Kind
	}{
		"batch":        {railtest.Open(t, w.rail, usdc, usdc), fault.NotFound},
		"native":       {w.open(t, "ETH-base", 10_000, 0), fault.NotFound},
		"test network": {w.open(t, "fUSDC-sepolia", 10_000, 0), fault.NotFound},
		"fiat":         {railtest.Open(t, w.rail, payment.Request{Asset: "EUR", Due: big.NewInt(100), Payee: payee}), fault.NotFound},
		"a quote":      {railtest.Open(t, w.rail, share), fault.NotFound},
		"dollars":      {railtest.Open(t, w.rail, payment.Request{Asset: asset.USD, Due: big.NewInt(1e18), Payee: payee}), fault.NotFound},
		"tron":         {railtest.Open(t, w.rail, payment.Request{Asset: "USDT-tron", Due: big.NewInt(1e9), Payee: payee}), fault.NotFound},
		"seen":         {railtest.With(whole, railtest.Settled(whole, 0, 1, payment.Pending)...), fault.Conflict},
		"paid":         {railtest.With(whole, railtest.Settled(whole, 0, 1, payment.Final)...), fault.Conflict},
		"canceled":     {railtest.With(canceled), fault.Forbidden},
		"expired":      {railtest.With(expired), fault.Forbidden},
	}
	for name, tt := range tests {
		if got := w.offers(t, tt.p); len(got) != 0 {
			t.Errorf("%s: offered %+v", name, got)
		}
		if got := w.rail.Missing(t.Context(), tt.p); len(got) != 0 {
			t.Errorf("%s: missing %+v", name, got)
		}
		id := w.optionID(t, "USDC-arbitrum-one")
		if _, err := w.rail.Prepare(t.Context(), tt.p, id, payer); !fault.Is(err, tt.kind) {
			t.Errorf("%s: prepare: got %v, want %s", name, err, tt.kind)
		}
		if _, err := w.rail.Price(t.Context(), tt.p, id, payer); !fault.Is(err, tt.kind) {
			t.Errorf("%s: price: got %v, want %s", name, err, tt.kind)
		}
	}
	if w.quotes() != 0 {
		t.Errorf("%d quotes were asked for", w.quotes())
	}
	broken := w.open(t, "USDC-base", 10_000, 0)
	broken.Terms.Requests[0].Reference = "0x12"
	if _, err := w.rail.Offer(t.Context(), broken, payer); err == nil || fault.From(err).Kind != fault.Internal {
		t.Errorf("a reference that is none: got %v", err)
	}
}

func TestUnknownOptions(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 0)
	for _, id := range []string{"", "crosschain", "crosschain:base:USDC-base", "crosschain:base:ETH-base", "crosschain:sepolia:fUSDC-sepolia",
		"crosschain:arbitrum-one:USDC-arbitrum-onex", "crosschain:arbitrum-one:usdc-arbitrum-one", "evmref:base:USDC-base", "crosschain:tron:USDT-tron"} {
		_, err := w.rail.Prepare(t.Context(), p, id, payer)
		wantFault(t, id, err, fault.NotFound, "no_route", "option")
	}
	_, err := w.rail.Prepare(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), rail.Payer{})
	wantFault(t, "no wallet", err, fault.Invalid, "missing_wallet", "wallet")
}

// A dollar or less crosses no bridge; a cent more does.
func TestSmallAmounts(t *testing.T) {
	w := newWorld(t)
	for _, to := range []asset.ID{"USDC-base", "USDT-mainnet", "USDC-bsc"} {
		for _, tt := range []struct {
			cents, fee int64
			crosses    bool
		}{{1, 0, false}, {99, 0, false}, {100, 0, false}, {98, 2, false}, {101, 0, true}, {100, 1, true}} {
			p := w.open(t, to, tt.cents, tt.fee)
			options := w.offers(t, p)
			n, _ := w.client.Table().Network(w.token(t, to).Chain)
			conversions := len(n.Stables) - 1
			missing := w.rail.Missing(t.Context(), p)
			if got := len(options) > conversions; got != tt.crosses || !tt.crosses && len(options) != conversions {
				t.Errorf("%d + %d cents of %s: %d ways, %d of its own chain", tt.cents, tt.fee, to, len(options), conversions)
			}
			if small := len(missing) == 1 && missing[0].Code == "amount_too_small" && missing[0].Chain == 0 && missing[0].Why != ""; small == tt.crosses {
				t.Errorf("%d + %d cents of %s: missing %+v", tt.cents, tt.fee, to, missing)
			}
			if !tt.crosses {
				_, err := w.rail.Price(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), payer)
				wantFault(t, "price", err, fault.NotFound, "no_route", "option")
			}
		}
	}
}

// The rest of a part payment is what has to cross.
func TestTheRestIsOffered(t *testing.T) {
	w := newWorld(t)
	whole := w.open(t, "USDC-base", 10_000, 50)
	tests := []struct {
		name      string
		cents     int64
		fee       *big.Int
		stage     payment.Stage
		remaining int64 // cents
	}{
		{"part and the whole fee", 4000, w.dollars(t, "USDC-base", 50), payment.Final, 6000},
		{"part without the fee", 4000, nil, payment.Pending, 6050},
		{"a part that was dropped", 4000, nil, payment.Dropped, 10_050},
	}
	for _, tt := range tests {
		p := railtest.With(whole, railtest.Received(whole, "1", w.dollars(t, "USDC-base", tt.cents), tt.fee, tt.stage))
		if o := w.offers(t, p)[0]; o.Least.Cmp(w.dollars(t, o.Costs[0].Asset, tt.remaining)) != 0 {
			t.Errorf("%s: takes at least %v, want %d cents", tt.name, o.Least, tt.remaining)
		}
		route := w.mustPrepare(t, p, "USDC-arbitrum-one").Route
		if route.Arrives.Amount.Cmp(w.dollars(t, "USDC-base", tt.remaining)) < 0 ||
			route.Arrives.Amount.Cmp(w.dollars(t, "USDC-base", tt.remaining+1)) > 0 {
			t.Errorf("%s: %v arrives, want %d cents", tt.name, route.Arrives.Amount, tt.remaining)
		}
	}
	almost := railtest.With(whole, railtest.Received(whole, "1", w.dollars(t, "USDC-base", 9900), w.dollars(t, "USDC-base", 50), payment.Final))
	if got := w.rail.Missing(t.Context(), almost); len(got) != 1 || got[0].Code != "amount_too_small" {
		t.Errorf("a rest of one dollar: missing %+v", got)
	}
}

func (w *world) wantClosed(t *testing.T, what, code string) {
	t.Helper()
	p := w.open(t, "USDC-base", 10_000, 0)
	if got := w.offers(t, p); len(got) != 0 {
		t.Errorf("%s: offered %d ways", what, len(got))
	}
	missing := w.rail.Missing(t.Context(), p)
	if len(missing) != 1 || missing[0].Code != code || missing[0].Chain != 0 || missing[0].Asset != "" || missing[0].Why == "" {
		t.Errorf("%s: missing %+v, want %s", what, missing, code)
	}
	_, err := w.rail.Prepare(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), payer)
	wantFault(t, what, err, fault.Unavailable, code, "")
}

func (w *world) wantOpen(t *testing.T, what string) {
	t.Helper()
	if got := w.offers(t, w.open(t, "USDC-base", 10_000, 0)); len(got) != 12 {
		t.Errorf("%s: offered %d ways", what, len(got))
	}
}

func TestPinsDecide(t *testing.T) {
	w := unpinnedWorld(t)
	w.connect(t)
	w.wantClosed(t, "before the first check", "routing_unavailable")
	w.rail.SetPins(fault.New(fault.Unavailable, "routing_unavailable", "No."))
	w.wantClosed(t, "after a check that got no answer", "routing_unavailable")
	w.rail.SetPins(nil)
	w.wantOpen(t, "confirmed")
	w.rail.SetPins(errors.New("no answer"))
	w.wantOpen(t, "confirmed, then no answer")

	w.router.Behave(lifitest.Behaviour{Diamond: lifitest.Thief})
	w.wait(2 * time.Hour) // the client asks for chains once an hour
	w.rail.SetPins(w.client.CheckPins(t.Context()))
	w.wantClosed(t, "another contract", "routing_off")
	w.rail.SetPins(errors.New("no answer"))
	w.wantClosed(t, "another contract, then no answer", "routing_off")
	w.router.Behave(lifitest.Behaviour{})
	w.wait(2 * time.Hour)
	w.rail.SetPins(w.client.CheckPins(t.Context()))
	w.wantOpen(t, "confirmed again")
}

func TestConnectionsDecide(t *testing.T) {
	w := unpinnedWorld(t)
	w.rail.SetPins(nil)
	w.wantClosed(t, "connections are not known", "routing_unavailable")
	w.connect(t)
	w.wantOpen(t, "connections are known")

	// A bridge that may not be used connects nothing.
	only := w.config
	only.Bridges = []string{"hop"}
	r := crosschain.New(only)
	r.SetPins(nil)
	learn(t, r)
	p := w.open(t, "USDC-base", 10_000, 0)
	options, err := r.Offer(t.Context(), p, payer)
	if err != nil || len(options) != 1 || options[0].ID != w.optionID(t, "USDT-base") {
		t.Errorf("without a bridge: %+v %v, want the other token of the same chain", options, err)
	}
	missing := r.Missing(t.Context(), p)
	var chains []asset.ChainID
	for _, m := range missing {
		if m.Code != "no_bridge" || m.Why == "" {
			t.Errorf("missing %+v", m)
		}
		chains = append(chains, m.Chain)
	}
	slices.Sort(chains)
	want := slices.DeleteFunc(slices.Clone(w.client.Table().Chains()), func(id asset.ChainID) bool { return id == asset.Base })
	if !slices.Equal(chains, want) {
		t.Errorf("missing chains %v, want %v", chains, want)
	}
}

// Run asks again until it is answered, keeps what it learnt, and ends with its
// context.
func TestRunLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := unpinnedWorld(t)
		w.router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 500, Code: lifi.CodeServer, Times: 2}}) // asked, and asked again
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.rail.Run(ctx) }()
		time.Sleep(14 * time.Second)
		if w.rail.Connected() {
			t.Error("it learnt from a failure")
		}
		time.Sleep(2 * time.Second)
		if !w.rail.Connected() {
			t.Error("it did not ask again")
		}
		asked := w.router.Asked("/v1/tools")
		w.router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 500, Code: lifi.CodeServer}})
		w.wait(2 * time.Hour)
		time.Sleep(11 * time.Minute)
		if !w.rail.Connected() || w.router.Asked("/v1/tools") == asked {
			t.Error("it forgot what it knew, or never looked again")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// A chain without a node is no way, and no payment on it can be watched.
func TestOnlyChainsWithNodes(t *testing.T) {
	w := newWorld(t)
	few := w.config
	few.Nodes = map[asset.ChainID]chain.Batcher{asset.Base: w.nodes[asset.Base], asset.BSC: w.nodes[asset.BSC]}
	r := crosschain.New(few)
	r.SetPins(nil)
	learn(t, r)
	for to, want := range map[asset.ID][]string{
		"USDC-base":    {"crosschain:base:USDT-base", "crosschain:bsc:USDC-bsc", "crosschain:bsc:USDT-bsc"},
		"USDC-mainnet": nil,
	} {
		options, err := r.Offer(t.Context(), w.open(t, to, 10_000, 0), payer)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range options {
			got = append(got, o.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", to, got, want)
		}
	}
}

// A routing service that fails is left alone, and nothing of it is offered.
func TestDeadRouter(t *testing.T) {
	w := newWorld(t)
	w.router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: http.StatusBadGateway, Code: lifi.CodeRPCFailure}})
	for i := 0; w.client.Available(); i++ {
		if i > 20 {
			t.Fatal("the circuit does not open")
		}
		_, err := w.prepare(t, w.open(t, "USDC-base", 10_000, 0), "USDC-arbitrum-one")
		wantFault(t, "while it fails", err, fault.Unavailable, "routing_unavailable", "")
	}
	w.wantClosed(t, "resting", "routing_unavailable")
	w.router.Behave(lifitest.Behaviour{})
	w.wait(10 * time.Minute)
	w.wantOpen(t, "rested")
	w.mustPrepare(t, w.open(t, "USDC-base", 10_000, 0), "USDC-arbitrum-one")
}
