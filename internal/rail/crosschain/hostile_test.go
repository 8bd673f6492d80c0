package crosschain_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/railtest"
)

// scenes are pairs of assets and ways between them that together can be lied
// about in every field.
var scenes = []struct {
	name     string
	from, to asset.ID
	b        lifitest.Behaviour
}{
	{"across after a fee leg", "USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{}},
	{"across alone", "USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{NoFeeLeg: true}},
	{"across after fee leg and exchange", "USDT-arbitrum-one", "USDC-base", lifitest.Behaviour{}},
	{"across from 6 to 18 decimals", "USDC-arbitrum-one", "USDC-bsc", lifitest.Behaviour{}},
	{"stargate after a fee leg", "USDC-base", "USDC-mainnet", lifitest.Behaviour{Bridge: lifi.BridgeStargate}},
	{"stargate from 18 to 6 decimals", "USDC-bsc", "USDCn-optimism", lifitest.Behaviour{Bridge: lifi.BridgeStargate}},
	{"swap after a fee leg", "USDT-matic", "USDCn-matic", lifitest.Behaviour{}},
	{"swap alone", "USDC-base", "USDT-base", lifitest.Behaviour{NoFeeLeg: true}},
}

func (w *world) intent(t *testing.T, from, to asset.ID) lifi.Intent {
	q := w.request(t, to, 10_000, 50)
	ref, err := official.ParseReference(q.Reference)
	if err != nil {
		t.Fatal(err)
	}
	in := lifi.Intent{From: w.token(t, from), To: w.token(t, to), Payer: payer.Wallet, Refund: payer.Wallet, Fallback: payer.Wallet}
	in.Payment = official.ERC20Payment{Token: in.To.Address, Payee: q.Payee, Amount: q.Due, Reference: ref, Fee: q.Fee.Amount, FeePayee: q.Fee.Payee}
	in.MaxFrom = lifi.SourceCap(in.Required(), in.From, in.To, 500)
	return in
}

func (w *world) quote(t *testing.T, in lifi.Intent, b lifitest.Behaviour) lifi.Transaction {
	t.Helper()
	w.router.Behave(b)
	step, err := w.client.Quote(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return step.Transaction
}

// Nothing that a lying service makes of a route reaches a payer: not by a
// price, not by calls, and not when it is stamped anew.
func TestEveryLieIsRefused(t *testing.T) {
	w := newWorld(t)
	told := map[string]int{}
	for n, s := range scenes {
		honest := w.quote(t, w.intent(t, s.from, s.to), s.b)
		w.router.Behave(s.b)
		good := w.open(t, s.to, 10_000, 50)
		good.ID = payment.ID(fmt.Sprint("01HONEST", n))
		raw := w.mustPrepare(t, good, s.from).Route.Raw
		for i, lie := range lifitest.Lies() {
			b := s.b
			b.Lie = lie.Name
			if reflect.DeepEqual(w.quote(t, w.intent(t, s.from, s.to), b), honest) {
				continue // it cannot be told about this route
			}
			told[lie.Name]++
			p := w.open(t, s.to, 10_000, 50)
			p.ID = payment.ID(fmt.Sprint("01LIE", n, "-", i))
			_, priced := w.rail.Price(t.Context(), p, w.optionID(t, s.from), payer)
			_, prepared := w.prepare(t, p, s.from)
			_, stamped := w.rail.Restamp(t.Context(), p, raw)
			for what, err := range map[string]error{"price": priced, "prepare": prepared, "restamp": stamped} {
				f := fault.From(err)
				switch {
				case f == nil:
					t.Errorf("%s, %s: %s was not refused", s.name, lie.Name, what)
				case f.Code == "no_route" && what != "restamp", f.Code == "route_gone" && what == "restamp": // twice the price is no lie, and no route
				case f.Kind != fault.Forbidden || f.Code != "unsafe" || !slices.Contains(lie.Refuses, f.Field) || f.Public == "":
					t.Errorf("%s, %s: %s: got %v at %q, want unsafe at one of %v", s.name, lie.Name, what, err, f.Field, lie.Refuses)
				}
			}
		}
	}
	if len(told) != len(lifitest.Lies()) || len(told) < 30 {
		t.Errorf("%d of %d lies were told", len(told), len(lifitest.Lies()))
	}
	t.Logf("%d lies", len(told))
}

// A step that is answered later is proven like any other; one that somebody
// changed on its way back binds nobody but him.
func TestRestamp(t *testing.T) {
	w := newWorld(t)
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			w.router.Behave(s.b)
			p := w.open(t, s.to, 10_000, 50)
			p.ID += payment.ID(s.name)
			calls := w.mustPrepare(t, p, s.from)
			before := w.router.Asked("/v1/advanced/stepTransaction")
			got, err := w.rail.Restamp(t.Context(), p, calls.Route.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if n := w.router.Asked("/v1/advanced/stepTransaction") - before; n != 1 {
				t.Errorf("%d questions", n)
			}
			tx, route := got.Step.Transaction, routeStep(calls)
			if tx.To != route.To || tx.Chain != calls.Chain || got.Give.Asset != s.from || got.Give.Amount.Cmp(calls.Route.Give.Amount) != 0 {
				t.Errorf("got %+v, was %+v", got.Give, calls.Route.Give)
			}
			if !got.ExpiresAt.Equal(calls.Route.ExpiresAt) || !got.Deadline.Equal(calls.Route.Deadline) || len(got.Step.Raw) == 0 {
				t.Errorf("until %v and %v, was %v and %v", got.ExpiresAt, got.Deadline, calls.Route.ExpiresAt, calls.Route.Deadline)
			}
			if bad, failed := rail.Failed(got.Checks); failed || len(got.Checks) < 7 {
				t.Errorf("checks %+v", bad)
			}
		})
	}
}

// routeStep is LI.FI's transaction among the calls.
func routeStep(calls *rail.Calls) rail.Call {
	i := slices.IndexFunc(calls.Steps, func(c rail.Call) bool { return c.Kind == rail.Pay || c.Kind == rail.Swap })
	return calls.Steps[i]
}

// Half a percent more is still what was agreed to; more is not.
func TestRestampedForMore(t *testing.T) {
	w := newWorld(t)
	w.router.Behave(lifitest.Behaviour{Cost: 10})
	p := w.open(t, "USDC-base", 10_000, 50)
	raw := w.mustPrepare(t, p, "USDC-arbitrum-one").Route.Raw
	w.router.Behave(lifitest.Behaviour{Cost: 55})
	if _, err := w.rail.Restamp(t.Context(), p, raw); err != nil {
		t.Errorf("0.45 %% more: %v", err)
	}
	w.router.Behave(lifitest.Behaviour{Cost: 75})
	_, err := w.rail.Restamp(t.Context(), p, raw)
	wantFault(t, "0.65 % more", err, fault.Invalid, "route_gone", "step")
	w.router.Behave(lifitest.Behaviour{Cost: 75, Lie: "payment.payee"})
	_, err = w.rail.Restamp(t.Context(), p, raw)
	wantFault(t, "0.65 % more, for somebody else", err, fault.Forbidden, "unsafe", lifi.CheckPayment)
}

func TestRestampRefuses(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	raw := string(w.mustPrepare(t, p, "USDC-arbitrum-one").Route.Raw)
	step := func(from, to uint64, token, amount, sender string) string {
		return fmt.Sprintf(`{"id":"step-1","type":"lifi","tool":"across","action":{"fromChainId":%d,"toChainId":%d,"fromToken":{"address":%q},"fromAmount":%q,"fromAddress":%q}}`,
			from, to, token, amount, sender)
	}
	usdc := w.token(t, "USDC-arbitrum-one").Address.String()
	sender := payer.Wallet.String()
	before := w.router.Asked("/v1/advanced/stepTransaction")
	for name, bad := range map[string]string{
		"nothing":             "",
		"no JSON":             "{",
		"a list":              "[]",
		"an empty step":       "{}",
		"no sender":           step(42161, 8453, usdc, "100", ""),
		"a sender of zeros":   step(42161, 8453, usdc, "100", asset.Address{}.String()),
		"no asset":            step(42161, 8453, "", "100", sender),
		"an unknown asset":    step(42161, 8453, payee.String(), "100", sender),
		"native currency":     step(42161, 8453, asset.Address{}.String(), "100", sender),
		"an unknown chain":    step(43114, 8453, usdc, "100", sender),
		"another destination": step(42161, 137, usdc, "100", sender),
		"no amount":           step(42161, 8453, usdc, "", sender),
		"an amount of zero":   step(42161, 8453, usdc, "0", sender),
		"a negative amount":   step(42161, 8453, usdc, "-5", sender),
		"the asset that is due": step(8453, 8453, w.token(t, "USDC-base").Address.String(),
			"100", sender),
	} {
		_, err := w.rail.Restamp(t.Context(), p, []byte(bad))
		wantFault(t, name, err, fault.Invalid, "route_gone", "step")
		if f := fault.From(err); f != nil && f.Public != "Route no longer available or invalid step" {
			t.Errorf("%s: says %q", name, f.Public)
		}
	}
	if n := w.router.Asked("/v1/advanced/stepTransaction") - before; n != 0 {
		t.Errorf("the service was asked %d times for steps that make no sense", n)
	}

	// What the service does not know, or will not give.
	_, err := w.rail.Restamp(t.Context(), p, []byte(step(42161, 8453, usdc, "100000000", sender)))
	wantFault(t, "not enough for what comes back", err, fault.Invalid, "route_gone", "step")
	_, err = w.rail.Restamp(t.Context(), p, []byte(step(42161, 8453, usdc, "110000000", payee.String())))
	wantFault(t, "from somebody else", err, fault.Forbidden, "unsafe", lifi.CheckTarget)
	for name, tt := range map[string]struct {
		b    lifitest.Behaviour
		kind fault.Kind
		code string
	}{
		"no quote": {lifitest.Behaviour{NoQuote: true}, fault.Invalid, "route_gone"},
		"invalid":  {lifitest.Behaviour{Fail: lifitest.Failure{Status: 400, Code: lifi.CodeValidation}}, fault.Invalid, "route_gone"},
		"limited":  {lifitest.Behaviour{Fail: lifitest.Failure{Status: 429, Code: lifi.CodeRateLimit, Times: 1}}, fault.Limited, "routing_limited"},
	} {
		w.router.Behave(tt.b)
		field := ""
		if tt.kind == fault.Invalid {
			field = "step"
		}
		_, err := w.rail.Restamp(t.Context(), p, []byte(raw))
		wantFault(t, name, err, tt.kind, tt.code, field)
		w.wait(3 * time.Hour)
		p.Terms.ExpiresAt = w.now().Add(time.Hour)
	}
	w.router.Behave(lifitest.Behaviour{})
	paid := railtest.With(p, railtest.Settled(p, 0, 1, payment.Pending)...)
	_, err = w.rail.Restamp(t.Context(), paid, []byte(raw))
	wantFault(t, "paid", err, fault.Conflict, "nothing_missing", "")
	part := railtest.With(p, railtest.Received(p, "1", w.dollars(t, "USDC-base", 100), nil, payment.Pending))
	if _, err := w.rail.Restamp(t.Context(), part, []byte(raw)); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a route for the whole of what is paid in part: got %v", err)
	}
}
