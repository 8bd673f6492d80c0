package crosschain_test

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/rail/railtest"
)

var (
	payer = rail.Payer{Wallet: asset.Address{0x11, 0x11, 19: 0x11}}
	payee = asset.Address{0x22, 0x22, 19: 0x22}
	feeTo = asset.Address{0x33, 0x33, 19: 0x33}
)

// real are the chains of the pinned table.
var real = []asset.ChainID{asset.Mainnet, asset.ArbitrumOne, asset.Base, asset.Optimism, asset.Matic, asset.BSC}

// world is a rail on stand-ins of the real chains, with LI.FI played in the
// same process and a clock that stands still until it is moved.
type world struct {
	router *lifitest.Router
	client *lifi.Client
	codes  *official.Codes
	nodes  map[asset.ChainID]*node
	config crosschain.Config
	rail   *crosschain.Rail

	mu    sync.Mutex
	clock time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// code is what is deployed at every official address, and pinned there.
var code = []byte{0x60, 0x01}

func pinned(t testing.TB) *official.Registry {
	t.Helper()
	pins := official.Pins{}
	for _, id := range real {
		pins[id] = map[official.Kind]official.Hash{}
		for _, c := range official.Default().Contracts(id) {
			pins[id][c.Kind] = official.CodeHash(code)
		}
	}
	registry, err := official.Default().WithPins(pins)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := unpinnedWorld(t)
	w.rail.SetPins(w.client.CheckPins(t.Context()))
	w.connect(t)
	return w
}

// unpinnedWorld is a world right after its start.
func unpinnedWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: railtest.Now, nodes: map[asset.ChainID]*node{}}
	w.router = lifitest.New(lifitest.Options{Now: w.now})
	var err error
	w.client, err = lifi.NewClient(lifi.Config{Transport: lifitest.Transport{Router: w.router}, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	book, err := asset.NewBook(asset.Real())
	if err != nil {
		t.Fatal(err)
	}
	registry := pinned(t)
	w.codes = official.NewCodes(registry, real, func(_ context.Context, _ asset.ChainID, at []asset.Address) ([][]byte, error) {
		return slices.Repeat([][]byte{code}, len(at)), nil
	}, slog.New(slog.DiscardHandler))
	if err := w.codes.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes := map[asset.ChainID]chain.Batcher{}
	for _, id := range real {
		w.nodes[id] = newNode(w.client.Table(), id)
		nodes[id] = w.nodes[id]
	}
	w.config = crosschain.Config{Book: book, Registry: registry, Codes: w.codes, Nodes: nodes, Client: w.client, Now: w.now}
	w.rail = crosschain.New(w.config)
	return w
}

// connect lets Run learn the connections.
func (w *world) connect(t testing.TB) { learn(t, w.rail) }

func learn(t testing.TB, r *crosschain.Rail) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	for deadline := time.Now().Add(time.Minute); !r.Connected(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connections were not learnt")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("run: %v", err)
	}
}

func (w *world) token(t testing.TB, id asset.ID) asset.Token {
	t.Helper()
	token, ok := w.config.Book.Token(id)
	if !ok {
		t.Fatalf("no asset %s", id)
	}
	return token
}

// dollars are cents of an asset in base units.
func (w *world) dollars(t testing.TB, id asset.ID, cents int64) *big.Int {
	t.Helper()
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(w.token(t, id).Decimals)-2), nil)
	return unit.Mul(unit, big.NewInt(cents))
}

// open is a payment of so many cents and a fee, 0 for none.
func (w *world) open(t testing.TB, id asset.ID, cents, fee int64) *payment.Payment {
	t.Helper()
	return railtest.Open(t, w.rail, w.request(t, id, cents, fee))
}

func (w *world) request(t testing.TB, id asset.ID, cents, fee int64) payment.Request {
	t.Helper()
	ref := official.Reference{0xb3, 0x58, 0x1f, 0x0b, 0x0f, 0x74, 0xcc, 0x61}
	q := payment.Request{
		ID: "01b3", Asset: id, Due: w.dollars(t, id, cents), Payee: payee, Reference: ref.String(), Topic: ref.Topic().String(),
	}
	if fee > 0 {
		q.Fee = &payment.Fee{Share: "0.5", Amount: w.dollars(t, id, fee), Payee: feeTo}
	}
	return q
}

func (w *world) optionID(t testing.TB, from asset.ID) string {
	t.Helper()
	token := w.token(t, from)
	return "crosschain:" + token.Network + ":" + string(token.ID)
}

func (w *world) prepare(t testing.TB, p *payment.Payment, from asset.ID) (*rail.Calls, error) {
	t.Helper()
	in, err := w.rail.Prepare(t.Context(), p, w.optionID(t, from), payer)
	if err != nil {
		if in != nil {
			t.Errorf("%s: an instruction beside %v", from, err)
		}
		return nil, err
	}
	return in.(*rail.Calls), nil
}

func (w *world) mustPrepare(t testing.TB, p *payment.Payment, from asset.ID) *rail.Calls {
	t.Helper()
	calls, err := w.prepare(t, p, from)
	if err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	return calls
}

func (w *world) mustPrice(t testing.TB, p *payment.Payment, from asset.ID) rail.Option {
	t.Helper()
	o, err := w.rail.Price(t.Context(), p, w.optionID(t, from), payer)
	if err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	return o
}

// quotes counts the questions for routes.
func (w *world) quotes() int {
	return w.router.Asked("/v1/quote/contractCalls") + w.router.Asked("/v1/quote/toAmount")
}

// questions is how often routes were asked for, and chains for anything.
func (w *world) questions() int {
	n := w.quotes()
	for _, node := range w.nodes {
		node.mu.Lock()
		n += node.batches
		node.mu.Unlock()
	}
	return n
}

// silence has no chain answer until it speaks.
func (w *world) silence() (speak func()) {
	set := func(err error) {
		for _, node := range w.nodes {
			node.mu.Lock()
			node.dead = err
			node.mu.Unlock()
		}
	}
	set(errors.New("connection refused"))
	return func() { set(nil) }
}

func wantFault(t testing.TB, what string, err error, kind fault.Kind, code, field string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Kind != kind || f.Code != code || f.Field != field {
		t.Errorf("%s: got %v, want %s %s at %q", what, err, kind, code, field)
	}
}

func check(t testing.TB, calls *rail.Calls, name string) rail.Check {
	t.Helper()
	i := slices.IndexFunc(calls.Checks, func(c rail.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s in %+v", name, calls.Checks)
	}
	return calls.Checks[i]
}

func kinds(calls *rail.Calls) []rail.CallKind {
	var out []rail.CallKind
	for _, s := range calls.Steps {
		out = append(out, s.Kind)
	}
	return out
}
