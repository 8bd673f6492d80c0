package crosschain_test

import (
	"math/big"
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
	"quittance/internal/rail/crosschain"
)

// anAccount is a smart account with the money of a wallet.
var anAccount = rail.Payer{Wallet: asset.Address{0xac, 0xac, 19: 0xac}, Owner: payer.Wallet}

// gaslessWorld is a world in which only the owner has anything, on every chain.
func gaslessWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for _, n := range w.nodes {
		n.holder = anAccount.Owner
	}
	return w
}

func (w *world) prepareGasless(t *testing.T, p *payment.Payment, from asset.ID) (*rail.Calls, error) {
	t.Helper()
	in, err := w.rail.Prepare(t.Context(), p, w.optionID(t, from), anAccount)
	if err != nil {
		if in != nil {
			t.Errorf("%s: an instruction beside %v", from, err)
		}
		return nil, err
	}
	return in.(*rail.Calls), nil
}

// A smart account's calls are the same whatever anybody has allowed; it makes them
// itself, with its owner's money, and what comes back is the owner's.
func TestGaslessCalls(t *testing.T) {
	for _, tt := range []struct {
		from, to asset.ID
		want     []rail.CallKind
	}{
		{"USDC-arbitrum-one", "USDC-base", []rail.CallKind{approve, pay}},
		{"USDT-mainnet", "USDC-base", []rail.CallKind{reset, approve, pay}},
		{"USDT-mainnet", "USDC-mainnet", []rail.CallKind{reset, approve, swap, approve, pay}},
		{"USDC-mainnet", "USDT-mainnet", []rail.CallKind{approve, swap, reset, approve, pay}},
	} {
		w := gaslessWorld(t)
		p := w.open(t, tt.to, 10_000, 50)
		n := w.nodes[w.token(t, tt.from).Chain]
		var first *rail.Calls
		for _, allowed := range []int64{0, 7, 1e18} {
			n.allowed[n.network.Diamond], n.allowed[n.network.FeeProxy] = big.NewInt(allowed), big.NewInt(allowed)
			n.allowed[anAccount.Wallet] = big.NewInt(allowed + 1)
			calls, err := w.prepareGasless(t, p, tt.from)
			if err != nil {
				t.Fatalf("%s to %s: %v", tt.from, tt.to, err)
			}
			if first == nil {
				first = calls
			}
			if got := kinds(calls); !slices.Equal(got, tt.want) || !reflect.DeepEqual(calls.Steps, first.Steps) {
				t.Errorf("%s to %s with %d allowed: %v, want %v", tt.from, tt.to, allowed, got, tt.want)
			}
			f := calls.Funds
			if len(f.Assets) != 1 || f.Assets[0].Allowance.Int64() != allowed+1 || f.Assets[0].Needed.Cmp(calls.Route.Give.Amount) != 0 ||
				f.NativeNeeded.Sign() != 0 || !f.EnoughGas() || !f.EnoughBalance() {
				t.Errorf("%s to %s with %d allowed: funds %+v", tt.from, tt.to, allowed, f)
			}
			for _, c := range calls.Checks {
				if c.Outcome != rail.Passed {
					t.Errorf("%s to %s: %+v", tt.from, tt.to, c)
				}
			}
			for _, s := range calls.Steps {
				if s.Gas == 0 || s.Value.Sign() != 0 {
					t.Errorf("%s to %s: %s takes %d gas and %v wei", tt.from, tt.to, s.Kind, s.Gas, s.Value)
				}
			}
		}
		w.wantOwners(t, tt.from, first)
		if _, ok := w.rail.Claims(p, first.Chain, anAccount, bare(first.Steps), w.now()); !ok {
			t.Errorf("%s to %s: not claimed", tt.from, tt.to)
		}
		if _, ok := w.rail.Claims(p, first.Chain, rail.Payer{Wallet: anAccount.Wallet}, bare(first.Steps), w.now()); ok == (first.Route.Type == rail.Crosschain) {
			t.Errorf("%s to %s: claimed for the account alone: %t", tt.from, tt.to, ok)
		}
		if n := w.quotes(); n != 1 {
			t.Errorf("%s to %s: asked for %d routes", tt.from, tt.to, n)
		}
	}
}

