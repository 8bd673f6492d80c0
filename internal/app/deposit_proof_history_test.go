package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/addresses"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
	"quittance/internal/rail/deposit/deposittest"
	"quittance/internal/seal"
	"quittance/internal/store"
)

var errCut = errors.New("the process is gone")

// cutting is a store whose writes a dying process loses, or the answers to them.
type cutting struct {
	checkout.Store
	next string // "before" or "after" the commit, once; "" for neither
}

func (c *cutting) Write(ctx context.Context, f func(checkout.Tx) error) error {
	how := c.next
	c.next = ""
	switch how {
	case "before":
		return c.Store.Write(ctx, func(tx checkout.Tx) error {
			if err := f(tx); err != nil {
				return err
			}
			return errCut
		})
	case "after":
		return errors.Join(c.Store.Write(ctx, f), errCut)
	}
	return c.Store.Write(ctx, f)
}

// given says of every address that it is its payment's: that is tried elsewhere.
type given struct{}

func (given) Derive(_ context.Context, p *payment.Payment, request int) (asset.Address, error) {
	return p.Terms.Requests[request].Payee, nil
}

// node is a server as far as deposits go: the real checkout, store, sink and watcher.
type node struct {
	db   *store.Store
	cut  *cutting
	sink *sink
	rest func() error
}

// history is a chain, a database and the servers on it.
type history struct {
	t      *rapid.T
	sim    *deposittest.Sim
	book   *asset.Book
	prices map[asset.ID]int64 // in dollars, 0 for none
	dsn    string
	nodes  []*node
	owed   []payment.ID
	paid   map[payment.ID]bool
	nonce  int
	spent  map[asset.Address]bool // in the block that is being made
	height uint64                 // nothing at or below is reorganised any more
}

const (
	historyChain = asset.SandboxBase
	historyETH   = asset.ID("ETH-base")
	historyUSDC  = asset.ID("USDC-base")
	historyShop  = payment.MerchantID("01KE0000000000000000000001")
)

func (h *history) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) now() time.Time { return h.sim.Head().Block().Time.Add(time.Second) }

// Prices implements checkout.Prices. A wei is worth a tenth of a cent at least, so that
// the chain's small numbers make up dollars.
func (h *history) Prices(_ context.Context, _ asset.ID, of []asset.ID) map[asset.ID]money.Price {
	out := map[asset.ID]money.Price{}
	for _, id := range of {
		if v := h.prices[id]; v > 0 {
			hundredths := new(big.Int).Mul(big.NewInt(v), big.NewInt(1e8))
			if id == historyETH {
				hundredths.Mul(hundredths, big.NewInt(1e12))
			}
			out[id] = money.Price{Value: hundredths, At: h.now(), Source: "played"}
		}
	}
	return out
}

// start starts a server on the database.
func (h *history) start() *node {
	h.t.Helper()
	n := &node{}
	box, err := seal.New(bytes.Repeat([]byte{7}, 32))
	h.must(err)
	n.db, err = store.Open(context.Background(), store.Config{DSN: h.dsn, Seal: box, Tells: tells(dialects())})
	h.must(err)
	n.rest = n.db.Close
	n.cut = &cutting{Store: n.db}
	direct, err := deposit.NewRail(deposit.RailConfig{
		Book: h.book, Nodes: map[asset.ChainID]chain.Batcher{historyChain: h.sim}, Assets: []asset.ID{historyETH, historyUSDC}, Keys: given{}, Now: h.now,
	})
	h.must(err)
	token, _ := h.book.Token(historyUSDC)
	kept, err := addresses.New(addresses.Config{Store: n.db, Chains: []deposit.Config{{
		Chain: historyChain, Node: h.sim, Multicall: asset.Address{19: 0xca}, Tokens: []asset.Address{token.Address}, Slice: 2, Horizon: 12,
	}}})
	h.must(err)
	n.sink = &sink{
		checkout: checkout.New(checkout.Config{Store: n.cut, Book: h.book, Rails: []rail.Rail{direct}, Prices: h, Now: h.now}),
		sources:  []source{&deposits{direct, kept}}, node: h.sim, log: slog.New(slog.DiscardHandler),
	}
	return n
}

