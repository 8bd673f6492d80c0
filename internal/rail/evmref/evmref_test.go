package evmref_test

import (
	"context"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/railtest"
)

const (
	payee = "0x1111111111111111111111111111111111111111"
	feeTo = "0x2222222222222222222222222222222222222222"
)

// world is a rail on a simulated chain.
type world struct {
	chain  *chaintest.Chain
	client *chain.Client
	codes  *official.Codes
	book   *asset.Book
	rail   *evmref.Rail
	now    time.Time
}

// enabled are the assets that amounts in fiat currencies are paid in. The suite reckons in
// the first one's units.
var enabled = []asset.ID{"ETH-base", "USDC-base", "USDT-base", "USDC-arbitrum-one", "NONE-base"}

func addr(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newWorld(t testing.TB, options ...chaintest.Option) *world {
	t.Helper()
	w := &world{chain: chaintest.New(t, options...), now: railtest.Now}
	var err error
	w.client, err = chain.NewClient(chain.Config{
		Chain: asset.SandboxBase, Endpoints: []chain.Endpoint{{URL: w.chain.URL()}}, Timeout: 10 * time.Second,
		RestMin: time.Nanosecond, RestMax: time.Nanosecond, // a test's silence must not outlast it
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	w.book, err = asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	registry := official.Default()
	w.codes = official.NewCodes(registry, []asset.ChainID{asset.SandboxBase}, w.readCode, slog.New(slog.DiscardHandler))
	if err := w.codes.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.rail = evmref.New(evmref.Config{
		Book: w.book, Registry: registry, Codes: w.codes, Nodes: map[asset.ChainID]chain.Batcher{asset.SandboxBase: w.client},
		Assets: enabled, Now: func() time.Time { return w.now },
	})
	return w
}

func (w *world) readCode(ctx context.Context, _ asset.ChainID, addresses []asset.Address) ([][]byte, error) {
	calls := make([]chain.Call, len(addresses))
	for i, a := range addresses {
		calls[i] = chain.CodeCall(a, chain.Latest)
	}
	results, err := w.client.Batch(ctx, calls)
	if err != nil {
		return nil, err
	}
	codes := make([][]byte, len(results))
	for i, r := range results {
		if codes[i], err = r.Bytes(); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

func (w *world) payer(t testing.TB) rail.Payer { return rail.Payer{Wallet: addr(t, w.chain.Address())} }

// request is 100 base units, with a fee of 3 unless fee is zero.
func request(t testing.TB, id asset.ID, fee int64) payment.Request {
	t.Helper()
	q := payment.Request{Asset: id, Due: big.NewInt(100), Payee: addr(t, payee)}
	if fee > 0 {
		q.Fee = &payment.Fee{Share: "3", Amount: big.NewInt(fee), Payee: addr(t, feeTo)}
	}
	return q
}

// carryOut sends the calls, one block each, and decodes the last one's logs.
func (w *world) carryOut(t *testing.T, in rail.Instruction) []rail.Sighting {
	t.Helper()
	calls, ok := in.(*rail.Calls)
	if !ok {
		t.Fatalf("instruction %T", in)
	}
	var head uint64
	for _, step := range calls.Steps {
		tx := w.chain.Send(step.To.String(), step.Value, step.Data)
		head = w.chain.Mine(1)
		if r := w.chain.Receipt(tx); r == nil || r.Status != 1 {
			t.Fatalf("the %s transaction failed: %+v", step.Kind, r)
		}
	}
	return w.sightings(t, head)
}

// sightings reads one block's evidence the way a scanner does.
func (w *world) sightings(t *testing.T, block uint64) []rail.Sighting {
	t.Helper()
	logs, err := chain.Ask(t.Context(), w.client, chain.LogsCall(w.rail.Filter(asset.SandboxBase), block, block), chain.Result.Logs)
	if err != nil {
		t.Fatal(err)
	}
	header, err := chain.Ask(t.Context(), w.client, chain.HeaderCall(chain.AtBlock(block)), chain.Result.Header)
	if err != nil {
		t.Fatal(err)
	}
	var out []rail.Sighting
	for _, l := range logs {
		l.Block.Time = header.Time
		s, err := w.rail.Decode(asset.SandboxBase, l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// otherFee sends a request's fee to somebody else.
func otherFee(t *testing.T, q payment.Request) payment.Request {
	q.Fee.Payee = addr(t, "0x4444444444444444444444444444444444444444")
	return q
}

func TestConformance(t *testing.T) {
	w := newWorld(t)
	open := func(requests ...payment.Request) *payment.Payment { return railtest.Open(t, w.rail, requests...) }
	railtest.Run(t, railtest.Subject{
		Rail: w.rail, Payer: w.payer(t),
		Payable: map[string]*payment.Payment{
			"a token":                   open(request(t, "USDC-base", 0)),
			"a token with a fee":        open(request(t, "USDC-base", 3)),
			"a token that wants resets": open(request(t, "USDT-base", 3)),
			"the native currency":       open(request(t, "ETH-base", 0)),
			"native with a fee":         open(request(t, "ETH-base", 3)),
			"two of a token":            open(request(t, "USDC-base", 0), request(t, "USDC-base", 0)),
			"two of a token with fees":  open(request(t, "USDC-base", 3), request(t, "USDC-base", 0)),
			"two native":                open(request(t, "ETH-base", 0), request(t, "ETH-base", 2)),
			"two native without fees":   open(request(t, "ETH-base", 0), request(t, "ETH-base", 0)),
			"every asset, mixed": open(request(t, "ETH-base", 1), request(t, "USDT-base", 0), request(t, "USDC-base", 3),
				request(t, "ETH-base", 0), request(t, "USDT-base", 2), request(t, "USDC-base", 0)),
			"every asset without fees": open(request(t, "USDC-base", 0), request(t, "ETH-base", 0), request(t, "USDT-base", 0)),
			"euros at a quote":         w.quoted(t, w.shares(t, 10), parity),
			"three shares of euros":    w.quoted(t, w.shares(t, 10, 25, 5), parity),
		},
		Foreign: map[string]*payment.Payment{
			"a fiat currency":            open(request(t, "EUR", 0)),
			"euros of another network":   w.quoted(t, abroad(w.shares(t, 10, 20), asset.SandboxArbitrum), parity),
			"euros of two networks":      w.quoted(t, append(w.shares(t, 10), abroad(w.shares(t, 20), asset.SandboxArbitrum)...), parity),
			"euros to nobody":            w.quoted(t, toNobody(w.shares(t, 10)), parity),
			"euros beside a token":       open(w.shares(t, 10)[0], request(t, "USDC-base", 0)),
			"dollars":                    open(request(t, "USD", 0)),
			"dollars beside a token":     open(request(t, "USDC-base", 0), request(t, "USD", 0)),
			"a real network":             open(request(t, "USDC-mainnet", 0)),
			"a batch with a fiat amount": open(request(t, "USDC-base", 0), request(t, "EUR", 0)),
			"a batch of two networks":    open(request(t, "USDC-base", 0), request(t, "USDC-arbitrum-one", 0)),
			"fees to two payees":         open(request(t, "USDC-base", 3), otherFee(t, request(t, "USDC-base", 3))),
		},
		Outside:  w.chain.Requests,
		Silence:  func() func() { w.chain.Fail(503); return w.chain.Behave },
		CarryOut: w.carryOut,
	})
}
