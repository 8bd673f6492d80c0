package deposit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Config is what a Watcher is made of. Chain, Node, Multicall, Index and Ledger are
// needed.
type Config struct {
	Chain     asset.ChainID
	Node      chain.Batcher
	Multicall asset.Address   // the chain's Multicall3
	Tokens    []asset.Address // the enabled ones
	Index     *Index
	Ledger    Ledger

	// Slice is how many addresses may have their turn at one block; 2000 if zero. A
	// turn may be a little longer: which addresses it has is left to chance.
	Slice int
	// Horizon is how many blocks back nodes can be asked for balances; 100 if zero, a
	// little less than the 128 that nodes keep which are no archives.
	Horizon uint64
}

// Watcher reads one chain's blocks for what reached deposit addresses. One goroutine
// uses it.
type Watcher struct {
	chain     asset.ChainID
	node      chain.Batcher
	multicall asset.Address
	tokens    map[asset.Address]bool
	index     *Index
	ledger    Ledger
	slice     int
	horizon   uint64
	width     uint64 // blocks asked for at once, at present
	good      int    // questions for so many in a row that were answered
}

// New returns a watcher. It asks nobody.
func New(c Config) (*Watcher, error) {
	if c.Chain == 0 || c.Node == nil || c.Multicall.IsZero() || c.Index == nil || c.Ledger == nil || c.Slice < 0 {
		return nil, errors.New("deposit: chain, node, Multicall3, index and ledger are needed")
	}
	w := &Watcher{
		chain: c.Chain, node: c.Node, multicall: c.Multicall, tokens: map[asset.Address]bool{}, index: c.Index, ledger: c.Ledger,
		slice: cmp.Or(c.Slice, 2000), horizon: cmp.Or(c.Horizon, 100), width: maxWidth,
	}
	for _, t := range c.Tokens {
		w.tokens[t] = true
	}
	return w, nil
}

// Filter says which logs of the chain the watcher reads: all transfers of the enabled
// tokens, whatever the number of addresses. It does not change.
func (w *Watcher) Filter() chain.Filter {
	f := chain.Filter{Topics0: []string{official.TopicTransfer}}
	for t := range w.tokens {
		f.Addresses = append(f.Addresses, t)
	}
	slices.SortFunc(f.Addresses, func(a, b asset.Address) int { return slices.Compare(a[:], b[:]) })
	return f
}

// RoundLength is how many blocks it takes at present until every open address was
// looked at: how late money can be found whose transaction does not name its receiver.
func (w *Watcher) RoundLength() uint64 {
	_, open := w.index.Len()
	r := rounds(open, w.slice)
	return r + together(r) - 1
}

// errMoved is a chain that is not the one the sweep was read from.
var errMoved = errors.New("the chain moved while its blocks were read")

// Read finds what reached the index's addresses in a sweep's blocks. It changes
// nothing: read again, a sweep gives the same, but for what was stored meanwhile.
//
// Any error means that the sweep has to be read again, from its start.
func (w *Watcher) Read(ctx context.Context, sw chain.Sweep) (Found, error) {
	found := Found{Sightings: tokens(sw, w.tokens, w.index)}
	if watched, _ := w.index.Len(); watched == 0 {
		return found, nil
	}
	r := &reading{Watcher: w, headers: map[uint64]chain.Block{}, wei: map[place]*big.Int{}}
	if err := r.blocks(ctx, sw); err != nil {
		return Found{}, err
	}
	if err := r.look(ctx, sw); err != nil {
		return Found{}, err
	}
	if err := r.locate(ctx); err != nil {
		return Found{}, err
	}
	native, balances, err := r.account(ctx)
	if err != nil {
		return Found{}, err
	}
	found.Sightings, found.Balances = append(found.Sightings, native...), balances
	return found, nil
}

// Tokens are the sightings of a sweep that its logs alone are evidence of.
func (w *Watcher) Tokens(sw chain.Sweep) []rail.Sighting { return tokens(sw, w.tokens, w.index) }

// reading is the state of one Read.
type reading struct {
	*Watcher
	headers map[uint64]chain.Block // by number, of the chain as it is
	seen    []seen                 // the sweep's blocks in order
	wei     map[place]*big.Int     // balances that were told
	gaps    []gap
	changes []change
}

