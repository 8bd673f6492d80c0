package evmref_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/railtest"
)

const (
	quotedETH  = "evmref:base:ETH-base:quoted"
	quotedUSDC = "evmref:base:USDC-base:quoted"
	quotedUSDT = "evmref:base:USDT-base:quoted"
)

// parity is a price at which a unit of 18 decimals is one of the currency; market is one at
// which nothing comes out even. Both in 10^-8 euros.
var (
	parity = map[asset.ID]int64{"ETH-base": 1e8, "USDC-base": 1e8, "USDT-base": 1e8, "ETH-arbitrum-one": 1e8, "USDC-arbitrum-one": 1e8}
	market = map[asset.ID]int64{"ETH-base": 346_486_438_799, "USDC-base": 92_590_123}
)

// shares are requests in euro cents, each to an account of its own on the sandbox's Base.
func (w *world) shares(t testing.TB, cents ...int64) (list []payment.Request) {
	for i, n := range cents {
		payee := addr(t, fmt.Sprintf("0x%040x", 0x5a4e0000+i))
		list = append(list, payment.Request{Asset: asset.EUR, Due: money.Cents(n), Payee: payee, Chain: asset.SandboxBase})
	}
	return list
}

func abroad(list []payment.Request, id asset.ChainID) []payment.Request {
	for i := range list {
		list[i].Chain = id
	}
	return list
}

func toNobody(list []payment.Request) []payment.Request {
	list[0].Payee = asset.Address{}
	return list
}

// quoted opens a payment of shares with a quote of each of them for each asset.
func (w *world) quoted(t testing.TB, shares []payment.Request, prices map[asset.ID]int64) *payment.Payment {
	t.Helper()
	p := railtest.Open(t, w.rail, shares...)
	for id, price := range prices {
		w.freeze(t, p, id, price, "1")
	}
	return p
}

// freeze adds quotes of what each share is due.
func (w *world) freeze(t testing.TB, p *payment.Payment, id asset.ID, price int64, name string) {
	t.Helper()
	of, ok := w.book.Token(id)
	if !ok {
		t.Fatalf("no asset %s", id)
	}
	for i, q := range p.Terms.Requests {
		missing, _ := p.Outstanding(i)
		if missing.Sign() == 0 {
			continue
		}
		x, err := payment.FreezeQuote(fmt.Sprintf("01QUOTE%s%s%d", name, id, i), q.Index, missing, of, money.Price{Value: big.NewInt(price), At: w.now}, w.now, w.now.Add(payment.QuoteLife))
		if err != nil {
			t.Fatal(err)
		}
		x.Asked = true
		p.Quotes = append(p.Quotes, x)
	}
}

// credited are the transfers that sightings are worth by the payment's quotes, as the
// checkout reckons.
func (w *world) credited(t *testing.T, p *payment.Payment, seen []rail.Sighting) (out []payment.Transfer) {
	t.Helper()
	for _, x := range seen {
		i := slices.IndexFunc(p.Terms.Requests, func(q payment.Request) bool { return q.Topic == x.Handle })
		token, known := w.book.TokenAt(x.Chain, x.Token)
		if i < 0 || !known || x.To != p.Terms.Requests[i].Payee || x.Fee.Sign() != 0 {
			t.Fatalf("nobody's: %+v", x)
		}
		q, found := p.QuoteFor(i, token.ID, x.Amount, w.now)
		if !found {
			t.Fatalf("no quote of %s for share %d", token.ID, i)
		}
		out = append(out, payment.Transfer{
			Key: x.Key + ":" + x.Handle, Request: i, Rail: string(x.Rail), Asset: token.ID, Amount: x.Amount, Credit: q.Credit(x.Amount), Quote: q.ID,
			Stage: payment.Final, At: w.now, Evidence: x.Evidence,
		})
	}
	return out
}

func (w *world) prepared(t *testing.T, p *payment.Payment, option string, payer rail.Payer) *rail.Calls {
	t.Helper()
	in, err := w.rail.Prepare(t.Context(), p, option, payer)
	if err != nil {
		t.Fatal(err)
	}
	return in.(*rail.Calls)
}

