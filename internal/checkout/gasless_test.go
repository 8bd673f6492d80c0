package checkout_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// prepares asks for a payer's calls.
func (w *world) prepares(p *payment.Payment, option string, payer rail.Payer) (*rail.Calls, error) {
	_, in, err := w.Prepare(w.t.Context(), p.ID, option, payer)
	calls, _ := in.(*rail.Calls)
	return calls, err
}

func TestPrepareForASmartAccount(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	pays := rail.Payer{Wallet: accountOf(saver), Owner: saver}
	calls, err := w.prepares(p, "one", pays)
	must(t, err)
	if !calls.Gasless || calls.Chain != base {
		t.Errorf("prepared %+v", calls)
	}
	for name, c := range map[string]struct {
		option      string
		payer       rail.Payer
		field, code string
	}{
		"another account":   {"one", rail.Payer{Wallet: saver, Owner: saver}, "wallet", "not_the_account"},
		"another owner":     {"one", rail.Payer{Wallet: accountOf(saver), Owner: payee}, "wallet", "not_the_account"},
		"no account":        {"one", rail.Payer{Owner: saver}, "wallet", "missing_wallet"},
		"a Safe's":          {"one", rail.Payer{Wallet: accountOf(saver), Owner: saver, Safe: true}, "eoaWallet", "safe_with_eoa_wallet"},
		"native currency":   {"coins", pays, "eoaWallet", "gasless_native"},
		"no way to pay":     {"none", pays, "option", "no_route"},
		"somebody else's":   {"over", rail.Payer{Wallet: payee, Owner: saver}, "wallet", "not_the_account"},
		"where nobody pays": {"one", pays, "eoaWallet", "gasless_unsupported"},
	} {
		if name == "where nobody pays" {
			w.relay, w.Service = nil, nil
			w.restart()
		}
		_, err := w.prepares(p, c.option, c.payer)
		if f := fault.From(err); f == nil || f.Field != c.field || f.Code != c.code {
			t.Errorf("%s: got %v, want %s on %s", name, err, c.code, c.field)
		}
		if name == "where nobody pays" {
			w.relay = newRelay()
			w.restart()
		}
	}
}

// What a page is told: where somebody would pay for the gas.
func TestWhereGasIsPaidFor(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	plain := rail.Payer{Wallet: saver}
	gasless := func(option string, payer rail.Payer) bool {
		t.Helper()
		calls, err := w.prepares(p, option, payer)
		must(t, err)
		return calls.Gasless
	}
	if !gasless("one", plain) || !gasless("over", plain) || !gasless("one", rail.Payer{}) || gasless("coins", plain) {
		t.Error("gas is paid for where it cannot be, or not where it is")
	}
	w.relay.set(func() { w.relay.off = true })
	if gasless("one", plain) {
		t.Error("gas is paid for while nobody does")
	}
	if !gasless("one", plain) == gasless("one", rail.Payer{Wallet: accountOf(saver), Owner: saver}) {
		t.Error("an account's calls tell otherwise")
	}
	w.relay.set(func() { w.relay.off = false })
	for range 3 {
		b := w.saves(p).sends()
		b.executes(false, w.relay.head+1)
		w.reach(w.relay.head)
		b.looks()
	}
	if gasless("one", plain) {
		t.Error("gas is paid for a fourth time")
	}
}

func TestGaslessView(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	view := func(option string, owner asset.Address) (checkout.GaslessView, error) {
		return w.GaslessView(t.Context(), w.load(p.ID), option, owner)
	}
	v, err := view("one", saver)
	must(t, err)
	if v.State.Account != accountOf(saver) || v.Offer.Sponsor != "Relay" || v.Token.ID != "USDC-base" || v.Amount.Int64() != 100 || v.Option.ID != "one" ||
		!v.Until.Equal(w.now().Add(10*time.Minute)) || len(v.Calls.Steps) != 1 || !v.Calls.Gasless {
		t.Errorf("view %+v", v)
	}
	if v, err := view("over", saver); err != nil || v.Token.ID != "USDC-arbitrum-one" || v.Calls.Chain != arbitrum {
		t.Errorf("over a bridge: %+v, %v", v, err)
	}
	w.pass(window - time.Minute)
	if v, err := view("one", saver); err != nil || !v.Until.Equal(p.Terms.ExpiresAt) {
		t.Errorf("in the last minute: until %v, %v", v.Until, err)
	}
	w.pass(time.Minute - window)
	for name, c := range map[string]struct {
		option string
		owner  asset.Address
		change func()
		code   string
	}{
		"nobody":            {"one", asset.Address{}, nil, "missing_wallet"},
		"no way":            {"none", saver, nil, "no_route"},
		"coins":             {"coins", saver, nil, "gasless_native"},
		"switched off":      {"one", saver, func() { w.relay.off = true }, "gasless_unavailable"},
		"chains are silent": {"one", saver, func() { w.relay.dead = errSilent }, "internal"},
	} {
		if c.change != nil {
			w.relay.set(c.change)
		}
		if _, err := view(c.option, c.owner); code(err) != c.code {
			t.Errorf("%s: got %v, want %s", name, err, c.code)
		}
		w.relay.set(func() { w.relay.off, w.relay.dead = false, nil })
	}
	w.saves(p).sends()
	if _, err := view("one", saver); code(err) != checkout.CodeOpPending {
		t.Errorf("while one is pending: %v", err)
	}
}