// place is an address at a block.
type place struct {
	block   string // its hash
	address asset.Address
}

// seen is what one block says of our addresses.
type seen struct {
	chain.Block
	parent string
	of     map[asset.Address]*traces
}

// traces are the transactions of a block that name an address.
type traces struct {
	in, out []chain.BlockTx // straight to it, and from it
	named   []string        // hashes of others that hold it in their data
}

// maxWidth bounds the blocks of one round trip. A full one is half a megabyte, and on
// some chains several: after a question that failed half as many are asked for, and
// after growAfter that did not twice as many again.
const (
	maxWidth  = 8
	growAfter = 16
)

// answered adapts how many blocks are asked for at once.
func (w *Watcher) answered(ok bool) {
	if !ok {
		w.width, w.good = max(w.width/2, 1), 0
		return
	}
	if w.good++; w.good >= growAfter {
		w.width, w.good = min(2*w.width, maxWidth), 0
	}
}

// blocks reads the sweep's blocks and what they say of our addresses. They must hang
// together and end in the sweep's end.
func (r *reading) blocks(ctx context.Context, sw chain.Sweep) error {
	if err := r.see(sw.Blocks); err != nil {
		return err
	}
	for from := sw.From + uint64(len(sw.Blocks)); from <= sw.To.Number; {
		var numbers []uint64
		for ; from <= sw.To.Number && uint64(len(numbers)) < r.width; from++ {
			numbers = append(numbers, from)
		}
		bs, err := r.full(ctx, numbers)
		if err != nil {
			return err
		}
		if err := r.see(bs); err != nil {
			return err
		}
	}
	if last := r.seen[len(r.seen)-1]; last.Hash != sw.To.Hash {
		return fmt.Errorf("%w: block %d", errMoved, last.Number)
	}
	return nil
}

// see searches blocks, which must follow those that were seen.
func (r *reading) see(bs []*chain.FullBlock) error {
	for _, b := range bs {
		if len(r.seen) > 0 && r.seen[len(r.seen)-1].Hash != b.Parent {
			return fmt.Errorf("%w: block %d", errMoved, b.Number)
		}
		r.headers[b.Number] = b.Block
		r.seen = append(r.seen, seen{Block: b.Block, parent: b.Parent, of: r.search(b)})
	}
	return nil
}

// full asks for blocks with their transactions.
func (r *reading) full(ctx context.Context, numbers []uint64) ([]*chain.FullBlock, error) {
	calls := make([]chain.Call, len(numbers))
	for i, n := range numbers {
		calls[i] = chain.FullBlockCall(chain.AtBlock(n))
	}
	rs, err := r.node.Batch(ctx, calls)
	r.answered(err == nil)
	if err != nil {
		return nil, fmt.Errorf("reading blocks: %w", err)
	}
	out := make([]*chain.FullBlock, len(numbers))
	for i, n := range numbers {
		b, err := rs[i].FullBlock()
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading block %d: %w", n, err)
		case b == nil:
			return nil, fmt.Errorf("%w: there is no block %d", errMoved, n)
		case b.Number != n:
			return nil, fmt.Errorf("reading block %d: the node answered with block %d", n, b.Number)
		}
		out[i] = b
	}
	return out, nil
}

// search returns the traces of our addresses in a block.
func (r *reading) search(b *chain.FullBlock) map[asset.Address]*traces {
	of := map[asset.Address]*traces{}
	trace := func(a asset.Address) *traces {
		if of[a] == nil {
			of[a] = &traces{}
		}
		return of[a]
	}
	for _, a := range b.Named {
		if r.index.Has(a) {
			trace(a)
		}
	}
	for _, tx := range b.Txs {
		if r.index.Has(tx.From) {
			trace(tx.From).out = append(trace(tx.From).out, tx)
		}
		if !tx.To.IsZero() && r.index.Has(tx.To) {
			trace(tx.To).in = append(trace(tx.To).in, tx)
		}
		r.index.in(tx.Data, func(a asset.Address) {
			if t := trace(a); len(t.named) == 0 || t.named[len(t.named)-1] != tx.Hash {
				t.named = append(t.named, tx.Hash)
			}
		})
	}
	return of
}