// wantOwners wants refunds and what is left to be the owner's, and the outcome of an
// exchange the account's.
func (w *world) wantOwners(t *testing.T, from asset.ID, calls *rail.Calls) {
	t.Helper()
	call, err := lifi.DecodeCall(routeStep(calls).Data)
	if err != nil {
		t.Fatal(err)
	}
	if call.Swap != nil {
		if call.Swap.Receiver != anAccount.Wallet {
			t.Errorf("%s: the exchange ends in %s", from, call.Swap.Receiver)
		}
		return
	}
	message, err := lifi.DecodeMessage(call.Across.Message)
	if err != nil || message.Receiver != anAccount.Owner || asset.Address(call.Across.Refund[12:]) != anAccount.Owner {
		t.Errorf("%s: refunds go to %x, what is left to %s (%v)", from, call.Across.Refund, message.Receiver, err)
	}
}

// What was asked for one payer is not another's: the same account without its owner,
// and with another one.
func TestGaslessOffersAreTheirOwn(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	price := func(who rail.Payer) {
		t.Helper()
		if _, err := w.rail.Price(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), who); err != nil {
			t.Fatal(err)
		}
	}
	other := rail.Payer{Wallet: anAccount.Wallet, Owner: asset.Address{0x99, 19: 0x99}}
	for i, who := range []rail.Payer{anAccount, {Wallet: anAccount.Wallet}, other, payer} {
		for range 2 {
			if price(who); w.quotes() != i+1 {
				t.Errorf("%+v: asked for %d routes, want %d", who, w.quotes(), i+1)
			}
		}
	}
}

// A route stays the same while an owner signs twice, and no longer than the contracts
// take it; that of others does not.
func TestGaslessRoutesStay(t *testing.T) {
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		w := gaslessWorld(t)
		p := w.open(t, "USDC-base", 10_000, 50)
		prepared := func(wait time.Duration) *rail.Calls {
			t.Helper()
			w.wait(wait)
			calls, err := w.prepareGasless(t, p, from)
			if err != nil {
				t.Fatal(err)
			}
			return calls
		}
		first := prepared(0)
		if until := first.Route.ExpiresAt; !until.Equal(w.now().Add(5 * time.Minute)) {
			t.Errorf("%s: the same until %v", from, until)
		}
		for range 4 {
			if got := prepared(time.Minute); !reflect.DeepEqual(got.Steps, first.Steps) || w.quotes() != 1 {
				t.Errorf("%s: another route at %v", from, w.now())
			}
		}
		if prepared(46 * time.Second); w.quotes() != 2 {
			t.Errorf("%s: handed out with too little time left to sign", from)
		}
	}
	w := gaslessWorld(t)
	w.router.Behave(lifitest.Behaviour{Age: 27 * time.Minute})
	p := w.open(t, "USDC-base", 10_000, 50)
	calls, err := w.prepareGasless(t, p, "USDC-arbitrum-one")
	if err != nil || !calls.Route.ExpiresAt.Equal(calls.Route.Deadline) || calls.Route.Deadline.IsZero() {
		t.Errorf("a route that is old already: %+v, %v", calls, err)
	}
}