// Who may pay is asked of the wallet, and not of its account, which nobody has on a list.
func TestWhoPaysWithoutGas(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	restricted := w.createFor(saver)
	other := asset.Address{19: 0x5b}
	for _, c := range []struct {
		owner asset.Address
		code  string
	}{{saver, ""}, {other, "wallet_not_allowed"}} {
		_, err := w.prepares(restricted, "one", rail.Payer{Wallet: accountOf(c.owner), Owner: c.owner})
		if code(err) != c.code {
			t.Errorf("prepared: %v, want %q", err, c.code)
		}
		b := w.saves(restricted, func(b *paysBy) { b.by.Wallet, b.op.Owner = c.owner, c.owner.String() })
		if _, err := b.asks(checkout.GaslessEstimate); code(err) != c.code {
			t.Errorf("estimated: %v, want %q", err, c.code)
		}
		if err := b.sponsored(); code(err) != c.code {
			t.Errorf("sponsored: %v, want %q", err, c.code)
		}
	}
	if s := w.spent(p); s.ChainDay.Int64() != opCost {
		t.Errorf("%s wei are promised", s.ChainDay)
	}
}

// createFor makes a payment that only one wallet may pay.
func (w *world) createFor(wallet asset.Address) *payment.Payment {
	w.t.Helper()
	var p *payment.Payment
	_, _, err := w.Create(w.t.Context(), checkout.Draft{
		Merchant: owner, Dialect: "request", Access: payment.Access{Allowed: []asset.Address{wallet}},
		Requests: []checkout.DraftRequest{{Payee: payee, Token: w.usdc, Amount: big.NewInt(100)}},
	}, nil, func(made *payment.Payment) (checkout.Answer, error) {
		p = made
		return checkout.Answer{Status: 201}, nil
	})
	must(w.t, err)
	return p
}

func TestQuestionsAboutOperations(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p)
	for kind, want := range map[checkout.GaslessKind]string{
		checkout.GaslessFees: `"m_fees"`, checkout.GaslessEstimate: `"m_estimate"`, checkout.GaslessStub: `"m_stub"`,
	} {
		if got, err := b.asks(kind); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", kind, got, err)
		}
	}
	if s := w.spent(p); s.Grants != 0 || s.ChainDay.Sign() != 0 {
		t.Errorf("asking costs %+v", s)
	}
	for name, c := range map[string]struct {
		change func(*paysBy)
		kind   checkout.GaslessKind
		code   string
	}{
		"pays another":         {func(b *paysBy) { b.op.Pays = hash(99) }, checkout.GaslessEstimate, "op_calls"},
		"is another's":         {func(b *paysBy) { b.op.Owner = payee.String() }, checkout.GaslessStub, "op_sender"},
		"has a wrong nonce":    {func(b *paysBy) { b.op.Nonce = 7 }, checkout.GaslessData, "op_nonce"},
		"has a long permit":    {func(b *paysBy) { b.op.Permit += 3600 }, checkout.GaslessSponsor, "op_permit"},
		"is for another way":   {func(b *paysBy) { b.by.Option = "none" }, checkout.GaslessSponsor, "no_route"},
		"is for coins":         {func(b *paysBy) { b.by.Option = "coins" }, checkout.GaslessSponsor, "gasless_native"},
		"is nobody's":          {func(b *paysBy) { b.by.Wallet = asset.Address{} }, checkout.GaslessFees, "missing_wallet"},
		"was not sponsored":    {nil, checkout.GaslessSend, "op_unknown"},
		"is none":              {nil, "joke", "unknown_question"},
		"is of a wallet's own": {func(b *paysBy) { b.by.Own = true }, checkout.GaslessSend, "op_unknown"},
		"was not announced":    {nil, checkout.GaslessReceipt, "op_unknown"},
	} {
		x := w.saves(p)
		if c.change != nil {
			c.change(x)
		}
		if _, err := x.asks(c.kind); code(err) != c.code {
			t.Errorf("one that %s: got %v, want %s", name, err, c.code)
		}
	}
	if s := w.spent(p); s.Grants != 0 || s.ChainDay.Sign() != 0 {
		t.Errorf("refused questions cost %+v", s)
	}
	b.sends()
	for _, kind := range []checkout.GaslessKind{checkout.GaslessReceipt, checkout.GaslessLookup} {
		q := checkout.GaslessQuestion{Kind: kind, Method: "about ", Hash: b.hash()}
		if got, err := w.AnswerGasless(t.Context(), p, b.by, q); err != nil || string(got) != `"about `+b.hash()+`"` {
			t.Errorf("%s: %s, %v", kind, got, err)
		}
		if _, err := w.AnswerGasless(t.Context(), w.create(100), b.by, q); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s for another payment: %v", kind, err)
		}
	}
	if got, err := w.GaslessChain(t.Context(), p, checkout.GaslessAsker{Option: "over", Wallet: saver}); err != nil || got != arbitrum {
		t.Errorf("over is on %d, %v", got, err)
	}
	if got, err := w.GaslessChain(t.Context(), w.load(p.ID), checkout.GaslessAsker{Option: "gone", Wallet: saver}); err != nil || got != base {
		t.Errorf("what is not offered any more is on %d, %v", got, err)
	}
	if _, err := w.GaslessChain(t.Context(), w.create(100), checkout.GaslessAsker{Option: "gone", Wallet: saver}); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is not there is found, or %v", err)
	}
}

