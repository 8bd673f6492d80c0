package app

import (
	"context"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
)

var _ chain.Witness = (*records)(nil)

// witness is a blockReader that can hold what is kept against what another endpoint tells.
type witness interface {
	Testify(ctx context.Context, id asset.ChainID, b chain.Block, held []checkout.Held, by chain.Batcher) (chain.Testimony, error)
}

// Unvouched implements chain.Witness.
func (r *records) Unvouched(ctx context.Context, id asset.ChainID) ([]chain.Block, error) {
	if len(allWith[witness](r.sources)) == 0 {
		return nil, nil
	}
	bs, err := r.checkout.Unvouched(ctx, id)
	return chainBlocks(bs), err
}

// Testify implements chain.Witness.
func (r *records) Testify(ctx context.Context, id asset.ChainID, b chain.Block, by chain.Batcher) (chain.Testimony, error) {
	held, err := r.checkout.Held(ctx, id, block(b))
	if err != nil {
		return chain.Testimony{}, err
	}
	out := chain.Testimony{Word: chain.Affirms, Kept: map[asset.Address]*big.Int{}}
	for _, h := range held {
		out.Kept[h.Address] = h.Wei
	}
	for _, w := range allWith[witness](r.sources) {
		t, err := w.Testify(ctx, id, b, held, by)
		if err != nil || t.Word != chain.Affirms {
			return t, err
		}
		out.Balances = append(out.Balances, t.Balances...)
	}
	return out, nil
}

// Vouch implements chain.Witness. What was kept is that of which all were asked.
func (r *records) Vouch(ctx context.Context, id asset.ChainID, b chain.Block, said []chain.Testimony) error {
	var out []checkout.Vouched
	for a, wei := range said[0].Kept {
		v := checkout.Vouched{Address: a, Wei: wei, Balance: true}
		same := true
		for _, t := range said {
			kept := t.Kept[a]
			same = same && kept != nil && kept.Cmp(wei) == 0
			v.Balance = v.Balance && slices.Contains(t.Balances, a)
		}
		if same {
			out = append(out, v)
		}
	}
	return r.checkout.Vouch(ctx, id, block(b), out)
}