// A bridge that takes native currency is nothing for who has none: it is not offered
// where it is the only one, not asked for, and not taken if it comes all the same.
func TestGaslessNeedsNoNativeCurrency(t *testing.T) {
	w := gaslessWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	all := w.offersTo(t, p, payer)
	if got := w.offersTo(t, p, anAccount); !reflect.DeepEqual(got, all) || len(w.rail.MissingFor(t.Context(), p, anAccount)) != 0 {
		t.Errorf("offered %+v", got)
	}
	w.router.Behave(lifitest.Behaviour{Bridge: lifi.BridgeStargate})
	_, err := w.prepareGasless(t, p, "USDC-arbitrum-one")
	wantFault(t, "only Stargate answers", err, fault.NotFound, "no_route", "")

	w.config.Bridges = []string{lifi.BridgeStargate}
	w.rail = crosschain.New(w.config)
	w.rail.SetPins(nil)
	w.connect(t)
	before := w.quotes()
	for _, o := range w.offersTo(t, p, anAccount) {
		if o.Chain != asset.Base {
			t.Errorf("offered %s", o.ID)
		}
	}
	missing := w.rail.MissingFor(t.Context(), p, anAccount)
	if len(missing) == 0 || slices.ContainsFunc(missing, func(m rail.Missing) bool { return m.Code != "no_bridge" || m.Why == "" || m.Chain == asset.Base }) {
		t.Errorf("missing %+v", missing)
	}
	_, err = w.prepareGasless(t, p, "USDC-arbitrum-one")
	wantFault(t, "no bridge fits", err, fault.NotFound, "no_route", "option")
	if n := w.quotes() - before; n != 0 {
		t.Errorf("asked for %d routes", n)
	}
	w.router.Behave(lifitest.Behaviour{Bridge: lifi.BridgeStargate})
	w.nodes[asset.ArbitrumOne].holder = asset.Address{}
	if calls := w.mustPrepare(t, p, "USDC-arbitrum-one"); routeStep(calls).Value.Sign() == 0 {
		t.Error("the bridge takes no native currency")
	}
	if _, err := w.prepareGasless(t, p, "USDT-base"); err != nil {
		t.Errorf("an exchange: %v", err)
	}
}

// Who has no money yet is told so, and an owner that is a contract pays on the
// payment's own chain.
func TestGaslessOwners(t *testing.T) {
	w := gaslessWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	n := w.nodes[asset.ArbitrumOne]
	n.holder = anAccount.Wallet // what the account has is not looked at
	calls, err := w.prepareGasless(t, p, "USDC-arbitrum-one")
	if err != nil {
		t.Fatal(err)
	}
	if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Waiting || calls.Funds.EnoughBalance() || !calls.Funds.EnoughGas() {
		t.Errorf("%+v, funds %+v", c, calls.Funds)
	}
	n.holder, n.code = anAccount.Owner, []byte{0x60, 0x80}
	_, err = w.prepareGasless(t, p, "USDC-arbitrum-one")
	wantFault(t, "an owner with code", err, fault.Invalid, "contract_wallet", "wallet")
	n.holder, n.balance = asset.Address{}, new(big.Int)
	n.code = nil
	if calls, err = w.prepareGasless(t, p, "USDC-arbitrum-one"); err != nil || calls.Funds.EnoughBalance() {
		t.Errorf("a poor owner: %+v, %v", calls, err)
	}
}

// A routing service that lies to a smart account is found out as it is by others; so
// is one that would give back to somebody else, or to the account in dirty words.
func TestGaslessRoutesThatLie(t *testing.T) {
	w := gaslessWorld(t)
	refused := 0
	for _, s := range scenes {
		if s.b.Bridge == lifi.BridgeStargate {
			continue
		}
		in := w.intent(t, s.from, s.to)
		in.Payer, in.Refund, in.Fallback = anAccount.Wallet, anAccount.Owner, anAccount.Owner
		honest := w.quote(t, in, s.b)
		for _, lie := range lifitest.Lies() {
			b := s.b
			b.Lie = lie.Name
			w.router.Behave(b)
			p := w.open(t, s.to, 10_000, 50)
			p.ID += payment.ID(s.name + lie.Name) // nobody has asked yet
			calls, err := w.prepareGasless(t, p, s.from)
			if err != nil {
				refused++
				continue
			}
			got, told := routeStep(calls), w.quote(t, in, b)
			if got.To != honest.To || got.Value.Sign() != 0 || !slices.Equal(told.Data, honest.Data) {
				t.Errorf("%s: %s was believed", s.name, lie.Name)
			}
		}
	}
	if refused < 200 {
		t.Errorf("%d lies were refused", refused)
	}
}

