package checkout_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

func newTill(t *testing.T) *world { return tillWorld(t, "sqlite:"+t.TempDir()+"/test.db", 8) }

func TestOwingDollars(t *testing.T) {
	w := newTill(t)
	d := dollarDraft(250)
	d.Alias, d.SecretHash, d.Metadata = "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "a hash", `{"cart":"1"}`
	made, err := w.owe(d)
	must(t, err)
	p := w.load(made.ID)
	r := p.Terms.Requests[0]
	if r.Asset != asset.USD || r.Due.Cmp(money.Cents(250)) != 0 || r.Payee != pot(0) || r.ID == "" || p.Terms.Grace != 0 {
		t.Errorf("request %+v, grace %s", r, p.Terms.Grace)
	}
	if p.Terms.Alias != d.Alias || p.Terms.SecretHash != d.SecretHash || p.Terms.Metadata != d.Metadata {
		t.Errorf("terms %+v", p.Terms)
	}
	// 2.50 at 2000 are 0.00125.
	if len(p.Quotes) != 1 || p.Quotes[0].Asset != ethBase || p.Quotes[0].Units.String() != "1250000000000000" || !p.Quotes[0].Asked ||
		!p.Quotes[0].ExpiresAt.Equal(p.Terms.CreatedAt.Add(payment.QuoteLife)) || len(made.Quotes) != 1 || made.Quotes[0].ID != p.Quotes[0].ID {
		t.Errorf("quotes %+v", p.Quotes)
	}
	if by, err := w.PaymentByAlias(t.Context(), "spacepay", d.Alias); err != nil || by.ID != p.ID {
		t.Errorf("by its alias: %v, %v", by, err)
	}
	found, n, err := w.store.List(t.Context(), checkout.Listing{Merchant: owner, Dialect: "spacepay", Limit: 10})
	if err != nil || n != 1 || found[0].ID != p.ID || found[0].Standing.State != payment.Open {
		t.Errorf("listed %v, %d, %v", found, n, err)
	}
	if other := w.owed(100); other.Terms.Requests[0].Payee != pot(1) {
		t.Errorf("the next one is at %s", other.Terms.Requests[0].Payee)
	}
	if e := w.events(p.ID)[0]; e.Fields[payment.FieldState] != "open" || e.Fields[payment.FieldPart] != "" {
		t.Errorf("its creation tells %v", e.Fields)
	}
}

func TestFirstQuote(t *testing.T) {
	for name, c := range map[string]struct {
		want   asset.ID
		prices map[asset.ID]int64
		life   time.Duration
		first  asset.ID // "" if there is none
	}{
		"the one that is wanted":       {usdcBase, map[asset.ID]int64{ethBase: 1, usdcBase: 1_00000000}, time.Hour, usdcBase},
		"any":                          {"", map[asset.ID]int64{ethBase: 2000_00000000, usdcBase: 1}, time.Hour, ethBase},
		"the first that has a price":   {ethBase, map[asset.ID]int64{usdtArb: 1_00000000}, time.Hour, usdtArb},
		"in order, whatever is wanted": {usdtArb, map[asset.ID]int64{ethBase: 2000_00000000, usdcBase: 1}, time.Hour, ethBase},
		"one that is not offered":      {"ETH-arbitrum-one", map[asset.ID]int64{"ETH-arbitrum-one": 1, usdcBase: 1_00000000}, time.Hour, usdcBase},
		"none has a price":             {ethBase, nil, time.Hour, ""},
		"no longer than the payment":   {ethBase, map[asset.ID]int64{ethBase: 2000_00000000}, time.Minute, ethBase},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			w.till.set(func(x *till) { x.prices = c.prices })
			d := dollarDraft(100)
			d.Quote, d.Window = c.want, c.life
			p, err := w.owe(d)
			if c.first == "" {
				if names(err) != "unavailable price_unavailable " || w.free() != 8 {
					t.Errorf("%v, %d addresses are free", err, w.free())
				}
				return
			}
			must(t, err)
			q := p.Quotes[0]
			if until := min(c.life, payment.QuoteLife); q.Asset != c.first || q.ExpiresAt.Sub(p.Terms.CreatedAt) != until {
				t.Errorf("quote of %s until %s", q.Asset, q.ExpiresAt)
			}
			if w.till.within <= 0 || w.till.within > 3*time.Second {
				t.Errorf("waits %s for prices", w.till.within)
			}
		})
	}
}

