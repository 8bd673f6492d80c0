package app

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/checkout"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rate"
)

// busy is a server's watching part over a real chain and a file, with many open
// addresses, one of which gets something in each block.
type busy struct {
	*chaintest.Chain
	t    testing.TB
	app  *App
	sink *sink
	paid payment.ID
	to   asset.Address
}

func newBusy(t testing.TB, open int) *busy {
	t.Helper()
	b := &busy{t: t, Chain: chaintest.New(t, chaintest.WithFeed(t, ethFeed.String(), "ETH / USD", big.NewInt(374205353900), time.Now()))}
	b.Mine(1)
	chains, tokens := asset.Sandbox()
	var here []asset.Token
	for _, x := range tokens {
		if x.Chain == asset.SandboxBase {
			here = append(here, x)
		}
	}
	book, err := asset.NewBook(chains[:1], here)
	if err != nil {
		t.Fatal(err)
	}
	feeds := map[asset.ID]rate.Feed{}
	for _, id := range []asset.ID{"ETH-base", "USDC-base", "USDT-base"} {
		feeds[id] = rate.Feed{Address: ethFeed, MaxAge: time.Hour}
	}
	registry := official.Default()
	b.app, err = New(t.Context(), Setup{
		BaseURL: "https://pay.example.com", Database: "sqlite:" + filepath.Join(t.TempDir(), "q.db"), Keys: [][]byte{bytes.Repeat([]byte{7}, 32)},
		Book: book, Registry: registry, Log: slog.New(slog.DiscardHandler), Chains: []ChainSetup{{ID: asset.SandboxBase, Endpoints: []chain.Endpoint{{URL: b.URL()}}, Confirmations: 3}},
		Deposits: &DepositSetup{Prices: PriceSetup{Feeds: map[asset.ChainID]FeedSetup{asset.SandboxBase: {Feeds: feeds}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.app.Close(); err != nil {
			t.Error(err)
		}
	})
	node := b.app.nodes[asset.SandboxBase]
	b.sink = &sink{
		checkout: b.app.Checkout, sources: allWith[source](b.app.rails), node: node, registry: registry, log: slog.New(slog.DiscardHandler),
	}
	b.fill(open)
	b.read() // the index is read, and what was there
	return b
}

// busyXPub is the first account of the test phrase that everybody has.
const busyXPub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"

// fill stores the addresses, and a payment that has one of them.
func (b *busy) fill(open int) {
	b.t.Helper()
	ctx, now := b.t.Context(), time.Now().UTC()
	key, err := hdkey.OpenBranch(busyXPub)
	if err != nil {
		b.t.Fatal(err)
	}
	id, err := key.ID()
	if err != nil {
		b.t.Fatal(err)
	}
	must := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	must(b.app.Store.InsertMerchant(ctx, merchant.Merchant{ID: "01M", Name: "M", CreatedAt: now}))
	must(b.app.Store.SetBranch(ctx, merchant.Branch{ID: id, Merchant: "01M", XPub: busyXPub, Active: true, CreatedAt: now}))
	as := make([]merchant.DepositAddress, open)
	for i := range as {
		hash := official.CodeHash(binary.BigEndian.AppendUint32(nil, uint32(i)))
		as[i] = merchant.DepositAddress{Address: asset.Address(hash[:20]), Merchant: "01M", Branch: id, Index: uint32(i), CheckedAt: now}
	}
	must(b.app.Store.AddAddresses(ctx, as))
	b.paid = payment.ID(payment.NewULID(now))
	must(b.app.Store.Write(ctx, func(tx checkout.Tx) (err error) {
		if b.to, err = tx.TakeAddress(ctx, "01M", b.paid, 0, now); err != nil {
			return err
		}
		p := &payment.Payment{ID: b.paid, Terms: payment.Terms{
			Merchant: "01M", Dialect: "spacepay", Alias: "a", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			Requests: []payment.Request{{ID: "01R", Asset: asset.USD, Due: money.Cents(100_000_000), Payee: b.to, Handles: []payment.Handle{{Rail: "deposit", Value: b.to.Lower()}}}},
		}}
		p.Standing = payment.Assess(p.Terms, nil, nil, now)
		return tx.InsertPayment(ctx, p)
	}))
}

// pay puts a block on the chain in which the payment gets both kinds of money, among
// other people's.
func (b *busy) pay() {
	b.t.Helper()
	b.Send(b.to.String(), big.NewInt(1e12), nil)
	b.Transfer(b.USDC(), b.to.String(), big.NewInt(1_000_000))
	for range 10 {
		b.Other.Transfer(b.USDC(), b.Address(), big.NewInt(1))
	}
	b.Mine(1)
}

// read has the sink read the newest block, as the scanner would.
func (b *busy) read() {
	b.t.Helper()
	b.readLast(1)
}

// readLast is read for so many blocks at once.
func (b *busy) readLast(blocks uint64) {
	b.t.Helper()
	ctx, node := b.t.Context(), b.app.nodes[asset.SandboxBase]
	head, err := chain.Ask(ctx, node, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err != nil {
		b.t.Fatal(err)
	}
	f, from := oneWith[*deposits](b.app.rails).Filter(asset.SandboxBase), head.Number+1-blocks
	logs, err := chain.Ask(ctx, node, chain.LogsCall(f, from, head.Number), chain.Result.Logs)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range logs {
		logs[i].Block = head.Block
	}
	sw := chain.Sweep{Chain: asset.SandboxBase, From: from, To: head.Block, Head: head.Block, Logs: logs}
	if err := b.sink.Apply(ctx, sw); err != nil {
		b.t.Fatal(err)
	}
}

var watchingCalls = []string{"eth_getBlockByNumber", "eth_getLogs", "eth_call", "eth_getBalance", "eth_getTransactionReceipt", "eth_getTransactionCount"}

func (b *busy) calls() (n int) {
	for _, m := range watchingCalls {
		n += b.Chain.Calls(m)
	}
	return n
}

// What is asked of a node for a block does not depend on how many addresses are open.
func TestWatchingCostsTheSame(t *testing.T) {
	type cost struct{ requests, calls int }
	var of []cost
	for _, open := range []int{100, 5_000} {
		b := newBusy(t, open)
		for range 3 {
			b.pay()
			requests, calls := b.Requests(), b.calls()
			b.read()
			of = append(of, cost{b.Requests() - requests, b.calls() - calls})
		}
		p, err := b.app.Checkout.Payment(t.Context(), b.paid)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Transfers) != 6 || !p.Transfers[5].Priced() {
			t.Errorf("%d open: %d transfers", open, len(p.Transfers))
		}
	}
	for _, c := range of {
		if c.requests > 8 || c.calls > 14 || c.requests > of[0].requests+1 {
			t.Errorf("round trips and calls: %+v", of)
			break
		}
	}
}

// After many blocks it is every address' turn at once: more than nodes take in one request.
func TestManyAddressesAreAskedForInPieces(t *testing.T) {
	b := newBusy(t, 5_000)
	b.pay()
	b.read()
	b.Mine(200)
	b.pay()
	b.MaxRequest(1 << 20)
	b.readLast(201)
	p, err := b.app.Checkout.Payment(t.Context(), b.paid)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Transfers) != 4 {
		t.Errorf("%d transfers, want 4", len(p.Transfers))
	}
}

// Watching a block in which one of many addresses gets something, through the sink and
// into a SQLite file: internal/rail/deposit finds it, the checkout credits it, and the
// cursor moves with it.
func BenchmarkDeposits(b *testing.B) {
	for _, open := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(open), func(b *testing.B) {
			w := newBusy(b, open)
			requests, calls := 0, 0
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				w.pay()
				r, c := w.Requests(), w.calls()
				b.StartTimer()
				w.read()
				requests, calls = requests+w.Requests()-r, calls+w.calls()-c
			}
			b.ReportMetric(float64(requests)/float64(b.N), "roundtrips/block")
			b.ReportMetric(float64(calls)/float64(b.N), "calls/block")
		})
	}
}
