package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// shop is one payment, a rail and wallets that answer as a test wants. It runs
// in a bubble, where time passes only while everybody waits.
type shop struct {
	checkout.Store // of one payment; everything else is nil and not asked for
	service        *checkout.Service
	p              *payment.Payment
	offered        []rail.Option
	slow           map[asset.ChainID]time.Duration
	dead           map[asset.ChainID]error
	holds          map[asset.ID]int64 // dollars of a token, or millionths of the native currency
	silentTokens   []asset.ID
	gaveUp         atomic.Bool // the bridges are not offered any more
	price          func(ctx context.Context, optionID string) (rail.Option, error)

	mu     sync.Mutex
	asked  map[asset.ChainID][][]checkout.HoldingQuestion
	priced []string
}

var shopper = rail.Payer{Wallet: asset.Address{19: 0x77}}

// dollars are base units of a token with six decimals.
func dollars(n int64) *big.Int { return big.NewInt(n * 1_000_000) }

func newShop(t *testing.T, patience checkout.Patience, more ...func(*payment.Payment)) *shop {
	t.Helper()
	chains, tokens := asset.Real()
	book, err := asset.NewBook(chains, tokens)
	must(t, err)
	now := time.Now()
	s := &shop{
		slow: map[asset.ChainID]time.Duration{}, dead: map[asset.ChainID]error{}, holds: map[asset.ID]int64{},
		asked: map[asset.ChainID][][]checkout.HoldingQuestion{},
		p: &payment.Payment{ID: "01KE0000000000000000000009", Terms: payment.Terms{
			CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			Requests: []payment.Request{{ID: "01", Asset: "USDC-base", Due: dollars(100), Payee: payee}},
		}},
	}
	s.price = func(_ context.Context, id string) (rail.Option, error) {
		o := s.option(id)
		o.Estimated, o.Costs = false, []rail.Cost{{Asset: o.Costs[0].Asset, Amount: dollars(101)}}
		return o, nil
	}
	for _, f := range more {
		f(s.p)
	}
	s.service = checkout.New(checkout.Config{Store: s, Book: book, Rails: []rail.Rail{direct{s}, bridges{s}}, Wallets: s, Patience: patience})
	return s
}

func (s *shop) Payment(context.Context, payment.ID) (*payment.Payment, error) {
	copied := *s.p
	return &copied, nil
}

// Events says that the merchant knows already whom the payment is not for.
func (s *shop) Events(context.Context, payment.ID) ([]payment.Event, error) {
	return []payment.Event{{Kind: payment.EventRejected, At: time.Now(), Fields: map[string]string{payment.FieldWallet: shopper.Wallet.String()}}}, nil
}

func (s *shop) option(id string) rail.Option {
	return s.offered[slices.IndexFunc(s.offered, func(o rail.Option) bool { return o.ID == id })]
}

// offer adds a way: exact for the direct rail, at most so much for the other.
func (s *shop) offer(r rail.ID, token asset.ID, most, least int64) {
	k, _ := s.service.Book().Token(token)
	o := rail.Option{ID: string(r) + ":" + string(token), Rail: r, Type: rail.SameChain, Chain: k.Chain, Spender: asset.Address{19: 0x5e}, Costs: []rail.Cost{{Asset: k.ID, Amount: dollars(most)}}}
	if k.Native {
		o.Spender = asset.Address{}
	}
	if r == "bridges" {
		o.Type, o.Estimated, o.Least = rail.Crosschain, true, dollars(least)
	}
	s.offered = append(s.offered, o)
}

func (s *shop) Holdings(ctx context.Context, wallet asset.Address, chain asset.ChainID, questions []checkout.HoldingQuestion) (checkout.Holdings, error) {
	s.mu.Lock()
	s.asked[chain] = append(s.asked[chain], questions)
	s.mu.Unlock()
	if wallet != shopper.Wallet {
		return checkout.Holdings{}, fmt.Errorf("asked for %s", wallet)
	}
	select {
	case <-ctx.Done():
		return checkout.Holdings{}, ctx.Err()
	case <-time.After(s.slow[chain]):
	}
	if err := s.dead[chain]; err != nil {
		return checkout.Holdings{}, err
	}
	held := checkout.Holdings{Native: big.NewInt(int64(chain))}
	for _, q := range questions {
		h := checkout.TokenHolding{Balance: dollars(s.holds[q.Token.ID]), Allowance: big.NewInt(5)}
		if slices.Contains(s.silentTokens, q.Token.ID) {
			h = checkout.TokenHolding{}
		}
		held.Tokens = append(held.Tokens, h)
	}
	return held, nil
}

