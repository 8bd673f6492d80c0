package deposit

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
)

// change is a block in which an address' balance changed, or may have.
type change struct {
	address asset.Address
	block   chain.Block
	// before and after are its balances around the block; after is nil where no node
	// tells any more: it is then what the block's transactions make of before.
	before, after *big.Int
	traces        *traces // nil where the block was not searched for the address
	spent         bool    // money went in a way that no block shows: only the balance counts
	again         bool    // what an estimate of the same block has missed
}

// gap is a range of blocks, none of which names an address, over which its balance rose.
type gap struct {
	address asset.Address
	low     uint64   // the balance was floor after this block
	floor   *big.Int //
	high    uint64   // and top after this one, the range's last
	top     *big.Int
}

// look reads the balances of the addresses that the sweep's blocks name, around each
// of these blocks, and of those whose turn it is at its end; and finds where they
// changed, and where they changed in between without being named.
func (r *reading) look(ctx context.Context, sw chain.Sweep) error {
	end := sw.To
	end.Time = r.headers[end.Number].Time
	named := map[asset.Address][]int{} // in which of the sweep's blocks
	for i, s := range r.seen {
		for a := range s.of {
			named[a] = append(named[a], i)
		}
	}
	addresses := r.index.due(sw.From, end.Number, r.slice)
	due := make(map[asset.Address]bool, len(addresses))
	for _, a := range addresses {
		due[a] = true
	}
	for _, a := range inOrder(named) {
		if !due[a] {
			addresses = append(addresses, a)
		}
	}
	if len(addresses) == 0 {
		return nil
	}
	known, err := r.ledger.Balances(ctx, r.chain, sw.From, addresses)
	if err != nil {
		return fmt.Errorf("reading known balances: %w", err)
	}
	marks := make(map[asset.Address][]mark, len(named))
	var places []place
	for _, a := range addresses {
		marks[a] = r.marks(named[a], known[a].Later)
		for _, m := range marks[a] {
			places = append(places, place{r.seen[m.at].parent, a}, place{r.seen[m.at].Hash, a})
		}
		places = append(places, place{end.Hash, a})
	}
	// The state of the head must be there. What lies before it may be forgotten after a
	// long pause, the sweep's end too: whose turn it was then waits for the next one.
	if err := r.ask(ctx, places, func(block string) bool { return block != sw.Head.Hash }); err != nil {
		return err
	}
	if err := r.recall(ctx, known); err != nil {
		return err
	}
	for _, a := range addresses {
		if err := r.follow(ctx, a, known[a], marks[a], end); err != nil {
			return err
		}
	}
	return nil
}

