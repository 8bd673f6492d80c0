package deposit_test

import (
	"context"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
	"quittance/internal/rail/railtest"
)

// given is what addresses were given to payments, or why that cannot be told.
type given struct {
	of  map[payment.ID]asset.Address
	err error
}

func (g *given) Derive(_ context.Context, p *payment.Payment, _ int) (asset.Address, error) {
	if g.err != nil {
		return asset.Address{}, g.err
	}
	a, ok := g.of[p.ID]
	if !ok {
		return asset.Address{}, fault.New(fault.NotFound, "not_found", "No such address.")
	}
	return a, nil
}

// shop is a rail on a real chain with a payment of 25 dollars that has quotes.
type shop struct {
	*rig
	rail  *deposit.Rail
	given *given
	book  *asset.Book
	now   time.Time
}

var enabled = []asset.ID{"ETH-base", "USDC-base", "USDT-base"}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{rig: newRig(t), given: &given{of: map[payment.ID]asset.Address{}}, now: railtest.Now}
	chains, tokens := asset.Sandbox()
	var err error
	if s.book, err = asset.NewBook(chains, tokens); err != nil {
		t.Fatal(err)
	}
	// The book's chain, whatever the test's node calls itself.
	client, err := chain.NewClient(chain.Config{
		Chain: asset.ChainID(s.ID()), Endpoints: []chain.Endpoint{{URL: s.URL()}}, RestMin: time.Nanosecond, RestMax: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.rail, err = deposit.NewRail(deposit.RailConfig{
		Book: s.book, Nodes: map[asset.ChainID]chain.Batcher{asset.SandboxBase: client}, Assets: enabled, Keys: s.given,
		Now: func() time.Time { return s.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open makes a payment with quotes at a price in whole dollars.
func (s *shop) open(n byte, dollars int64) *payment.Payment {
	s.t.Helper()
	return s.openIn(asset.USD, n, dollars)
}

// openIn is open in another currency.
func (s *shop) openIn(currency asset.ID, n byte, price int64) *payment.Payment {
	s.t.Helper()
	_, to := account(s.t, n)
	p := railtest.Open(s.t, s.rail, payment.Request{Asset: currency, Due: money.Cents(2500), Payee: to})
	p.ID = payment.ID("01SHOP" + string('A'+rune(n)))
	s.given.of[p.ID] = to
	s.index.Add(to)
	for _, id := range enabled {
		p.Quotes = append(p.Quotes, s.quote(p, id, price))
	}
	return p
}

func (s *shop) quote(p *payment.Payment, id asset.ID, dollars int64) payment.Quote {
	s.t.Helper()
	of, _ := s.book.Token(id)
	price := money.Price{Value: new(big.Int).Mul(big.NewInt(dollars), big.NewInt(1e8)), At: s.now, Source: "chainlink"}
	q, err := payment.FreezeQuote("01QUOTE"+string(id), 0, p.Terms.Requests[0].Due, of, price, s.now, s.now.Add(payment.QuoteLife))
	if err != nil {
		s.t.Fatal(err)
	}
	q.Asked = true
	return q
}

// The suite reckons in one asset: so the first one costs exactly a dollar here.
func TestConformance(t *testing.T) {
	s := newShop(t)
	foreign := func(id asset.ID) *payment.Payment {
		return railtest.Open(t, s.rail, payment.Request{Asset: id, Due: big.NewInt(100), Payee: address(t, s.Address())})
	}
	share := func(chain asset.ChainID, payee asset.Address) *payment.Payment {
		p := railtest.Open(t, s.rail, payment.Request{Asset: asset.EUR, Due: money.Cents(100), Payee: payee, Chain: chain})
		p.Quotes = []payment.Quote{s.quote(p, "ETH-base", 1)}
		return p
	}
	two := railtest.Open(t, s.rail, payment.Request{Asset: asset.USD, Due: money.Cents(1)}, payment.Request{Asset: asset.USD, Due: money.Cents(1)})
	railtest.Run(t, railtest.Subject{
		Rail: s.rail, Payer: rail.Payer{Wallet: address(t, s.Address())},
		Payable: map[string]*payment.Payment{"dollars": s.open(1, 1), "euros": s.openIn(asset.EUR, 2, 1)},
		Foreign: map[string]*payment.Payment{
			"a token": foreign("USDC-base"), "native": foreign("ETH-base"), "another currency": foreign("GBP"), "two requests": two,
			"a payee's own account": share(asset.SandboxBase, address(t, s.Address())), "no address": share(0, asset.Address{}),
		},
		Outside: s.Requests,
		Silence: func() func() { s.Fail(503); return s.Behave },
		CarryOut: func(t *testing.T, in rail.Instruction) []rail.Sighting {
			d := in.(*rail.Deposit)
			step := d.Calls.Steps[0]
			s.Send(step.To.String(), step.Value, step.Data)
			s.Mine(1)
			s.scan()
			return s.at(d.Address)
		},
	})
}

// Each asset is paid with its own kind of call, seen as what it is, and worth what is due.
func TestCallsOfEachAsset(t *testing.T) {
	s := newShop(t)
	payer := rail.Payer{Wallet: address(t, s.Address())}
	for i, id := range enabled {
		t.Run(string(id), func(t *testing.T) {
			p := s.open(byte(20+i), 3742)
			of, _ := s.book.Token(id)
			in, err := s.rail.Prepare(t.Context(), p, deposit.OptionID(of), payer)
			if err != nil {
				t.Fatal(err)
			}
			d := in.(*rail.Deposit)
			q, _ := p.ActiveQuote(0, id, s.now)
			want := q.Ask(p.Terms.Requests[0].Due, of.Decimals)
			if d.Amount.Cmp(want) != 0 || d.Quote.ID != q.ID || d.URI != asset.PaymentURI(of, d.Address, want) {
				t.Errorf("deposit %+v, want all of quote %+v", d, q)
			}
			var names []string
			for _, c := range d.Calls.Checks {
				names = append(names, c.Name)
				if c.Outcome != rail.Passed {
					t.Errorf("check %+v", c)
				}
			}
			if !slices.Equal(names, []string{"address_matches", "calldata_matches", "simulation_matches"}) || !reflect.DeepEqual(d.Checks, d.Calls.Checks) {
				t.Errorf("checks %v", names)
			}
			f := d.Calls.Funds
			gas := rail.HoldForGas(new(big.Int).SetUint64(d.Calls.Steps[0].Gas), f.GasPrice)
			if of.Native {
				gas.Add(gas, want)
			}
			if d.Calls.Steps[0].Gas < 21_000 || f.NativeNeeded.Cmp(gas) != 0 || !f.EnoughBalance() || !f.EnoughGas() {
				t.Errorf("gas %d, funds %+v, want %s needed", d.Calls.Steps[0].Gas, f, gas)
			}
			step := d.Calls.Steps[0]
			tx := s.Send(step.To.String(), step.Value, step.Data)
			s.Mine(1)
			s.scan()
			x := only(t, s.at(d.Address))
			if x.Evidence.Tx != tx || x.Amount.Cmp(want) != 0 || !q.Fits(x.Amount) {
				t.Errorf("seen %+v", x)
			}
		})
	}
}

// What has come already, by whatever quote, makes what is asked for less.
func TestPartsAreAskedForByTheQuote(t *testing.T) {
	s := newShop(t)
	p := s.open(1, 2000)
	eth, _ := s.book.Token("ETH-base")
	part := railtest.With(p, railtest.Received(p, "k", money.Cents(1000), nil, payment.Pending))
	for name, c := range map[string]struct {
		p    *payment.Payment
		want string
	}{"all": {p, "12500000000000000"}, "a part": {part, "7500000000000000"}} {
		options, err := s.rail.Offer(t.Context(), c.p, rail.Payer{})
		if err != nil || len(options) != 3 || options[0].Costs[0].Amount.String() != c.want || options[0].Asset != eth.ID {
			t.Fatalf("%s: offered %+v, %v", name, options, err)
		}
		in, err := s.rail.Prepare(t.Context(), c.p, options[0].ID, rail.Payer{})
		if err != nil {
			t.Fatal(err)
		}
		if d := in.(*rail.Deposit); d.Amount.String() != c.want || d.Calls != nil || !strings.HasSuffix(d.URI, "?value="+c.want) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestNoPriceNoAmount(t *testing.T) {
	s := newShop(t)
	p := s.open(1, 2000)
	eth, _ := s.book.Token("ETH-base")
	s.now = s.now.Add(payment.QuoteLife)
	options, err := s.rail.Offer(t.Context(), p, rail.Payer{})
	if err != nil || len(options) != 3 {
		t.Fatalf("offered %+v, %v", options, err)
	}
	for _, o := range options {
		if len(o.Costs) != 0 || o.Asset == "" {
			t.Errorf("offered %+v after the quote", o)
		}
	}
	_, err = s.rail.Prepare(t.Context(), p, deposit.OptionID(eth), rail.Payer{})
	if f := fault.From(err); f == nil || f.Kind != fault.Conflict || f.Code != "quote_expired" {
		t.Errorf("got %v", err)
	}
}

func TestTamperedAddresses(t *testing.T) {
	s := newShop(t)
	eth, _ := s.book.Token("ETH-base")
	_, other := account(t, 99)
	for name, c := range map[string]struct {
		change  func(p *payment.Payment)
		outcome rail.Outcome
		kind    fault.Kind
		field   string
	}{
		"another payee":    {func(p *payment.Payment) { p.Terms.Requests[0].Payee = other }, rail.Refused, fault.Forbidden, "address_matches"},
		"another key":      {func(p *payment.Payment) { s.given.of[p.ID] = other }, rail.Refused, fault.Forbidden, "address_matches"},
		"never given":      {func(p *payment.Payment) { delete(s.given.of, p.ID) }, rail.Refused, fault.Forbidden, "address_matches"},
		"no answer at all": {func(*payment.Payment) { s.given.err = errors.New("the database is away") }, rail.Waiting, fault.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.open(1, 2000)
			s.given.err = nil
			if cs := s.rail.Guard(t.Context(), p); len(cs) != 1 || cs[0].Name != deposit.CheckAddress || cs[0].Outcome != rail.Passed {
				t.Fatalf("before: %+v", cs)
			}
			c.change(p)
			defer func() { s.given.err = nil }()
			if cs := s.rail.Guard(t.Context(), p); len(cs) != 1 || cs[0].Outcome != c.outcome || cs[0].Detail == "" {
				t.Errorf("guard: %+v", cs)
			}
			asked := s.Requests()
			in, err := s.rail.Prepare(t.Context(), p, deposit.OptionID(eth), rail.Payer{Wallet: address(t, s.Address())})
			if f := fault.From(err); in != nil || f == nil || f.Kind != c.kind || f.Field != c.field {
				t.Errorf("prepared %+v, %v", in, err)
			}
			if s.Requests() != asked {
				t.Error("the chain was asked about an address that is not the merchant's")
			}
		})
	}
}

// A wallet without the money is told what it lacks, and nothing is refused.
func TestAnEmptyWallet(t *testing.T) {
	s := newShop(t)
	p := s.open(1, 2000)
	_, nobody := account(t, 77)
	for _, id := range enabled {
		of, _ := s.book.Token(id)
		in, err := s.rail.Prepare(t.Context(), p, deposit.OptionID(of), rail.Payer{Wallet: nobody})
		if err != nil {
			t.Fatal(err)
		}
		c := in.(*rail.Deposit).Calls
		if c.Funds.EnoughBalance() || c.Funds.EnoughGas() || c.Funds.NativeNeeded.Sign() <= 0 || c.Steps[0].Gas != 0 {
			t.Errorf("%s: %+v", id, c.Funds)
		}
		if last := c.Checks[2]; last.Outcome != rail.Waiting || !strings.Contains(last.Detail, of.Symbol) {
			t.Errorf("%s: %+v", id, last)
		}
	}
}

// A Safe pays no gas of its own, and a smart account with its owner's money is offered nothing.
func TestOtherAccounts(t *testing.T) {
	s := newShop(t)
	p := s.open(1, 2000)
	eth, _ := s.book.Token("ETH-base")
	wallet := address(t, s.Address())
	in, err := s.rail.Prepare(t.Context(), p, deposit.OptionID(eth), rail.Payer{Wallet: wallet, Safe: true})
	if err != nil {
		t.Fatal(err)
	}
	if c := in.(*rail.Deposit).Calls; c.Funds.NativeNeeded.Cmp(c.Steps[0].Value) != 0 || c.Steps[0].Gas < 75_000 {
		t.Errorf("a Safe's: %+v", c)
	}
	owned := rail.Payer{Wallet: wallet, Owner: address(t, s.USDC())}
	if options, err := s.rail.Offer(t.Context(), p, owned); err != nil || len(options) != 0 {
		t.Errorf("offered %+v, %v", options, err)
	}
	if _, err := s.rail.Prepare(t.Context(), p, deposit.OptionID(eth), owned); !fault.Is(err, fault.NotFound) {
		t.Errorf("prepared: %v", err)
	}
}

func TestRailIsMadeOfKnownAssets(t *testing.T) {
	s := newShop(t)
	for _, as := range [][]asset.ID{{"DOGE-base"}, {"ETH-base", "ETH-base"}} {
		if _, err := deposit.NewRail(deposit.RailConfig{Book: s.book, Keys: s.given, Assets: as}); err == nil {
			t.Errorf("%v was taken", as)
		}
	}
	if _, err := deposit.NewRail(deposit.RailConfig{Book: s.book}); err == nil {
		t.Error("no keys were taken")
	}
}
