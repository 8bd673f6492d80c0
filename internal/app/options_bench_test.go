package app

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/holdings"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/rail/evmref"
)

// optionsChains are the chains of the figure, the slowest last.
var optionsChains = []asset.ChainID{asset.Mainnet, asset.ArbitrumOne, asset.Base, asset.Optimism, asset.Matic, asset.BSC}

// optionsRig is the use cases and both rails on the real tables, over nodes that
// take a set time for each request and a router that takes none.
type optionsRig struct {
	checkout.Store // of one open payment; nothing else is asked for
	service        *checkout.Service
	client         map[asset.ChainID]*chain.Client
	requests       map[asset.ChainID]*atomic.Int64
	router         *lifitest.Router
	payment        *payment.Payment
}

// newOptionsRig takes how long the first chain takes to answer anything, and how
// much longer each of the others.
func newOptionsRig(tb testing.TB, first, step time.Duration) *optionsRig {
	tb.Helper()
	chains, tokens := asset.Real()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		tb.Fatal(err)
	}
	g := &optionsRig{
		client: map[asset.ChainID]*chain.Client{}, requests: map[asset.ChainID]*atomic.Int64{},
		router: lifitest.New(lifitest.Options{}),
	}
	log := slog.New(slog.DiscardHandler)
	batchers := map[asset.ChainID]chain.Batcher{}
	var ids []asset.ChainID
	for i, id := range optionsChains {
		n := &atomic.Int64{}
		node := httptest.NewServer(richNode(tb, id, first+time.Duration(i)*step, n))
		tb.Cleanup(node.Close)
		client, err := chain.NewClient(chain.Config{Chain: id, Endpoints: []chain.Endpoint{{URL: node.URL}}, Log: log})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(client.Close)
		g.client[id], batchers[id], g.requests[id], ids = client, client, n, append(ids, id)
	}
	registry := official.Default()
	codes := official.NewCodes(registry, ids, CodeReader(batchers), log)
	direct := evmref.New(evmref.Config{Book: book, Registry: registry, Codes: codes, Nodes: batchers})
	routed, err := newRouting(ground{
		Setup: Setup{Book: book, Registry: registry, Routing: &RoutingSetup{Service: lifi.Config{Transport: lifitest.Transport{Router: g.router}}}, Log: log},
		nodes: batchers, codes: codes,
	})
	if err != nil {
		tb.Fatal(err)
	}
	r := routed.(*routing)
	tb.Cleanup(r.Close)
	r.SetPins(r.client.CheckPins(tb.Context()))
	now := time.Now().UTC()
	g.payment = &payment.Payment{ID: payment.ID(payment.NewULID(now)), Terms: payment.Terms{
		CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		Requests: []payment.Request{{ID: "01", Asset: "USDC-base", Due: big.NewInt(100_000_000), Payee: asset.Address{0x22, 19: 0x22}, Reference: "0x0123456789abcdef"}},
	}}
	g.service = checkout.New(checkout.Config{Store: g, Book: book, Rails: []rail.Rail{direct, r}, Wallets: holdings.New(batchers, registry), Log: log})
	g.learn(tb, r.Rail)
	return g
}

// learn lets the rail find out what is connected, as it does at the start.
func (g *optionsRig) learn(tb testing.TB, r *crosschain.Rail) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	p, _ := g.Payment(ctx, "")
	p.Standing = payment.Assess(p.Terms, nil, nil, time.Now())
	for deadline := time.Now().Add(time.Minute); len(g.service.Missing(ctx, p)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("the rail learnt nothing")
		}
	}
	cancel()
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
}

// Payment is the rig's one payment, whatever is asked for.
func (g *optionsRig) Payment(context.Context, payment.ID) (*payment.Payment, error) {
	p := *g.payment
	return &p, nil
}