// owe makes a payment of some cents, if there is any price.
func (h *history) owe(n *node) {
	if h.prices[historyETH]+h.prices[historyUSDC] == 0 {
		return
	}
	d := checkout.Draft{
		Merchant: historyShop, Dialect: "spacepay", Alias: fmt.Sprint("alias ", len(h.owed)), Exact: true,
		Window:   time.Duration(rapid.IntRange(1, 20).Draw(h.t, "minutes")) * time.Minute,
		Requests: []checkout.DraftRequest{{Fiat: asset.USD, Amount: money.Cents(rapid.Int64Range(1, 300).Draw(h.t, "cents"))}},
	}
	_, _, err := n.sink.checkout.Create(context.Background(), d, nil, func(p *payment.Payment) (checkout.Answer, error) {
		h.owed = append(h.owed, p.ID)
		return checkout.Answer{Status: 201}, nil
	})
	h.must(err)
}

// one draws a payment's address.
func (h *history) one() asset.Address {
	h.t.Helper()
	return h.load(rapid.SampledFrom(h.owed).Draw(h.t, "payment")).Terms.Requests[0].Payee
}

func (h *history) load(id payment.ID) *payment.Payment {
	h.t.Helper()
	p, err := h.nodes[0].db.Payment(context.Background(), id)
	h.must(err)
	return p
}

func (h *history) amount() int64 { return rapid.Int64Range(1, 1000).Draw(h.t, "amount") }

// mine adds a block with some of the ways in which money moves.
func (h *history) mine(again []deposittest.Tx) {
	h.spent = map[asset.Address]bool{}
	txs := again
	for range rapid.IntRange(0, 2).Draw(h.t, "transactions") {
		h.nonce++
		a := h.one()
		tx := deposittest.Tx{Hash: deposittest.Digest("tx", h.nonce), From: deposittest.Sender, To: asset.Address{19: 0x99}, Fee: 3}
		switch rapid.SampledFrom([]string{"straight", "straight", "named", "stored", "failed", "both", "swept", "lure"}).Draw(h.t, "way") {
		case "straight":
			tx.To, tx.Value = a, h.amount()
		case "named":
			tx.Data, tx.Inner = a[:], []deposittest.Inner{{To: a, Amount: h.amount()}}
		case "stored":
			tx.Inner = []deposittest.Inner{{To: a, Amount: h.amount()}, {To: h.one(), Amount: h.amount()}}
		case "failed":
			tx.To, tx.Value, tx.Failed = a, h.amount(), true
		case "both":
			tx.To, tx.Value, tx.Inner = a, h.amount(), []deposittest.Inner{{To: a, Amount: h.amount()}}
		case "swept":
			held := h.sim.Head().Wei[a]
			if held < 10 || h.spent[a] {
				continue
			}
			h.spent[a] = true
			tx.From, tx.Value = a, rapid.Int64Range(0, held-3).Draw(h.t, "spent")
		case "lure":
			tx.Data = a[:]
		}
		txs = append(txs, tx)
	}
	var transfers []deposittest.Inner
	for range rapid.IntRange(0, 1).Draw(h.t, "transfers") {
		transfers = append(transfers, deposittest.Inner{To: h.one(), Amount: h.amount()})
	}
	h.sim.Mine(txs, transfers)
}

func (h *history) reorg() {
	above := int(h.sim.Head().Number - h.height)
	if above < 1 || len(h.sim.Blocks) < 4 {
		return
	}
	depth := rapid.IntRange(1, min(4, above)).Draw(h.t, "depth")
	var again []deposittest.Tx
	swept := false
	for _, tx := range h.sim.Reorg(depth) {
		swept = swept || tx.From != deposittest.Sender
		if !swept && rapid.Bool().Draw(h.t, "again") {
			again = append(again, tx)
		}
	}
	for range depth {
		h.mine(again)
		again = nil
	}
}

// survive restarts the server that an error was cut off by, and takes no other error.
func (h *history) survive(i int, err error) {
	h.t.Helper()
	if err == nil {
		return
	}
	if !errors.Is(err, errCut) {
		h.t.Fatal(err)
	}
	h.restart(i)
}

