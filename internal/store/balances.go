package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

const (
	// putBalance replaces what was known less well: what is read again of a block that
	// is final stays final.
	putBalance = `INSERT INTO deposit_balances (chain, address, block, block_hash, before, wei, final, vouched)
 VALUES ($1, $2, $3, $4, $5, $6, $7, '') ON CONFLICT (chain, address, block) DO UPDATE SET
 final = excluded.final OR (deposit_balances.final AND deposit_balances.block_hash = excluded.block_hash),
 block_hash = excluded.block_hash, before = excluded.before, wei = excluded.wei, vouched = ''
 WHERE deposit_balances.block_hash <> excluded.block_hash OR deposit_balances.before <> excluded.before
 OR deposit_balances.wei <> excluded.wei OR (excluded.final AND NOT deposit_balances.final)`

	settleBalances = `UPDATE deposit_balances SET final = TRUE WHERE chain = $1 AND block = $2 AND block_hash = $3 AND NOT final`
	dropBalances   = `DELETE FROM deposit_balances WHERE chain = $1 AND block > $2 AND NOT final`

	// selectBalances goes from each address to its rows by their key, from the newest
	// one below the block on; how many older ones there are does not matter. SQLite takes
	// a CROSS JOIN in the order in which it is written.
	selectBalances = `SELECT b.address, b.block, b.block_hash, b.before, b.wei, b.final
 FROM {{TEXTS}}($3) q CROSS JOIN deposit_balances b WHERE b.chain = $1 AND b.address = q.value AND b.block >= COALESCE(
 (SELECT MAX(m.block) FROM deposit_balances m WHERE m.chain = $1 AND m.address = q.value AND m.block < $2), 0)
 ORDER BY b.address, b.block`
)

// Balances implements checkout.Store.
func (s *Store) Balances(ctx context.Context, chain asset.ChainID, from uint64, of []asset.Address) (map[asset.Address][]checkout.Balance, error) {
	c, first, err := place(chain, from)
	if err != nil {
		return nil, err
	}
	asked := make([]string, len(of))
	for i, a := range of {
		asked[i] = a.Lower()
	}
	slices.Sort(asked)
	list, err := json.Marshal(slices.Compact(asked))
	if err != nil {
		return nil, err
	}
	r, err := s.read.query(ctx, s.engine.text(selectBalances), c, first, string(list))
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	rows, err := collect(r, func() (checkout.Balance, error) { return scanBalance(r) })
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	known := map[asset.Address][]checkout.Balance{}
	for _, b := range rows {
		known[b.Address] = append(known[b.Address], b)
	}
	return known, nil
}

func scanBalance(r rows) (checkout.Balance, error) {
	var b checkout.Balance
	var address, before, wei string
	var block int64
	err := r.Scan(&address, &block, &b.BlockHash, &before, &wei, &b.Final)
	if err != nil {
		return b, err
	}
	b.Block = uint64(block)
	if b.Address, err = parseAddress(address); err != nil {
		return b, err
	}
	return b, parseInto(map[**big.Int]string{&b.Before: before, &b.Wei: wei})
}

// PutBalances implements checkout.Tx.
func (t *tx) PutBalances(ctx context.Context, chain asset.ChainID, bs []checkout.Balance) error {
	for _, b := range bs {
		c, n, err := place(chain, b.Block)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, putBalance, c, b.Address.Lower(), n, b.BlockHash, units(b.Before), units(b.Wei), b.Final); err != nil {
			return err
		}
	}
	return nil
}

// SettleBalances implements checkout.Tx.
func (t *tx) SettleBalances(ctx context.Context, chain asset.ChainID, b checkout.Block) error {
	c, n, err := place(chain, b.Number)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, settleBalances, c, n, b.Hash)
	return err
}

// DropBalances implements checkout.Tx.
func (t *tx) DropBalances(ctx context.Context, chain asset.ChainID, above uint64) error {
	c, n, err := place(chain, above)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, dropBalances, c, n)
	return err
}