// direct and bridges offer what the shop says; only the second has prices.
type direct struct{ *shop }

func (direct) ID() rail.ID { return "direct" }

func (d direct) Offer(context.Context, *payment.Payment, rail.Payer) ([]rail.Option, error) {
	return d.of("direct"), nil
}

func (direct) Prepare(context.Context, *payment.Payment, string, rail.Payer) (rail.Instruction, error) {
	return nil, errors.New("not asked for here")
}

func (s *shop) of(id rail.ID) (own []rail.Option) {
	for _, o := range s.offered {
		if o.Rail == id {
			own = append(own, o)
		}
	}
	return own
}

type bridges struct{ *shop }

func (bridges) ID() rail.ID { return "bridges" }

func (b bridges) Offer(context.Context, *payment.Payment, rail.Payer) ([]rail.Option, error) {
	if b.gaveUp.Load() {
		return nil, nil
	}
	return b.of("bridges"), nil
}

func (bridges) Prepare(context.Context, *payment.Payment, string, rail.Payer) (rail.Instruction, error) {
	return nil, errors.New("not asked for here")
}

func (b bridges) Price(ctx context.Context, _ *payment.Payment, id string, _ rail.Payer) (rail.Option, error) {
	b.mu.Lock()
	b.priced = append(b.priced, id)
	b.mu.Unlock()
	return b.shop.price(ctx, id)
}

func (bridges) Missing(context.Context, *payment.Payment) []rail.Missing {
	return []rail.Missing{{Code: "no_bridge", Chain: asset.Sepolia}}
}

// options asks and says how long it took.
func (s *shop) options(t *testing.T) (checkout.Options, time.Duration) {
	t.Helper()
	start := time.Now()
	_, o, err := s.service.Options(t.Context(), s.p.ID, shopper)
	must(t, err)
	return o, time.Since(start)
}

func ids(ways []checkout.Way) (out []string) {
	for _, w := range ways {
		out = append(out, w.ID)
	}
	return out
}

func wantIDs(t *testing.T, ways []checkout.Way, want ...string) {
	t.Helper()
	if got := ids(ways); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Chains are asked once each and all together, so that it takes as long as the
// slowest; what is affordable and cheap stands first.
func TestOptionsAskEveryChainOnceAndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		s.offer("direct", "USDC-base", 100, 0)
		s.offer("bridges", "USDT-base", 105, 100)
		s.offer("bridges", "USDC-mainnet", 105, 100)
		s.offer("bridges", "USDC-arbitrum-one", 105, 100)
		s.offer("bridges", "USDT-arbitrum-one", 105, 100)
		s.holds = map[asset.ID]int64{"USDC-base": 99, "USDT-base": 200, "USDC-mainnet": 99, "USDC-arbitrum-one": 300, "USDT-arbitrum-one": 100}
		s.slow = map[asset.ChainID]time.Duration{asset.Base: time.Second, asset.Mainnet: 2 * time.Second, asset.ArbitrumOne: 3 * time.Second}
		quick := s.price
		s.price = func(ctx context.Context, id string) (rail.Option, error) {
			o, err := quick(ctx, id)
			if id == "bridges:USDC-arbitrum-one" {
				o.Costs[0].Amount = new(big.Int).Add(dollars(100), big.NewInt(1))
			}
			return o, err
		}
		got, took := s.options(t)
		if took != 3*time.Second {
			t.Errorf("took %s, want as long as the slowest chain", took)
		}
		// Two can be afforded, the cheaper first. Of the others, the payment's own
		// asset takes least; one held 100 of 101, and one too little to ask for.
		wantIDs(t, got.Ways, "bridges:USDC-arbitrum-one", "bridges:USDT-base", "direct:USDC-base", "bridges:USDT-arbitrum-one", "bridges:USDC-mainnet")
		for chain, n := range map[asset.ChainID]int{asset.Base: 2, asset.Mainnet: 1, asset.ArbitrumOne: 2} {
			if q := s.asked[chain]; len(q) != 1 || len(q[0]) != n || q[0][0].Spender.IsZero() || q[0][0].Token.Chain != chain {
				t.Errorf("chain %d was asked %+v", chain, q)
			}
		}
		slices.Sort(s.priced)
		if want := []string{"bridges:USDC-arbitrum-one", "bridges:USDT-arbitrum-one", "bridges:USDT-base"}; !slices.Equal(s.priced, want) {
			t.Errorf("prices asked of %v, want %v", s.priced, want)
		}
		if len(got.Silent) != 0 || len(got.Missing) != 1 || got.Missing[0].Chain != asset.Sepolia {
			t.Errorf("silent %v, missing %v", got.Silent, got.Missing)
		}
		for _, w := range got.Ways {
			if w.Balance.Cmp(dollars(s.holds[w.Token.ID])) != 0 || w.Allowance.Int64() != 5 || w.Native.Int64() != int64(w.Chain) {
				t.Errorf("%s: balance %s, allowance %s, native %s", w.ID, w.Balance, w.Allowance, w.Native)
			}
			if estimated := w.ID == "bridges:USDC-mainnet"; w.Estimated != estimated {
				t.Errorf("%s: estimated %t", w.ID, w.Estimated)
			}
		}
	})
}

