package checkout_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

func (w *world) givenBack(p *payment.Payment) bool {
	w.t.Helper()
	return w.load(p.ID).GivenBack(w.events(p.ID))
}

func back(p *payment.Payment, cents int64, tx string) checkout.Refund {
	return checkout.Refund{Payment: p.ID, Tx: tx, Asset: asset.EUR, Amount: money.Cents(cents)}
}

func TestEurosGivenBack(t *testing.T) {
	w := newLinks(t)
	p := w.euros(5000)
	w.books(w.booking(p, "k", 5000))
	for i, c := range []struct {
		cents    int64
		tx       string
		full     bool
		recorded bool
		want     string
		all      bool // all of it is given back then
	}{
		{2000, "", false, true, "", false},
		{2000, "", false, false, "", false}, // said twice
		{1000, "", false, false, "conflict refund_differs tx", false},
		{1000, " Refund 2 ", false, true, "", false},
		{1000, "Refund 2", false, false, "", false},
		{1000, "Refund 2", true, false, "conflict refund_differs tx", false},
		{2001, "Refund 3", false, false, "invalid refund_too_large amount", false},
		{2000, "Refund 3", false, true, "", true},
		{1, "Refund 4", false, false, "invalid refund_too_large amount", true},
	} {
		r := back(p, c.cents, c.tx)
		r.Full = c.full
		if recorded, err := w.Refunded(t.Context(), owner, r); recorded != c.recorded || names(err) != c.want || w.givenBack(p) != c.all {
			t.Errorf("refund %d: %t, %v, all %t", i, recorded, err, w.givenBack(p))
		}
	}
	events := w.refunds(p.ID)
	if len(events) != 3 || w.load(p.ID).Standing.State != payment.Paid {
		t.Fatalf("%d refunds", len(events))
	}
	if f := events[1].Fields; f[payment.FieldTx] != "Refund 2" || f[payment.FieldAsset] != "EUR" || f[payment.FieldAmount] != money.Cents(1000).String() || f[payment.FieldState] != "paid" {
		t.Errorf("told %v", f)
	}
	if _, ok := events[0].Fields[payment.FieldWallet]; ok {
		t.Errorf("a bank has a wallet: %v", events[0].Fields)
	}
	found, n, err := w.Income(t.Context(), checkout.IncomeQuery{Merchant: owner, Dialect: "secpaid", Limit: 10})
	if err != nil || n != 4 || len(found) != 4 {
		t.Errorf("income %+v, %v", found, err)
	}
}