// A wallet that is a smart account itself has its own operation paid for, and announces
// its transaction by itself.
func TestAWalletsOwnOperation(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p, func(b *paysBy) { b.by.Own = true })
	if _, err := b.asks(checkout.GaslessStub); err != nil {
		t.Errorf("a stub: %v", err)
	}
	if _, err := b.asks(checkout.GaslessData); err != nil {
		t.Errorf("data: %v", err)
	}
	if _, err := b.asks(checkout.GaslessSponsor); code(err) != "op_unknown" {
		t.Errorf("all at once: %v", err)
	}
	w.pass(2 * time.Hour) // it counts as sent: it is out of our hands
	if s := w.spent(p); s.Grants != 1 || s.Payment.Int64() != opCost {
		t.Errorf("it counts as %+v", s)
	}
	b.op.Paid, b.by.Own = true, false
	if _, err := b.asks(checkout.GaslessSend); code(err) != "op_unknown" {
		t.Errorf("sent through us: %v", err)
	}
	if n := len(w.load(p.ID).Attempts); n != 0 {
		t.Errorf("%d attempts", n)
	}
}

// What a sponsor does not do is not counted, whatever kept him from it.
func TestSponsorsThatDoNot(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	gone := fault.New(fault.Forbidden, "sponsor_refused", "No.")
	for name, c := range map[string]struct {
		change func()
		code   string
	}{
		"refuses":          {func() { w.relay.sponsor = gone }, "sponsor_refused"},
		"breaks off":       {func() { w.relay.sponsor = errors.New("EOF") }, "internal"},
		"makes it another": {func() { w.relay.flawed = "op_fees" }, "op_fees"},
	} {
		w.relay.set(c.change)
		if err := w.saves(p).sponsored(); code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		w.relay.set(func() { w.relay.sponsor, w.relay.flawed = nil, "" })
		if s := w.spent(p); s.Grants != 0 || s.Payment.Sign() != 0 {
			t.Errorf("%s: it counts as %+v", name, s)
		}
	}
	// The same twice is one grant: the page has asked again.
	b := w.saves(p)
	for range 3 {
		b.op.Paid = false
		must(t, b.sponsored())
	}
	if s := w.spent(p); s.Grants != 1 || s.Payment.Int64() != opCost {
		t.Errorf("the same three times counts as %+v", s)
	}
}

