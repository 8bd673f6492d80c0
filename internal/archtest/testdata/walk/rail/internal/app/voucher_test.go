package app_test

import (
	"net/http"
	"slices"
	"testing"

	"quittance/internal/rail"
	"quittance/web/webtest"
)

// A server with one more rail offers it, and the page shows the payment as before.
func TestServerAsksTheVoucherRail(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	ways, err := w.App.Checkout.Offers(t.Context(), w.Load(token), rail.Payer{})
	if err != nil || !slices.ContainsFunc(ways, func(o rail.Option) bool { return o.ID == "voucher:USDC-base" }) {
		t.Errorf("offered %+v, %v", ways, err)
	}
	w.Get("/" + token).Want(http.StatusOK)
}
