package store

import (
	"context"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

const (
	selectCursor      = `SELECT final, rewound FROM cursors WHERE chain = $1`
	selectCheckpoints = `SELECT number, hash, time FROM checkpoints WHERE chain = $1 ORDER BY number DESC`
)

// Cursor implements checkout.Store.
func (s *Store) Cursor(ctx context.Context, chain asset.ChainID) (checkout.Cursor, error) {
	c, err := number(uint64(chain))
	if err != nil {
		return checkout.Cursor{}, err
	}
	var final, rewound int64
	if ok, err := found(s.read.row(ctx, selectCursor, []any{c}, &final, &rewound)); err != nil || !ok {
		return checkout.Cursor{}, err
	}
	blocks, err := queryBlocks(ctx, s.read, selectCheckpoints, c)
	return checkout.Cursor{Blocks: blocks, Final: uint64(final), Rewound: rewound}, err
}

const (
	insertCursor = `INSERT INTO cursors (chain, head, final) VALUES ($1, $2, $3) ON CONFLICT (chain) DO NOTHING`

	// moveCursor moves nothing if another node has moved it: head is the guard.
	moveCursor = `UPDATE cursors SET head = $2, final = CASE WHEN final < $3 THEN $3 ELSE final END
 WHERE chain = $1 AND head = $4`

	upsertCheckpoint = `INSERT INTO checkpoints (chain, number, hash, time) VALUES ($1, $2, $3, $4)
 ON CONFLICT (chain, number) DO UPDATE SET hash = excluded.hash, time = excluded.time`

	// forgetCheckpoints keeps the newest checkpoint that is final: below it no
	// reorganisation is ever followed.
	forgetCheckpoints = `DELETE FROM checkpoints WHERE chain = $1 AND number < (SELECT MAX(c.number) FROM checkpoints c
 WHERE c.chain = $1 AND c.number <= (SELECT u.final FROM cursors u WHERE u.chain = $1))`
)

// SaveCursor implements checkout.Tx.
func (t *tx) SaveCursor(ctx context.Context, chain asset.ChainID, from uint64, to checkout.Block, final uint64) error {
	c, start, err := place(chain, from)
	if err != nil {
		return err
	}
	end, err := number(to.Number)
	if err != nil {
		return err
	}
	if end < start {
		return fmt.Errorf("sweep of chain %d ends at block %d before it begins at %d", chain, end, start)
	}
	safe, err := number(final)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, moveCursor, c, end, safe, start-1)
	if err != nil {
		return err
	}
	if n == 0 {
		if n, err = t.exec(ctx, insertCursor, c, end, safe); err != nil {
			return err
		}
		if n == 0 {
			return checkout.ErrStale
		}
	}
	if _, err := t.exec(ctx, upsertCheckpoint, c, end, to.Hash, micros(to.Time)); err != nil {
		return err
	}
	_, err = t.exec(ctx, forgetCheckpoints, c)
	return err
}

const (
	// rewindCursor never moves forward: who went back further has dropped evidence that nobody
	// would read again.
	rewindCursor = `INSERT INTO cursors (chain, head, final, rewound) VALUES ($1, $2, 0, 1)
 ON CONFLICT (chain) DO UPDATE SET head = excluded.head, rewound = cursors.rewound + 1 WHERE cursors.head >= excluded.head`

	dropCheckpoints = `DELETE FROM checkpoints WHERE chain = $1 AND number > $2`
)

const selectRewound = `SELECT rewound FROM cursors WHERE chain = $1`

// Rewound implements checkout.Tx.
func (t *tx) Rewound(ctx context.Context, chain asset.ChainID) (int64, error) {
	c, err := number(uint64(chain))
	if err != nil {
		return 0, err
	}
	var n int64
	_, err = found(t.row(ctx, selectRewound, []any{c}, &n))
	return n, err
}

// RewindCursor implements checkout.Tx.
func (t *tx) RewindCursor(ctx context.Context, chain asset.ChainID, b checkout.Block) error {
	c, n, err := place(chain, b.Number)
	if err != nil {
		return err
	}
	moved, err := t.exec(ctx, rewindCursor, c, n)
	if err != nil {
		return err
	}
	if moved == 0 {
		return checkout.ErrStale
	}
	if _, err := t.exec(ctx, dropCheckpoints, c, n); err != nil {
		return err
	}
	_, err = t.exec(ctx, upsertCheckpoint, c, n, b.Hash, micros(b.Time))
	return err
}
