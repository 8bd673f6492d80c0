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
	"quittance/internal/rail"
)

// share is value for one share of a payment, as a fee proxy's event tells it.
func (w *world) share(p *payment.Payment, i int, of asset.ID, tx int, index uint, units *big.Int, b checkout.Block) rail.Sighting {
	w.t.Helper()
	token, ok := w.Book().Token(of)
	if !ok {
		w.t.Fatalf("no token %s", of)
	}
	r := p.Terms.Requests[i]
	return rail.Sighting{
		Rail: "evmref", Handle: r.Topic, Key: fmt.Sprintf("evmref:%d:%s:%d", token.Chain, hash(tx), index), Chain: token.Chain,
		Token: token.Address, To: r.Payee, Amount: units, Fee: new(big.Int), At: b.Time,
		Evidence: payment.Evidence{Chain: token.Chain, Block: b.Number, BlockHash: b.Hash, Tx: hash(tx), LogIndex: index},
	}
}

// rates has quotes frozen and returns what each share that misses something has to get.
func (w *world) rates(p *payment.Payment, of asset.ID) map[int]*big.Int {
	w.t.Helper()
	p, _, err := w.Quote(w.t.Context(), p.ID, of, true)
	must(w.t, err)
	due := map[int]*big.Int{}
	for i, r := range p.Terms.Requests {
		missing := p.Standing.Requests[i].Missing(r.Due)
		if q, ok := p.ActiveQuote(i, of, w.now()); ok && missing.Sign() > 0 {
			due[i] = q.For(missing)
		}
	}
	return due
}

func count(kinds []payment.EventKind, k payment.EventKind) (n int) {
	for _, x := range kinds {
		if x == k {
			n++
		}
	}
	return n
}

func TestQuotesOfShares(t *testing.T) {
	w := newLinks(t)
	p := w.split(3000, 1999)
	got, q, err := w.Quote(t.Context(), p.ID, usdcBase, false)
	must(t, err)
	if first, _ := got.ActiveQuote(0, usdcBase, begin); len(got.Quotes) != 2 || first.ID != q.ID || q.Request != 0 || got.Quotes[0].ID == got.Quotes[1].ID {
		t.Fatalf("%+v", got.Quotes)
	}
	for i, units := range []int64{37_500_000, 24_987_500} { // a euro is 1.25 dollars
		q, _ := got.ActiveQuote(i, usdcBase, begin) // of one moment, so in any order
		if q.Request != i || q.Units.Int64() != units || q.Due.Cmp(p.Terms.Requests[i].Due) != 0 || q.Price.Value.Int64() != 80000000 ||
			!q.Asked || q.Chain != base || !q.CreatedAt.Equal(begin) || !q.ExpiresAt.Equal(begin.Add(payment.QuoteLife)) {
			t.Errorf("quote %+v", q)
		}
	}
	if in, ok := payment.InAsset(w.load(p.ID), usdcBase, w.now()); !ok || len(in.Terms.Requests) != 2 || in.Terms.Requests[1].Due.Int64() != 24_987_500 {
		t.Errorf("in dollars: %+v", in)
	}
	again, other, err := w.Quote(t.Context(), p.ID, usdcBase, false)
	if err != nil || other.ID != q.ID || len(again.Quotes) != 2 || w.till.questions() != 1 {
		t.Errorf("asked again: %+v, %v", other, err)
	}
	if _, other, err = w.Quote(t.Context(), p.ID, usdcBase, true); err != nil || other.ID != q.ID {
		t.Errorf("fresh, at once: %+v, %v", other, err)
	}
	w.pass(payment.QuoteLife - time.Minute)
	if got, other, err = w.Quote(t.Context(), p.ID, usdcBase, true); err != nil || other.ID == q.ID || len(got.Quotes) != 4 {
		t.Errorf("fresh, later: %+v, %v", other, err)
	}
	if got, other, err = w.Quote(t.Context(), p.ID, ethBase, false); err != nil || other.Units.String() != "18750000000000000" || len(got.Quotes) != 6 {
		t.Errorf("in ether: %+v, %v", other, err)
	}
	for of, want := range map[asset.ID]string{usdtArb: "invalid unknown_asset asset", "nothing": "invalid unknown_asset asset", asset.EUR: "invalid unknown_asset asset"} {
		if _, _, err := w.Quote(t.Context(), p.ID, of, false); names(err) != want {
			t.Errorf("in %s: %v", of, err)
		}
	}
	w.till.set(func(x *till) { x.euro = 0 })
	w.pass(time.Hour)
	if _, _, err := w.Quote(t.Context(), p.ID, usdcBase, false); names(err) != "unavailable price_unavailable " {
		t.Errorf("while nobody knows what a euro costs: %v", err)
	}
	if len(w.load(p.ID).Quotes) != 6 {
		t.Errorf("%d quotes are kept", len(w.load(p.ID).Quotes))
	}
}