func TestWhatCannotBeOwedInDollars(t *testing.T) {
	w := newTill(t)
	whole := checkout.DraftRequest{Fiat: asset.USD, Amount: money.Cents(100)}
	token := checkout.DraftRequest{Payee: payee, Token: w.usdc, Amount: big.NewInt(1)}
	for name, c := range map[string]struct {
		change func(*checkout.Draft)
		want   string
	}{
		"two amounts":          {func(d *checkout.Draft) { d.Requests = append(d.Requests, whole) }, "invalid several_requests requests[1]"},
		"tokens beside":        {func(d *checkout.Draft) { d.Requests = append(d.Requests, token) }, "invalid several_requests requests[1]"},
		"beside tokens":        {func(d *checkout.Draft) { d.Requests = []checkout.DraftRequest{token, whole} }, "invalid several_requests requests[1]"},
		"another currency":     {func(d *checkout.Draft) { d.Requests[0].Fiat = "GBP" }, "invalid unknown_currency requests[0].currency"},
		"a payee":              {func(d *checkout.Draft) { d.Requests[0].Payee = payee }, "invalid invalid_payee requests[0].payee"},
		"a token":              {func(d *checkout.Draft) { d.Requests[0].Token = w.usdc }, "invalid invalid_token requests[0].token"},
		"a fee":                {func(d *checkout.Draft) { d.Requests[0].Fee = &checkout.DraftFee{Payee: payee} }, "invalid fee_unsupported feePercentage"},
		"a payout":             {func(d *checkout.Draft) { d.Flow = payment.PayOut }, "invalid payout_unsupported flow"},
		"some payers only":     {func(d *checkout.Draft) { d.Access.Allowed = []asset.Address{payee} }, "invalid access_unsupported accessPolicy"},
		"screened":             {func(d *checkout.Draft) { d.Access.Screen = true }, "invalid access_unsupported accessPolicy"},
		"hidden":               {func(d *checkout.Draft) { d.Access.HidePayee = true }, "invalid access_unsupported accessPolicy"},
		"nothing":              {func(d *checkout.Draft) { d.Requests[0].Amount = new(big.Int) }, "invalid invalid_amount requests[0].amount"},
		"no amount":            {func(d *checkout.Draft) { d.Requests[0].Amount = nil }, "invalid invalid_amount requests[0].amount"},
		"more than there is":   {func(d *checkout.Draft) { d.Requests[0].Amount = new(big.Int).Lsh(big.NewInt(1), 260) }, "invalid amount_too_large requests[0].amount"},
		"without addresses":    {func(d *checkout.Draft) { d.Merchant = "01KE0000000000000000000009" }, "not_found no_deposit_key "},
		"where nothing is got": {func(*checkout.Draft) { w.till.set(func(x *till) { x.offers = nil }) }, "unavailable deposits_unavailable "},
	} {
		w.till.set(func(x *till) { x.offers = []asset.ID{ethBase} })
		d := dollarDraft(100)
		c.change(&d)
		if _, err := w.owe(d); names(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.free() != 8 {
		t.Errorf("%d addresses are free", w.free())
	}
	w.till.set(func(x *till) { x.offers = []asset.ID{ethBase} })
	for range 8 {
		w.owed(100)
	}
	if _, err := w.owe(dollarDraft(100)); names(err) != "unavailable no_address " {
		t.Errorf("the ninth of eight: %v", err)
	}
}

// Whatever goes wrong while a payment is made, and however often it is tried again, it
// has one address and one quote, and the answer tells of those.
func TestOwingOnce(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			w := tillWorld(t, dsn(t), 8)
			runs := 0
			w.twice = func() bool { runs++; return true }
			once := &checkout.Once{Key: checkout.IdempotencyKey{Merchant: owner, Route: "create", Key: "k"}, RequestHash: "h"}
			create := func() (checkout.Answer, bool, error) {
				return w.Create(t.Context(), dollarDraft(100), once, func(p *payment.Payment) (checkout.Answer, error) {
					return checkout.Answer{Status: 201, Body: []byte(fmt.Sprint(p.ID, p.Terms.Requests[0].Payee, p.Terms.Requests[0].Handles, p.Quotes[0].ID, len(p.Quotes)))}, nil
				})
			}
			first, replayed, err := create()
			if err != nil || replayed || runs == 0 {
				t.Fatalf("%v, replayed %t, %d runs", err, replayed, runs)
			}
			w.till.set(func(x *till) { x.prices = nil })
			again, replayed, err := create()
			if err != nil || !replayed || string(again.Body) != string(first.Body) {
				t.Errorf("%s, then %s, replayed %t, %v", first.Body, again.Body, replayed, err)
			}
			if w.free() != 7 {
				t.Errorf("%d addresses are free", w.free())
			}
			a, err := w.store.DepositAddress(t.Context(), pot(0))
			must(t, err)
			p := w.load(a.Payment)
			want := fmt.Sprint(p.ID, pot(0), []payment.Handle{{Rail: "deposit", Value: pot(0).Lower()}}, p.Quotes[0].ID, 1)
			if string(first.Body) != want || len(p.Quotes) != 1 {
				t.Errorf("said %s, stored %s", first.Body, want)
			}
			once.RequestHash = "another"
			if _, _, err := create(); names(err) != "mismatch idempotency_key_reused " {
				t.Errorf("the key with another request: %v", err)
			}
		})
	}
}

