package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/seal"
	"quittance/internal/store"
	"quittance/internal/store/storetest"
)

var (
	begin = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	payee = asset.Address{19: 0x42}
	owner = payment.MerchantID("01KE0000000000000000000001")
)

const (
	base   = asset.ChainID(900008453)
	window = time.Hour
	grace  = 10 * time.Minute
)

// world is the use cases over a real database file, with a clock that the test
// moves and a store that can be made to fail.
type world struct {
	*checkout.Service
	t      testing.TB
	store  *store.Store
	dsn    string
	usdc   asset.Token
	fail   func(ctx context.Context, write func() error) error // nil for no trouble
	span   *span                                               // nil if no bridges are known
	vault  *vault                                              // nil if Safes cannot pay
	relay  *relay                                              // nil if nobody pays for gas
	till   *till                                               // nil if nothing can be sent for an amount in a fiat currency
	desk   bool                                                // whether there is a rail over banks
	nudged func(asset.ChainID)                                 // nil if nobody wants to know
	unseen time.Duration                                       // how much later than it is made a block may be seen
	twice  func() bool                                         // whether a write runs once more, after one that was rolled back

	mu  sync.Mutex
	at  time.Time
	tag int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOn(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
}

func worldOn(t testing.TB, dsn string) *world {
	t.Helper()
	w := &world{t: t, dsn: dsn, at: begin}
	w.open()
	t.Cleanup(func() { must(t, w.store.Close()) })
	must(t, w.store.InsertMerchant(t.Context(), merchant.Merchant{ID: owner, Name: "Shop", CreatedAt: begin}))
	return w
}

// open starts the server's part anew on the same file, as after a crash.
func (w *world) open() {
	w.t.Helper()
	box, err := seal.New([]byte("a test key of exactly 32 bytes.."))
	must(w.t, err)
	storetest.Prepare(w.t, w.dsn)
	w.store, err = store.Open(w.t.Context(), store.Config{DSN: w.dsn, Seal: box})
	must(w.t, err)
	must(w.t, w.store.Migrate(w.t.Context()))
	chains, tokens := asset.Sandbox()
	book, err := asset.NewBook(chains, tokens)
	must(w.t, err)
	w.usdc, _ = book.Token("USDC-base")
	c := checkout.Config{
		Store: troubled{w.store, w}, Book: book, Rails: []rail.Rail{labels{w}}, Window: window, Grace: grace, Settle: w.unseen, Now: w.now,
	}
	if w.span != nil {
		c.Tracker = w.span
	}
	if w.vault != nil {
		c.Safes = w.vault
	}
	if w.relay != nil {
		c.Gasless = w.relay
	}
	c.Nudge = w.nudged
	if w.till != nil {
		c.Rails, c.Prices = append(c.Rails, w.till), w.till
	}
	if w.desk {
		c.Rails = append(c.Rails, desk{w})
	}
	w.Service = checkout.New(c)
}

func (w *world) restart() {
	w.t.Helper()
	must(w.t, w.store.Close())
	w.open()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// troubled is the store with the world's failures.
type troubled struct {
	checkout.Store
	w *world
}

var errTrouble = errors.New("the power went out")

func (s troubled) Write(ctx context.Context, f func(checkout.Tx) error) error {
	if s.w.twice != nil && s.w.twice() {
		_ = s.w.lost(f)
	}
	if s.w.fail == nil {
		return s.Store.Write(ctx, f)
	}
	return s.w.fail(ctx, func() error { return s.Store.Write(ctx, f) })
}

// lost is a write that dies before its commit, after all of its statements.
func (w *world) lost(f func(checkout.Tx) error) error {
	return w.store.Write(w.t.Context(), func(tx checkout.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errTrouble
	})
}

// labels is a rail that names requests by counting.
type labels struct{ w *world }

func (labels) ID() rail.ID { return "evmref" }

func (l labels) Name(_ *payment.Payment, r *payment.Request) error {
	if r.Fiat() && !r.Quoted() {
		return nil
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.tag++
	if r.ID == "" {
		r.ID = fmt.Sprintf("01%064x", l.w.tag)
	}
	r.Salt = fmt.Sprintf("%016x", l.w.tag)
	r.Reference, r.Topic = fmt.Sprintf("0x%016x", l.w.tag), hash(l.w.tag)
	r.Handles = append(r.Handles, payment.Handle{Rail: "evmref", Value: r.Topic})
	return nil
}

func (labels) Offer(_ context.Context, p *payment.Payment, payer rail.Payer) ([]rail.Option, error) {
	if p.Terms.Quoted() && (payer.Safe || !payer.Owner.IsZero()) { // as the rail itself has it
		return nil, nil
	}
	if p.Terms.Quoted() {
		return quotedOptions(p), nil
	}
	if p.Terms.Fiat() {
		return nil, nil
	}
	return []rail.Option{
		{ID: "one", Rail: "evmref", Chain: base, Costs: []rail.Cost{{Asset: "USDC-base", Amount: big.NewInt(100)}}},
		{ID: "over", Rail: "evmref", Chain: arbitrum, Costs: []rail.Cost{{Asset: "USDC-arbitrum-one", Amount: big.NewInt(100)}}},
		{ID: "coins", Rail: "evmref", Chain: base, Costs: []rail.Cost{{Asset: "ETH-base", Amount: big.NewInt(100)}}},
	}, nil
}

func (l labels) Prepare(ctx context.Context, p *payment.Payment, id string, payer rail.Payer) (rail.Instruction, error) {
	options, err := l.Offer(ctx, p, payer)
	o := options[slices.IndexFunc(options, func(o rail.Option) bool { return o.ID == id })]
	if !payer.Owner.IsZero() && id == "coins" {
		return nil, fault.Field("eoaWallet", "gasless_native", "No coins.")
	}
	return &rail.Calls{
		Chain: o.Chain, Steps: []rail.Call{{Kind: rail.Pay, Data: []byte(p.Terms.Requests[0].Topic), Value: new(big.Int)}},
		Funds: rail.Funds{Assets: []rail.Holding{{Asset: o.Costs[0].Asset, Needed: o.Costs[0].Amount}}, NativeNeeded: big.NewInt(1000), GasPrice: big.NewInt(4)},
	}, err
}

// Claims knows the calls of a test's Safe transaction by the request that they name.
func (labels) Claims(p *payment.Payment, _ asset.ChainID, _ rail.Payer, calls []rail.Call, _ time.Time) (rail.Claim, bool) {
	by, topic, _ := strings.Cut(string(calls[0].Data), " ")
	at, err := strconv.ParseInt(by, 10, 64)
	if err != nil || topic != p.Terms.Requests[0].Topic || len(calls) != 1 {
		return rail.Claim{}, false
	}
	var claim rail.Claim
	if at > 0 {
		claim.Deadline = time.Unix(at, 0).UTC()
	}
	return claim, true
}

func hash(n int) string { return fmt.Sprintf("0x%064x", n) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create makes a payment of units of USDC.
func (w *world) create(units int64) *payment.Payment {
	w.t.Helper()
	var p *payment.Payment
	_, _, err := w.Create(w.t.Context(), checkout.Draft{
		Merchant: owner, Dialect: "request",
		Requests: []checkout.DraftRequest{{Payee: payee, Token: w.usdc, Amount: big.NewInt(units)}},
	}, nil, func(made *payment.Payment) (checkout.Answer, error) {
		p = made
		return checkout.Answer{Status: 201}, nil
	})
	must(w.t, err)
	return p
}

func (w *world) load(id payment.ID) *payment.Payment {
	w.t.Helper()
	p, err := w.Payment(w.t.Context(), id)
	must(w.t, err)
	return p
}

func block(n, fork int) checkout.Block {
	return checkout.Block{Number: uint64(n), Hash: hash(1000*n + fork), Time: begin.Add(time.Duration(n) * time.Second)}
}

// sighting is value for a payment in a block, at a place in a transaction.
func (w *world) sighting(p *payment.Payment, tx int, index uint, units int64, b checkout.Block) rail.Sighting {
	return rail.Sighting{
		Rail: "evmref", Handle: p.Terms.Requests[0].Topic, Key: fmt.Sprintf("evmref:%d:%s:%d", base, hash(tx), index), Chain: base,
		Token: w.usdc.Address, To: payee, Amount: big.NewInt(units), At: b.Time,
		Evidence: payment.Evidence{Chain: base, Block: b.Number, BlockHash: b.Hash, Tx: hash(tx), LogIndex: index, Payer: asset.Address{19: byte(tx)}.String()},
	}
}

// Rewind goes back as a watcher does that has just read where its chain's cursor is.
func (w *world) Rewind(ctx context.Context, chain asset.ChainID, to checkout.Block) error {
	c, err := w.Cursor(ctx, chain)
	if err != nil {
		return err
	}
	return w.Service.Rewind(ctx, chain, to, c.Rewound)
}

// RecordSweep records what a watcher found that has just read where its chain's cursor is.
func (w *world) RecordSweep(ctx context.Context, sw checkout.Sweep) error {
	c, err := w.Cursor(ctx, sw.Chain)
	if err != nil {
		return err
	}
	sw.Rewound = c.Rewound
	return w.Service.RecordSweep(ctx, sw)
}

// sweep records blocks from..to, where to holds the sightings.
func (w *world) sweep(from int, to checkout.Block, xs ...rail.Sighting) error {
	return w.RecordSweep(w.t.Context(), checkout.Sweep{Chain: base, From: uint64(from), To: to, Sightings: xs})
}

// kinds lists a payment's log.
func (w *world) kinds(id payment.ID) []payment.EventKind {
	w.t.Helper()
	events := w.events(id)
	kinds := make([]payment.EventKind, len(events))
	for i, e := range events {
		kinds[i] = e.Kind
	}
	return kinds
}

func (w *world) events(id payment.ID) []payment.Event {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), id)
	must(w.t, err)
	return events
}