func (h *history) restart(i int) {
	h.must(h.nodes[i].rest())
	h.nodes[i] = h.start()
}

// follow goes back to where chain and cursor part, as chain.Scanner does, and returns
// the cursor's block, and how often the cursor was taken back.
func (h *history) follow(i int) (chain.Block, int64) {
	h.t.Helper()
	for {
		c, err := h.nodes[i].sink.Cursor(context.Background(), historyChain)
		h.must(err)
		at := slices.IndexFunc(c.Blocks, func(b chain.Block) bool {
			return b.Number < uint64(len(h.sim.Blocks)) && h.sim.Blocks[b.Number].Hash == b.Hash
		})
		if at < 0 {
			h.t.Fatalf("no block in common: %+v", c)
		}
		if at == 0 {
			return c.Blocks[0], c.Rewound
		}
		h.survive(i, h.nodes[i].sink.Rewind(context.Background(), historyChain, c.Blocks[at], c.Rewound))
	}
}

// scan reads up to width blocks.
func (h *history) scan(i int, width uint64) (more bool) {
	h.t.Helper()
	last, rewound := h.follow(i)
	from, head := last.Number+1, h.sim.Head().Number
	if from > head {
		return false
	}
	to := h.sim.Blocks[min(from+width-1, head)]
	sw := chain.Sweep{Chain: historyChain, From: from, To: to.Block(), Head: h.sim.Head().Block(), Final: min(h.height, to.Number), Rewound: rewound}
	for _, b := range h.sim.Blocks[from : to.Number+1] {
		sw.Logs = append(sw.Logs, b.Logs...)
	}
	err := h.nodes[i].sink.Apply(context.Background(), sw)
	if err != nil && !errors.Is(err, errCut) && h.sim.Blocks[min(to.Number, h.sim.Head().Number)].Hash != to.Hash {
		return true // the chain moved meanwhile
	}
	h.survive(i, err)
	return true
}

// settle makes final what is.
func (h *history) settle(i int) {
	h.t.Helper()
	last, _ := h.follow(i)
	seen := last.Number
	h.height = max(h.height, seen-min(seen, rapid.Uint64Range(0, 5).Draw(h.t, "confirmations")))
	pending, err := h.nodes[i].sink.Pending(context.Background(), historyChain, min(h.height, seen))
	h.must(err)
	proven := slices.DeleteFunc(pending, func(b chain.Block) bool { return h.sim.Blocks[b.Number].Hash != b.Hash })
	h.survive(i, h.nodes[i].sink.Finalize(context.Background(), historyChain, proven))
}

// work does the jobs that are due.
func (h *history) work(i int) {
	h.t.Helper()
	ctx, n := context.Background(), h.nodes[i]
	jobs, err := n.db.Claim(ctx, h.now(), time.Second, job.Room{Free: 100, Laned: 100, PerLane: 100})
	h.must(err)
	for _, j := range jobs {
		var again time.Time
		if j.Kind == checkout.PriceKind {
			if again, err = n.sink.checkout.PriceTransfers(ctx, j.Args); err != nil {
				h.survive(i, err)
				return
			}
		}
		if again.IsZero() {
			h.must(n.db.Done(ctx, j.ID))
		} else {
			h.must(n.db.Snooze(ctx, j.ID, again, ""))
		}
	}
}

// check holds what is credited against the chain as it is: never more, and where exact
// is set all of it, priced and final.
func (h *history) check(exact bool) {
	h.t.Helper()
	h.follow(0)
	for _, id := range h.owed {
		p := h.load(id)
		wei, tokens := h.sim.Truth(p.Terms.Requests[0].Payee)
		credited, worth := map[asset.ID]int64{}, new(big.Int)
		for _, x := range p.Transfers {
			if x.Stage == payment.Dropped {
				continue
			}
			credited[x.Asset] += x.Amount.Int64()
			worth.Add(worth, x.Credit)
			h.priced(p, x, exact)
			if exact && x.Stage != payment.Final {
				h.t.Fatalf("%s of %s is %s in the end", x.Key, id, x.Stage)
			}
		}
		if credited[historyETH] > wei || credited[historyUSDC] > tokens || exact && (credited[historyETH] != wei || credited[historyUSDC] != tokens) {
			h.t.Fatalf("%s is credited %v, and got %d and %d at head %d", id, credited, wei, tokens, h.sim.Head().Number)
		}
		standing := payment.Assess(p.Terms, p.Transfers, p.Attempts, h.now())
		if r := standing.Requests[0]; new(big.Int).Add(r.Received, r.Late).Cmp(worth) != 0 {
			h.t.Fatalf("%s: received %s and late %s of %s", id, r.Received, r.Late, worth)
		}
		if h.paid[id] && standing.State != payment.Paid {
			h.t.Fatalf("%s was paid and is %s", id, standing.State)
		}
		h.paid[id] = standing.State == payment.Paid
	}
}