// A token is not offered to its own contract: what is sent there is lost.
func TestNoQuoteForATokensOwnContract(t *testing.T) {
	w := newLinks(t)
	d := splitDraft(100, 100)
	d.Requests[1].Payee = w.usdc.Address
	p, err := w.owe(d)
	must(t, err)
	if _, _, err := w.Quote(t.Context(), p.ID, usdcBase, false); names(err) != "invalid unknown_asset asset" {
		t.Errorf("%v", err)
	}
	if _, _, err := w.Quote(t.Context(), p.ID, ethBase, false); err != nil {
		t.Errorf("%v", err)
	}
}

func TestTooManyQuotesOfShares(t *testing.T) {
	w := newLinks(t)
	cents := make([]int64, 30)
	for i := range cents {
		cents[i] = 100
	}
	p := w.split(cents...)
	for range 20 {
		_, _, err := w.Quote(t.Context(), p.ID, usdcBase, true)
		must(t, err)
		w.pass(payment.QuoteLife - time.Minute)
	}
	if _, _, err := w.Quote(t.Context(), p.ID, usdcBase, true); names(err) != "limited too_many_quotes " {
		t.Errorf("%v", err)
	}
}

// While a payer signs for all shares, nobody else changes what is signed by asking for a
// fresh price.
func TestFreshQuotesOfSharesWait(t *testing.T) {
	w := newLinks(t)
	p := w.split(3000, 1999)
	first := w.quoted(p, usdcBase, false)
	w.pass(payment.QuoteLife - time.Minute - time.Second)
	if q := w.quoted(p, usdcBase, true); q.ID != first.ID {
		t.Error("another visitor has changed the quotes")
	}
	w.pass(2 * time.Second)
	if q := w.quoted(p, usdcBase, true); q.ID == first.ID {
		t.Error("no fresh quotes shortly before the end")
	}
}

// Links have no end: who asks for prices until no more are given closes one for a day at the
// most, and what was asked for long ago is not kept, but for what money counted by.
func TestTooManyQuotesOfALink(t *testing.T) {
	w := newLinks(t)
	p := w.euros(4999)
	paidBy := w.quoted(p, usdcBase, true)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, usdcBase, 1, big.NewInt(1_000_000), b)))
	at := w.now()
	must(t, w.store.Write(t.Context(), func(tx checkout.Tx) error {
		for i := range 299 {
			made := at.Add(time.Duration(i) * time.Minute)
			q, err := payment.FreezeQuote(payment.NewULID(made), 0, money.Cents(100), w.usdc, money.Price{Value: big.NewInt(1)}, made, made.Add(payment.QuoteLife))
			q.Asked = true
			if err := errors.Join(err, tx.InsertQuote(t.Context(), p.ID, q)); err != nil {
				return err
			}
		}
		return nil
	}))
	w.pass(300 * time.Minute)
	if _, _, err := w.Quote(t.Context(), p.ID, usdcBase, true); names(err) != "limited too_many_quotes " {
		t.Errorf("the 301st: %v", err)
	}
	w.pass(24 * time.Hour)
	w.quoted(p, usdcBase, true)
	if n := len(w.load(p.ID).Quotes); n != 301 {
		t.Errorf("the next day: %d quotes are kept", n)
	}
	w.pass(8 * 24 * time.Hour)
	last := w.quoted(p, usdcBase, true)
	kept := w.load(p.ID).Quotes
	if len(kept) != 2 || kept[0].ID != paidBy.ID || kept[1].ID != last.ID {
		t.Errorf("later: %d quotes are kept", len(kept))
	}
	if got := w.load(p.ID).Transfers[0].Quote; got != paidBy.ID {
		t.Errorf("the money counts by %s", got)
	}
}

