package checkout_test

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

const (
	ethBase  = asset.ID("ETH-base")
	usdcBase = asset.ID("USDC-base")
	usdtArb  = asset.ID("USDT-arbitrum-one")
)

// till is a rail over deposit addresses and the prices that go with it: what it offers
// and what that costs is set by the test.
type till struct {
	mu     sync.Mutex
	offers []asset.ID
	prices map[asset.ID]int64 // hundred-millionths of a dollar
	euro   int64              // likewise; 0 while nobody knows
	asked  [][]asset.ID
	seen   []rail.Payer // who prepared
	within time.Duration
}

func (*till) ID() rail.ID { return "deposit" }

func (*till) HandleOf(a asset.Address) payment.Handle {
	return payment.Handle{Rail: "deposit", Value: a.Lower()}
}

func (x *till) Offer(_ context.Context, p *payment.Payment, _ rail.Payer) (out []rail.Option, _ error) {
	if r := p.Terms.Requests[0]; !r.Fiat() || r.Quoted() || r.Payee.IsZero() {
		return nil, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range x.offers {
		out = append(out, rail.Option{ID: "deposit:" + string(id), Rail: "deposit", Chain: base, Asset: id})
	}
	return out, nil
}

func (x *till) Prepare(_ context.Context, p *payment.Payment, id string, payer rail.Payer) (rail.Instruction, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = append(x.seen, payer)
	return &rail.Deposit{Address: p.Terms.Requests[0].Payee, Asset: asset.ID(id[len("deposit:"):])}, nil
}

func (x *till) Prices(ctx context.Context, in asset.ID, of []asset.ID) map[asset.ID]money.Price {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = append(x.asked, slices.Clone(of))
	if end, ok := ctx.Deadline(); ok {
		x.within = time.Until(end)
	}
	out := map[asset.ID]money.Price{}
	for _, id := range of {
		v := x.prices[id]
		if in == asset.EUR {
			v = inEuros(v, x.euro)
		}
		if v > 0 {
			out[id] = money.Price{Value: big.NewInt(v), At: begin, Source: "test"}
		}
	}
	return out
}

// inEuros is a price in dollars in euros, 0 if there is none.
func inEuros(price, euro int64) int64 {
	if euro == 0 {
		return 0
	}
	return new(big.Int).Div(new(big.Int).Mul(big.NewInt(price), big.NewInt(1_00000000)), big.NewInt(euro)).Int64()
}

func (x *till) set(f func(*till)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f(x)
}

// questions is how often prices were asked for.
func (x *till) questions() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.asked)
}

// tillWorld is a world whose merchant has addresses.
func tillWorld(t testing.TB, dsn string, addresses int) *world {
	t.Helper()
	w := worldOn(t, dsn)
	w.openTill(addresses)
	return w
}

func (w *world) openTill(addresses int) {
	w.t.Helper()
	w.till = &till{
		offers: []asset.ID{ethBase, usdcBase, usdtArb},
		prices: map[asset.ID]int64{ethBase: 2000_00000000, usdcBase: 1_00000000, usdtArb: 99900000},
		euro:   1_25000000,
	}
	w.restart()
	must(w.t, w.store.SetBranch(w.t.Context(), merchant.Branch{ID: "branch", Merchant: owner, XPub: "a public key", Active: true, CreatedAt: begin}))
	w.addresses(0, addresses)
}

func pot(i int) asset.Address {
	return asset.Address{0: 0xde, 17: byte(i >> 16), 18: byte(i >> 8), 19: byte(i)}
}

func (w *world) addresses(from, to int) {
	w.t.Helper()
	var as []merchant.DepositAddress
	for i := from; i < to; i++ {
		as = append(as, merchant.DepositAddress{Address: pot(i), Merchant: owner, Branch: "branch", Index: uint32(i), CheckedAt: begin})
	}
	must(w.t, w.store.AddAddresses(w.t.Context(), as))
}

// free is how many addresses nobody has.
func (w *world) free() int {
	w.t.Helper()
	as, err := w.store.FreeAddresses(w.t.Context(), "branch")
	must(w.t, err)
	return len(as)
}

func dollarDraft(cents int64) checkout.Draft {
	return checkout.Draft{
		Merchant: owner, Dialect: "spacepay", Exact: true, Quote: ethBase,
		Requests: []checkout.DraftRequest{{Fiat: asset.USD, Amount: money.Cents(cents)}},
	}
}

// owe makes a payment of cents.
func (w *world) owe(d checkout.Draft) (p *payment.Payment, err error) {
	w.t.Helper()
	_, _, err = w.Create(w.t.Context(), d, nil, func(made *payment.Payment) (checkout.Answer, error) {
		p = made
		return checkout.Answer{Status: 201}, nil
	})
	return p, err
}

func (w *world) owed(cents int64) *payment.Payment {
	w.t.Helper()
	p, err := w.owe(dollarDraft(cents))
	must(w.t, err)
	return p
}

// drop is money for a payment in a block.
func (w *world) drop(p *payment.Payment, of asset.ID, tx int, units *big.Int, b checkout.Block) rail.Sighting {
	w.t.Helper()
	token, ok := w.Book().Token(of)
	if !ok {
		w.t.Fatalf("no token %s", of)
	}
	to := p.Terms.Requests[0].Payee
	return rail.Sighting{
		Rail: "deposit", Handle: to.Lower(), Key: fmt.Sprintf("deposit:%d:%s:0", token.Chain, hash(tx)), Chain: token.Chain,
		Token: token.Address, To: to, Amount: units, At: b.Time,
		Evidence: payment.Evidence{Chain: token.Chain, Block: b.Number, BlockHash: b.Hash, Tx: hash(tx)},
	}
}

// at is a block of now.
func (w *world) blockNow(n int) checkout.Block {
	return checkout.Block{Number: uint64(n), Hash: hash(1000 * n), Time: w.now()}
}

func (w *world) quoted(p *payment.Payment, of asset.ID, fresh bool) payment.Quote {
	w.t.Helper()
	_, q, err := w.Quote(w.t.Context(), p.ID, of, fresh)
	must(w.t, err)
	return q
}

// names says which fault an error is: "kind code field".
func names(err error) string {
	if err == nil {
		return ""
	}
	f := fault.From(err)
	return fmt.Sprintf("%s %s %s", f.Kind, f.Code, f.Field)
}
