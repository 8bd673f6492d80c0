package store

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

const (
	putSafeAsked = `INSERT INTO safes_asked (payment, chain, safe, block, at) VALUES ($1, $2, $3, $4, $5)
 ON CONFLICT (payment, chain, safe) DO UPDATE SET at = excluded.at WHERE excluded.at > safes_asked.at`

	forgetSafesAsked = `DELETE FROM safes_asked WHERE payment = $1 AND chain = $2 AND safe NOT IN
 (SELECT s.safe FROM safes_asked s WHERE s.payment = $1 AND s.chain = $2 ORDER BY s.at DESC, s.safe LIMIT 5)`

	selectSafesAsked = `SELECT safe, block, at FROM safes_asked WHERE payment = $1 AND chain = $2 ORDER BY at DESC, safe LIMIT 5`
)

var findSafesAsked = inPlace(selectSafesAsked)

// PutSafeAsked implements checkout.Tx.
func (t *tx) PutSafeAsked(ctx context.Context, x checkout.SafeAsked) error {
	chain, block, err := place(x.Chain, x.Block)
	if err != nil {
		return err
	}
	if err := t.warm(ctx, x.Payment); err != nil {
		return err
	}
	if _, err := t.exec(ctx, putSafeAsked, x.Payment, chain, x.Safe.Lower(), block, micros(x.At)); err != nil {
		return err
	}
	_, err = t.exec(ctx, forgetSafesAsked, x.Payment, chain)
	return err
}

// SafesAsked implements checkout.Store.
func (s *Store) SafesAsked(ctx context.Context, id payment.ID, on asset.ChainID) ([]checkout.SafeAsked, error) {
	chain, err := number(uint64(on))
	if err != nil {
		return nil, err
	}
	return gather(ctx, s.quick, findSafesAsked, 1, []any{id, chain}, func(r rows) (checkout.SafeAsked, error) {
		x := checkout.SafeAsked{Payment: id, Chain: on}
		var account string
		var block, at int64
		if err := r.Scan(&account, &block, &at); err != nil {
			return x, err
		}
		x.Block, x.At = uint64(block), fromMicros(at)
		x.Safe, err = parseAddress(account)
		return x, err
	})
}
