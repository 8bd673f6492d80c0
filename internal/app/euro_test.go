package app_test

import (
	"net/http"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web/secpaid"
	"quittance/web/webtest"
)

// Links are quoted in euros as long as every source of the euro's price is sound, over
// weekends too; a price in dollars does not need one, and nor does a bank.
func TestPricesInEuros(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}, Links: &webtest.Links{}})
	quote := func() (payment.Quote, error) {
		p := w.CreateLink(`{"amount":54}`)
		_, q, err := w.App.Checkout.Quote(t.Context(), p.ID, "USDC-base", false)
		return q, err
	}
	q, err := quote()
	if err != nil {
		t.Fatal(err)
	}
	// 54 euros at 1.08 dollars are 58.32 dollars, and those 58.328749... USDC at 0.99985.
	if got, want := money.Format(q.For(money.Cents(5400)), 6), "58.32875"; got != want {
		t.Errorf("54 euros are %s USDC, want %s", got, want)
	}
	for _, step := range []struct {
		name   string
		before func()
		priced bool
	}{
		{"after a weekend", func() { w.StaleFeed("EUR", 75*time.Hour) }, true},
		{"after a long weekend", func() { w.StaleFeed("EUR", 77*time.Hour) }, false},
		{"fresh again", func() { w.Price("EUR", webtest.EURPrice) }, true},
		{"a silent feed", func() { w.SilentFeed("EUR", true) }, false},
		{"one that answers", func() { w.SilentFeed("EUR", false) }, true},
		{"sources that disagree", func() { w.Market.Set("euro-coin", "1.11") }, false},
		{"sources within the bound", func() { w.Market.Set("euro-coin", "1.09") }, true},
		{"a feed that says something else", func() { w.FeedPrice("EUR", "3742") }, false},
		{"both say it", func() { w.Price("EUR", "3742") }, false},
		{"a feed that says nothing", func() { w.FeedPrice("EUR", "0") }, false},
		{"all sound", func() { w.Price("EUR", webtest.EURPrice) }, true},
		{"no price of what is paid with", func() { w.StaleFeed("USDC", 2*time.Hour) }, false},
	} {
		step.before()
		w.Await(step.name, func() bool { // what was known a moment ago may still count
			_, err := quote()
			return step.priced && err == nil || !step.priced && fault.Is(err, fault.Unavailable)
		})
	}
	w.Price("USDC", webtest.USDCPrice)
	w.StaleFeed("EUR", 100*time.Hour)
	p := w.CreateLink(`{"amount":54}`)
	if s := w.PayByBank(p, 5400); s.Left() != 0 {
		t.Errorf("%+v", s)
	}
	if got := w.Link(p.Terms.Alias).Standing.State; got != payment.Paid {
		t.Errorf("without a price, by bank: %s", got)
	}
	w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", tenDollars).Want(http.StatusCreated)
}

// Nobody is asked what a euro costs: links are made all the same, with or without deposits,
// and paid by bank. Without anything to pay with none is made.
func TestLinksWithoutPrices(t *testing.T) {
	for name, o := range map[string]webtest.Options{
		"no deposits":  {Links: &webtest.Links{}},
		"no euro":      {Links: &webtest.Links{}, Deposits: &webtest.Deposits{NoEuro: true}},
		"no key":       {Links: &webtest.Links{}, Deposits: &webtest.Deposits{NoKey: true}},
		"two networks": {Links: &webtest.Links{}, Deposits: &webtest.Deposits{Two: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := webtest.NewWith(t, o)
			p := w.CreateLink(`{"amount":49.99}`)
			if w.Get(secpaid.Link(p.Terms.Alias)).Status != http.StatusOK {
				t.Error("the page is not there")
			}
			_, _, err := w.App.Checkout.Quote(t.Context(), p.ID, "USDC-base", false)
			if quoted := err == nil; quoted != (name == "two networks") {
				t.Errorf("quoted: %t, %v", quoted, err)
			}
			w.PayByBank(p, 4999)
			if p = w.Link(p.Terms.Alias); p.Standing.State != payment.Paid || p.Terms.Requests[0].Asset != asset.EUR {
				t.Errorf("%+v", p.Standing)
			}
		})
	}
	w := webtest.NewWith(t, webtest.Options{Links: &webtest.Links{NoAccount: true}})
	r := w.SecPaid("createLink", `{"amount":49.99}`).JSON()
	if r["ResponseCode"] != 0.0 || r["ResponseMsg"] != "No payment method is set up for this account" {
		t.Errorf("with nothing to pay with: %v", r)
	}
}
