package crosschain_test

import (
	"bytes"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// bare is what somebody else makes of calls: bytes without kinds.
func bare(calls []rail.Call) []rail.Call {
	out := make([]rail.Call, len(calls))
	for i, c := range calls {
		out[i] = rail.Call{To: c.To, Data: bytes.Clone(c.Data), Value: new(big.Int).Set(c.Value)}
	}
	return out
}

// claimed is a payment and honest calls of a Safe for it.
type claimed struct {
	p     *payment.Payment
	chain asset.ChainID
	calls []rail.Call
	route int // which of the calls is LI.FI's
}

func (w *world) claimed(t testing.TB, from, to asset.ID, b lifitest.Behaviour) claimed {
	t.Helper()
	w.router.Behave(b)
	p := w.open(t, to, 10_000, 50)
	p.ID = payment.ID(fmt.Sprint("01CLAIM", from, to, b.Lie, b.NoFeeLeg))
	in, err := w.rail.Prepare(t.Context(), p, w.optionID(t, from), aSafe)
	if err != nil {
		t.Fatal(err)
	}
	calls := in.(*rail.Calls)
	at := slices.IndexFunc(calls.Steps, func(c rail.Call) bool { return c.To == routeStep(calls).To })
	return claimed{p, calls.Chain, bare(calls.Steps), at}
}

// Every route that is handed out is claimed again, for as long as it is good and
// longer, and by no other payment.
func TestRoutesAreClaimed(t *testing.T) {
	w, _ := safeWorld(t)
	for _, s := range scenes {
		c := w.claimed(t, s.from, s.to, s.b)
		late := w.now().Add(100 * time.Hour)
		for _, now := range []time.Time{w.now(), late} {
			got, ok := w.rail.Claims(c.p, c.chain, aSafe, c.calls, now)
			if !ok || got.Cost.Asset != s.from || got.Cost.Amount.Sign() <= 0 {
				t.Fatalf("%s: %+v, %t", s.name, got, ok)
			}
			call, err := lifi.DecodeCall(c.calls[c.route].Data)
			if err != nil {
				t.Fatal(err)
			}
			want := rail.Claim{Type: rail.Crosschain, Cost: got.Cost}
			if call.Bridge == nil {
				want.Type = rail.Conversion
			}
			if call.Across != nil {
				want.Deadline = w.now().Add(55 * time.Minute)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", s.name, got, want)
			}
		}
		if _, ok := w.rail.Claims(c.p, c.chain, aSafe, c.calls, w.now().Add(-time.Hour)); ok == (c.route == len(c.calls)-1 && s.b.Bridge == "") {
			t.Errorf("%s: a quote of the future: %t", s.name, ok)
		}
		if _, ok := w.rail.Claims(c.p, c.chain, rail.Payer{Wallet: lifitest.Thief, Safe: true}, c.calls, w.now()); ok {
			t.Errorf("%s: claimed for another Safe", s.name)
		}
		for id := range w.nodes {
			if _, ok := w.rail.Claims(c.p, id, aSafe, c.calls, w.now()); ok != (id == c.chain) {
				t.Errorf("%s: claimed on chain %d: %t", s.name, id, ok)
			}
		}
		for name, change := range map[string]func(*payment.Request){
			"another reference": func(q *payment.Request) { q.Reference = "0x0102030405060708" },
			"another payee":     func(q *payment.Request) { q.Payee = lifitest.Thief },
			"another fee payee": func(q *payment.Request) { q.Fee = &payment.Fee{Amount: q.Fee.Amount, Payee: lifitest.Thief} },
			"no fee":            func(q *payment.Request) { q.Fee = nil },
			"another asset":     func(q *payment.Request) { q.Asset = "USDT-optimism" },
		} {
			other := *c.p
			other.Terms.Requests = slices.Clone(c.p.Terms.Requests)
			change(&other.Terms.Requests[0])
			if _, ok := w.rail.Claims(&other, c.chain, aSafe, c.calls, w.now()); ok {
				t.Errorf("%s: claimed by a payment with %s", s.name, name)
			}
		}
		less := *c.p
		less.Terms.Requests = slices.Clone(c.p.Terms.Requests)
		less.Terms.Requests[0].Due = big.NewInt(1)
		if _, ok := w.rail.Claims(&less, c.chain, aSafe, c.calls, w.now()); !ok {
			t.Errorf("%s: not claimed by a payment that needs less", s.name)
		}
	}
}

// What a service that lies would have the Safe make is not claimed, unless the
// lie only makes the payment a smaller one, or an offer out of an old one.
func TestLiesAreNotClaimed(t *testing.T) {
	w, _ := safeWorld(t)
	refused := 0
	for _, s := range scenes {
		honest := w.quote(t, w.intent(t, s.from, s.to), s.b)
		c := w.claimed(t, s.from, s.to, s.b)
		for _, lie := range lifitest.Lies() {
			b := s.b
			b.Lie = lie.Name
			tx := w.quote(t, w.intent(t, s.from, s.to), b)
			if reflect.DeepEqual(tx.Data, honest.Data) && tx.To == honest.To && tx.Value.Cmp(honest.Value) == 0 {
				continue
			}
			calls := bare(c.calls)
			calls[c.route] = rail.Call{To: tx.To, Data: tx.Data, Value: tx.Value}
			if call, err := lifi.DecodeCall(tx.Data); err == nil { // a liar approves what his route takes
				for i := range c.route {
					a, err := official.DecodeApproval(calls[i].Data)
					if err != nil {
						t.Fatal(err)
					}
					if a.Amount.Sign() > 0 {
						a.Amount = call.Deposit()
						calls[i].Data, _ = a.Encode()
					}
				}
			}
			if claim, ok := w.rail.Claims(c.p, c.chain, aSafe, calls, w.now()); ok {
				old := slices.Equal(lie.Refuses, []string{lifi.CheckDeadline})
				part := lie.Payment != nil && slices.Contains(lie.Refuses, lifi.CheckPayment)
				if !old && !part {
					t.Errorf("%s: %s is claimed: %+v", s.name, lie.Name, claim)
				}
				continue
			}
			refused++
		}
	}
	if refused < 100 {
		t.Errorf("%d lies were refused", refused)
	}
}

// Nothing may stand beside the calls of a route.
func TestNothingBesideARouteIsClaimed(t *testing.T) {
	w, _ := safeWorld(t)
	bridged := w.claimed(t, "USDT-mainnet", "USDC-base", lifitest.Behaviour{})
	swapped := w.claimed(t, "USDT-mainnet", "USDC-mainnet", lifitest.Behaviour{})
	approval := func(spender asset.Address, amount *big.Int) []byte {
		data, err := official.Approval{Spender: spender, Amount: amount}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	theft := rail.Call{To: lifitest.Thief, Data: []byte{1, 2, 3, 4}, Value: new(big.Int)}
	unlimited := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for _, tt := range []struct {
		name   string
		of     claimed
		change func(c []rail.Call) []rail.Call
		want   bool
	}{
		{"nothing changed", bridged, func(c []rail.Call) []rail.Call { return c }, true},
		{"allowed already", bridged, func(c []rail.Call) []rail.Call { return c[2:] }, true},
		{"no reset", bridged, func(c []rail.Call) []rail.Call { return c[1:] }, true},
		{"both allowed already", swapped, func(c []rail.Call) []rail.Call { return []rail.Call{c[2], c[4]} }, true},

		{"nothing", bridged, func([]rail.Call) []rail.Call { return nil }, false},
		{"no route", bridged, func(c []rail.Call) []rail.Call { return c[:2] }, false},
		{"a call before", bridged, func(c []rail.Call) []rail.Call { return append([]rail.Call{theft}, c...) }, false},
		{"a call behind", bridged, func(c []rail.Call) []rail.Call { return append(c, theft) }, false},
		{"a call in place of the reset", bridged, func(c []rail.Call) []rail.Call { c[0] = theft; return c }, false},
		{"a call of value nothing", bridged, func(c []rail.Call) []rail.Call { c[2].Value = nil; return c }, false},
		{"native currency with it", bridged, func(c []rail.Call) []rail.Call { c[2].Value = big.NewInt(1); return c }, false},
		{"the route twice", bridged, func(c []rail.Call) []rail.Call { return append(c, c[2]) }, false},
		{"approvals behind", bridged, func(c []rail.Call) []rail.Call { return []rail.Call{c[2], c[0], c[1]} }, false},
		{"an approval of everything", bridged, func(c []rail.Call) []rail.Call { c[1].Data = approval(c[2].To, unlimited); return c }, false},
		{"an approval for somebody", bridged, func(c []rail.Call) []rail.Call { c[1].Data = approval(lifitest.Thief, big.NewInt(1)); return c }, false},
		{"an approval of something else", bridged, func(c []rail.Call) []rail.Call { c[1].To = lifitest.Thief; return c }, false},
		{"an exchange and no payment", swapped, func(c []rail.Call) []rail.Call { return c[:3] }, false},
		{"an exchange and approvals only", swapped, func(c []rail.Call) []rail.Call { return c[:4] }, false},
		{"two exchanges", swapped, func(c []rail.Call) []rail.Call { return append(c[:3], c[2], c[3], c[4]) }, false},
		{"an exchange and a theft", swapped, func(c []rail.Call) []rail.Call { return append(c[:3], theft, c[3], c[4]) }, false},
		{"an exchange, paid twice", swapped, func(c []rail.Call) []rail.Call { return append(c, c[4]) }, false},
		{"an exchange, then an approval of everything", swapped, func(c []rail.Call) []rail.Call {
			c[3].Data = approval(c[4].To, unlimited)
			return c
		}, false},
		{"an exchange, then a payment to somebody", swapped, func(c []rail.Call) []rail.Call {
			paid, err := official.DecodeERC20Payment(c[4].Data)
			if err != nil {
				t.Fatal(err)
			}
			paid.Payee = lifitest.Thief
			c[4].Data, _ = paid.Encode()
			return c
		}, false},
		{"an exchange for less than is paid", swapped, func(c []rail.Call) []rail.Call {
			paid, err := official.DecodeERC20Payment(c[4].Data)
			if err != nil {
				t.Fatal(err)
			}
			paid.Amount.Add(paid.Amount, big.NewInt(1))
			total := new(big.Int).Add(paid.Amount, paid.Fee)
			c[3].Data = approval(c[4].To, total)
			c[4].Data, _ = paid.Encode()
			return c
		}, false},
		{"a bridge with a payment behind", bridged, func(c []rail.Call) []rail.Call { return append(c, swapped.calls[4]) }, false},
		{"too many calls", bridged, func(c []rail.Call) []rail.Call { return append(slices.Repeat(c[:1], 5), c[1:]...) }, false},
	} {
		if claim, ok := w.rail.Claims(tt.of.p, tt.of.chain, aSafe, tt.change(bare(tt.of.calls)), w.now()); ok != tt.want {
			t.Errorf("%s: claimed %t, %+v", tt.name, ok, claim)
		}
	}
}

// Whatever bytes come in, what is claimed ends with the request's own payee and
// gives everything else back to the Safe.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	p := w.open(f, "USDC-base", 10_000, 50)
	network, _ := w.client.Table().Network(asset.Base)
	source, _ := w.client.Table().Network(asset.ArbitrumOne)
	q := p.Terms.Requests[0]
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		in, err := w.rail.Prepare(f.Context(), p, w.optionID(f, from), payer)
		if err != nil {
			f.Fatal(err)
		}
		steps := in.(*rail.Calls).Steps
		f.Add(steps[0].Data, steps[1].Data, steps[len(steps)-1].Data)
	}
	from := w.token(f, "USDC-arbitrum-one").Address
	f.Fuzz(func(t *testing.T, approval, route, pay []byte) {
		bridged := []rail.Call{{To: from, Data: approval, Value: new(big.Int)}, {To: source.Diamond, Data: route, Value: new(big.Int)}}
		if _, ok := w.rail.Claims(p, asset.ArbitrumOne, aSafe, bridged, w.now()); ok {
			call, err := lifi.DecodeCall(route)
			if err != nil || call.Across == nil || asset.Address(call.Across.Refund[12:]) != payer.Wallet {
				t.Fatalf("claimed %x", route)
			}
			message, err := lifi.DecodeMessage(call.Across.Message)
			if err != nil || message.Receiver != payer.Wallet {
				t.Fatalf("claimed %x", route)
			}
			pay = message.Swaps[0].CallData
			wantPaysOwn(t, q, pay)
		}
		swapped := []rail.Call{{To: network.Diamond, Data: route, Value: new(big.Int)}, {To: network.FeeProxy, Data: pay, Value: new(big.Int)}}
		if _, ok := w.rail.Claims(p, asset.Base, aSafe, swapped, w.now()); ok {
			call, err := lifi.DecodeCall(route)
			if err != nil || call.Swap == nil || call.Swap.Receiver != payer.Wallet {
				t.Fatalf("claimed %x", route)
			}
			wantPaysOwn(t, q, pay)
		}
	})
}

func wantPaysOwn(t *testing.T, q payment.Request, pay []byte) {
	t.Helper()
	paid, err := official.DecodeERC20Payment(pay)
	if err != nil || paid.Payee != q.Payee || paid.Reference.String() != q.Reference || paid.Fee.Sign() > 0 && paid.FeePayee != q.FeePayee() {
		t.Fatalf("claimed %x", pay)
	}
}

// What is due in dollars is no route's, even with the request's own reference in it.
func TestDollarsAreNotClaimed(t *testing.T) {
	w, _ := safeWorld(t)
	for _, s := range scenes {
		c := w.claimed(t, s.from, s.to, s.b)
		c.p.Terms.Requests[0].Asset = asset.USD
		if got, ok := w.rail.Claims(c.p, c.chain, aSafe, c.calls, w.now()); ok {
			t.Errorf("%s to %s: claimed %+v", s.from, s.to, got)
		}
	}
}