// recall asks for the balances before blocks whose balances were final when the scanner
// went back.
func (r *reading) recall(ctx context.Context, known map[asset.Address]Known) error {
	var numbers []uint64
	for _, k := range known {
		for _, l := range k.Later {
			numbers = append(numbers, l.Block-1)
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	if err := r.header(ctx, numbers); err != nil {
		return err
	}
	var places []place
	for _, a := range inOrder(known) {
		for _, l := range known[a].Later {
			places = append(places, place{r.headers[l.Block-1].Hash, a})
		}
	}
	return r.ask(ctx, places, func(string) bool { return true })
}

// whole reports whether all that an address had before a block which is final was known
// of then, by the blocks that it came in. If not, or if it cannot be told, some of it is
// among what that block was said to have brought, and must not be told again.
func (r *reading) whole(a asset.Address, l Known) bool {
	v, told := r.wei[place{r.headers[l.Block-1].Hash, a}]
	return told && v.Cmp(l.Before) == 0
}

// mark is one of the sweep's blocks that something is known of about an address.
type mark struct {
	at   int    // its place among the sweep's
	kept *Known // what was written down of it and is final, nil for nothing
}

// marks are the sweep's blocks that name an address, and those whose balance was final.
func (r *reading) marks(named []int, later []Known) []mark {
	all := map[int]mark{}
	for _, i := range named {
		all[i] = mark{at: i}
	}
	for _, k := range later {
		if i := int(k.Block - r.seen[0].Number); i < len(r.seen) {
			all[i] = mark{at: i, kept: &k}
		}
	}
	out := make([]mark, 0, len(all))
	for _, m := range all {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b mark) int { return a.at - b.at })
	return out
}

// follow goes over the marked blocks of the sweep, and to its end.
func (r *reading) follow(ctx context.Context, a asset.Address, k Known, marks []mark, end chain.Block) error {
	at, wei := k.Block, k.Wei
	if wei == nil {
		wei = new(big.Int)
	}
	later := k.Later
	silent := len(later) > 0 && !r.whole(a, later[0])
	for _, m := range marks {
		s := r.seen[m.at]
		before, toldBefore := r.wei[place{s.parent, a}]
		if m.kept != nil {
			if !silent && toldBefore {
				r.step(a, at, wei, s.Number-1, before)
			}
			at, wei, later = s.Number, m.kept.Wei, later[1:]
			silent = len(later) > 0 && !r.whole(a, later[0])
			continue
		}
		if silent {
			continue
		}
		after, toldAfter := r.wei[place{s.Hash, a}]
		c := change{address: a, block: s.Block, before: wei, traces: s.of[a]}
		if toldBefore && toldAfter {
			r.step(a, at, wei, s.Number-1, before)
			c.before, c.after = before, after
		} else if err := r.estimate(ctx, &c); err != nil {
			return err
		}
		r.changes = append(r.changes, c)
		at, wei = s.Number, c.after
	}
	if top, told := r.wei[place{end.Hash, a}]; told && !silent {
		r.step(a, at, wei, end.Number, top)
	}
	return nil
}

// step notes how a balance went on from one block to another one, between which no
// block names the address.
func (r *reading) step(a asset.Address, low uint64, floor *big.Int, high uint64, top *big.Int) {
	if top.Cmp(floor) > 0 {
		r.gaps = append(r.gaps, gap{address: a, low: low, floor: floor, high: high, top: top})
	} else if top.Cmp(floor) < 0 {
		// It was spent in a way that no block showed. What is there now is what counts on.
		r.changes = append(r.changes, change{address: a, block: chain.Block{Number: high}, before: top, after: top, traces: &traces{}, spent: true})
	}
}

// locate finds the blocks in which balances rose over gaps, by halving them: all gaps
// at once, one round trip for each halving.
func (r *reading) locate(ctx context.Context) error {
	if err := r.bound(ctx); err != nil {
		return err
	}
	for len(r.gaps) > 0 {
		var open []gap
		for _, g := range r.gaps {
			if g.high-g.low > 1 {
				open = append(open, g)
				continue
			}
			c := change{address: g.address, block: chain.Block{Number: g.high}, before: g.floor, after: g.top}
			if g.low == g.high {
				c.traces, c.again = &traces{}, true // its transactions were counted
			}
			r.changes = append(r.changes, c)
		}
		middle := func(g gap) uint64 { return g.low + (g.high-g.low)/2 }
		told, err := r.at(ctx, open, middle)
		if err != nil {
			return err
		}
		r.gaps = nil
		for i, g := range open {
			if told[i] == nil { // the state is gone: nothing finer can be told
				r.gaps = append(r.gaps, gap{g.address, g.high - 1, g.floor, g.high, g.top})
				continue
			}
			if told[i].Cmp(g.floor) > 0 {
				r.gaps = append(r.gaps, gap{g.address, g.low, g.floor, middle(g), told[i]})
			}
			if g.top.Cmp(told[i]) > 0 {
				r.gaps = append(r.gaps, gap{g.address, middle(g), told[i], g.high, g.top})
			}
		}
	}
	return nil
}

// bound cuts off what lies too far back for nodes to know: what rose there counts as
// having come in the oldest block that they do.
func (r *reading) bound(ctx context.Context) error {
	var long []gap
	var rest []gap
	for _, g := range r.gaps {
		if g.high-g.low > r.horizon {
			long = append(long, g)
		} else {
			rest = append(rest, g)
		}
	}
	oldest := func(g gap) uint64 { return g.high - r.horizon }
	told, err := r.at(ctx, long, oldest)
	if err != nil {
		return err
	}
	for i, g := range long {
		if told[i] == nil {
			rest = append(rest, gap{g.address, g.high - 1, g.floor, g.high, g.top})
			continue
		}
		if told[i].Cmp(g.floor) > 0 {
			rest = append(rest, gap{g.address, oldest(g) - 1, g.floor, oldest(g), told[i]})
		}
		if g.top.Cmp(told[i]) > 0 {
			rest = append(rest, gap{g.address, oldest(g), told[i], g.high, g.top})
		}
	}
	r.gaps = rest
	return nil
}

// at asks for the balance of each gap's address after one block of it, nil where the
// state is gone.
func (r *reading) at(ctx context.Context, gaps []gap, block func(gap) uint64) ([]*big.Int, error) {
	if len(gaps) == 0 {
		return nil, nil
	}
	numbers := make([]uint64, len(gaps))
	for i, g := range gaps {
		numbers[i] = block(g)
	}
	if err := r.header(ctx, slices.Clone(numbers)); err != nil {
		return nil, err
	}
	places := make([]place, len(gaps))
	for i, g := range gaps {
		places[i] = place{r.headers[numbers[i]].Hash, g.address}
	}
	if err := r.ask(ctx, places, func(string) bool { return true }); err != nil {
		return nil, err
	}
	told := make([]*big.Int, len(gaps))
	for i, p := range places {
		told[i] = r.wei[p]
	}
	return told, nil
}

// inOrder makes the order of questions and findings the same in every run.
func inOrder[V any](m map[asset.Address]V) []asset.Address {
	out := make([]asset.Address, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b asset.Address) int { return bytes.Compare(a[:], b[:]) })
	return out
}