// A chain that is late, and one that fails, are named and left out; they delay
// nobody beyond the deadline.
func TestOptionsLeaveSilentChainsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		s.offer("direct", "USDC-base", 100, 0)
		s.offer("bridges", "USDCn-optimism", 105, 100)
		s.offer("bridges", "USDC-mainnet", 105, 100)
		s.offer("bridges", "USDCn-matic", 105, 100)
		s.holds["USDC-base"] = 100
		s.slow[asset.Optimism], s.slow[asset.Matic] = time.Hour, 4*time.Second-time.Nanosecond
		s.dead[asset.Mainnet] = errors.New("no route to host")
		got, took := s.options(t)
		wantIDs(t, got.Ways, "direct:USDC-base", "bridges:USDCn-matic")
		if want := []asset.ChainID{asset.Mainnet, asset.Optimism}; !slices.Equal(got.Silent, want) || took != 4*time.Second {
			t.Errorf("silent %v after %s, want %v after 4s", got.Silent, took, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{Chain: time.Second, Price: 2 * time.Second})
		s.offer("direct", "USDC-base", 100, 0)
		s.slow[asset.Base] = time.Hour
		got, took := s.options(t)
		if len(got.Ways) != 0 || len(got.Silent) != 1 || took != time.Second {
			t.Errorf("got %+v after %s, want nothing after the configured time", got, took)
		}
	})
}

// Prices are waited for until the whole has taken its time, and what came until
// then is there.
func TestOptionsKeepEstimatesWithoutAPrice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		for _, k := range []asset.ID{"USDC-arbitrum-one", "USDT-arbitrum-one", "USDC-mainnet", "USDCn-matic"} {
			s.offer("bridges", k, 105, 100)
			s.holds[k] = 1000
		}
		s.slow[asset.Mainnet] = 3 * time.Second
		quick := s.price
		s.price = func(ctx context.Context, id string) (rail.Option, error) {
			switch id {
			case "bridges:USDC-arbitrum-one":
				time.Sleep(7 * time.Second)
				return quick(ctx, id)
			case "bridges:USDCn-matic":
				return rail.Option{}, fault.New(fault.Unavailable, "routing_unavailable", "")
			}
			<-ctx.Done()
			return rail.Option{}, ctx.Err()
		}
		got, took := s.options(t)
		if took != 8*time.Second {
			t.Errorf("took %s, want no more than 8s for all of it", took)
		}
		wantIDs(t, got.Ways, "bridges:USDC-arbitrum-one", "bridges:USDT-arbitrum-one", "bridges:USDC-mainnet", "bridges:USDCn-matic")
		for _, w := range got.Ways {
			if priced := w.ID == "bridges:USDC-arbitrum-one"; w.Estimated == priced || (w.Needed().Cmp(dollars(105)) == 0) == priced {
				t.Errorf("%s: estimated %t, takes %s", w.ID, w.Estimated, w.Needed())
			}
		}
		if len(got.Silent) != 0 {
			t.Errorf("silent %v", got.Silent)
		}
	})
}