// Three shares are paid by one transaction of the official batch contract, each its quote's
// amount to its own payee by its own reference, and are worth what is due to the last digit.
func TestSharesOfEurosArePaidTogether(t *testing.T) {
	for option, steps := range map[string]string{quotedETH: "pay", quotedUSDC: "approve USDC-base, pay"} {
		t.Run(option, func(t *testing.T) {
			w := newWorld(t)
			p := w.quoted(t, w.shares(t, 3333, 1000, 666), market)
			calls := w.prepared(t, p, option, w.payer(t))
			if got := stepsOf(calls); got != steps || calls.Chain != asset.SandboxBase {
				t.Errorf("steps %s, want %s", got, steps)
			}
			for _, c := range calls.Checks {
				if c.Outcome != rail.Passed {
					t.Errorf("check %+v", c)
				}
			}
			if to := calls.Steps[len(calls.Steps)-1].To; to != addr(t, w.chain.BatchPayments()) {
				t.Errorf("the last one goes to %s", to)
			}
			seen := w.carryOut(t, calls)
			if len(seen) != 3 || seen[0].Evidence.Tx != seen[1].Evidence.Tx || seen[1].Evidence.Tx != seen[2].Evidence.Tx {
				t.Fatalf("seen %+v", seen)
			}
			for _, x := range w.credited(t, p, seen) {
				q := p.Terms.Requests[x.Request]
				if asked, _ := p.ActiveQuote(x.Request, x.Asset, w.now); x.Amount.Cmp(asked.Units) != 0 || x.Credit.Cmp(q.Due) != 0 {
					t.Errorf("share %d: %s worth %s, asked for %s worth %s", x.Request, x.Amount, x.Credit, asked.Units, q.Due)
				}
			}
			paid := railtest.With(p, w.credited(t, p, seen)...)
			if paid.Standing.State != payment.Paid || paid.Standing.Oddity != payment.None {
				t.Errorf("standing %+v", paid.Standing)
			}
		})
	}
}

// The ways: one for each enabled asset of the chain; costs where all shares have a quote.
func TestQuotedOffer(t *testing.T) {
	w := newWorld(t)
	p := w.quoted(t, w.shares(t, 3333, 1000, 666), market)
	p.Quotes = slices.DeleteFunc(p.Quotes, func(q payment.Quote) bool { return q.Asset == "USDC-base" && q.Request == 2 })
	got, err := w.rail.Offer(t.Context(), p, rail.Payer{})
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v %v", got, err)
	}
	eth := new(big.Int)
	for i := range 3 {
		q, _ := p.ActiveQuote(i, "ETH-base", w.now)
		eth.Add(eth, q.Units)
	}
	for i, want := range []struct {
		id    string
		asset asset.ID
		costs string
	}{{quotedETH, "ETH-base", "ETH-base " + eth.String()}, {quotedUSDC, "USDC-base", ""}, {quotedUSDT, "USDT-base", ""}} {
		o := got[i]
		if o.ID != want.id || o.Asset != want.asset || costs(o.Costs) != want.costs || o.Chain != asset.SandboxBase || o.Type != rail.SameChain || o.Rail != evmref.ID || !o.Spender.IsZero() {
			t.Errorf("got %+v, want %+v", o, want)
		}
	}
	// At the end of the quotes there are ways, and no costs.
	w.now = w.now.Add(payment.QuoteLife)
	if got, err = w.rail.Offer(t.Context(), p, rail.Payer{}); err != nil || len(got) != 3 || len(got[0].Costs) != 0 {
		t.Errorf("later: %+v %v", got, err)
	}
	if bad, refused := rail.Failed(w.rail.Guard(t.Context(), p)); refused || len(w.rail.Guard(t.Context(), p)) == 0 {
		t.Errorf("guarded without quotes: %+v", bad)
	}
}

