package store

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

const selectUnconfirmed = `SELECT ` + transferColumns + ` FROM transfers
 WHERE chain = $1 AND block >= $2 AND block <= $3 AND stage = 'pending' ORDER BY block, key`

// Unconfirmed implements checkout.Store.
func (s *Store) Unconfirmed(ctx context.Context, chain asset.ChainID, from, to uint64) ([]checkout.Owned, error) {
	c, low, err := place(chain, from)
	if err != nil {
		return nil, err
	}
	high, err := number(to)
	if err != nil {
		return nil, err
	}
	return queryTransfers(ctx, s.read, selectUnconfirmed, c, low, high)
}