// What a rail gives up while it is asked for a price is not there either: an
// estimate would invite payers to what nobody can do.
func TestOptionsWithoutWaysThatWereGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		s.offer("direct", "USDC-base", 100, 0)
		for _, k := range []asset.ID{"USDC-arbitrum-one", "USDC-mainnet"} {
			s.offer("bridges", k, 105, 100)
			s.holds[k] = 1000
		}
		quick := s.price
		s.price = func(ctx context.Context, id string) (rail.Option, error) {
			if id == "bridges:USDC-mainnet" {
				return quick(ctx, id)
			}
			time.Sleep(time.Second) // after the other has its price
			s.gaveUp.Store(true)
			return rail.Option{}, fault.New(fault.Unavailable, "routing_unavailable", "")
		}
		got, _ := s.options(t)
		wantIDs(t, got.Ways, "bridges:USDC-mainnet", "direct:USDC-base")
	})
}

// A way that a rail refuses is not there.
func TestOptionsWithoutRefusedWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		refusals := map[string]error{
			"bridges:USDC-arbitrum-one": fault.New(fault.NotFound, "no_route", ""),
			"bridges:USDT-arbitrum-one": fault.New(fault.Forbidden, rail.CodeUnsafe, ""),
			"bridges:USDC-mainnet":      fault.New(fault.Invalid, "route_invalid", ""),
			"bridges:USDCn-matic":       fault.New(fault.Limited, "routing_limited", ""),
			"bridges:USDCn-optimism":    errors.New("something else"),
		}
		for _, k := range []asset.ID{"USDC-arbitrum-one", "USDT-arbitrum-one", "USDC-mainnet", "USDCn-matic", "USDCn-optimism"} {
			s.offer("bridges", k, 105, 100)
			s.holds[k] = 1000
		}
		s.price = func(_ context.Context, id string) (rail.Option, error) { return rail.Option{}, refusals[id] }
		got, _ := s.options(t)
		wantIDs(t, got.Ways, "bridges:USDCn-matic", "bridges:USDCn-optimism")
		if len(s.priced) != 5 {
			t.Errorf("prices asked of %v", s.priced)
		}
	})
}

// Native currency is not asked for as a token, what a batch takes is no choice,
// and a token that does not say what is held cannot be afforded.
func TestOptionsOfOtherKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		s.offer("direct", "ETH-base", 0, 0)
		s.offered[0].Costs[0].Amount = big.NewInt(8453)
		s.offer("direct", "USDC-base", 100, 0)
		s.offered[1].Costs = append(s.offered[1].Costs, rail.Cost{Asset: "USDT-base", Amount: dollars(1)})
		s.offer("bridges", "USDT-base", 105, 100)
		s.offer("bridges", "USDC-mainnet", 105, 100)
		s.offered[3].Costs[0].Asset = "GONE-mainnet" // of an older table
		s.silentTokens = []asset.ID{"USDT-base"}
		got, _ := s.options(t)
		wantIDs(t, got.Ways, "direct:ETH-base", "bridges:USDT-base")
		eth, usdt := got.Ways[0], got.Ways[1]
		if !eth.Enough() || eth.Balance.Int64() != 8453 || eth.Allowance != nil || eth.Native.Int64() != 8453 {
			t.Errorf("native currency: %+v", eth)
		}
		if usdt.Enough() || usdt.Balance != nil || usdt.Allowance != nil || usdt.Native == nil || len(s.priced) != 0 {
			t.Errorf("a silent token: %+v, prices of %v", usdt, s.priced)
		}
		if q := s.asked[asset.Base]; len(q) != 1 || len(q[0]) != 1 || len(s.asked) != 1 {
			t.Errorf("asked %+v", s.asked)
		}
	})
}