// Both shares in one transaction: one payment, told of once.
func TestSharesInABatch(t *testing.T) {
	w := newLinks(t)
	p := w.split(3000, 1999)
	due := w.rates(p, usdcBase)
	a, err := w.Announce(t.Context(), p.ID, base, hash(1), shopper)
	must(t, err)
	w.pass(time.Minute)
	b := w.blockNow(1)
	xs := []rail.Sighting{w.share(p, 1, usdcBase, 1, 1, due[1], b), w.share(p, 0, usdcBase, 1, 0, due[0], b)}
	questions := w.till.questions()
	for range 2 { // a sweep may be recorded again
		if err := w.sweep(1, b, xs...); err != nil && !errors.Is(err, checkout.ErrStale) {
			t.Fatal(err)
		}
	}
	got := w.load(p.ID)
	if got.Standing.State != payment.Seen || len(got.Transfers) != 2 || w.till.questions() != questions || got.Attempts[0].Key != a.Key || got.Attempts[0].Stage != payment.Executed {
		t.Fatalf("%s, %+v, %+v", got.Standing.State, got.Transfers, got.Attempts)
	}
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	got = w.load(p.ID)
	if got.Standing.State != payment.Paid || got.Standing.Oddity != payment.None || !got.Standing.SettledAt.Equal(b.Time) {
		t.Errorf("%s/%s at %s", got.Standing.State, got.Standing.Oddity, got.Standing.SettledAt)
	}
	for i, x := range got.Transfers {
		q, _ := got.ActiveQuote(x.Request, usdcBase, w.now())
		if q.Due == nil || x.Credit.Cmp(q.Due) != 0 || x.Quote != q.ID || x.Rail != "evmref" || x.Asset != usdcBase {
			t.Errorf("transfer %d: %+v", i, x)
		}
	}
	// The request that is paid first leaves the payment open, and only the other one makes it.
	var states []string
	for _, e := range w.events(p.ID) {
		if e.Fields[payment.FieldState] == "" {
			t.Errorf("%s tells no state", e.Kind)
		}
		if e.Kind == payment.EventPaid {
			states = append(states, e.Fields[payment.FieldState])
		}
	}
	if !slices.Equal(states, []string{"seen", "paid"}) {
		t.Errorf("paid, and then it was %v", states)
	}
	if in, ok := payment.InAsset(got, usdcBase, w.now().Add(time.Hour)); !ok || in.Standing.State != payment.Paid || in.Terms.Requests[0].Due.Cmp(due[0]) != 0 {
		t.Errorf("in dollars: %+v", in)
	}
}

