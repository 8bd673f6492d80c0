package app_test

import (
	"context"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web/webtest"
)

// What a payer holds is read over both chains, with or without a router.
func TestOptionsSayWhatThePayerHolds(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	token := w.CreatePayment("12.34")
	ways := options(t, w, token, w.Chain.Address()).Ways
	if len(ways) == 0 || ways[0].Type != rail.SameChain {
		t.Fatalf("got %+v, want the payment's own asset first", ways)
	}
	direct := ways[0]
	if direct.Balance.Cmp(w.Chain.Balance(w.Chain.USDC(), w.Chain.Address())) != 0 || !direct.Enough() || direct.Native.Sign() <= 0 || direct.Allowance.Sign() != 0 {
		t.Errorf("the payer holds %v, native %v, allowance %v", direct.Balance, direct.Native, direct.Allowance)
	}
}

func options(t *testing.T, w *webtest.World, token, wallet string) checkout.Options {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
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