// Amounts are compared as the dollars they are, whatever the decimals.
func TestOptionsAreSortedByWhatTheyTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		s.offer("bridges", "USDC-bsc", 0, 0)
		s.offer("bridges", "USDC-mainnet", 0, 0)
		s.offer("bridges", "USDT-bsc", 0, 0)
		wei, _ := new(big.Int).SetString("100500000000000000000", 10) // 100.5 of eighteen decimals
		s.offered[0].Costs[0].Amount = wei
		s.offered[1].Costs[0].Amount = big.NewInt(100_400_000)
		s.offered[2].Costs[0].Amount = new(big.Int).Sub(wei, big.NewInt(1))
		for i := range s.offered {
			s.offered[i].Estimated = false
		}
		got, _ := s.options(t)
		wantIDs(t, got.Ways, "bridges:USDC-mainnet", "bridges:USDT-bsc", "bridges:USDC-bsc")
	})
}

// Whom the payment is not for, and who cannot pay it now, learns nothing and
// makes us ask nobody.
func TestOptionsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past := func(p *payment.Payment) { p.Terms.ExpiresAt = p.Terms.CreatedAt.Add(-time.Hour) }
		others := func(p *payment.Payment) { p.Terms.Access.Allowed = []asset.Address{{19: 1}} }
		bridging := func(p *payment.Payment) {
			p.Attempts = []payment.Attempt{{
				Key: "k", Kind: "bridge", Stage: payment.Proven, Until: time.Now().Add(time.Hour),
				Route: &payment.Route{ID: hash(1), Progress: payment.Bridging, Pays: dollars(100)},
			}}
		}
		for name, c := range map[string]struct {
			change func(*payment.Payment)
			payer  rail.Payer
			kind   fault.Kind
			code   string
		}{
			"no wallet":      {func(*payment.Payment) {}, rail.Payer{}, fault.Invalid, "missing_wallet"},
			"too late":       {past, shopper, fault.Forbidden, "expired"},
			"for others":     {others, shopper, fault.Forbidden, checkout.ReasonNotAllowed},
			"over a bridge":  {bridging, shopper, fault.Conflict, "bridging"},
			"before a rival": {bridging, rail.Payer{Wallet: asset.Address{1}}, fault.Conflict, "bridging"},
		} {
			s := newShop(t, checkout.Patience{}, c.change)
			s.offer("direct", "USDC-base", 100, 0)
			p, got, err := s.service.Options(t.Context(), s.p.ID, c.payer)
			if f := fault.From(err); !fault.Is(err, c.kind) || (c.code != "" && f.Code != c.code) || p == nil || len(got.Ways) > 0 || len(s.asked) > 0 {
				t.Errorf("%s: %+v, %v, asked %v", name, got, err, s.asked)
			}
		}
	})
}

// A payer who leaves gets his own error, and is not told that chains are silent.
func TestOptionsForAPayerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		s.offer("direct", "USDC-base", 100, 0)
		s.slow[asset.Base] = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, got, err := s.service.Options(ctx, s.p.ID, shopper)
		if !errors.Is(err, context.DeadlineExceeded) || len(got.Silent) != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// Wallets that answer something else than was asked are not believed.
func TestOptionsOfMisshapenAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, checkout.Patience{})
		for _, held := range []checkout.Holdings{
			{Native: new(big.Int)}, {Native: new(big.Int), Tokens: make([]checkout.TokenHolding, 2)}, {Tokens: make([]checkout.TokenHolding, 1)},
		} {
			odd := checkout.New(checkout.Config{Store: s, Book: s.service.Book(), Rails: []rail.Rail{direct{s}}, Wallets: fixed{held}})
			s.offered = nil
			s.offer("direct", "USDC-base", 100, 0)
			_, got, err := odd.Options(t.Context(), s.p.ID, shopper)
			if err != nil || len(got.Ways) != 0 || !slices.Equal(got.Silent, []asset.ChainID{asset.Base}) {
				t.Errorf("%+v: got %+v, %v", held, got, err)
			}
		}
	})
}

type fixed struct{ held checkout.Holdings }

func (f fixed) Holdings(context.Context, asset.Address, asset.ChainID, []checkout.HoldingQuestion) (checkout.Holdings, error) {
	return f.held, nil
}