func TestQuotes(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	first := p.Quotes[0]
	asked := w.till.questions()
	if q := w.quoted(p, ethBase, false); q.ID != first.ID {
		t.Errorf("another one while it is good")
	}
	if q := w.quoted(p, ethBase, true); q.ID != first.ID || w.till.questions() != asked {
		t.Errorf("a fresh one at once")
	}
	w.pass(15 * time.Second)
	fresh := w.quoted(p, ethBase, true)
	if fresh.ID == first.ID || !fresh.Asked || !fresh.CreatedAt.Equal(w.now()) {
		t.Errorf("after 15 seconds %+v", fresh)
	}
	if q := w.quoted(p, ethBase, false); q.ID != fresh.ID {
		t.Error("the newest one does not count")
	}
	other := w.quoted(p, usdtArb, false)
	if other.Chain != arbitrum || other.Units.String() != "1001002" { // 1 / 0.999, rounded up
		t.Errorf("%+v", other)
	}
	// Half of it has come: a new quote is of the rest.
	half := new(big.Int).Quo(fresh.Units, big.NewInt(2))
	must(t, w.sweep(1, w.blockNow(1), w.drop(p, ethBase, 1, half, w.blockNow(1))))
	if q := w.quoted(p, ethBase, false); q.ID != fresh.ID {
		t.Error("what is good does not count any more")
	}
	w.pass(20 * time.Second)
	if q := w.quoted(p, ethBase, true); q.Due.Cmp(money.Cents(50)) != 0 || q.Units.Cmp(half) != 0 {
		t.Errorf("the rest is %s for %s", q.Units, q.Due)
	}
	w.pass(50 * time.Minute)
	if q := w.quoted(p, ethBase, false); !q.ExpiresAt.Equal(p.Terms.ExpiresAt) {
		t.Errorf("good until %s, the payment until %s", q.ExpiresAt, p.Terms.ExpiresAt)
	}
	w.pass(20 * time.Minute)
	if _, _, err := w.Quote(t.Context(), p.ID, ethBase, false); names(err) != "forbidden expired " {
		t.Errorf("over: %v", err)
	}
}