// What is missing is asked for, and by the newest quote: what was paid is left out, part of a
// share shrinks it, and one share alone needs no batch.
func TestRestOfShares(t *testing.T) {
	w := newWorld(t)
	p := w.quoted(t, w.shares(t, 3333, 1000, 666), market)
	part := railtest.With(p, railtest.ReceivedBy(p, 0, "a", money.Cents(3333), nil, payment.Final), railtest.ReceivedBy(p, 1, "b", money.Cents(250), nil, payment.Final))
	calls := w.prepared(t, part, quotedUSDC, w.payer(t))
	b, err := official.DecodeBatchPayment(calls.Steps[len(calls.Steps)-1].Data)
	if err != nil || len(b.Items) != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	q, _ := p.ActiveQuote(1, "USDC-base", w.now)
	if b.Items[0].Reference.String() != p.Terms.Requests[1].Reference || b.Items[0].Amount.Cmp(q.For(money.Cents(750))) != 0 || b.Items[0].Payee != p.Terms.Requests[1].Payee {
		t.Errorf("item %+v", b.Items[0])
	}
	one := railtest.With(part, railtest.ReceivedBy(p, 1, "c", money.Cents(750), nil, payment.Final))
	calls = w.prepared(t, one, quotedUSDC, w.payer(t))
	said, err := official.DecodeERC20Payment(calls.Steps[len(calls.Steps)-1].Data)
	if err != nil || said.Payee != p.Terms.Requests[2].Payee || said.Reference.String() != p.Terms.Requests[2].Reference {
		t.Errorf("alone: %+v, %v", said, err)
	}
	seen := w.carryOut(t, calls)
	if done := railtest.With(one, w.credited(t, one, seen)...); done.Standing.State != payment.Paid || len(seen) != 1 {
		t.Errorf("standing %+v", done.Standing)
	}
	// A fresh price, half of the old one, counts at once.
	w.now = w.now.Add(time.Minute)
	w.freeze(t, one, "USDC-base", market["USDC-base"]/2, "2")
	again, err := official.DecodeERC20Payment(w.prepared(t, one, quotedUSDC, w.payer(t)).Steps[1].Data)
	if newest, _ := one.ActiveQuote(2, "USDC-base", w.now); err != nil || again.Amount.Cmp(newest.Units) != 0 || again.Amount.Cmp(new(big.Int).Mul(said.Amount, big.NewInt(2))) > 1 {
		t.Errorf("%s at the new price, %s before", again.Amount, said.Amount)
	}
}

// A quote that is over, of another share, asset or chain, or that nobody was shown pays
// nothing.
func TestQuotesThatDoNotCount(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(p *payment.Payment){
		"none":                func(p *payment.Payment) { p.Quotes = nil },
		"one is missing":      func(p *payment.Payment) { p.Quotes = p.Quotes[:2] },
		"twice the same":      func(p *payment.Payment) { p.Quotes[2].Request = 1 },
		"of a share too many": func(p *payment.Payment) { p.Quotes[2].Request = 3 },
		"of another asset":    func(p *payment.Payment) { p.Quotes[2].Asset = "USDT-base" },
		"of another chain":    func(p *payment.Payment) { p.Quotes[2].Chain = asset.SandboxArbitrum },
		"shown to nobody":     func(p *payment.Payment) { p.Quotes[2].Asked = false },
		"over":                func(p *payment.Payment) { p.Quotes[2].ExpiresAt = w.now },
	} {
		p := w.quoted(t, w.shares(t, 3333, 1000, 666), map[asset.ID]int64{"USDC-base": 92_590_123})
		if _, err := w.rail.Prepare(t.Context(), p, quotedUSDC, rail.Payer{}); err != nil {
			t.Fatal(err)
		}
		spoil(p)
		in, err := w.rail.Prepare(t.Context(), p, quotedUSDC, w.payer(t))
		if f := fault.From(err); in != nil || f == nil || f.Kind != fault.Conflict || f.Code != "quote_expired" || f.Field != "asset" {
			t.Errorf("%s: %v, %v", name, in, err)
		}
		options, err := w.rail.Offer(t.Context(), p, rail.Payer{})
		if i := slices.IndexFunc(options, func(o rail.Option) bool { return o.ID == quotedUSDC }); err != nil || i < 0 || len(options[i].Costs) != 0 {
			t.Errorf("%s: offered %+v, %v", name, options, err)
		}
	}
}

