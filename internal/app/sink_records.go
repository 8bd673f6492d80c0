package app

import (
	"context"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// records holds what the checkout keeps against what other endpoints tell.
type records struct {
	*sink
	book *asset.Book
	// above are the amounts from which a second endpoint must tell the same, by asset; nil
	// for every amount of every asset.
	above map[asset.ID]*big.Int
}

var _ chain.Records = (*records)(nil)

// tokenReader is a blockReader that reads some of what it finds from logs.
type tokenReader interface {
	// Tokens are the sightings that a sweep's logs are evidence of. It asks no chain.
	Tokens(ctx context.Context, sw chain.Sweep) ([]rail.Sighting, error)
}

// told is what a range's logs are evidence of.
func (r *records) told(ctx context.Context, sw chain.Sweep) (checkout.Sweep, error) {
	out := checkout.Sweep{Chain: sw.Chain}
	r.read(ctx, sw, &out)
	for _, x := range allWith[tokenReader](r.sources) {
		some, err := x.Tokens(ctx, sw)
		if err != nil {
			return out, err
		}
		out.Sightings = append(out.Sightings, some...)
	}
	return out, nil
}

// Compare implements chain.Records.
func (r *records) Compare(ctx context.Context, sw chain.Sweep) ([]chain.Difference, error) {
	told, err := r.told(ctx, sw)
	if err != nil {
		return nil, err
	}
	found, err := r.checkout.Compare(ctx, sw.Chain, sw.From, sw.To.Number, told.Sightings)
	if err != nil {
		return nil, err
	}
	var out []chain.Difference
	for _, d := range found {
		if d.Told == nil && !r.logged(d.Kept) {
			continue
		}
		out = append(out, difference(d))
	}
	return out, nil
}

func difference(d checkout.Discrepancy) chain.Difference {
	out := chain.Difference{Kind: chain.Altered}
	var e payment.Evidence
	switch {
	case d.Told == nil:
		out.Kind, out.Key, e = chain.Missing, d.Kept.Key, d.Kept.Evidence
	case d.Kept == nil:
		out.Kind, out.Key, e = chain.Invented, d.Told.Key, d.Told.Evidence
	default:
		out.Key, e = d.Kept.Key, d.Told.Evidence
	}
	out.Block, out.Tx, out.Index = chain.Block{Number: e.Block, Hash: e.BlockHash}, e.Tx, e.LogIndex
	return out
}

// logged reports whether a log is what a transfer was read from. Native currency that
// reached a deposit address is known by the address' balance.
func (r *records) logged(x *payment.Transfer) bool {
	token, ok := r.book.Token(x.Asset)
	if !ok || !token.Native {
		return true
	}
	return !slices.ContainsFunc(allWith[tokenReader](r.sources), func(s tokenReader) bool {
		of, ok := s.(rail.Rail)
		return ok && string(of.ID()) == x.Rail
	})
}

// Learn implements chain.Records.
func (r *records) Learn(ctx context.Context, id asset.ChainID, logs []chain.Log) error {
	out, err := r.told(ctx, chain.Sweep{Chain: id, Logs: logs})
	if err != nil {
		return err
	}
	if len(out.Sightings)+len(out.Recoveries) == 0 {
		return nil
	}
	if err := r.payers(ctx, logs[0].Block.Number, out.Sightings); err != nil {
		return err
	}
	return r.checkout.RecordLate(ctx, out)
}

// Forget implements chain.Records.
func (r *records) Forget(ctx context.Context, id asset.ChainID, gone []chain.Difference) error {
	byBlock := map[chain.Block][]string{}
	for _, d := range gone {
		byBlock[d.Block] = append(byBlock[d.Block], d.Key)
	}
	for b, keys := range byBlock {
		if err := r.checkout.Forget(ctx, id, block(b), keys); err != nil {
			return err
		}
	}
	return nil
}

// Small implements chain.Records: all of a block together, lest much comes in small pieces.
func (r *records) Small(ctx context.Context, id asset.ChainID, b chain.Block) (bool, error) {
	if len(r.above) == 0 {
		return false, nil
	}
	kept, err := r.checkout.Unconfirmed(ctx, id, block(b))
	if err != nil {
		return false, err
	}
	sums := map[asset.ID]*big.Int{}
	for _, x := range kept {
		if sums[x.Asset] == nil {
			sums[x.Asset] = new(big.Int)
		}
		sums[x.Asset].Add(sums[x.Asset], x.Amount)
	}
	for of, sum := range sums {
		if most, ok := r.above[of]; !ok || sum.Cmp(most) > 0 {
			return false, nil
		}
	}
	return true, nil
}