func TestEurosNotGivenBack(t *testing.T) {
	w := newLinks(t)
	p, dollars, tokens := w.euros(100), w.owed(100), w.create(100)
	w.books(w.booking(p, "k", 100))
	for name, c := range map[string]struct {
		of    *payment.Payment
		spoil func(*checkout.Refund)
		want  string
	}{
		"of dollars":         {dollars, func(*checkout.Refund) {}, "invalid unknown_asset asset"},
		"of tokens":          {tokens, func(*checkout.Refund) {}, "invalid unknown_asset asset"},
		"nothing":            {p, func(r *checkout.Refund) { r.Amount = new(big.Int) }, "invalid invalid_amount amount"},
		"more than came":     {p, func(r *checkout.Refund) { r.Amount = money.Cents(101) }, "invalid refund_too_large amount"},
		"long words":         {p, func(r *checkout.Refund) { r.Tx = strings.Repeat("ä", 36) }, "invalid invalid_tx tx"},
		"words in two lines": {p, func(r *checkout.Refund) { r.Tx = "a\nb" }, "invalid invalid_tx tx"},
		"no words at all":    {p, func(r *checkout.Refund) { r.Tx = "\xff" }, "invalid invalid_tx tx"},
		"to a wallet":        {p, func(r *checkout.Refund) { r.To = payee }, "invalid invalid_receiver to"},
		"no such request":    {p, func(r *checkout.Refund) { r.Request = 1 }, "invalid unknown_request request"},
		"coins that never came": {p, func(r *checkout.Refund) { r.Asset, r.Tx, r.To = usdcBase, hash(1), payee },
			"invalid unknown_asset asset"},
	} {
		r := back(c.of, 50, "words")
		c.spoil(&r)
		if recorded, err := w.Refunded(t.Context(), owner, r); recorded || names(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := back(p, 50, strings.Repeat("ä", 35))
	if recorded, err := w.Refunded(t.Context(), owner, r); !recorded || err != nil {
		t.Errorf("35 characters: %v", err)
	}
}

// What came in coins may go back by a bank, and the other way round as far as coins came;
// together never more than all that came was worth.
func TestCoinsAndEurosGivenBack(t *testing.T) {
	w := newLinks(t)
	p := w.euros(10000)
	w.come(p, 6000, true) // 75 USDC
	w.pass(time.Minute)
	w.books(w.booking(p, "k", 4000))
	coins := func(units int64, tx int) checkout.Refund {
		return checkout.Refund{Payment: p.ID, Tx: hash(tx), To: payee, Asset: usdcBase, Amount: big.NewInt(units)}
	}
	for i, c := range []struct {
		r    checkout.Refund
		want string
		all  bool
	}{
		{back(p, 7000, "a"), "", false},                                    // more than came by the bank
		{coins(37_500_001, 901), "invalid refund_too_large amount", false}, // 30 euros are left
		{coins(25_000_000, 902), "", false},                                // 20 of them
		{back(p, 1001, "b"), "invalid refund_too_large amount", false},     // 10 are
		{coins(75_000_000, 903), "invalid refund_too_large amount", false}, // more coins than came
		{back(p, 999, "c"), "", false}, {back(p, 1, "d"), "", true},        // to the last cent
		{coins(1_000_000, 904), "invalid refund_too_large amount", true}, // nothing is left
	} {
		if _, err := w.Refunded(t.Context(), owner, c.r); names(err) != c.want || w.givenBack(p) != c.all {
			t.Errorf("refund %d: %v, all %t", i, err, w.givenBack(p))
		}
	}
}

// A merchant who gives coins back at another price says that this was all.
func TestAllIsGivenBackWhenTheMerchantSaysSo(t *testing.T) {
	w := newLinks(t)
	p := w.euros(10000)
	if w.givenBack(p) {
		t.Error("nothing has come, and all of it is given back")
	}
	w.come(p, 10000, true)
	if w.givenBack(p) {
		t.Error("nothing was given back")
	}
	r := back(p, 9000, "")
	r.Full = true
	if recorded, err := w.Refunded(t.Context(), owner, r); !recorded || err != nil || !w.givenBack(p) {
		t.Errorf("%v, all %t", err, w.givenBack(p))
	}
	if recorded, err := w.Refunded(t.Context(), owner, r); recorded || err != nil {
		t.Errorf("again: %t, %v", recorded, err)
	}
}

// Each share is given back by itself.
func TestSharesGivenBack(t *testing.T) {
	w := newLinks(t)
	p := w.split(3000, 2000)
	due := w.rates(p, usdcBase)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.share(p, 0, usdcBase, 1, 0, due[0], b), w.share(p, 1, usdcBase, 1, 1, due[1], b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	first := back(p, 3000, "")
	if _, err := w.Refunded(t.Context(), owner, first); err != nil || w.givenBack(p) {
		t.Errorf("one share: %v, all %t", err, w.givenBack(p))
	}
	second := checkout.Refund{Payment: p.ID, Request: 1, Tx: hash(901), To: asset.Address{19: 0x99}, Asset: usdcBase, Amount: due[1]}
	if _, err := w.Refunded(t.Context(), owner, second); err != nil || !w.givenBack(p) {
		t.Errorf("both: %v, all %t", err, w.givenBack(p))
	}
}
