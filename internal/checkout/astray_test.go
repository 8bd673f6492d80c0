package checkout_test

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Whoever knows a reference can pay it to an account of their own, or in a coin of their own
// making. Neither is the merchant's money.
func TestAReferenceAloneSettlesNothing(t *testing.T) {
	for name, change := range map[string]func(*rail.Sighting){
		"to another account": func(x *rail.Sighting) { x.To = asset.Address{19: 0x66} },
		"in another coin":    func(x *rail.Sighting) { x.Token = asset.Address{19: 0x67} },
		"of nothing":         func(x *rail.Sighting) { x.Amount = new(big.Int) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.create(100)
			must(t, w.sweep(1, block(1, 0)))
			x := w.sighting(p, 7, 0, 100, block(2, 0))
			change(&x)
			must(t, w.sweep(2, block(2, 0), x))
			must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
			if got := w.load(p.ID); got.Standing.State != payment.Open || len(got.Transfers) != 0 {
				t.Errorf("%s with %+v", got.Standing.State, got.Transfers)
			}
			must(t, w.sweep(3, block(3, 0), w.sighting(p, 8, 0, 100, block(3, 0))))
			must(t, w.Finalize(t.Context(), base, []checkout.Block{block(3, 0)}))
			if got := w.load(p.ID).Standing; got.State != payment.Paid || got.Oddity != payment.None {
				t.Errorf("after the merchant's money: %+v", got)
			}
		})
	}
}
