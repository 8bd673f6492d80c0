package store

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

const (
	insertOrphan = `INSERT INTO orphans (key, rail, handle, reason, payment, asset, amount, recipient, at,
 chain, block, block_hash, tx, log_index, payer)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (key) DO NOTHING`

	selectOrphans = `SELECT key, rail, handle, reason, payment, asset, amount, recipient, at,
 chain, block, block_hash, tx, log_index, payer FROM orphans ORDER BY at DESC, key DESC LIMIT $1`
)

// PutOrphan implements checkout.Tx.
func (t *tx) PutOrphan(ctx context.Context, o checkout.Orphan) error {
	chain, block, err := place(o.Evidence.Chain, o.Evidence.Block)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, insertOrphan, o.Key, o.Rail, o.Handle, o.Reason, o.Payment, o.Asset, o.Amount, o.To, micros(o.At),
		chain, block, o.Evidence.BlockHash, o.Evidence.Tx, int64(o.Evidence.LogIndex), o.Evidence.Payer)
	return err
}

// Orphans implements checkout.Store.
func (s *Store) Orphans(ctx context.Context, limit int) ([]checkout.Orphan, error) {
	r, err := s.read.query(ctx, selectOrphans, limit)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (o checkout.Orphan, err error) {
		var at, chain, block, logIndex int64
		e := &o.Evidence
		err = r.Scan(&o.Key, &o.Rail, &o.Handle, &o.Reason, &o.Payment, &o.Asset, &o.Amount, &o.To, &at,
			&chain, &block, &e.BlockHash, &e.Tx, &logIndex, &e.Payer)
		o.At = fromMicros(at)
		e.Chain, e.Block, e.LogIndex = asset.ChainID(chain), uint64(block), uint(logIndex)
		return o, err
	})
}
