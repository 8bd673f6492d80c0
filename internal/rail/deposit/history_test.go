package deposit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
	"quittance/internal/rail/deposit/deposittest"
)

const testChain asset.ChainID = 900000001

var (
	token = asset.Address{1: 0x70, 19: 0x01}
	other = asset.Address{1: 0x70, 19: 0x02}
)

// books is what a database holds: what a sink stores, and takes back.
type books struct {
	blocks    []chain.Block // processed, the newest last
	sightings map[string]rail.Sighting
	balances  map[asset.Address]map[uint64]deposit.Balance
	final     map[string]bool // hashes of blocks that stay
}

func newBooks() *books {
	return &books{sightings: map[string]rail.Sighting{}, balances: map[asset.Address]map[uint64]deposit.Balance{}, final: map[string]bool{}}
}

// Balances implements deposit.Ledger.
func (b *books) Balances(_ context.Context, _ asset.ChainID, from uint64, of []asset.Address) (map[asset.Address]deposit.Known, error) {
	out := map[asset.Address]deposit.Known{}
	for _, a := range of {
		var k deposit.Known
		for _, n := range slices.Sorted(maps.Keys(b.balances[a])) {
			row := b.balances[a][n]
			if n < from {
				k.Block, k.Before, k.Wei = n, row.Before, row.Wei
			} else {
				k.Later = append(k.Later, deposit.Known{Block: n, Before: row.Before, Wei: row.Wei})
			}
			out[a] = k
		}
	}
	return out, nil
}

func (b *books) apply(to chain.Block, f deposit.Found) error {
	for _, x := range f.Sightings {
		k := x.Key + ":" + x.Handle
		if old, again := b.sightings[k]; again && (old.Amount.Cmp(x.Amount) != 0 || old.Evidence.BlockHash != x.Evidence.BlockHash) {
			return fmt.Errorf("%s was %s in %s and is %s in %s", k, old.Amount, old.Evidence.BlockHash, x.Amount, x.Evidence.BlockHash)
		}
		b.sightings[k] = x
	}
	for _, x := range f.Balances {
		if x.BlockHash == "" {
			return fmt.Errorf("a balance of %s at block %d, whatever block that is", x.Address, x.Block)
		}
		if b.balances[x.Address] == nil {
			b.balances[x.Address] = map[uint64]deposit.Balance{}
		}
		b.balances[x.Address][x.Block] = x
	}
	b.blocks = append(b.blocks, to)
	return nil
}

func (b *books) rewind(to chain.Block) {
	maps.DeleteFunc(b.sightings, func(_ string, x rail.Sighting) bool {
		return x.Evidence.Block > to.Number && !b.final[x.Evidence.BlockHash]
	})
	for _, rows := range b.balances {
		maps.DeleteFunc(rows, func(n uint64, x deposit.Balance) bool { return n > to.Number && !b.final[x.BlockHash] })
	}
	b.blocks = slices.DeleteFunc(b.blocks, func(x chain.Block) bool { return x.Number > to.Number })
	if len(b.blocks) == 0 || b.blocks[len(b.blocks)-1] != to {
		b.blocks = append(b.blocks, to)
	}
}

// finalize makes final what was seen up to a height, in blocks that are on the chain.
func (b *books) finalize(height uint64, hash func(uint64) string) {
	for _, x := range b.sightings {
		if x.Evidence.Block <= height && x.Evidence.BlockHash == hash(x.Evidence.Block) {
			b.final[x.Evidence.BlockHash] = true
		}
	}
}

func (b *books) credited(a asset.Address) (wei, tokens int64) {
	for _, x := range b.sightings {
		switch {
		case x.To != a:
		case x.Token.IsZero():
			wei += x.Amount.Int64()
		default:
			tokens += x.Amount.Int64()
		}
	}
	return wei, tokens
}

// world is a chain, a server and what it has stored.
type world struct {
	t         *rapid.T
	sim       *deposittest.Sim
	books     *books
	addresses []asset.Address
	index     *deposit.Index
	watcher   *deposit.Watcher
	nonce     int
	paidFrom  map[asset.Address]bool
	height    uint64 // nothing at or below is reorganised any more
}

const slice = 2