func TestNoQuote(t *testing.T) {
	w := newTill(t)
	p, tokens := w.owed(100), w.create(100)
	w.till.set(func(x *till) { delete(x.prices, usdcBase) })
	for name, c := range map[string]struct {
		id   payment.ID
		of   asset.ID
		want string
	}{
		"no such payment":   {payment.ID(payment.NewULID(begin)), ethBase, "not_found payment_not_found "},
		"due in tokens":     {tokens.ID, usdcBase, "invalid unknown_asset asset"},
		"no such asset":     {p.ID, "ETH-moon", "invalid unknown_asset asset"},
		"one not offered":   {p.ID, "ETH-arbitrum-one", "invalid unknown_asset asset"},
		"dollars":           {p.ID, asset.USD, "invalid unknown_asset asset"},
		"one with no price": {p.ID, usdcBase, "unavailable price_unavailable "},
	} {
		if _, q, err := w.Quote(t.Context(), c.id, c.of, false); names(err) != c.want || q.ID != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.till.set(func(x *till) { x.prices[usdcBase] = 1_00000000 })
	for i := len(p.Quotes); i < 300; i++ {
		w.pass(time.Second)
		if i%2 == 0 {
			w.pass(14 * time.Second)
		}
		p.Terms.ExpiresAt = w.now().Add(time.Hour)
		must(t, w.store.Write(t.Context(), func(tx checkout.Tx) error {
			q, err := payment.FreezeQuote(payment.NewULID(w.now()), 0, money.Cents(100), w.usdc, money.Price{Value: big.NewInt(1)}, w.now(), w.now())
			q.Asked = true
			return errors.Join(err, tx.InsertQuote(t.Context(), p.ID, q))
		}))
		w.pass(-15 * time.Second)
	}
	if _, _, err := w.Quote(t.Context(), p.ID, usdtArb, true); names(err) != "limited too_many_quotes " {
		t.Errorf("the 301st: %v", err)
	}
}

// At the same moment, a page that is open twice gets one quote.
func TestTwoAskForAQuote(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	got := make(chan string, 8)
	for range 8 {
		go func() {
			_, q, err := w.Quote(t.Context(), p.ID, usdcBase, false)
			got <- fmt.Sprint(q.ID, err)
		}()
	}
	first := <-got
	for range 7 {
		if x := <-got; x != first {
			t.Errorf("%s and %s", first, x)
		}
	}
	if n := len(w.load(p.ID).Quotes); n != 2 {
		t.Errorf("%d quotes", n)
	}
}

func units(t testing.TB, text string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(text, 10)
	if !ok {
		t.Fatal(text)
	}
	return v
}

// What reaches an address counts by the quote that was good when it moved, else by the
// price of now; and what it tells.
func TestDeposits(t *testing.T) {
	wei, dollar := units(t, "500000000000000"), money.Cents(100) // a dollar at 2000
	for name, c := range map[string]struct {
		after  time.Duration // the payment's making, when the block comes
		of     asset.ID
		amount *big.Int
		price  int64 // when it is seen, 0 for none
		change func(*rail.Sighting)
		credit *big.Int // nil if it is no transfer
		orphan string
		asks   bool
		shown  bool // it counts by a quote that somebody was shown
	}{
		"exactly":                    {0, ethBase, wei, 1, nil, dollar, "", false, true},
		"half":                       {0, ethBase, new(big.Int).Quo(wei, big.NewInt(2)), 1, nil, money.Cents(50), "", false, true},
		"twice":                      {0, ethBase, new(big.Int).Mul(wei, big.NewInt(2)), 1, nil, money.Cents(200), "", false, true},
		"in the quote's last second": {10*time.Minute - time.Second, ethBase, wei, 1, nil, dollar, "", false, true},
		"in the quote's grace":       {12*time.Minute - time.Second, ethBase, wei, 1, nil, dollar, "", false, true},
		"after it":                   {12 * time.Minute, ethBase, wei, 1000_00000000, nil, money.Cents(50), "", true, false},
		"after it, without a price":  {12 * time.Minute, ethBase, wei, 0, nil, new(big.Int), "", true, false},
		"another currency":           {0, usdcBase, big.NewInt(1_000_000), 1_00000000, nil, dollar, "", true, false},
		"another, worth less":        {0, usdcBase, big.NewInt(1_000_000), 80000000, nil, money.Cents(80), "", true, false},
		"another, without a price":   {0, usdcBase, big.NewInt(1_000_000), 0, nil, new(big.Int), "", true, false},
		"a block's clock behind":     {-90 * time.Second, ethBase, wei, 1, nil, dollar, "", false, true},
		"before there was a payment": {-2*time.Minute - time.Second, ethBase, wei, 1, nil, nil, "too_early", true, false},
		"to somebody else":           {0, ethBase, wei, 1, func(x *rail.Sighting) { x.To = payee }, nil, "wrong_payee", false, false},
		"of nothing":                 {0, ethBase, new(big.Int), 1, nil, nil, "no_value", false, false},
		"of what nobody knows":       {0, ethBase, wei, 1, func(x *rail.Sighting) { x.Token = asset.Address{1} }, nil, "wrong_asset", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			p := w.owed(100)
			if c.after > 0 {
				w.pass(c.after)
			}
			b := checkout.Block{Number: 1, Hash: hash(1), Time: p.Terms.CreatedAt.Add(c.after)}
			x := w.drop(p, c.of, 1, c.amount, b)
			if c.change != nil {
				c.change(&x)
			}
			w.till.set(func(x *till) { x.prices = map[asset.ID]int64{c.of: c.price} })
			before := w.till.questions()
			must(t, w.sweep(1, b, x))
			if asked := w.till.questions() > before; asked != c.asks {
				t.Errorf("prices were asked for: %t", asked)
			}
			got := w.load(p.ID)
			orphans, err := w.store.Orphans(t.Context(), 10)
			must(t, err)
			if c.credit == nil {
				if len(got.Transfers) != 0 || len(orphans) != 1 || orphans[0].Reason != c.orphan || orphans[0].Payment != p.ID || len(got.Quotes) != 1 {
					t.Errorf("transfers %v, orphans %+v, %d quotes", got.Transfers, orphans, len(got.Quotes))
				}
				return
			}
			if len(got.Transfers) != 1 || len(orphans) != 0 {
				t.Fatalf("transfers %v, orphans %v", got.Transfers, orphans)
			}
			y := got.Transfers[0]
			if y.Credit.Cmp(c.credit) != 0 || y.Asset != c.of || y.Amount.Cmp(c.amount) != 0 || y.Priced() != (y.Quote != "") {
				t.Errorf("credit %s by %q, want %s", y.Credit, y.Quote, c.credit)
			}
			i := slices.IndexFunc(got.Quotes, func(q payment.Quote) bool { return q.ID == y.Quote })
			if y.Quote != "" && got.Quotes[i].Asked != c.shown {
				t.Errorf("counts by %+v", got.Quotes[i])
			}
			if y.Quote != "" && !c.shown && (!got.Quotes[i].ExpiresAt.Equal(got.Quotes[i].CreatedAt) || got.Quotes[i].Due.Cmp(dollar) != 0) {
				t.Errorf("was made as %+v", got.Quotes[i])
			}
			if jobs := w.priceJobs(); (len(jobs) == 1) == y.Priced() {
				t.Errorf("jobs %v", jobs)
			}
			e := w.events(p.ID)[1]
			if e.Kind != payment.EventSeen || e.Fields[payment.FieldState] != string(got.Standing.State) || e.Fields[payment.FieldPart] != "1" {
				t.Errorf("tells %+v", e)
			}
		})
	}
}