// priced holds a credit against its quote.
func (h *history) priced(p *payment.Payment, x payment.Transfer, must bool) {
	h.t.Helper()
	if x.Quote == "" && !must && x.Credit.Sign() == 0 {
		return
	}
	i := slices.IndexFunc(p.Quotes, func(q payment.Quote) bool { return q.ID == x.Quote && q.Asset == x.Asset })
	if i < 0 || p.Quotes[i].Credit(x.Amount).Cmp(x.Credit) != 0 {
		h.t.Fatalf("%s of %s is worth %s by %q of %+v", x.Key, x.Amount, x.Credit, x.Quote, p.Quotes)
	}
}

// market moves prices, which may be gone for some time.
func (h *history) market() {
	for _, id := range []asset.ID{historyETH, historyUSDC} {
		h.prices[id] = max(0, rapid.Int64Range(-700, 2000).Draw(h.t, "price "+string(id)))
	}
}

func (h *history) step() {
	i := rapid.IntRange(0, len(h.nodes)-1).Draw(h.t, "server")
	n := h.nodes[i]
	switch rapid.SampledFrom([]string{"mine", "mine", "mine", "scan", "scan", "cut", "restart", "reorg", "race", "owe", "settle", "deep", "market", "work", "quote"}).Draw(h.t, "step") {
	case "mine":
		h.mine(nil)
	case "scan":
		h.scan(i, rapid.Uint64Range(1, 5).Draw(h.t, "width"))
	case "cut": // whatever comes next dies
		n.cut.next = rapid.SampledFrom([]string{"before", "after"}).Draw(h.t, "cut")
		switch rapid.SampledFrom([]string{"scan", "settle", "work", "deep"}).Draw(h.t, "in") {
		case "scan":
			h.scan(i, 3)
		case "settle":
			h.settle(i)
		case "work":
			h.work(i)
		case "deep":
			_, rewound := h.follow(i)
			h.survive(i, n.sink.Rewind(context.Background(), historyChain, h.sim.Blocks[0].Block(), rewound))
		}
		h.nodes[i].cut.next = ""
	case "restart":
		h.restart(i)
	case "reorg":
		h.reorg()
	case "race": // the chain moves between two questions
		h.sim.Mid = h.reorg
		h.scan(i, 3)
		h.sim.Mid = nil
	case "owe":
		h.owe(n)
	case "settle":
		h.settle(i)
	case "deep": // the server goes back below what is final, and reads all of it again
		last, rewound := h.follow(i)
		to := rapid.Uint64Range(0, last.Number).Draw(h.t, "back to")
		h.must(n.sink.Rewind(context.Background(), historyChain, h.sim.Blocks[to].Block(), rewound))
	case "market":
		h.market()
	case "work":
		h.work(i)
	case "quote":
		id := rapid.SampledFrom(h.owed).Draw(h.t, "quoted")
		// Whether there is one is tried elsewhere; here it is one more that may count.
		_, _, _ = n.sink.checkout.Quote(context.Background(), id, rapid.SampledFrom([]asset.ID{historyETH, historyUSDC}).Draw(h.t, "asset"), true)
	}
}

