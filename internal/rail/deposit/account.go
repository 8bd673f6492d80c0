package deposit

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// outcome is what became of a transaction.
type outcome struct {
	succeeded bool
	fee       *big.Int
}

// receiptsAtOnce bounds the receipts of one round trip: whoever sends a transaction
// decides how long its receipt is.
const receiptsAtOnce = 8

// outcomes reads the receipts of the transactions that go straight to an address or
// come from it.
func (r *reading) outcomes(ctx context.Context, changes []change) (map[string]outcome, error) {
	block := map[string]string{}
	var hashes []string
	for _, c := range changes {
		for _, tx := range append(slices.Clone(c.traces.in), c.traces.out...) {
			if block[tx.Hash] == "" {
				block[tx.Hash] = c.block.Hash
				hashes = append(hashes, tx.Hash)
			}
		}
	}
	out := map[string]outcome{}
	for some := range slices.Chunk(hashes, receiptsAtOnce) {
		calls := make([]chain.Call, len(some))
		for i, h := range some {
			calls[i] = chain.ReceiptCall(h)
		}
		rs, err := r.node.Batch(ctx, calls)
		if err != nil {
			return nil, fmt.Errorf("reading receipts: %w", err)
		}
		for i, h := range some {
			receipt, err := rs[i].Receipt()
			switch {
			case err != nil:
				return nil, fmt.Errorf("reading the receipt of %s: %w", h, err)
			case receipt == nil || receipt.Tx != h || receipt.Block.Hash != block[h]:
				return nil, fmt.Errorf("%w: transaction %s", errMoved, h)
			}
			fee, err := rs[i].Fee()
			if err != nil {
				return nil, fmt.Errorf("reading the receipt of %s: %w", h, err)
			}
			out[h] = outcome{succeeded: receipt.Succeeded, fee: fee}
		}
	}
	return out, nil
}

// own is what a block's transactions say of an address by themselves: what was sent
// straight to it, and what it paid. A transfer to itself moves nothing but the fee.
func (c change) own(of map[string]outcome) (in []chain.BlockTx, got, spent *big.Int) {
	got, spent = new(big.Int), new(big.Int)
	for _, tx := range c.traces.in {
		if of[tx.Hash].succeeded && tx.From != c.address && tx.Value.Sign() > 0 {
			in = append(in, tx)
			got.Add(got, tx.Value)
		}
	}
	for _, tx := range c.traces.out {
		spent.Add(spent, of[tx.Hash].fee)
		if of[tx.Hash].succeeded && tx.To != c.address {
			spent.Add(spent, tx.Value)
		}
	}
	return in, got, spent
}

// estimate fills in the balance after a block whose state is gone.
func (r *reading) estimate(ctx context.Context, c *change) error {
	of, err := r.outcomes(ctx, []change{*c})
	if err != nil {
		return err
	}
	_, got, spent := c.own(of)
	c.after = new(big.Int).Add(c.before, got)
	if c.after.Sub(c.after, spent); c.after.Sign() < 0 {
		c.after.SetUint64(0)
	}
	return nil
}

// account makes sightings and balances of the changes.
func (r *reading) account(ctx context.Context) ([]rail.Sighting, []Balance, error) {
	if err := r.explain(ctx); err != nil {
		return nil, nil, err
	}
	of, err := r.outcomes(ctx, r.changes)
	if err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(r.changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.block.Number, b.block.Number), bytes.Compare(a.address[:], b.address[:]))
	})
	var sightings []rail.Sighting
	var balances []Balance
	for _, c := range r.changes {
		in, got, spent := c.own(of)
		if c.before.Cmp(c.after) != 0 || c.spent || len(c.traces.in)+len(c.traces.out) > 0 {
			balances = append(balances, Balance{Address: c.address, Block: c.block.Number, BlockHash: c.block.Hash, Before: c.before, Wei: c.after})
		}
		for _, tx := range in {
			x := r.sighting(c, tx.Value, key(r.chain, tx.Hash, "native"))
			x.Evidence.Tx, x.Evidence.Payer = tx.Hash, tx.From.String()
			sightings = append(sightings, x)
		}
		rest := new(big.Int).Sub(c.after, c.before)
		if rest.Add(rest, spent).Sub(rest, got); rest.Sign() > 0 {
			what := "native"
			if c.again {
				what = "rest"
			}
			x := r.sighting(c, rest, key(r.chain, c.block.Hash, what))
			if len(c.traces.named) == 1 {
				x.Evidence.Tx = c.traces.named[0]
			}
			sightings = append(sightings, x)
		}
	}
	return sightings, balances, nil
}

func (r *reading) sighting(c change, wei *big.Int, key string) rail.Sighting {
	return rail.Sighting{
		Rail: ID, Handle: Handle(c.address), Key: key, Chain: r.chain, To: c.address, Amount: wei, At: c.block.Time,
		Evidence: payment.Evidence{Chain: r.chain, Block: c.block.Number, BlockHash: c.block.Hash},
	}
}

// explain fills in the blocks of what was located, and their traces. Blocks of the sweep
// were searched. Those before it were too, unless the address was not in the index then:
// it may have been made by another node a moment before.
func (r *reading) explain(ctx context.Context) error {
	var missing, older []uint64
	first := r.seen[0].Number
	for i, c := range r.changes {
		switch {
		case c.traces != nil && c.block.Hash != "":
			continue
		case c.traces == nil && c.block.Number < first:
			older = append(older, c.block.Number)
		default:
			missing = append(missing, c.block.Number)
			if c.traces == nil {
				r.changes[i].traces = &traces{}
			}
		}
	}
	if err := r.header(ctx, missing); err != nil {
		return err
	}
	of, err := r.older(ctx, older)
	if err != nil {
		return err
	}
	for i := range r.changes {
		c := &r.changes[i]
		c.block = r.headers[c.block.Number]
		if c.traces != nil {
			continue
		}
		if c.traces = of[c.block.Number][c.address]; c.traces == nil {
			c.traces = &traces{}
		}
	}
	return nil
}

// older searches blocks before the sweep.
func (r *reading) older(ctx context.Context, numbers []uint64) (map[uint64]map[asset.Address]*traces, error) {
	slices.Sort(numbers)
	of := map[uint64]map[asset.Address]*traces{}
	for some := range slices.Chunk(slices.Compact(numbers), int(r.width)) {
		bs, err := r.full(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, b := range bs {
			if known, ok := r.headers[b.Number]; ok && known.Hash != b.Hash {
				return nil, fmt.Errorf("%w: block %d", errMoved, b.Number)
			}
			r.headers[b.Number] = b.Block
			of[b.Number] = r.search(b)
		}
	}
	return of, nil
}
