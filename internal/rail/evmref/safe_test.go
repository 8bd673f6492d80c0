package evmref_test

import (
	"math/big"
	"reflect"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/railtest"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// fund gives an account enough for every payment of these tests.
func (w *world) fund(a asset.Address) {
	for _, token := range []string{w.chain.USDC(), w.chain.USDT()} {
		w.chain.Transfer(token, a.String(), big.NewInt(1_000_000))
	}
	w.chain.Send(a.String(), big.NewInt(1_000_000), nil)
	w.chain.Mine(1)
}

func (w *world) safe(t *testing.T, a asset.Address) *safe.Account {
	t.Helper()
	account, err := safe.At(asset.SandboxBase).Read(t.Context(), w.client, asset.SandboxBase, a)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

func (w *world) offered(t *testing.T, p *payment.Payment, payer rail.Payer) *rail.Calls {
	t.Helper()
	options, err := w.rail.Offer(t.Context(), p, payer)
	if err != nil || len(options) != 1 {
		t.Fatalf("offered %+v, %v", options, err)
	}
	in, err := w.rail.Prepare(t.Context(), p, options[0].ID, payer)
	if err != nil {
		t.Fatal(err)
	}
	return in.(*rail.Calls)
}

// safePayments are what a Safe may be asked for, with the calls it must make.
func safePayments(t *testing.T, w *world) map[string]*payment.Payment {
	open := func(requests ...payment.Request) *payment.Payment {
		return railtest.Open(t, w.rail, amounts(requests...)...)
	}
	return map[string]*payment.Payment{
		"approve USDC-base, pay":                  open(request(t, "USDC-base", 3)),
		"reset USDT-base, approve USDT-base, pay": open(request(t, "USDT-base", 0)),
		"pay": open(request(t, "ETH-base", 3)),
		"reset USDT-base, approve USDT-base, approve USDC-base, pay":    mixedBatch(t, w, 3),
		"approve USDC-base, reset USDT-base, approve USDT-base, pay":    open(request(t, "USDC-base", 0), request(t, "USDT-base", 0)),
		"approve USDC-base, pay (several)":                              open(request(t, "USDC-base", 0), request(t, "USDC-base", 0)),
		"reset USDT-base, approve USDT-base, pay (with native amounts)": open(request(t, "ETH-base", 2), request(t, "USDT-base", 1)),
	}
}

// A Safe of every version pays with one transaction of the calls it is given:
// they are the same whatever it has allowed before, and claimed by the rail.
func TestSafesPay(t *testing.T) {
	w := newWorld(t, safetest.Contracts(t, asset.SandboxBase)...)
	for _, v := range safe.Versions() {
		t.Run(string(v), func(t *testing.T) {
			s := safetest.Deploy(t, w.chain, safetest.Options{Version: v})
			w.fund(s.Address)
			payer := rail.Payer{Wallet: s.Address, Safe: true}
			for want, p := range safePayments(t, w) {
				want, _, _ = strings.Cut(want, " (")
				calls := w.offered(t, p, payer)
				if got := stepsOf(calls); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Passed {
					t.Errorf("%s: trial run: %+v", want, c)
				}
				w.wantValuesOnly(t, calls)
				tx, err := w.safe(t, s.Address).Batch(calls.Steps, w.safe(t, s.Address).Nonce)
				if err != nil {
					t.Fatal(err)
				}
				w.wantClaimed(t, p, payer, tx, calls)
				sent := s.Execute(tx)
				head := w.chain.Mine(1)
				r := w.chain.Receipt(sent)
				if r == nil || r.Status != 1 {
					t.Fatalf("%s failed: %+v", want, r)
				}
				var gas uint64
				for _, step := range calls.Steps {
					gas += step.Gas
				}
				if gas < r.GasUsed || gas > 3*r.GasUsed {
					t.Errorf("%s: estimated %d gas, used %d", want, gas, r.GasUsed)
				}
				if seen := w.sightings(t, head); len(seen) != len(p.Terms.Requests) {
					t.Errorf("%s: seen %+v", want, seen)
				}
			}
		})
	}
}

// wantValuesOnly wants no gas among what the payer must hold.
func (w *world) wantValuesOnly(t *testing.T, calls *rail.Calls) {
	t.Helper()
	values := new(big.Int)
	for _, step := range calls.Steps {
		values.Add(values, step.Value)
	}
	if calls.Funds.NativeNeeded.Cmp(values) != 0 || !calls.Funds.EnoughGas() {
		t.Errorf("told to hold %s wei beside %s, the calls move %s", calls.Funds.NativeNeeded, calls.Funds.Native, values)
	}
}

// wantClaimed wants the calls in a Safe transaction, read from its bytes, to be
// this payment's and no other's.
func (w *world) wantClaimed(t *testing.T, p *payment.Payment, payer rail.Payer, tx safe.Tx, calls *rail.Calls) {
	t.Helper()
	items := []safe.Item{{To: tx.To, Value: tx.Value, Data: tx.Data}}
	if tx.Operation == safe.OpDelegateCall {
		var err error
		if items, err = safe.DecodeMultiSend(tx.Data); err != nil {
			t.Fatal(err)
		}
	}
	var bare []rail.Call
	for _, i := range items {
		bare = append(bare, rail.Call{To: i.To, Data: i.Data, Value: i.Value})
	}
	claim, ok := w.rail.Claims(p, asset.SandboxBase, payer, bare, railtest.Now)
	first := calls.Funds.Assets[0]
	if !ok || claim.Type != rail.SameChain || claim.Cost.Asset != first.Asset || claim.Cost.Amount.Cmp(first.Needed) != 0 || !claim.Deadline.IsZero() {
		t.Errorf("claim %+v, %t", claim, ok)
	}
	other := railtest.Open(t, w.rail, p.Terms.Requests...) // the same with other names
	if claim, ok := w.rail.Claims(other, asset.SandboxBase, payer, bare, railtest.Now); ok {
		t.Errorf("claimed for another payment: %+v", claim)
	}
	if claim, ok := w.rail.Claims(p, asset.SandboxArbitrum, payer, bare, railtest.Now); ok {
		t.Errorf("claimed on another chain: %+v", claim)
	}
}

// What is allowed already changes nothing for a Safe, nor does an empty account.
func TestSafeCallsAreTheSame(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, request(t, "USDT-base", 3))
	payer := w.payer(t)
	payer.Safe = true
	steps := func(payer rail.Payer) (data []string) {
		calls := w.mustPrepare(t, p, payer)
		w.wantSafeFunds(t, calls)
		for _, s := range calls.Steps {
			data = append(data, s.To.String()+string(s.Data)+s.Value.String())
		}
		return data
	}
	want := steps(payer)
	if len(want) != 3 {
		t.Fatalf("%d steps", len(want))
	}
	for _, allowed := range []int64{1, 103, 1_000_000} {
		w.chain.Approve(w.chain.USDT(), w.chain.ERC20FeeProxy(), new(big.Int)) // the token demands it
		w.chain.Approve(w.chain.USDT(), w.chain.ERC20FeeProxy(), big.NewInt(allowed))
		w.chain.Mine(1)
		if got := steps(payer); !reflect.DeepEqual(got, want) {
			t.Errorf("with %d allowed: got %q, want %q", allowed, got, want)
		}
	}
	empty := rail.Payer{Wallet: addr(t, "0x9999999999999999999999999999999999999999"), Safe: true}
	if got := steps(empty); !reflect.DeepEqual(got, want) {
		t.Errorf("of an empty account: got %q, want %q", got, want)
	}
}

func (w *world) wantSafeFunds(t *testing.T, calls *rail.Calls) {
	t.Helper()
	if calls.Funds.NativeNeeded.Sign() != 0 || !calls.Funds.EnoughGas() {
		t.Errorf("funds %+v: no gas is the Safe's to pay", calls.Funds)
	}
}

// The approvals of a batch are for what its contract charges; what that was is
// told from the calls, because it is forgotten with a restart.
func TestClaimsOfBatchesThatAreCharged(t *testing.T) {
	w := newWorld(t)
	payer := w.payer(t)
	payer.Safe = true
	for _, terms := range []struct {
		rate  uint16
		limit uint64
	}{{0, 0}, {30, 0}, {30, 1}, {200, 7}} {
		w.charge(t, terms.rate, terms.limit)
		for _, requests := range [][]payment.Request{
			{request(t, "USDC-base", 3), request(t, "USDC-base", 0)},
			{request(t, "USDC-base", 0), request(t, "USDT-base", 0)},
			{request(t, "ETH-base", 0), request(t, "USDT-base", 0), request(t, "ETH-base", 0)},
		} {
			for i := range requests {
				requests[i].Due = big.NewInt(10_000)
			}
			p := railtest.Open(t, w.rail, requests...)
			calls := w.offered(t, p, payer)
			fresh := newRail(t, w)
			if _, ok := fresh.Claims(p, asset.SandboxBase, payer, calls.Steps, railtest.Now); !ok {
				t.Errorf("%+v: %s is not claimed after a restart", terms, stepsOf(calls))
			}
			for i, s := range calls.Steps {
				if s.Kind != rail.Approve {
					continue
				}
				a, err := official.DecodeApproval(s.Data)
				if err != nil {
					t.Fatal(err)
				}
				a.Amount.Mul(a.Amount, big.NewInt(2))
				dear := append([]rail.Call{}, calls.Steps...)
				if dear[i].Data, err = a.Encode(); err != nil {
					t.Fatal(err)
				}
				if _, ok := fresh.Claims(p, asset.SandboxBase, payer, dear, railtest.Now); ok {
					t.Errorf("%+v: an approval of twice as much is claimed", terms)
				}
			}
		}
	}
}