func TestBudgets(t *testing.T) {
	for name, c := range map[string]struct {
		budget  func(*checkout.GaslessBudget)
		granted int // until no more is
	}{
		"operations of a payment": {func(b *checkout.GaslessBudget) { b.Grants = 3 }, 3},
		"wei of a payment":        {func(b *checkout.GaslessBudget) { b.Payment = big.NewInt(1000 + 2*opCost) }, 3},
		"just not enough":         {func(b *checkout.GaslessBudget) { b.Payment = big.NewInt(999 + 2*opCost) }, 2},
		"a wallet's day":          {func(b *checkout.GaslessBudget) { b.WalletDay = big.NewInt(1000 + opCost) }, 2},
		"a chain's day":           {func(b *checkout.GaslessBudget) { b.ChainDay = big.NewInt(1000) }, 1},
		"nothing is set":          {func(b *checkout.GaslessBudget) { *b = checkout.GaslessBudget{Grants: 9} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := gasWorld(t)
			p := w.create(100)
			w.relay.set(func() { c.budget(&w.relay.budget) })
			granted := 0
			for i := range 5 {
				err := w.saves(p, func(b *paysBy) { b.op.Permit += int64(i) }).sponsored()
				if err == nil {
					granted++
				} else if code(err) != "gas_budget" || !fault.Is(err, fault.Limited) {
					t.Error(err)
				}
			}
			if granted != c.granted {
				t.Errorf("%d were granted, want %d", granted, c.granted)
			}
			if got := len(w.relay.asked); got != granted {
				t.Errorf("the sponsor was asked %d times", got)
			}
			w.pass(time.Hour) // what was not sent has fallen away, but for its number
			err := w.saves(w.create(100)).sponsored()
			if (err == nil) != (c.granted > 0) {
				t.Errorf("an hour later: %v", err)
			}
		})
	}
}

// A grant that was not used in time cannot be used: it does not count any more.
func TestOldGrantsAreNotSent(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p, approved)
	must(t, b.sponsored())
	w.pass(time.Hour - time.Microsecond)
	other := w.saves(w.create(100), approved)
	must(t, other.sponsored())
	w.pass(time.Microsecond)
	if _, err := b.asks(checkout.GaslessSend); code(err) != "op_unknown" {
		t.Errorf("after an hour: %v", err)
	}
	if _, err := other.asks(checkout.GaslessSend); err != nil {
		t.Errorf("in time: %v", err)
	}
	q := w.create(100)
	late := w.saves(q)
	must(t, late.sponsored())
	w.pass(5 * time.Minute)
	if _, err := late.asks(checkout.GaslessSend); code(err) != "op_over" {
		t.Errorf("after its permit's end: %v", err)
	}
	// Of another wallet, or for another payment.
	stolen := w.saves(q)
	must(t, stolen.sponsored())
	stolen.by.Wallet = payee
	if _, err := stolen.asks(checkout.GaslessSend); code(err) != "op_unknown" {
		t.Errorf("by another wallet: %v", err)
	}
	stolen.by.Wallet, stolen.p = saver, w.create(100)
	if _, err := stolen.asks(checkout.GaslessSend); code(err) != "op_unknown" {
		t.Errorf("for another payment: %v", err)
	}
	if n := len(w.relay.taken); n != 1 {
		t.Errorf("the bundler has %d", n)
	}
}

func TestOptionsTellWhereGasIsPaidFor(t *testing.T) {
	s := newShop(t, checkout.Patience{})
	r := newRelay()
	s.offer("direct", "USDC-base", 100, 0)
	s.offer("direct", "ETH-base", 100, 0)
	s.offer("bridges", "USDC-mainnet", 105, 100)
	for _, k := range []asset.ID{"USDC-base", "ETH-base", "USDC-mainnet"} {
		s.holds[k] = 1000
	}
	offers := onChains{r, []asset.ChainID{asset.Base}}
	s.service = checkout.New(checkout.Config{Store: s, Book: s.service.Book(), Rails: []rail.Rail{direct{s}, bridges{s}}, Wallets: s, Gasless: offers})
	gasless := func(payer rail.Payer) (ids []string) {
		_, o, err := s.service.Options(t.Context(), s.p.ID, payer)
		must(t, err)
		for _, way := range o.Ways {
			if way.Gasless {
				ids = append(ids, way.ID)
			}
		}
		return ids
	}
	if got := gasless(shopper); !slices.Equal(got, []string{"direct:USDC-base"}) {
		t.Errorf("gas is paid for %v", got)
	}
	r.set(func() { r.off = true })
	if got := gasless(shopper); len(got) != 0 {
		t.Errorf("while nobody pays: %v", got)
	}
}

// onChains is a relay that pays on some chains only.
type onChains struct {
	*relay
	chains []asset.ChainID
}

func (o onChains) Offer(chain asset.ChainID) (checkout.GaslessOffer, bool) {
	offer, _ := o.relay.Offer(base)
	o.relay.mu.Lock()
	defer o.relay.mu.Unlock()
	return offer, !o.relay.off && slices.Contains(o.chains, chain)
}