// Ways of other assets, chains and payments are none of this one's.
func TestOtherWaysOfShares(t *testing.T) {
	w := newWorld(t)
	p := w.quoted(t, w.shares(t, 3333, 1000), market)
	for _, id := range []string{
		batchOption, "evmref:base:USDC-base", "evmref:base:EUR:quoted", "evmref:base:quoted", "evmref:base:batch:quoted",
		"evmref:arbitrum-one:USDC-arbitrum-one:quoted", "evmref:base:NONE-base:quoted",
	} {
		if _, err := w.rail.Prepare(t.Context(), p, id, w.payer(t)); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	token := railtest.Open(t, w.rail, request(t, "USDC-base", 0))
	if _, err := w.rail.Prepare(t.Context(), token, quotedUSDC, w.payer(t)); !fault.Is(err, fault.NotFound) {
		t.Errorf("of a payment in the token: %v", err)
	}
	// A server that takes no such amounts has no ways for them.
	bare := evmref.New(evmref.Config{Book: w.book, Registry: official.Default(), Codes: w.codes, Nodes: map[asset.ChainID]chain.Batcher{asset.SandboxBase: w.client}})
	if got, err := bare.Offer(t.Context(), p, rail.Payer{}); len(got) != 0 || err != nil || len(bare.Guard(t.Context(), p)) != 0 {
		t.Errorf("offered %+v, %v", got, err)
	}
}

// Calls in which one thing was changed are refused, whoever changed it: they are compared
// with the payment at its quotes before a wallet sees them.
func TestChangedSharesAreRefused(t *testing.T) {
	w := newWorld(t)
	p := w.quoted(t, w.shares(t, 3333, 1000, 666), market)
	in, ok := payment.InAsset(p, "USDC-base", w.now)
	if !ok {
		t.Fatal("no quotes")
	}
	order := official.Batch{Chain: asset.SandboxBase, Terms: official.Default().BatchTerms(asset.SandboxBase)}
	for _, q := range in.Terms.Requests {
		token, _ := w.book.Token(q.Asset)
		reference, err := official.ParseReference(q.Reference)
		if err != nil {
			t.Fatal(err)
		}
		order.Requests = append(order.Requests, official.Expectation{Chain: asset.SandboxBase, Token: token.Address, Payee: q.Payee, Amount: q.Due, Reference: reference, Fee: new(big.Int)})
	}
	calls := w.prepared(t, p, quotedUSDC, rail.Payer{})
	honest := calls.Steps
	if bad, refused := rail.Failed(official.Default().Verify(order, honest)); refused {
		t.Fatalf("the honest calls: %+v", bad)
	}
	usdt, _ := w.book.Token("USDT-base")
	for name, change := range map[string]func(items []official.Expectation){
		"a share less":          func(x []official.Expectation) { x[1].Amount = new(big.Int).Sub(x[1].Amount, big.NewInt(1)) },
		"a share more":          func(x []official.Expectation) { x[0].Amount = new(big.Int).Add(x[0].Amount, big.NewInt(1)) },
		"from one to another":   func(x []official.Expectation) { x[0].Amount, x[2].Amount = x[2].Amount, x[0].Amount },
		"another payee":         func(x []official.Expectation) { x[2].Payee = addr(t, payee) },
		"payees exchanged":      func(x []official.Expectation) { x[0].Payee, x[1].Payee = x[1].Payee, x[0].Payee },
		"references exchanged":  func(x []official.Expectation) { x[0].Reference, x[1].Reference = x[1].Reference, x[0].Reference },
		"another asset":         func(x []official.Expectation) { x[1].Token = usdt.Address },
		"a fee that nobody set": func(x []official.Expectation) { x[0].Fee, x[0].FeePayee = big.NewInt(1), addr(t, feeTo) },
	} {
		wrong := order
		wrong.Requests = slices.Clone(order.Requests)
		for i := range wrong.Requests {
			wrong.Requests[i].Amount = new(big.Int).Set(wrong.Requests[i].Amount)
		}
		change(wrong.Requests)
		pay, err := official.Default().PayCall(wrong)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		steps := slices.Clone(honest)
		steps[len(steps)-1] = pay
		if _, refused := rail.Failed(official.Default().Verify(order, steps)); !refused {
			t.Errorf("%s: nobody objects", name)
		}
	}
}

// Money that moves as another asset, or with an amount of one's own, is told as what it is:
// what it is worth to a share, its quotes say.
func TestSharesPaidOtherwiseAreSeenAsTheyAre(t *testing.T) {
	w := newWorld(t)
	p := w.quoted(t, w.shares(t, 3333, 1000), market)
	other := w.quoted(t, w.shares(t, 1), market)
	reference, err := official.ParseReference(p.Terms.Requests[0].Reference)
	if err != nil {
		t.Fatal(err)
	}
	// The payer's own call: the right reference, the payee of somebody else's share, wei for euros.
	order := official.Expectation{Chain: asset.SandboxBase, Payee: other.Terms.Requests[0].Payee, Amount: big.NewInt(7), Reference: reference, Fee: new(big.Int)}
	pay, err := official.Default().PayCall(order)
	if err != nil {
		t.Fatal(err)
	}
	seen := w.carryOut(t, &rail.Calls{Chain: asset.SandboxBase, Steps: []rail.Call{pay}})
	if len(seen) != 1 || seen[0].Handle != p.Terms.Requests[0].Topic || !seen[0].Token.IsZero() || seen[0].Amount.Int64() != 7 || seen[0].To != order.Payee {
		t.Errorf("seen %+v", seen)
	}
}

// Safes and smart accounts are told why they cannot, and none of their calls is taken for
// this payment's.
func TestQuotesAreForWallets(t *testing.T) {
	w := newWorld(t)
	p := w.quoted(t, w.shares(t, 3333, 1000), market)
	calls := w.prepared(t, p, quotedUSDC, w.payer(t))
	safe, smart := w.payer(t), w.payer(t)
	safe.Safe, smart.Owner = true, addr(t, payee)
	for _, c := range []struct {
		payer       rail.Payer
		field, code string
	}{{safe, "isSafe", "safe_unsupported"}, {smart, "eoaWallet", "gasless_quoted"}} {
		if got, err := w.rail.Offer(t.Context(), p, c.payer); len(got) != 0 || err != nil {
			t.Errorf("%s: offered %+v, %v", c.code, got, err)
		}
		_, err := w.rail.Prepare(t.Context(), p, quotedUSDC, c.payer)
		f := fault.From(err)
		if f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Code != c.code {
			t.Fatalf("%s: %v", c.code, err)
		}
		if m := w.rail.MissingFor(t.Context(), p, c.payer); len(m) != 1 || m[0] != (rail.Missing{Chain: asset.SandboxBase, Code: c.code, Why: f.Public}) {
			t.Errorf("missing %+v", m)
		}
		if claim, ok := w.rail.Claims(p, asset.SandboxBase, c.payer, calls.Steps, w.now); ok {
			t.Errorf("claimed %+v", claim)
		}
	}
	if m := w.rail.MissingFor(t.Context(), p, w.payer(t)); len(m) != 0 {
		t.Errorf("of a wallet: %+v", m)
	}
	if m := w.rail.MissingFor(t.Context(), railtest.Open(t, w.rail, request(t, "USDC-base", 0)), safe); len(m) != 0 {
		t.Errorf("of a payment in a token: %+v", m)
	}
}

// Shares are named as requests of tokens are.
func TestSharesAreNamed(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, w.shares(t, 10, 10, 10)...)
	seen := map[string]bool{}
	for _, q := range p.Terms.Requests {
		reference := official.PaymentReference(q.ID, q.Salt, q.Payee.Lower())
		if q.Reference != reference.String() || q.Topic != reference.Topic().String() || seen[q.Topic] ||
			len(q.Handles) != 1 || q.Handles[0] != (payment.Handle{Rail: string(evmref.ID), Value: q.Topic}) {
			t.Errorf("named %+v", q)
		}
		seen[q.Topic] = true
	}
}
