package checkout_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// The whole of a payment in parts of several currencies, on two chains: what is told, and
// how the payment stands then.
func TestDepositsAddUp(t *testing.T) {
	w := newTill(t)
	p := w.owed(300)
	ether := p.Quotes[0]
	tether := w.quoted(p, usdtArb, false)
	third := new(big.Int).Quo(ether.Units, big.NewInt(3))
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, ethBase, 1, third, b), w.drop(p, usdcBase, 2, big.NewInt(1_000_000), b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	rest := tether.For(money.Cents(100))
	if err := w.Cancel(t.Context(), owner, p.ID); names(err) != "conflict in_progress " {
		t.Errorf("called off after a part: %v", err)
	}
	c := checkout.Block{Number: 1, Hash: hash(77), Time: w.now()}
	must(t, w.RecordSweep(t.Context(), checkout.Sweep{Chain: arbitrum, From: 1, To: c, Sightings: []rail.Sighting{w.drop(p, usdtArb, 3, rest, c)}}))
	if got := w.load(p.ID); got.Standing.State != payment.Seen || got.Standing.Oddity != payment.None {
		t.Fatalf("%s, %s", got.Standing.State, got.Standing.Oddity)
	}
	must(t, w.Finalize(t.Context(), arbitrum, []checkout.Block{c}))
	w.pass(2 * time.Hour)
	d := checkout.Block{Number: 2, Hash: hash(2), Time: w.now()}
	must(t, w.sweep(2, d, w.drop(p, usdcBase, 4, big.NewInt(10_000), d), w.drop(p, usdcBase, 5, big.NewInt(1), d)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{d}))
	if got := w.load(p.ID); got.Standing.State != payment.Paid || got.Standing.Oddity != payment.Over || !got.Standing.SettledAt.Equal(c.Time) {
		t.Errorf("%s, %s, settled at %s", got.Standing.State, got.Standing.Oddity, got.Standing.SettledAt)
	}
	var told []string
	for _, e := range w.events(p.ID) {
		told = append(told, string(e.Kind)+" "+e.Fields[payment.FieldState]+e.Fields[payment.FieldPart])
	}
	want := []string{"created open", "seen open1", "seen open1", "partial open1", "partial open1", "seen seen1", "paid paid1", "seen paid1", "seen paid1", "late paid1", "late paid1"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}

// What was taken away and comes back in another block counts as it did before, whatever
// prices and quotes are meanwhile; the same place with another amount by the same quote.
func TestDepositComesBack(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, usdcBase, 1, big.NewInt(600_000), b), w.drop(p, ethBase, 2, p.Quotes[0].Units, b)))
	was := w.load(p.ID).Transfers
	must(t, w.Rewind(t.Context(), base, checkout.Block{Hash: hash(0)}))
	if got := w.load(p.ID); got.Part() || got.Standing.State != payment.Open {
		t.Errorf("%s, part %t", got.Standing.State, got.Part())
	}
	w.till.set(func(x *till) { x.prices = map[asset.ID]int64{usdcBase: 5000_00000000, ethBase: 1} })
	w.pass(30 * time.Minute)
	w.quoted(p, ethBase, false)
	w.quoted(p, usdcBase, false)
	asked := w.till.questions()
	c := w.blockNow(2)
	must(t, w.sweep(1, c, w.drop(p, usdcBase, 1, big.NewInt(300_000), c), w.drop(p, ethBase, 2, p.Quotes[0].Units, c)))
	got := w.load(p.ID)
	if len(got.Transfers) != 2 || len(got.Quotes) != 4 || w.till.questions() != asked {
		t.Fatalf("%d transfers, %d quotes, prices were asked for: %t", len(got.Transfers), len(got.Quotes), w.till.questions() > asked)
	}
	for _, x := range got.Transfers {
		i := slices.IndexFunc(was, func(y payment.Transfer) bool { return y.Key == x.Key })
		credit := was[i].Credit
		if x.Asset == usdcBase {
			credit = money.Cents(30)
		}
		if x.Quote != was[i].Quote || x.Credit.Cmp(credit) != 0 || x.Stage != payment.Pending || x.Evidence.BlockHash != c.Hash {
			t.Errorf("%s: %s by %q, before %s by %q", x.Asset, x.Credit, x.Quote, was[i].Credit, was[i].Quote)
		}
	}
	// In its place another token's event: another transfer.
	must(t, w.Rewind(t.Context(), base, checkout.Block{Hash: hash(0)}))
	x := w.drop(p, usdcBase, 1, big.NewInt(300_000), c)
	usdt, _ := w.Book().Token("USDT-base")
	x.Token = usdt.Address
	w.till.set(func(x *till) { x.prices["USDT-base"] = 2_00000000 })
	must(t, w.sweep(1, c, x))
	if got := w.load(p.ID); len(got.Transfers) != 3 || got.Standing.Requests[0].Received.Cmp(money.Cents(60)) != 0 {
		t.Errorf("%d transfers, %s", len(got.Transfers), got.Standing.Requests[0].Received)
	}
}