// One share alone, then the rest by a newer price and in another coin; and a share that was
// taken back is missing again.
func TestShareByShare(t *testing.T) {
	w := newLinks(t)
	p := w.split(3000, 1999)
	due := w.rates(p, usdcBase)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.share(p, 0, usdcBase, 1, 0, due[0], b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	if got := w.load(p.ID); got.Standing.State != payment.Open || got.Standing.Oddity != payment.Under || got.Standing.Requests[0].State != payment.Paid {
		t.Fatalf("%+v", got.Standing)
	}
	w.pass(20 * time.Minute)
	w.till.set(func(x *till) { x.prices[ethBase] = 1000_00000000 })
	rest := w.rates(p, ethBase)
	if len(rest) != 1 || rest[1].String() != "24987500000000000" {
		t.Fatalf("asks for %v", rest)
	}
	if _, q, err := w.Quote(t.Context(), p.ID, ethBase, false); err != nil || q.Request != 1 {
		t.Errorf("quote %+v, %v", q, err)
	}
	c := w.blockNow(2)
	must(t, w.sweep(2, c, w.share(p, 1, ethBase, 2, 0, rest[1], c)))
	if got := w.load(p.ID).Standing; got.State != payment.Seen {
		t.Fatalf("%+v", got)
	}
	must(t, w.Rewind(t.Context(), base, b))
	if got := w.load(p.ID).Standing; got.State != payment.Open {
		t.Fatalf("%+v", got)
	}
	if again := w.rates(p, ethBase); len(again) != 1 || again[1].Cmp(rest[1]) != 0 {
		t.Errorf("asks for %v", again)
	}
	w.pass(time.Hour)
	half := new(big.Int).Rsh(w.rates(p, usdcBase)[1], 1)
	d := w.blockNow(2)
	must(t, w.sweep(2, d, w.share(p, 1, usdcBase, 3, 0, half, d)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{d}))
	w.pass(time.Minute)
	left := w.rates(p, usdcBase)
	e := w.blockNow(3)
	must(t, w.sweep(3, e, w.share(p, 1, usdcBase, 4, 0, left[1], e)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{e}))
	got := w.load(p.ID)
	if got.Standing.State != payment.Paid || got.Standing.Oddity != payment.None || count(w.kinds(p.ID), payment.EventPaid) != 2 {
		t.Errorf("%+v, %v", got.Standing, w.kinds(p.ID))
	}
}

// What comes counts by what was shown when it moved, to two minutes after; then by what it
// costs now; and where nobody knows, later.
func TestWhatSharesCountBy(t *testing.T) {
	const half = 40000000 // of a euro's price, when the market has turned
	for name, c := range map[string]struct {
		after  time.Duration // of the quote, the block
		priced bool          // when it is seen
		asks   bool          // the server needs a price
		credit int64         // cents, 0 for none until there is a price
	}{
		"in time":                   {time.Minute, true, false, 3000},
		"in time, without prices":   {time.Minute, false, false, 3000},
		"at its end":                {payment.QuoteLife, true, false, 3000},
		"within the grace":          {payment.QuoteLife + time.Minute, true, false, 3000},
		"after it":                  {payment.QuoteLife + 3*time.Minute, true, true, 1500},
		"after it, without a price": {payment.QuoteLife + 3*time.Minute, false, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLinks(t)
			p := w.split(3000)
			due := w.rates(p, usdcBase)
			w.pass(c.after)
			b := w.blockNow(1)
			w.pass(5 * time.Minute) // the block is seen later than it was made
			w.till.set(func(x *till) {
				if x.prices[usdcBase] = half * 5 / 4; !c.priced {
					x.prices = nil
				}
			})
			questions := w.till.questions()
			must(t, w.sweep(1, b, w.share(p, 0, usdcBase, 1, 0, due[0], b)))
			must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
			if asked := w.till.questions() > questions; asked != c.asks {
				t.Errorf("asked for a price: %t", asked)
			}
			x := w.load(p.ID).Transfers[0]
			if x.Credit.Cmp(money.Cents(c.credit)) != 0 || (x.Quote != "") != (c.credit > 0) {
				t.Errorf("counts %s by %q", x.Credit, x.Quote)
			}
			if c.credit > 0 {
				return
			}
			if kinds := w.kinds(p.ID); count(kinds, payment.EventPartial)+count(kinds, payment.EventPaid) != 0 {
				t.Errorf("told %v of money that nobody can price", kinds)
			}
			w.till.set(func(x *till) { x.prices = map[asset.ID]int64{usdcBase: 1_00000000} })
			for _, j := range w.claim(checkout.PriceKind) {
				if again, err := w.PriceTransfers(t.Context(), j.Args); err != nil || !again.IsZero() {
					t.Errorf("again %s, %v", again, err)
				}
			}
			if got := w.load(p.ID); got.Standing.State != payment.Paid || got.Transfers[0].Credit.Cmp(money.Cents(3000)) != 0 || count(w.kinds(p.ID), payment.EventPaid) != 1 {
				t.Errorf("%+v, %v", got.Standing, w.kinds(p.ID))
			}
		})
	}
}

// claim takes the jobs of a kind that are due.
func (w *world) claim(kind string) (mine []job.Job) {
	w.t.Helper()
	jobs, err := w.store.Claim(w.t.Context(), w.now(), time.Minute, job.Room{Free: 20, Laned: 20, PerLane: 20})
	must(w.t, err)
	for _, j := range jobs {
		if j.Kind == kind {
			mine = append(mine, j)
		}
	}
	return mine
}

// Payments in euros, in dollars and in tokens may be in one sweep.
func TestASweepOfSeveralCurrencies(t *testing.T) {
	w := newLinks(t)
	shared, euros, dollars, tokens := w.split(100), w.euros(100), w.owed(100), w.create(100)
	w.pass(time.Hour / 2) // the first quote is over
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.share(shared, 0, usdcBase, 1, 0, big.NewInt(1_250_000), b), w.drop(euros, usdcBase, 2, big.NewInt(1_250_000), b),
		w.drop(dollars, usdcBase, 3, big.NewInt(1_000_000), b), w.sighting(tokens, 4, 0, 100, b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	for i, p := range []*payment.Payment{shared, euros, dollars, tokens} {
		if got := w.load(p.ID); got.Standing.State != payment.Paid || got.Standing.Oddity != payment.None {
			t.Errorf("payment %d is %s/%s by %+v", i, got.Standing.State, got.Standing.Oddity, got.Transfers)
		}
	}
}

func TestSharesGoneAstray(t *testing.T) {
	for reason, change := range map[string]func(w *world, x *rail.Sighting){
		"wrong_payee": func(_ *world, x *rail.Sighting) { x.To = payees(7) },
		"wrong_asset": func(_ *world, x *rail.Sighting) { x.Token = asset.Address{5} },
		"no_value":    func(_ *world, x *rail.Sighting) { x.Amount = new(big.Int) },
		"too_early":   func(_ *world, x *rail.Sighting) { x.At = begin.Add(-time.Hour) },
		"wrong_chain": func(w *world, x *rail.Sighting) {
			token, _ := w.Book().Token(usdtArb)
			x.Chain, x.Token, x.Evidence.Chain = arbitrum, token.Address, arbitrum
		},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newLinks(t)
			p := w.split(100)
			due := w.rates(p, usdcBase)
			b := w.blockNow(1)
			x := w.share(p, 0, usdcBase, 1, 0, due[0], b)
			change(w, &x)
			questions := w.till.questions()
			must(t, w.RecordSweep(t.Context(), checkout.Sweep{Chain: x.Chain, From: 1, To: b, Sightings: []rail.Sighting{x}}))
			orphans, err := w.store.Orphans(t.Context(), 10)
			must(t, err)
			if len(orphans) != 1 || orphans[0].Reason != reason || orphans[0].Payment != p.ID || len(w.load(p.ID).Transfers) != 0 {
				t.Errorf("%+v", orphans)
			}
			if reason == "wrong_chain" && w.till.questions() != questions {
				t.Error("a price was asked for what is not the payment's")
			}
		})
	}
}