// end lets everything be found, priced and final.
func (h *history) end() {
	h.prices = map[asset.ID]int64{historyETH: 1000, historyUSDC: 1000}
	h.sim.Mine(nil, nil) // a server that was restarted reads who is watched with the next block
	for h.scan(0, 3) {
	}
	for range 2 * oneWith[*deposits](h.nodes[0].sink.sources).RoundLength(historyChain) {
		h.sim.Mine(nil, nil)
		h.scan(0, 1)
	}
	h.height = h.sim.Head().Number
	pending, err := h.nodes[0].sink.Pending(context.Background(), historyChain, h.height)
	h.must(err)
	h.must(h.nodes[0].sink.Finalize(context.Background(), historyChain, pending))
	for range 60 { // until jobs that wait are due
		h.sim.Mine(nil, nil)
		h.work(0)
	}
	h.check(true)
}

// few has a run without -rapid.checks try some histories only: each has a database.
func few(t *testing.T) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	set := func(v string) {
		if err := f.Value.Set(v); err != nil {
			t.Fatal(err)
		}
	}
	set("15")
	t.Cleanup(func() { set(f.DefValue) })
}

// template is a database with a shop and addresses to give out, and the assets.
func template(t *testing.T) (raw []byte, book *asset.Book) {
	t.Helper()
	chains, tokens := asset.Sandbox()
	tokens = slices.DeleteFunc(tokens, func(x asset.Token) bool { return x.ID != historyETH && x.ID != historyUSDC })
	book, err := asset.NewBook(chains[:1], tokens)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "template.db")
	stocked(t, "sqlite:"+file)
	if raw, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	return raw, book
}

// stocked puts a merchant with addresses to give out into an empty database.
func stocked(t *testing.T, dsn string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	box, err := seal.New(bytes.Repeat([]byte{7}, 32))
	must(err)
	s, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box})
	must(err)
	must(s.Migrate(t.Context()))
	at := time.Unix(1_700_000_000, 0).UTC()
	must(s.InsertMerchant(t.Context(), merchant.Merchant{ID: historyShop, Name: "Shop", CreatedAt: at}))
	must(s.SetBranch(t.Context(), merchant.Branch{ID: "branch", Merchant: historyShop, XPub: "xpub", CreatedAt: at}))
	var as []merchant.DepositAddress
	for i := range uint32(60) { // of all parts of a round
		a := asset.Address{0: byte(i * 37), 19: byte(i + 1)}
		binary.BigEndian.PutUint32(a[8:], i)
		as = append(as, merchant.DepositAddress{Address: a, Merchant: historyShop, Branch: "branch", Index: i, CheckedAt: at})
	}
	must(s.AddAddresses(t.Context(), as))
	must(s.Close())
}

// What is credited is what the chain, as it is, has brought, through the real watcher,
// checkout and database: over any history of transfers, blocks that are taken back,
// prices that are gone, two servers, and processes that die before a commit or after it.
// Never is it more, never is a paid payment not paid any more, and in the end it is all
// of it, to the last unit, each part worth what its quote says. -rapid.checks=10000 tries
// ten thousand histories.
func TestProofOverHistories(t *testing.T) {
	few(t)
	raw, book := template(t)
	dir, made := t.TempDir(), 0
	token, _ := book.Token(historyUSDC)
	rapid.Check(t, func(rt *rapid.T) {
		made++
		file := filepath.Join(dir, fmt.Sprint(made, ".db"))
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			rt.Fatal(err)
		}
		h := &history{t: rt, sim: deposittest.New(token.Address), book: book, dsn: "sqlite:" + file, paid: map[payment.ID]bool{}}
		h.prices = map[asset.ID]int64{historyETH: 1000, historyUSDC: 1000}
		defer func() {
			for _, n := range h.nodes {
				h.must(n.rest())
			}
			for _, more := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(file + more) // it is in a temporary directory
			}
		}()
		for range rapid.IntRange(1, 2).Draw(rt, "servers") {
			h.nodes = append(h.nodes, h.start())
		}
		h.must(h.nodes[0].sink.Rewind(context.Background(), historyChain, h.sim.Head().Block(), 0))
		h.sim.Keep = rapid.SampledFrom([]int{0, 0, 2, 6}).Draw(rt, "keep")
		h.owe(h.nodes[0])
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			h.step()
			h.check(false)
		}
		h.end()
	})
}
