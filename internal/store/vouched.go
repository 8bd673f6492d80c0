package store

import (
	"context"
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

const (
	vouchedAll   = `'all ' || b.block_hash || ' ' || b.wei`
	vouchedMoney = `'money ' || b.block_hash || ' ' || b.wei`

	selectUnvouched = `SELECT DISTINCT t.block, t.block_hash FROM transfers t JOIN deposit_balances b
 ON b.chain = t.chain AND b.block = t.block AND b.block_hash = t.block_hash
 WHERE t.chain = $1 AND t.stage = 'pending' AND b.vouched <> ` + vouchedAll + ` AND b.vouched <> ` + vouchedMoney + `
 ORDER BY t.block, t.block_hash`

	selectHeld = `SELECT b.address, b.before, b.wei, b.vouched = ` + vouchedAll + ` OR b.vouched = ` + vouchedMoney + `,
 COALESCE(p.block, 0), COALESCE(p.block_hash, ''), COALESCE(p.before, '0'), COALESCE(p.wei, '0'),
 COALESCE(p.vouched = 'all ' || p.block_hash || ' ' || p.wei OR p.vouched = 'early', FALSE), b.vouched = 'early'
 FROM deposit_balances b LEFT JOIN deposit_balances p ON p.chain = b.chain AND p.address = b.address
 AND p.block = (SELECT MAX(m.block) FROM deposit_balances m WHERE m.chain = b.chain AND m.address = b.address AND m.block < b.block)
 WHERE b.chain = $1 AND b.block = $2 AND b.block_hash = $3 ORDER BY b.address`

	vouch = `UPDATE deposit_balances SET vouched = $5 || ' ' || block_hash || ' ' || wei
 WHERE chain = $1 AND block = $2 AND block_hash = $3 AND address = $4 AND wei = $6`
)

// Unvouched implements checkout.Store.
func (s *Store) Unvouched(ctx context.Context, chain asset.ChainID) ([]checkout.Block, error) {
	r, err := s.read.query(ctx, selectUnvouched, int64(chain))
	if err != nil {
		return nil, fmt.Errorf("find blocks that nobody vouches for: %w", err)
	}
	return collect(r, func() (b checkout.Block, err error) {
		var n int64
		err = r.Scan(&n, &b.Hash)
		b.Number = uint64(n)
		return b, err
	})
}

// Held implements checkout.Store.
func (s *Store) Held(ctx context.Context, chain asset.ChainID, b checkout.Block) ([]checkout.Held, error) {
	c, n, err := place(chain, b.Number)
	if err != nil {
		return nil, err
	}
	r, err := s.read.query(ctx, selectHeld, c, n, b.Hash)
	if err != nil {
		return nil, fmt.Errorf("read balances of block %d: %w", b.Number, err)
	}
	return collect(r, func() (checkout.Held, error) {
		h := checkout.Held{Balance: checkout.Balance{Block: b.Number, BlockHash: b.Hash}}
		p := checkout.Balance{}
		var address, before, wei, earlier, had string
		var block int64
		if err := r.Scan(&address, &before, &wei, &h.Vouched, &block, &p.BlockHash, &earlier, &had, &h.Sure, &h.Early); err != nil {
			return h, err
		}
		if h.Address, err = parseAddress(address); err != nil {
			return h, err
		}
		if p.BlockHash != "" {
			p.Address, p.Block, h.Previous = h.Address, uint64(block), &p
		}
		return h, parseInto(map[**big.Int]string{&h.Before: before, &h.Wei: wei, &p.Before: earlier, &p.Wei: had})
	})
}

// Vouch implements checkout.Store.
func (s *Store) Vouch(ctx context.Context, chain asset.ChainID, b checkout.Block, said []checkout.Vouched) error {
	c, n, err := place(chain, b.Number)
	if err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		for _, v := range said {
			what := "money"
			if v.Balance {
				what = "all"
			}
			if _, err := t.exec(ctx, vouch, c, n, b.Hash, v.Address.Lower(), what, units(v.Wei)); err != nil {
				return fmt.Errorf("vouch for block %d: %w", b.Number, err)
			}
		}
		return nil
	})
}