// Whoever announces names the chain of the payees' accounts; and where there is nothing to
// send to, there is nothing to announce.
func TestAnnouncingEuros(t *testing.T) {
	w := newLinks(t)
	shared, euros := w.split(100), w.euros(100)
	w.till.set(func(x *till) { x.offers = nil })
	byBank := w.euros(100)
	for name, c := range map[string]struct {
		p     *payment.Payment
		chain asset.ChainID
		want  string
	}{
		"a share":                    {shared, base, ""},
		"a share on another chain":   {shared, arbitrum, "invalid wrong_chain chain"},
		"an address":                 {euros, base, ""},
		"an address on any chain":    {euros, arbitrum, ""},
		"what a bank is paid":        {byBank, base, "invalid wrong_chain chain"},
		"a chain that nobody knows":  {shared, 5, "invalid unknown_chain chain"},
		"the same of another's hash": {shared, base, ""},
	} {
		a, err := w.Report(t.Context(), c.p.ID, c.chain, hash(1), shopper)
		if names(err) != c.want || err == nil && (a.Kind != "tx" || a.Route != nil || a.Chain != c.chain) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// Neither a Safe nor a smart account with its owner's money can pay at a quote or a bank.
func TestWhoCannotPayEuros(t *testing.T) {
	w := newLinks(t)
	w.vault, w.relay = newVault(), newRelay()
	w.restart()
	for name, p := range map[string]*payment.Payment{"a share": w.split(100), "a bank": w.euros(100)} {
		option := "sepa:de"
		if p.Terms.Quoted() {
			option = "evmref:base:USDC-base:quoted"
		}
		if _, _, err := w.Prepare(t.Context(), p.ID, option, rail.Payer{Wallet: shopper.Wallet, Safe: true}); names(err) != "invalid safe_unsupported isSafe" {
			t.Errorf("%s, by a Safe: %v", name, err)
		}
		if _, _, err := w.Prepare(t.Context(), p.ID, option, rail.Payer{Wallet: shopper.Wallet, Owner: payee}); names(err) != "invalid gasless_unsupported eoaWallet" {
			t.Errorf("%s, without gas: %v", name, err)
		}
		if _, out, err := w.Options(t.Context(), p.ID, shopper); err != nil || len(out.Ways) != 0 || len(out.Missing) != 0 {
			t.Errorf("%s has ways %+v, %v", name, out, err)
		}
		if w.MeansSafe(t.Context(), p, base, hash(1), shopper.Wallet) || w.Vouched(t.Context(), p, arbitrum, hash(1)) {
			t.Errorf("%s: a Safe or a bridge pays", name)
		}
		if len(w.Missing(t.Context(), p)) != 0 {
			t.Errorf("%s misses ways", name)
		}
	}
	p := w.euros(100)
	if _, in, err := w.Prepare(t.Context(), p.ID, "sepa:de", rail.Payer{}); err != nil {
		t.Errorf("a bank: %v", err)
	} else if x, ok := in.(*rail.BankTransfer); !ok || x.Account != iban {
		t.Errorf("a bank: %+v", in)
	}
	if _, err := w.GaslessChain(t.Context(), p, checkout.GaslessAsker{Option: "sepa:de", Wallet: shopper.Wallet}); names(err) != "not_found no_route option" {
		t.Errorf("a bank's chain: %v", err)
	}
}