// richNode answers a batch after a delay: its chain's number, and that whoever is
// asked about has a thousand of every token, all of it allowed to be spent.
func richNode(tb testing.TB, id asset.ChainID, delay time.Duration, requests *atomic.Int64) http.Handler {
	thousand, _ := new(big.Int).SetString("1000000000000000000000", 10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var calls []struct {
			ID     int               `json:"id"`
			Method string            `json:"method"`
			Params []json.RawMessage `json:"params"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&calls); err != nil {
			tb.Errorf("chain %d was asked nonsense: %v", id, err)
		}
		var out []map[string]any
		for _, c := range calls {
			answer := map[string]any{"jsonrpc": "2.0", "id": c.ID}
			switch c.Method {
			case "eth_chainId":
				answer["result"] = "0x" + big.NewInt(int64(id)).Text(16)
			case "eth_call":
				var msg struct{ Input string }
				if err := json.Unmarshal(c.Params[0], &msg); err != nil {
					tb.Errorf("chain %d was asked nonsense: %v", id, err)
				}
				answer["result"] = "0x" + hex.EncodeToString(allSay(tb, thousand, msg.Input))
			default:
				tb.Errorf("chain %d was asked %s", id, c.Method)
			}
			out = append(out, answer)
		}
		select { // the whole round trip takes the delay, not decoding and the delay
		case <-r.Context().Done():
			return
		case <-time.After(delay):
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil && r.Context().Err() == nil {
			tb.Errorf("chain %d could not answer: %v", id, err)
		}
	})
}

// allSay is what aggregate3 returns if every call returns the same amount.
func allSay(tb testing.TB, amount *big.Int, input string) []byte {
	data, err := hex.DecodeString(strings.TrimPrefix(input, "0x"))
	if err != nil || len(data) < 68 {
		tb.Errorf("no call of aggregate3: %s", input)
		return nil
	}
	n := int(binary.BigEndian.Uint64(data[60:68]))
	out := make([]byte, 0, 32*(2+5*n))
	number := func(v int) { out = append(out, new(big.Int).SetInt64(int64(v)).FillBytes(make([]byte, 32))...) }
	number(32)
	number(n)
	for i := range n {
		number(32*n + 128*i)
	}
	for range n {
		number(1)
		number(64)
		number(32)
		out = append(out, amount.FillBytes(make([]byte, 32))...)
	}
	return out
}

// ask asks for the ways of a wallet that was never seen, so that nothing is
// remembered of it.
func (g *optionsRig) ask(tb testing.TB, wallet uint64) checkout.Options {
	tb.Helper()
	payer := rail.Payer{Wallet: asset.Address{0x77}}
	binary.BigEndian.PutUint64(payer.Wallet[12:], wallet)
	_, o, err := g.service.Options(tb.Context(), g.payment.ID, payer)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// Options over six chains take one request of each, and all that can be afforded
// has a price.
func TestOptionsAskEachChainOnce(t *testing.T) {
	g := newOptionsRig(t, time.Millisecond, 0)
	o := g.ask(t, 1)
	for _, id := range optionsChains {
		if n := g.requests[id].Load(); n != 1 {
			t.Errorf("chain %d got %d requests, want 1", id, n)
		}
	}
	// Twelve stablecoins and a second one of Optimism's, the payment's own among them.
	if len(o.Ways) != 13 || len(o.Silent)+len(o.Missing) > 0 {
		t.Fatalf("%d ways, silent %v, missing %v", len(o.Ways), o.Silent, o.Missing)
	}
	for _, w := range o.Ways {
		if w.Estimated || !w.Enough() {
			t.Errorf("%s: estimated %t, balance %s of %s", w.ID, w.Estimated, w.Balance, w.Needed())
		}
	}
	if n := g.router.Asked("/v1/quote/contractCalls"); n < 11 {
		t.Errorf("the router was asked %d times for routes over bridges", n)
	}
}

// BenchmarkOptions measures the ways to pay over six chains, against one round
// trip to the slowest of them by the same client:
//
//	go test -run '^$' -bench Options -benchtime 50x ./internal/app
//
// The figure is times-slowest; 1.2 is the most it may be.
func BenchmarkOptions(b *testing.B) {
	b.Run("20_to_120ms", func(b *testing.B) { benchmarkOptions(b, 20*time.Millisecond, 20*time.Millisecond) })
	b.Run("each_100ms", func(b *testing.B) { benchmarkOptions(b, 100*time.Millisecond, 0) })
	b.Run("each_20ms", func(b *testing.B) { benchmarkOptions(b, 20*time.Millisecond, 0) })
}

func benchmarkOptions(b *testing.B, first, step time.Duration) {
	g := newOptionsRig(b, first, step)
	slowest := optionsChains[len(optionsChains)-1]
	question := []chain.Call{chain.ChainIDCall()}
	var alone, together time.Duration
	g.ask(b, 0) // opens the connections, of which there are as many as chains
	for i := range b.N {
		start := time.Now()
		if _, err := g.client[slowest].Batch(b.Context(), question); err != nil {
			b.Fatal(err)
		}
		alone += time.Since(start)
		start = time.Now()
		o := g.ask(b, uint64(i)+1)
		together += time.Since(start)
		if len(o.Ways) != 13 || len(o.Silent) > 0 {
			b.Fatalf("%d ways, silent %v", len(o.Ways), o.Silent)
		}
	}
	b.ReportMetric(float64(alone.Microseconds())/1e3/float64(b.N), "ms-slowest")
	b.ReportMetric(float64(together.Microseconds())/1e3/float64(b.N), "ms-options")
	b.ReportMetric(float64(together)/float64(alone), "times-slowest")
}