func TestDollarDust(t *testing.T) {
	w := newTill(t)
	p := w.owed(20_000)
	b := w.blockNow(1)
	var xs []rail.Sighting
	for i := range 200 {
		xs = append(xs, w.drop(p, usdcBase, 1+i, big.NewInt(1), b))
	}
	must(t, w.sweep(1, b, xs...))
	c := w.blockNow(2)
	must(t, w.sweep(2, c, w.drop(p, usdcBase, 301, big.NewInt(999_000), c), w.drop(p, usdcBase, 302, big.NewInt(1_000_000), c),
		w.drop(p, ethBase, 303, units(t, "499000000000000"), c), w.drop(p, ethBase, 304, units(t, "500000000000000"), c)))
	got := w.load(p.ID)
	orphans, err := w.store.Orphans(t.Context(), 10)
	must(t, err)
	if len(got.Transfers) != 202 || len(orphans) != 2 || orphans[0].Reason != "dust" || len(got.Quotes) != 2 {
		t.Errorf("%d transfers, %d quotes, orphans %+v", len(got.Transfers), len(got.Quotes), orphans)
	}
	// Without a price nobody knows whether it is dust: some more are kept.
	w.till.set(func(x *till) { x.prices = nil })
	w.pass(20 * time.Minute)
	d := w.blockNow(3)
	xs = nil
	for i := range 250 {
		xs = append(xs, w.drop(p, usdcBase, 1000+i, big.NewInt(1), d))
	}
	must(t, w.sweep(3, d, xs...))
	if got := w.load(p.ID); len(got.Transfers) != 400 {
		t.Errorf("%d transfers", len(got.Transfers))
	}
}

func TestCancelDollars(t *testing.T) {
	w := newTill(t)
	p, over := w.owed(100), w.owed(100)
	must(t, w.Cancel(t.Context(), owner, p.ID))
	must(t, w.Cancel(t.Context(), owner, p.ID))
	if _, _, err := w.Quote(t.Context(), p.ID, ethBase, true); names(err) != "forbidden canceled " {
		t.Errorf("a quote of what was called off: %v", err)
	}
	w.pass(time.Second)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, ethBase, 1, p.Quotes[0].Units, b)))
	if got := w.load(p.ID); got.Standing.State != payment.Canceled || got.Standing.Oddity != payment.Late || got.Part() {
		t.Errorf("paid a second later: %s, %s", got.Standing.State, got.Standing.Oddity)
	}
	w.pass(time.Hour)
	if n, err := w.ExpireOverdue(t.Context()); n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	if err := w.Cancel(t.Context(), owner, over.ID); names(err) != "conflict expired " {
		t.Errorf("called off when it was over: %v", err)
	}
	if e := w.events(over.ID); e[len(e)-1].Kind != payment.EventExpired || e[len(e)-1].Fields[payment.FieldState] != "expired" || e[len(e)-1].Fields[payment.FieldPart] != "" {
		t.Errorf("told %+v", e[len(e)-1])
	}
}