// A trial run in which the owner's money goes elsewhere is refused, and one that was
// not made is waited for.
func TestGaslessTrialsThatLie(t *testing.T) {
	w := gaslessWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	usdc, thief := w.token(t, "USDC-arbitrum-one").Address, lifitest.Thief
	n := w.nodes[asset.ArbitrumOne]
	one := big.NewInt(1)
	const allow, take, route = 0, 1, 3
	for name, lie := range map[string]func(o []outcome) []outcome{
		"nothing is pulled":      func(o []outcome) []outcome { o[take].Logs = nil; return o },
		"the pull fails":         func(o []outcome) []outcome { o[take].Status = "0x0"; return o },
		"the wallet lets nobody": func(o []outcome) []outcome { o[allow].Status = "0x0"; return o },
		"the owner's money goes elsewhere": func(o []outcome) []outcome {
			o[route].Logs = append(o[route].Logs, moved(usdc, anAccount.Owner, thief, one))
			return o
		},
		"more is pulled": func(o []outcome) []outcome {
			o[route].Logs = append(o[route].Logs, moved(usdc, anAccount.Owner, anAccount.Wallet, one))
			return o
		},
		"somebody may take the owner's": func(o []outcome) []outcome {
			o[take].Logs = append(o[take].Logs, event{usdc.Lower(), []string{topicApproval, topic(anAccount.Owner), topic(thief)}, word(one)})
			return o
		},
		"the account's money goes elsewhere": func(o []outcome) []outcome {
			o[route].Logs = append(o[route].Logs, moved(usdc, anAccount.Wallet, thief, one))
			return o
		},
		"less leaves the account":       func(o []outcome) []outcome { o[route].Logs = nil; return o },
		"the route fails":               func(o []outcome) []outcome { o[route].Status = "0x0"; return o },
		"a call is left out":            func(o []outcome) []outcome { return o[1:] },
		"only the beginning is told of": func(o []outcome) []outcome { return o[:2] },
		"a call is added":               func(o []outcome) []outcome { return append(o, o[0]) },
	} {
		n.lie = lie
		_, err := w.prepareGasless(t, p, "USDC-arbitrum-one")
		wantFault(t, name, err, fault.Forbidden, "unsafe", official.CheckSimulation)
	}
	n.lie = nil
	if _, err := w.prepareGasless(t, p, "USDC-arbitrum-one"); err != nil {
		t.Errorf("an honest node: %v", err)
	}
}

// A step of a smart account is stamped anew for its owner, and for nobody else.
func TestGaslessRestamp(t *testing.T) {
	w := gaslessWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	calls, err := w.prepareGasless(t, p, "USDC-arbitrum-one")
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.rail.RestampFor(t.Context(), p, anAccount.Owner, calls.Route.Raw)
	if err != nil {
		t.Fatal(err)
	}
	call, err := lifi.DecodeCall(got.Step.Transaction.Data)
	if err != nil || asset.Address(call.Across.Refund[12:]) != anAccount.Owner || got.Step.Transaction.Value.Sign() != 0 {
		t.Errorf("refunds go to %x, %v", call.Across.Refund, err)
	}
	_, err = w.rail.Restamp(t.Context(), p, calls.Route.Raw)
	wantFault(t, "for the account itself", err, fault.Forbidden, "unsafe", lifi.CheckRefund)
	_, err = w.rail.RestampFor(t.Context(), p, lifitest.Thief, calls.Route.Raw)
	wantFault(t, "for somebody else", err, fault.Forbidden, "unsafe", lifi.CheckRefund)
	w.router.Behave(lifitest.Behaviour{Bridge: lifi.BridgeStargate})
	_, err = w.rail.RestampFor(t.Context(), p, anAccount.Owner, calls.Route.Raw)
	wantFault(t, "over a bridge that takes native currency", err, fault.Invalid, "route_gone", "step")
}