func (w *world) restart() {
	w.index = deposit.NewIndex()
	w.index.Add(w.addresses...)
	var err error
	w.watcher, err = deposit.New(deposit.Config{
		Chain: testChain, Node: w.sim, Multicall: asset.Address{19: 0xca}, Tokens: []asset.Address{token},
		Index: w.index, Ledger: w.books, Slice: slice, Horizon: 12,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// follow goes back to where chain and books part, as chain.Scanner does.
func (w *world) follow() {
	for i := len(w.books.blocks) - 1; i >= 0; i-- {
		b := w.books.blocks[i]
		if b.Number < uint64(len(w.sim.Blocks)) && w.sim.Blocks[b.Number].Hash == b.Hash {
			if i < len(w.books.blocks)-1 {
				w.books.rewind(b)
			}
			return
		}
	}
	w.t.Fatal("no common block")
}

// scan reads up to width blocks, and stores them unless the server dies before.
func (w *world) scan(width uint64, dies bool) bool {
	w.follow()
	from, head := w.books.blocks[len(w.books.blocks)-1].Number+1, w.sim.Head().Number
	if from > head {
		return false
	}
	to := w.sim.Blocks[min(from+width-1, head)]
	sw := chain.Sweep{Chain: testChain, From: from, To: to.Block(), Head: w.sim.Head().Block()}
	for _, b := range w.sim.Blocks[from : to.Number+1] {
		sw.Logs = append(sw.Logs, b.Logs...)
	}
	found, err := w.watcher.Read(context.Background(), sw)
	if err != nil {
		if w.sim.Blocks[min(to.Number, w.sim.Head().Number)].Hash == to.Hash {
			w.t.Fatalf("reading blocks %d to %d: %v", from, to.Number, err)
		}
		return true // the chain moved meanwhile
	}
	if dies {
		w.restart()
		return true
	}
	if err := w.books.apply(to.Block(), found); err != nil {
		w.t.Fatal(err)
	}
	return true
}

func (w *world) check(exact bool) {
	w.follow()
	for _, a := range w.addresses {
		wei, tokens := w.books.credited(a)
		trueWei, trueTokens := w.sim.Truth(a)
		if wei > trueWei || tokens > trueTokens {
			w.t.Fatalf("%s is credited %d and %d, and got %d and %d", a, wei, tokens, trueWei, trueTokens)
		}
		if exact && (wei != trueWei || tokens != trueTokens) {
			w.t.Fatalf("%s is credited %d and %d, and got %d and %d at head %d", a, wei, tokens, trueWei, trueTokens, w.sim.Head().Number)
		}
	}
}

func (w *world) address() asset.Address { return rapid.SampledFrom(w.addresses).Draw(w.t, "address") }

func (w *world) amount() int64 { return rapid.Int64Range(1, 1000).Draw(w.t, "amount") }

// transaction makes one of the ways in which money moves.
func (w *world) transaction() (deposittest.Tx, bool) {
	w.nonce++
	a := w.address()
	tx := deposittest.Tx{Hash: deposittest.Digest("tx", w.nonce), From: deposittest.Sender, To: other, Value: 0, Fee: 3}
	switch rapid.SampledFrom([]string{"straight", "named", "unnamed", "failed", "both", "spend", "self", "lure"}).Draw(w.t, "way") {
	case "straight":
		tx.To, tx.Value = a, w.amount()
	case "named":
		tx.Data = append([]byte{9, 8, 7}, a[:]...)
		tx.Inner = []deposittest.Inner{{To: a, Amount: w.amount()}}
	case "unnamed":
		tx.Inner = []deposittest.Inner{{To: a, Amount: w.amount()}, {To: w.address(), Amount: w.amount()}}
	case "failed":
		tx.To, tx.Value, tx.Failed = a, w.amount(), true
	case "both":
		tx.To, tx.Value, tx.Inner = a, w.amount(), []deposittest.Inner{{To: a, Amount: w.amount()}}
	case "spend":
		held := w.sim.Head().Wei[a]
		if held < 10 || w.paidFrom[a] {
			return tx, false
		}
		w.paidFrom[a] = true
		tx.From, tx.Value = a, rapid.Int64Range(0, held-3).Draw(w.t, "spent")
	case "self":
		if w.sim.Head().Wei[a] < 10 || w.paidFrom[a] {
			return tx, false
		}
		w.paidFrom[a] = true
		tx.From, tx.To, tx.Value = a, a, 5
	case "lure": // names an address and pays nothing
		tx.Data = a[:]
	}
	return tx, true
}

func (w *world) mine(again []deposittest.Tx) {
	w.paidFrom = map[asset.Address]bool{}
	txs := again
	for range rapid.IntRange(0, 2).Draw(w.t, "transactions") {
		if tx, ok := w.transaction(); ok {
			txs = append(txs, tx)
		}
	}
	var transfers []deposittest.Inner
	for range rapid.IntRange(0, 1).Draw(w.t, "transfers") {
		transfers = append(transfers, deposittest.Inner{To: w.address(), Amount: w.amount()})
	}
	w.sim.Mine(txs, transfers)
}

func (w *world) reorg() {
	above := int(w.sim.Head().Number - w.height)
	if above < 1 {
		return
	}
	depth := rapid.IntRange(1, min(4, above)).Draw(w.t, "depth")
	// Some of what was taken back comes again, in the order it had.
	var again []deposittest.Tx
	spent := false
	for _, tx := range w.sim.Reorg(depth) {
		spent = spent || tx.From != deposittest.Sender
		if !spent && rapid.Bool().Draw(w.t, "again") {
			again = append(again, tx)
		}
	}
	for range depth {
		w.mine(again)
		again = nil
	}
}

// What is credited is what the chain, as it is, has brought: over any history of
// transfers, blocks that are taken back, restarts in the middle, other nodes' addresses
// and nodes that forget. Never is it more; and it is all of it one round later.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, sim: deposittest.New(token), books: newBooks()}
		w.books.blocks = []chain.Block{w.sim.Head().Block()}
		for i := range rapid.IntRange(1, 9).Draw(t, "addresses") { // two that differ in their turn
			w.addresses = append(w.addresses, asset.Address{3: byte(i), 19: byte(i + 1)}, asset.Address{0: 0xff, 3: byte(i), 19: byte(i)})
		}
		w.sim.Keep = rapid.SampledFrom([]int{0, 0, 2, 6}).Draw(t, "keep")
		w.restart()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"mine", "mine", "mine", "scan", "scan", "die", "reorg", "race", "foreign", "finalize", "deep"}).Draw(t, "step") {
			case "mine":
				w.mine(nil)
			case "scan":
				w.scan(rapid.Uint64Range(1, 5).Draw(t, "width"), false)
			case "die":
				w.scan(2, true)
			case "reorg":
				if len(w.sim.Blocks) > 3 {
					w.reorg()
				}
			case "finalize": // what the server has seen of the older blocks stays
				w.follow()
				seen := w.books.blocks[len(w.books.blocks)-1].Number
				w.height = max(w.height, seen-min(seen, rapid.Uint64Range(0, 5).Draw(t, "confirmations")))
				w.books.finalize(w.height, func(n uint64) string { return w.sim.Blocks[n].Hash })
			case "deep": // the server goes back below what is final, and reads all of it again
				w.follow()
				to := rapid.Uint64Range(0, w.books.blocks[len(w.books.blocks)-1].Number).Draw(t, "back to")
				w.books.rewind(w.sim.Blocks[to].Block())
			case "race": // the chain moves between two questions
				if len(w.sim.Blocks) > 3 {
					w.sim.Mid = w.reorg
					w.scan(3, false)
					w.sim.Mid = nil
				}
			case "foreign": // another node has made an address that this one learns of later
				a := asset.Address{5: byte(w.nonce), 18: 1, 19: byte(len(w.addresses))}
				w.nonce++
				w.sim.Mine([]deposittest.Tx{{Hash: deposittest.Digest("tx", w.nonce), From: deposittest.Sender, To: a, Value: 7, Fee: 1}}, nil)
				for w.scan(1, false) {
				}
				w.addresses = append(w.addresses, a)
				w.index.Add(a)
			}
			w.check(false)
			w.testify()
		}
		for w.scan(3, false) {
		}
		for range 2 * w.watcher.RoundLength() {
			w.sim.Mine(nil, nil)
			w.scan(1, false)
		}
		w.check(true)
		w.testify()
		w.lie()
	})
}

