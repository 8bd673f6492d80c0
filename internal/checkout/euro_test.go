package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// desk is a rail over banks that names requests by counting.
type desk struct{ w *world }

func (desk) ID() rail.ID { return "sepa" }

func (d desk) Name(_ *payment.Payment, r *payment.Request) error {
	if r.Bank == nil {
		return nil
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.w.tag++
	r.Bank.Reference = fmt.Sprintf("RF%016d", d.w.tag)
	r.Bank.Text = strings.TrimSpace(r.Bank.Words + " " + r.Bank.Reference)
	r.Handles = append(r.Handles, payment.Handle{Rail: "sepa", Value: r.Bank.Reference})
	return nil
}

func (desk) Offer(_ context.Context, p *payment.Payment, _ rail.Payer) ([]rail.Option, error) {
	if p.Terms.Requests[0].Bank == nil {
		return nil, nil
	}
	return []rail.Option{{ID: "sepa:de", Rail: "sepa"}}, nil
}

func (desk) Books(p *payment.Payment) bool { return p.Terms.Requests[0].Bank != nil }

func (desk) Prepare(_ context.Context, p *payment.Payment, _ string, _ rail.Payer) (rail.Instruction, error) {
	return &rail.BankTransfer{BankTransfer: *p.Terms.Requests[0].Bank}, nil
}

// quotedOptions are the ways to pay shares on base, each with what it costs if there is a
// quote of every share.
func quotedOptions(p *payment.Payment) (out []rail.Option) {
	for _, of := range []asset.ID{ethBase, usdcBase} {
		out = append(out, rail.Option{ID: "evmref:base:" + string(of) + ":quoted", Rail: "evmref", Chain: base, Asset: of})
	}
	return out
}

const iban = "DE89370400440532013000"

func newLinks(t testing.TB) *world {
	t.Helper()
	return linksWorld(t, "sqlite:"+t.TempDir()+"/test.db", 8)
}

// linksWorld is a world whose merchant has addresses and a bank.
func linksWorld(t testing.TB, dsn string, addresses int) *world {
	w := worldOn(t, dsn)
	w.desk = true
	w.openTill(addresses)
	return w
}

func bank() *payment.BankTransfer {
	return &payment.BankTransfer{Holder: "Shop GmbH", Account: iban, Words: "Order 7"}
}

func euroDraft(cents int64) checkout.Draft {
	return checkout.Draft{
		Merchant: owner, Dialect: "secpaid", Endless: true, PayerCancels: true,
		Requests: []checkout.DraftRequest{{Fiat: asset.EUR, Amount: money.Cents(cents), Bank: bank()}},
	}
}

// euros is a payment of cents by a bank or to an address.
func (w *world) euros(cents int64) *payment.Payment {
	w.t.Helper()
	p, err := w.owe(euroDraft(cents))
	must(w.t, err)
	return w.load(p.ID)
}

func payees(i int) asset.Address { return asset.Address{0: 0xaa, 19: byte(i + 1)} }

func splitDraft(cents ...int64) checkout.Draft {
	d := checkout.Draft{Merchant: owner, Dialect: "secpaid", Endless: true, PayerCancels: true}
	for i, c := range cents {
		d.Requests = append(d.Requests, checkout.DraftRequest{Fiat: asset.EUR, Amount: money.Cents(c), Payee: payees(i), Chain: base})
	}
	return d
}

// split is a payment of cents to each of several payees.
func (w *world) split(cents ...int64) *payment.Payment {
	w.t.Helper()
	p, err := w.owe(splitDraft(cents...))
	must(w.t, err)
	return w.load(p.ID)
}

func TestOwingEuros(t *testing.T) {
	w := newLinks(t)
	d := euroDraft(4999)
	d.Alias, d.Secret, d.Reference, d.RedirectURL = "1234567890123456", "0123456789abcdef0123456789ABCDEF", "Invoice 7", "https://s.example.com/done"
	made, err := w.owe(d)
	must(t, err)
	p := w.load(made.ID)
	r := p.Terms.Requests[0]
	if r.Asset != asset.EUR || r.Due.Cmp(money.Cents(4999)) != 0 || r.Payee != pot(0) || r.Chain != 0 || r.Quoted() {
		t.Errorf("request %+v", r)
	}
	if r.Bank == nil || r.Bank.Holder != "Shop GmbH" || r.Bank.Account != iban || r.Bank.Reference == "" || r.Bank.Text != "Order 7 "+r.Bank.Reference {
		t.Errorf("bank %+v", r.Bank)
	}
	if !p.Terms.Endless() || !p.Terms.ExpiresAt.Equal(payment.Endless) || p.Terms.Grace != 0 || !p.Terms.PayerCancels || p.Terms.CanceledBy != "" {
		t.Errorf("terms %+v", p.Terms)
	}
	if len(p.Quotes) != 0 || w.till.questions() != 0 {
		t.Errorf("%d quotes, %d questions", len(p.Quotes), w.till.questions())
	}
	want := []payment.Handle{{Rail: "sepa", Value: r.Bank.Reference}, {Rail: "deposit", Value: pot(0).Lower()}}
	if got := made.Terms.Requests[0].Handles; !slices.Equal(got, want) {
		t.Errorf("handles %v", got)
	}
	for _, h := range want {
		if owners, err := w.store.Owners(t.Context(), h.Rail, []string{h.Value}); err != nil || owners[h.Value].Payment != p.ID {
			t.Errorf("%s is of %v, %v", h.Value, owners, err)
		}
	}
	if secret, err := w.Secret(t.Context(), p.ID); err != nil || secret != d.Secret {
		t.Errorf("secret %q, %v", secret, err)
	}
	if d.Requests[0].Bank.Reference != "" {
		t.Error("the draft was written to")
	}
	other := w.euros(4999)
	if b := other.Terms.Requests[0].Bank; b.Reference == r.Bank.Reference {
		t.Error("two payments have one reference")
	}
	if secret, err := w.Secret(t.Context(), other.ID); err != nil || secret != "" {
		t.Errorf("no secret is %q, %v", secret, err)
	}
	w.pass(50 * 365 * 24 * time.Hour)
	if n, err := w.ExpireOverdue(t.Context()); err != nil || n != 0 || w.load(p.ID).Standing.State != payment.Open {
		t.Errorf("after fifty years %d have expired, %v", n, err)
	}
}

// A creation that dies leaves neither address nor secret, and one that is asked for again
// finds its answer without any.
func TestOwingEurosOnce(t *testing.T) {
	w := newLinks(t)
	d := euroDraft(100)
	d.Secret = "a secret"
	once := &checkout.Once{Key: checkout.IdempotencyKey{Merchant: owner, Route: "create", Key: "k"}, RequestHash: "h"}
	var ids []payment.ID
	answer := func(p *payment.Payment) (checkout.Answer, error) {
		ids = append(ids, p.ID)
		return checkout.Answer{Body: []byte(p.ID)}, nil
	}
	w.fail = func(_ context.Context, _ func() error) error { return errTrouble }
	runs := 0
	w.twice = func() bool { runs++; return runs <= 2 }
	if _, _, err := w.Create(t.Context(), d, once, answer); !errors.Is(err, errTrouble) {
		t.Fatal(err)
	}
	w.fail = nil
	a, replayed, err := w.Create(t.Context(), d, once, answer)
	if err != nil || replayed || w.free() != 7 {
		t.Fatalf("%s, %t, %v: %d are free", a.Body, replayed, err, w.free())
	}
	b, replayed, err := w.Create(t.Context(), d, once, answer)
	if err != nil || !replayed || string(a.Body) != string(b.Body) || w.free() != 7 {
		t.Errorf("%s, %t, %v: %d are free", b.Body, replayed, err, w.free())
	}
	if secret, err := w.Secret(t.Context(), payment.ID(a.Body)); err != nil || secret != "a secret" {
		t.Errorf("secret %q, %v", secret, err)
	}
	if secret, err := w.Secret(t.Context(), ids[0]); err != nil || (ids[0] != payment.ID(a.Body) && secret != "") {
		t.Errorf("of what was never stored: %q, %v", secret, err)
	}
}

// What is there to pay with decides whether a payment in euros is made, and with what.
func TestWaysToPayEuros(t *testing.T) {
	nobody := payment.MerchantID("01KE0000000000000000000009") // has no key
	for name, c := range map[string]struct {
		desk, offers, bank bool
		merchant           payment.MerchantID
		addresses          int
		want               string // the fault, "" for none
		addressed          bool
	}{
		"a bank and an address":                      {true, true, true, owner, 1, "", true},
		"a bank, and no key":                         {true, true, true, nobody, 1, "", false},
		"a bank, and a server without deposits":      {true, false, true, owner, 1, "", false},
		"a bank, and no address is free":             {true, true, true, owner, 0, "unavailable no_address ", false},
		"an address":                                 {true, true, false, owner, 1, "", true},
		"an address, on a server without banks":      {false, true, false, owner, 1, "", true},
		"no bank, and no key":                        {true, true, false, nobody, 1, "unavailable no_way_to_pay ", false},
		"no bank, and a server without deposits":     {true, false, false, owner, 1, "unavailable no_way_to_pay ", false},
		"no bank, and no address is free":            {true, true, false, owner, 0, "unavailable no_address ", false},
		"a bank that nobody here knows, and no coin": {false, false, true, owner, 1, "internal internal ", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldOn(t, "sqlite:"+t.TempDir()+"/test.db")
			w.desk = c.desk
			w.openTill(c.addresses)
			if !c.offers {
				w.till.set(func(x *till) { x.offers = nil })
			}
			if c.merchant != owner {
				must(t, w.store.InsertMerchant(t.Context(), merchant.Merchant{ID: c.merchant, Name: "Keyless", CreatedAt: begin}))
			}
			d := euroDraft(100)
			d.Merchant = c.merchant
			if !c.bank {
				d.Requests[0].Bank = nil
			}
			p, err := w.owe(d)
			if names(err) != c.want {
				t.Fatalf("%v", err)
			}
			if err != nil {
				if w.free() != c.addresses {
					t.Errorf("%d addresses are free", w.free())
				}
				return
			}
			want := "" // only what can be sent somewhere is quoted
			if !c.addressed {
				want = "invalid unknown_asset asset"
			}
			if _, _, err := w.Quote(t.Context(), p.ID, usdcBase, false); names(err) != want {
				t.Errorf("quoted: %v", err)
			}
			r := w.load(p.ID).Terms.Requests[0]
			if r.Payee.IsZero() == c.addressed || (r.Bank != nil) != c.bank || len(p.Terms.Requests[0].Handles) == 0 {
				t.Errorf("made %+v", r)
			}
		})
	}
}

