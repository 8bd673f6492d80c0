package app_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"quittance/internal/gasless"
	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/web/webtest"
)

const (
	usdcWay = "evmref:base:USDC-base"
	usdtWay = "evmref:base:USDT-base"
)

// inbox is a merchant's receiver of webhooks.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex
	kept []map[string]any
}

func newInbox(t *testing.T, w *webtest.World) *inbox {
	t.Helper()
	in := &inbox{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if json.NewDecoder(r.Body).Decode(&body) == nil {
			in.mu.Lock()
			in.kept = append(in.kept, body)
			in.mu.Unlock()
		}
	}))
	t.Cleanup(in.Close)
	w.AddEndpoint(in.URL, "whsec_"+strings.Repeat("ab", 16))
	return in
}

// await returns the first message of a kind about a payment.
func (in *inbox) await(w *webtest.World, kind, requestID string) map[string]any {
	var found map[string]any
	w.Await(kind, func() bool {
		in.mu.Lock()
		defer in.mu.Unlock()
		for _, m := range in.kept {
			if m["event"] == kind && m["requestId"] == requestID {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// settle makes blocks until a payment is final.
func settle(w *webtest.World, token string) *payment.Payment {
	var p *payment.Payment
	w.Await("the payment to be final", func() bool {
		p = w.Load(token)
		if p.Standing.State == payment.Paid {
			return true
		}
		w.Chain.Mine(1)
		return false
	})
	return p
}

// A payer without native coins pays twice by permit, sponsored: once as Account Kit
// asks and once as permissionless does, whoever the sponsor is.
func TestGaslessWithPermit(t *testing.T) {
	for kind, provider := range map[string]string{userop.KindLight: gasless.ProviderAlchemy, userop.KindSafe: gasless.ProviderERC7677} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Kind: kind, Provider: provider}})
			in := newInbox(t, w)
			s := w.Saver("payer", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)
			ways := []func(*webtest.Saver, userop.Op) (userop.Op, *webtest.Refused){(*webtest.Saver).Manager, (*webtest.Saver).Stepwise}
			account := ""
			for i, way := range ways {
				s := s.For(w.CreatePayment("5"), usdcWay)
				f, op := s.Due()
				if f.Deployed != (i == 1) || f.Permit == nil || f.Balance != []string{"20000000", "15000000"}[i] || f.Allowance != "0" || f.Sponsor != "Test sponsor" || f.Kind != kind {
					t.Errorf("facts: %+v", f)
				}
				account = f.Account
				before := w.Gas.Deposited(w.Gas.Paymaster)
				op, refused := way(s, op)
				if refused != nil {
					t.Fatalf("the sponsor: %+v", refused)
				}
				hash, refused := s.Send(s.Signed(op))
				if refused != nil {
					t.Fatalf("the bundler: %+v", refused)
				}
				if w.Gas.Deposited(w.Gas.Paymaster).Cmp(before) >= 0 {
					t.Error("the sponsor paid nothing")
				}
				paidBy(t, w, in, s, account, hash)
			}
			holds(t, w, w.Gas.USDC(), map[string]int64{s.Address().String(): 10_000_000, account: 0, webtest.Payee: 10_000_000})
			noGas(t, w, s, account)
		})
	}
}

// A token without permits needs an approval first; then the payer pays with it, and
// what is left of it is good for the next payment.
func TestGaslessApprovedBefore(t *testing.T) {
	for kind, provider := range map[string]string{userop.KindLight: gasless.ProviderERC7677, userop.KindSafe: gasless.ProviderAlchemy} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Kind: kind, Provider: provider}})
			in := newInbox(t, w)
			s := w.Saver("payer", createUSDT(w), usdtWay, w.Gas.USDT(), 20_000_000)
			f := s.Facts()
			if f.Permit != nil || f.Token.Asset != "USDT-base" {
				t.Fatalf("facts: %+v", f)
			}
			// Nobody signs a permit that the token does not have, and nobody pays for trying.
			if _, refused := s.Manager(s.Op(f, s.Plan(f))); refused == nil || refused.Data.Code != userop.CheckPermit {
				t.Errorf("without an approval: %+v", refused)
			}
			spender := s.Plan(f).Account.Address
			w.Gas.Approve(s.Wallet, s.Plan(f).Token, spender, big.NewInt(10_000_000))
			left := w.Gas.Balance("", s.Address().String())
			for range 2 {
				s := s.For(createUSDT(w), usdtWay)
				hash := s.Pay()
				paidBy(t, w, in, s, f.Account, hash)
			}
			holds(t, w, w.Gas.USDT(), map[string]int64{s.Address().String(): 10_000_000, f.Account: 0, webtest.Payee: 10_000_000})
			if w.Gas.Balance("", s.Address().String()).Cmp(left) != 0 || w.Gas.Balance("", f.Account).Sign() != 0 {
				t.Error("paying cost native coins")
			}
			if w.Gas.Allowance(w.Gas.USDT(), s.Address().String(), f.Account).Sign() != 0 {
				t.Error("the account may take more")
			}
		})
	}
}

func createUSDT(w *webtest.World) string {
	return w.Create(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDT-base","amount":"5"}]}`)
}

// paidBy waits until an operation has paid its saver's payment, and holds the payment
// and the webhook to whose money it was.
func paidBy(t *testing.T, w *webtest.World, in *inbox, s *webtest.Saver, account, hash string) {
	t.Helper()
	p := settle(w, s.Payment)
	if len(p.Transfers) != 1 || p.Transfers[0].Evidence.Payer != account || p.Standing.Oddity != payment.None {
		t.Errorf("transfers: %+v, %+v", p.Transfers, p.Standing)
	}
	m := in.await(w, "payment.confirmed", p.Terms.Requests[0].ID)
	if m["payerAddress"] != account || m["payerEoaAddress"] != s.Address().String() {
		t.Errorf("the webhook: %v", m)
	}
	w.Await("the attempt to be executed", func() bool {
		p = w.Load(s.Payment)
		return len(p.Attempts) == 1 && p.Attempts[0].Stage == payment.Executed
	})
	if a := p.Attempts[0]; a.Handle != hash || a.Payer != account || a.Op == nil || a.Op.Owner != s.Address().String() {
		t.Errorf("attempt: %+v", a)
	}
}

// holds compares balances on the chain, in base units.
func holds(t *testing.T, w *webtest.World, token string, want map[string]int64) {
	t.Helper()
	for who, units := range want {
		if got := w.Gas.Balance(token, who); got.Cmp(big.NewInt(units)) != 0 {
			t.Errorf("%s has %v, want %d", who, got, units)
		}
	}
}

// noGas fails the test if the wallet or its account has, or may do, anything more than
// before.
func noGas(t *testing.T, w *webtest.World, s *webtest.Saver, account string) {
	t.Helper()
	for _, who := range []string{s.Address().String(), account} {
		if w.Gas.Balance("", who).Sign() != 0 {
			t.Errorf("%s came to have native coins", who)
		}
	}
	if w.Gas.Allowance(w.Gas.USDC(), s.Address().String(), account).Sign() != 0 {
		t.Error("the account may take more")
	}
}