// narrow is a node whose answers may hold two blocks at the most.
type narrow struct{ *deposittest.Sim }

var errLong = errors.New("the answer is too long")

func (n narrow) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	full := 0
	for _, c := range calls {
		if c.Method == "eth_getBlockByNumber" && c.Params[1] == true {
			full++
		}
	}
	if full > 2 {
		return nil, errLong
	}
	return n.Sim.Batch(ctx, calls)
}

// Blocks that do not fit one answer are asked for in fewer, from one try to the next.
func TestLongBlocks(t *testing.T) {
	s := deposittest.New(token)
	for range 20 {
		s.Mine(nil, nil)
	}
	a := asset.Address{19: 1}
	s.Mine([]deposittest.Tx{{Hash: deposittest.Digest("tx"), From: deposittest.Sender, To: a, Value: 9, Fee: 1}}, nil)
	index := deposit.NewIndex()
	index.Add(a)
	w, err := deposit.New(deposit.Config{Chain: testChain, Node: narrow{s}, Multicall: asset.Address{19: 0xca}, Index: index, Ledger: newBooks()})
	if err != nil {
		t.Fatal(err)
	}
	sw := chain.Sweep{Chain: testChain, From: 1, To: s.Head().Block(), Head: s.Head().Block()}
	tries := 0
	for {
		tries++
		found, err := w.Read(t.Context(), sw)
		if errors.Is(err, errLong) && tries < 5 {
			continue
		}
		if err != nil || len(found.Sightings) != 1 || found.Sightings[0].Amount.Int64() != 9 || tries != 3 {
			t.Fatalf("%+v, %v after %d tries", found, err, tries)
		}
		return
	}
}