func TestWhatCannotBeOwedInEuros(t *testing.T) {
	w := newLinks(t)
	token := checkout.DraftRequest{Payee: payee, Token: w.usdc, Amount: big.NewInt(1)}
	dollars := func(d *checkout.Draft) { d.Requests[0].Fiat = asset.USD }
	for name, c := range map[string]struct {
		split  bool
		change func(*checkout.Draft)
		want   string
	}{
		"two to addresses":         {false, func(d *checkout.Draft) { d.Requests = append(d.Requests, d.Requests[0]) }, "invalid several_requests requests[1]"},
		"an address beside shares": {true, func(d *checkout.Draft) { d.Requests = append(d.Requests, euroDraft(1).Requests[0]) }, "invalid several_requests requests[2]"},
		"shares beside an address": {false, func(d *checkout.Draft) { d.Requests = append(d.Requests, splitDraft(1).Requests[0]) }, "invalid several_requests requests[1]"},
		"tokens beside shares":     {true, func(d *checkout.Draft) { d.Requests = append(d.Requests, token) }, "invalid several_requests requests[2]"},
		"dollars beside euros":     {true, dollars, "invalid several_requests requests[1]"},
		"shares on two chains":     {true, func(d *checkout.Draft) { d.Requests[1].Chain = arbitrum }, "invalid several_networks requests[1]"},
		"a chain nobody knows":     {true, func(d *checkout.Draft) { d.Requests[0].Chain = 5 }, "invalid unknown_chain requests[0].chain"},
		"a share of nobody":        {true, func(d *checkout.Draft) { d.Requests[1].Payee = asset.Address{} }, "invalid invalid_payee requests[1].payee"},
		"a share of nothing":       {true, func(d *checkout.Draft) { d.Requests[1].Amount = new(big.Int) }, "invalid invalid_amount requests[1].amount"},
		"a payee without a chain":  {false, func(d *checkout.Draft) { d.Requests[0].Payee = payee }, "invalid invalid_payee requests[0].payee"},
		"another currency":         {true, func(d *checkout.Draft) { d.Requests[0].Fiat, d.Requests[1].Fiat = "CHF", "CHF" }, "invalid unknown_currency requests[0].currency"},
		"a fee on a share":         {true, func(d *checkout.Draft) { d.Requests[1].Fee = &checkout.DraftFee{Payee: payee} }, "invalid fee_unsupported feePercentage"},
		"dollars by a bank":        {false, dollars, "invalid bank_unsupported requests[0].bank"},
		"a share by a bank":        {true, func(d *checkout.Draft) { d.Requests[1].Bank = bank() }, "invalid bank_unsupported requests[1].bank"},
		"a bank without an account": {false, func(d *checkout.Draft) { d.Requests[0].Bank.Account = "" },
			"invalid invalid_bank requests[0].bank"},
		"an end, and none":    {false, func(d *checkout.Draft) { d.ExpiresAt = begin.Add(time.Hour) }, "invalid invalid_expiry expiresAt"},
		"a window, and none":  {false, func(d *checkout.Draft) { d.Window = time.Hour }, "invalid invalid_expiry expiresAt"},
		"a payout":            {true, func(d *checkout.Draft) { d.Flow = payment.PayOut }, "invalid payout_unsupported flow"},
		"some payers only":    {true, func(d *checkout.Draft) { d.Access.Allowed = []asset.Address{payee} }, "invalid access_unsupported accessPolicy"},
		"tokens without end":  {false, func(d *checkout.Draft) { d.Requests = []checkout.DraftRequest{token} }, "invalid invalid_expiry expiresAt"},
		"more than there is":  {true, func(d *checkout.Draft) { d.Requests[0].Amount = new(big.Int).Lsh(big.NewInt(1), 260) }, "invalid amount_too_large requests[0].amount"},
		"nobody's, on chains": {true, func(d *checkout.Draft) { d.Requests = nil }, "invalid invalid_requests requests"},
	} {
		d := euroDraft(100)
		if c.split {
			d = splitDraft(100, 200)
		}
		c.change(&d)
		if _, err := w.owe(d); names(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.free() != 8 {
		t.Errorf("%d addresses are free", w.free())
	}
}

// Euros with an end, and dollars without one, are not quoted at creation either.
func TestEndsAndFirstQuotes(t *testing.T) {
	w := newLinks(t)
	d := euroDraft(100)
	d.Endless, d.Window = false, time.Hour
	if p, err := w.owe(d); err != nil || len(p.Quotes) != 0 || !p.Terms.ExpiresAt.Equal(begin.Add(time.Hour)) || p.Terms.Grace != grace {
		t.Errorf("%+v, %v", p, err)
	}
	d = dollarDraft(100)
	d.Endless, d.Exact = true, false
	if p, err := w.owe(d); err != nil || len(p.Quotes) != 0 || !p.Terms.Endless() || p.Terms.Grace != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := w.owe(dollarDraft(100)); err != nil || len(p.Quotes) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestOwingShares(t *testing.T) {
	w := newLinks(t)
	p := w.split(3000, 1999)
	if !p.Terms.Quoted() || len(p.Quotes) != 0 || w.free() != 8 || w.till.questions() != 0 {
		t.Errorf("%+v, %d free", p, w.free())
	}
	for i, r := range p.Terms.Requests {
		if r.Payee != payees(i) || r.Chain != base || r.ID == "" || r.Reference == "" || r.Topic == "" || r.Bank != nil {
			t.Errorf("request %+v", r)
		}
		if owners, err := w.store.Owners(t.Context(), "evmref", []string{r.Topic}); err != nil || owners[r.Topic] != (checkout.Owner{Payment: p.ID, Request: i}) {
			t.Errorf("%s is of %v, %v", r.Topic, owners, err)
		}
	}
}