// priceJobs takes the jobs that are due.
func (w *world) priceJobs() []job.Job {
	w.t.Helper()
	jobs, err := w.store.Claim(w.t.Context(), w.now(), time.Minute, job.Room{Free: 99, Laned: 99, PerLane: 99})
	must(w.t, err)
	return slices.DeleteFunc(jobs, func(j job.Job) bool { return j.Kind != checkout.PriceKind })
}

// What has no price has none until there is one, and then the payment goes on as if it
// had just come.
func TestPricedLater(t *testing.T) {
	usdc := big.NewInt(1_000_000)
	for name, c := range map[string]struct {
		final, dropped bool
		after          time.Duration // when it comes
		cents          int64
		want           []payment.EventKind
		state          payment.State
	}{
		"while it is not final":      {false, false, time.Minute, 100, []payment.EventKind{"created", "seen", "seen"}, payment.Seen},
		"when it is":                 {true, false, time.Minute, 100, []payment.EventKind{"created", "seen", "paid"}, payment.Paid},
		"when it is, and not enough": {true, false, time.Minute, 200, []payment.EventKind{"created", "seen", "partial"}, payment.Open},
		"what came late":             {true, false, time.Hour + time.Second, 100, []payment.EventKind{"created", "expired", "seen", "late"}, payment.Expired},
		"what is gone":               {false, true, time.Minute, 100, []payment.EventKind{"created", "seen", "reorged"}, payment.Open},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			p := w.owed(c.cents)
			w.till.set(func(x *till) { delete(x.prices, usdcBase) })
			w.pass(c.after)
			_, err := w.ExpireOverdue(t.Context())
			must(t, err)
			b := w.blockNow(1)
			must(t, w.sweep(1, b, w.drop(p, usdcBase, 1, usdc, b)))
			args := w.priceJobs()[0].Args
			again, err := w.PriceTransfers(t.Context(), args)
			if err != nil || again.Sub(w.now()) != 5*time.Second {
				t.Errorf("again at %s, %v", again, err)
			}
			if c.final {
				must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
			}
			if c.dropped {
				must(t, w.Rewind(t.Context(), base, checkout.Block{Hash: hash(0)}))
			}
			silent := w.kinds(p.ID)
			w.till.set(func(x *till) { x.prices[usdcBase] = 1_00000000 })
			w.twice = func() bool { return true }
			for range 3 { // and again, which changes nothing
				if again, err := w.PriceTransfers(t.Context(), args); err != nil || !again.IsZero() {
					t.Errorf("again at %s, %v", again, err)
				}
			}
			got := w.load(p.ID)
			if kinds := w.kinds(p.ID); !slices.Equal(kinds, c.want) || got.Standing.State != c.state {
				t.Errorf("%v after %v, %s", kinds, silent, got.Standing.State)
			}
			if x := got.Transfers[0]; x.Priced() == c.dropped || !c.dropped && (x.Credit.Cmp(money.Cents(100)) != 0 || len(got.Quotes) != 2) {
				t.Errorf("credit %s by %q of %d", x.Credit, x.Quote, len(got.Quotes))
			}
			if !c.dropped {
				return
			}
			// Where it comes back it is new.
			must(t, w.sweep(1, b, w.drop(p, usdcBase, 1, usdc, b)))
			if jobs := w.priceJobs(); len(jobs) != 1 {
				t.Errorf("jobs %v", jobs)
			}
			_, err = w.PriceTransfers(t.Context(), args)
			if got := w.load(p.ID); err != nil || got.Standing.State != payment.Seen {
				t.Errorf("%s, %v", got.Standing.State, err)
			}
		})
	}
	w := newTill(t)
	if _, err := w.PriceTransfers(t.Context(), "nothing"); names(err) != "invalid invalid_job " {
		t.Error(err)
	}
}