// A block of the last second is seen a moment later: nobody is told before that the
// payment is over, because it is not.
func TestTheLastSecond(t *testing.T) {
	w := newTill(t)
	w.unseen = 10 * time.Second
	w.restart()
	p, none := w.owed(100), w.owed(100)
	w.pass(time.Hour)
	b := w.blockNow(1) // made in time
	w.pass(9 * time.Second)
	if n, err := w.ExpireOverdue(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	must(t, w.sweep(1, b, w.drop(p, ethBase, 1, p.Quotes[0].Units, b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	w.pass(2 * time.Second)
	if n, err := w.ExpireOverdue(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	for id, want := range map[payment.ID]payment.State{p.ID: payment.Paid, none.ID: payment.Expired} {
		told := slices.ContainsFunc(w.events(id), func(e payment.Event) bool { return e.Kind == payment.EventExpired })
		if got := w.load(id); got.Standing.State != want || told != (want == payment.Expired) {
			t.Errorf("%s, told that it expired: %t", got.Standing.State, told)
		}
	}
}

// To send some of it is not enough: who looks at the end is told that some has come.
func TestPartAtTheEnd(t *testing.T) {
	w := newTill(t)
	d := dollarDraft(100)
	d.Alias = "an alias"
	p, err := w.owe(d)
	must(t, err)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, ethBase, 1, big.NewInt(1), b)))
	w.pass(time.Hour + time.Second)
	_, err = w.ExpireOverdue(t.Context())
	must(t, err)
	if e := w.events(p.ID)[2]; e.Kind != payment.EventExpired || e.Fields[payment.FieldPart] != "1" {
		t.Errorf("told %+v", e)
	}
	part, alias := true, checkout.Listing{Merchant: owner, Dialect: "spacepay", Limit: 5, States: []checkout.StatePart{{State: payment.Expired, Part: new(bool)}}}
	if _, n, err := w.store.List(t.Context(), alias); n != 0 || err != nil {
		t.Errorf("%d expired without a part, %v", n, err)
	}
	alias.States[0].Part = &part
	if _, n, err := w.store.List(t.Context(), alias); n != 1 || err != nil {
		t.Errorf("%d expired with a part, %v", n, err)
	}
}

func TestRefundOfDollars(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, ethBase, 1, big.NewInt(700), b), w.drop(p, usdcBase, 2, big.NewInt(50), b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	back := func(of asset.ID, tx int, units int64) checkout.Refund {
		r := refund(p, tx, units)
		r.Asset = of
		return r
	}
	for _, c := range []struct {
		r    checkout.Refund
		want string
	}{
		{back(ethBase, 1, 701), "invalid refund_too_large amount"},
		{back(ethBase, 1, 300), ""},
		{back(usdcBase, 1, 50), ""}, // in the same transaction
		{back(usdcBase, 1, 50), "known"},
		{back(usdcBase, 1, 49), "conflict refund_differs tx"},
		{back(ethBase, 2, 401), "invalid refund_too_large amount"},
		{back(usdcBase, 2, 1), "invalid refund_too_large amount"},
		{back(ethBase, 3, 400), ""},
		{back("", 4, 1), "invalid unknown_asset asset"},
		{back(asset.USD, 4, 1), "invalid unknown_asset asset"},
		{back(usdtArb, 4, 1), "invalid unknown_asset asset"},
	} {
		recorded, err := w.Refunded(t.Context(), owner, c.r)
		if got := names(err); got != c.want && (c.want != "known" || got != "" || recorded) {
			t.Errorf("%s of %s: %t, %v", c.r.Amount, c.r.Asset, recorded, err)
		}
	}
	got := w.refunds(p.ID)
	if len(got) != 3 || got[1].Fields[payment.FieldAsset] != string(usdcBase) || got[1].Fields[payment.FieldAmount] != "50" {
		t.Errorf("told %+v", got)
	}
	tokens := paid(t, newWorld(t))
	if _, err := w.Refunded(t.Context(), owner, checkout.Refund{Payment: tokens.ID}); names(err) != "not_found payment_not_found " {
		t.Error(err)
	}
}

// What a page or a wallet can ask of a payment in dollars gets a sensible answer.
func TestDepositsAreNoOtherWay(t *testing.T) {
	for name, w := range map[string]*world{"plain": newTill(t), "with Safes and gas paid for": gasWorldOn(t, "sqlite:"+t.TempDir()+"/gas.db")} {
		t.Run(name, func(t *testing.T) {
			if w.till == nil {
				w.vault = newVault()
				w.openTill(8)
			}
			p := w.owed(100)
			shopper := asset.Address{19: 0x77}
			_, in, err := w.Prepare(t.Context(), p.ID, "deposit:"+string(ethBase), rail.Payer{Wallet: shopper})
			if d, ok := in.(*rail.Deposit); !ok || err != nil || d.Address != p.Terms.Requests[0].Payee || w.till.seen[0].Wallet != shopper {
				t.Errorf("%+v, %v", in, err)
			}
			if _, _, err := w.Prepare(t.Context(), p.ID, "one", rail.Payer{}); names(err) != "not_found no_route option" {
				t.Errorf("a way of others: %v", err)
			}
			if _, _, err := w.Prepare(t.Context(), p.ID, "", rail.Payer{Wallet: shopper, Safe: true}); !strings.HasPrefix(names(err), "invalid safe_unsupported isSafe") {
				t.Errorf("a Safe: %v", err)
			}
			if _, _, err := w.Prepare(t.Context(), p.ID, "", rail.Payer{Wallet: accountOf(shopper), Owner: shopper}); !strings.HasPrefix(names(err), "invalid gasless_unsupported eoaWallet") {
				t.Errorf("without gas: %v", err)
			}
			if m := w.Missing(t.Context(), p); len(m) != 0 {
				t.Errorf("missing %v", m)
			}
			if m := w.MissingFor(t.Context(), p, rail.Payer{Wallet: shopper}); len(m) != 0 {
				t.Errorf("missing %v", m)
			}
			_, o, err := w.Options(t.Context(), p.ID, rail.Payer{Wallet: shopper})
			if err != nil || len(o.Ways) != 0 || len(o.Missing) != 0 {
				t.Errorf("options %+v, %v", o, err)
			}
			if _, err := w.GaslessView(t.Context(), p, "", shopper); err == nil || strings.HasPrefix(names(err), "internal") {
				t.Errorf("the view of an operation: %v", err)
			}
			if w.Vouched(t.Context(), p, arbitrum, hash(1)) || w.MeansSafe(t.Context(), p, base, hash(1), shopper) {
				t.Error("a transaction is taken for something else")
			}
			if _, err := w.CheckSafe(t.Context(), p, checkout.SafeIntent{Chain: base, Hash: hash(1), Safe: shopper}); names(err) != "invalid safe_unsupported safeTxHash" {
				t.Errorf("a Safe's hash: %v", err)
			}
			if a, err := w.Admit(t.Context(), p, shopper); err != nil || !a.Admitted() {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// A transaction that the payer told of may be on any chain; it is looked for there, and
// nobody spoils it by naming it elsewhere first.
func TestTellingOfADeposit(t *testing.T) {
	w := newTill(t)
	w.span = &span{}
	var nudged []asset.ChainID
	w.nudged = func(c asset.ChainID) { nudged = append(nudged, c) }
	w.restart()
	p := w.owed(100)
	for _, chain := range []asset.ChainID{base, arbitrum, arbitrum} {
		a, err := w.Report(t.Context(), p.ID, chain, hash(3), rail.Payer{Wallet: payee})
		if err != nil || a.Kind != "tx" || a.Chain != chain || a.Route != nil || a.Stage != payment.Announced || a.Handle != hash(3) {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if !slices.Equal(nudged, []asset.ChainID{base, arbitrum, arbitrum}) {
		t.Errorf("looked at %v", nudged)
	}
	c := w.blockNow(1)
	must(t, w.RecordSweep(t.Context(), checkout.Sweep{Chain: arbitrum, From: 1, To: c, Sightings: []rail.Sighting{w.drop(p, usdtArb, 3, big.NewInt(5), c)}}))
	for _, a := range w.load(p.ID).Attempts {
		if (a.Stage == payment.Executed) != (a.Chain == arbitrum) {
			t.Errorf("on %d it is %s", a.Chain, a.Stage)
		}
	}
	if len(w.load(p.ID).Attempts) != 2 {
		t.Errorf("%+v", w.load(p.ID).Attempts)
	}
}

// Balances are there with the cursor, go with a rewind unless they are final, and are
// settled with their block.
func TestBalancesGoWithTheCursor(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	at := p.Terms.Requests[0].Payee
	put := func(n int, before, after int64) {
		t.Helper()
		b := w.blockNow(n)
		must(t, w.RecordSweep(t.Context(), checkout.Sweep{Chain: base, From: uint64(n), To: b, Sightings: []rail.Sighting{w.drop(p, ethBase, n, big.NewInt(after-before), b)}, Balances: []checkout.Balance{
			{Address: at, Block: b.Number, BlockHash: b.Hash, Before: big.NewInt(before), Wei: big.NewInt(after)},
		}}))
	}
	newest := func() int64 {
		t.Helper()
		known, err := w.store.Balances(t.Context(), base, 100, []asset.Address{at})
		must(t, err)
		if len(known[at]) == 0 {
			return -1
		}
		return known[at][len(known[at])-1].Wei.Int64()
	}
	put(1, 0, 10)
	put(2, 10, 20)
	if err := w.sweep(2, w.blockNow(2)); err == nil || newest() != 20 {
		t.Errorf("a sweep out of turn: %v, %d", err, newest())
	}
	waiting, err := w.Unsettled(t.Context(), base, 2)
	if err != nil || len(waiting) != 2 {
		t.Errorf("unsettled %v, %v", waiting, err)
	}
	must(t, w.Finalize(t.Context(), base, []checkout.Block{{Number: 1, Hash: w.blockNow(1).Hash}}))
	must(t, w.Rewind(t.Context(), base, checkout.Block{Hash: hash(0)}))
	if newest() != 10 {
		t.Errorf("after the rewind %d", newest())
	}
}
