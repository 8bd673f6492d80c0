package app_test

import (
	"fmt"
	"math/big"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/gasless"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/web/webtest"
)

// opCost is what the played sponsor lets a first operation cost at the most: its gas,
// with the account's making, at its price.
var opCost = new(big.Int).Mul(big.NewInt(400_000+700_000+60_000+100_000), big.NewInt(3e9))

// frugal has the gateway estimate what opCost is made of.
var frugal = gateway.Behaviour{CallGas: 400_000}

// budgetOfOne has room for a single operation.
var budgetOfOne = checkout.GaslessBudget{ChainDay: opCost}

func costs(n int64) *big.Int { return new(big.Int).Mul(opCost, big.NewInt(n)) }

// What may be spent for one payment, for one wallet and day, and on one chain and day
// is spent and no more; whoever is over it is told so before a sponsor is asked.
func TestGasBudgets(t *testing.T) {
	for name, c := range map[string]struct {
		budget                          checkout.GaslessBudget
		samePayment, sameWallet, others bool // whether a second operation is sponsored
	}{
		"of a payment":         {checkout.GaslessBudget{Payment: costs(1)}, false, true, true},
		"of tries":             {checkout.GaslessBudget{Grants: 1}, false, true, true},
		"of a wallet and day":  {checkout.GaslessBudget{WalletDay: costs(1)}, false, false, true},
		"of a chain and day":   {checkout.GaslessBudget{ChainDay: costs(1)}, false, false, false},
		"that nobody has used": {checkout.GaslessBudget{}, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Provider: gasless.ProviderAlchemy, MaxCost: opCost, Budget: c.budget}})
			w.Gas.Gateway.Behave(frugal)
			s := w.Saver("payer", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)
			_, first := s.Due()
			granted, refused := s.Manager(first)
			if refused != nil || granted.MaxCost().Cmp(opCost) != 0 {
				t.Fatalf("the first costs %v: %+v", granted.MaxCost(), refused)
			}
			try := func(what string, s *webtest.Saver, want bool) {
				t.Helper()
				_, op := s.Due()
				op.CallData = append([]byte(nil), op.CallData...)
				before := asked(w)
				_, refused := s.Manager(op)
				if want != (refused == nil) || refused != nil && (refused.Code != userop.CodeServer || refused.Data.Code != "gas_budget" || asked(w) != before) {
					t.Errorf("%s: %+v, asked %d times", what, refused, asked(w)-before)
				}
			}
			try("the same payment", s, c.samePayment)
			try("another payment of the wallet", s.For(w.CreatePayment("5"), usdcWay), c.sameWallet)
			try("another wallet", w.Saver("other", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000), c.others)
			// What was promised is kept, and the direct way is there.
			if _, refused := s.Send(s.Signed(granted)); refused != nil {
				t.Fatalf("what was granted: %+v", refused)
			}
			settle(w, s.Payment)
			if r := w.Get("/checkout/" + w.CreatePayment("5") + "/pay?wallet=" + s.Address().String()); r.Status != 200 {
				t.Errorf("the direct way: %d %s", r.Status, r.Body)
			}
		})
	}
}

// What an operation really cost takes the place of what it could have: the rest can be
// spent again.
func TestGasBudgetIsSettled(t *testing.T) {
	t.Parallel()
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{
		Provider: gasless.ProviderAlchemy, MaxCost: opCost, Budget: checkout.GaslessBudget{WalletDay: new(big.Int).Sub(costs(2), big.NewInt(1))},
	}})
	w.Gas.Gateway.Behave(frugal)
	s := w.Saver("payer", w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)
	before := w.Gas.Deposited(w.Gas.Paymaster)
	s.Pay()
	second := s.For(w.CreatePayment("5"), usdcWay)
	settle(w, s.Payment)
	w.Await("the attempt to be executed", func() bool { return w.Load(s.Payment).Attempts[0].Stage == payment.Executed })
	paid := new(big.Int).Sub(before, w.Gas.Deposited(w.Gas.Paymaster))
	var g *checkout.Grant
	err := w.App.Store.Write(t.Context(), func(tx checkout.Tx) (err error) {
		a := w.Load(s.Payment).Attempts[0]
		g, err = tx.Grant(t.Context(), a.Chain, a.Handle)
		return err
	})
	if err != nil || g == nil || !g.Settled || g.Wei.Cmp(paid) != 0 {
		t.Errorf("settled: %+v, the sponsor paid %v, %v", g, paid, err)
	}
	second.Pay()
	settle(w, second.Payment)
}

// Two servers with one database spend one budget.
func TestGasBudgetOfTwoServers(t *testing.T) {
	for engine, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "shared.db") },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			oneBudget(t, database(t))
		})
	}
}

func oneBudget(t *testing.T, dsn string) {
	const fits = 3
	gas := &webtest.Gasless{Provider: gasless.ProviderAlchemy, MaxCost: opCost, Budget: checkout.GaslessBudget{ChainDay: costs(fits)}}
	o := webtest.Options{Database: dsn, Gasless: gas}
	one := webtest.NewWith(t, o)
	one.Gas.Gateway.Behave(frugal)
	again := *gas
	again.First, o.Chain, o.Gasless = one.Gas, one.Chain, &again
	two := webtest.NewWith(t, o)
	type ask struct {
		saver *webtest.Saver
		op    userop.Op
	}
	var asks []ask
	for i := range 10 {
		w := []*webtest.World{one, two}[i%2]
		s := w.Saver(fmt.Sprint("payer", i), w.CreatePayment("5"), usdcWay, w.Gas.USDC(), 20_000_000)
		_, op := s.Due()
		asks = append(asks, ask{s, op})
	}
	var granted, over atomic.Int64
	var asking sync.WaitGroup
	for _, a := range asks {
		asking.Go(func() {
			switch _, refused := a.saver.Manager(a.op); {
			case refused == nil:
				granted.Add(1)
			case refused.Data.Code == "gas_budget":
				over.Add(1)
			default:
				t.Errorf("refused for something else: %+v", refused)
			}
		})
	}
	asking.Wait()
	if granted.Load() != fits || over.Load() != int64(len(asks))-fits {
		t.Errorf("%d were granted and %d refused", granted.Load(), over.Load())
	}
}
