package store

import (
	"context"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

const (
	// insertTransfer copies no more of the merchant's reference than an order number can
	// have, which is what is searched for: a link's note may be longer than an index takes.
	insertTransfer = `INSERT INTO transfers (key, payment, request, rail, asset, amount, credit, fee, stage, at,
 chain, block, block_hash, tx, log_index, payer, route, source_chain, source_tx, source_asset, source_amount,
 quote, merchant, dialect, client_id, reference, payee, invoiced)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
 COALESCE((SELECT merchant FROM payments WHERE id = $2), ''), COALESCE((SELECT dialect FROM payments WHERE id = $2), ''),
 COALESCE((SELECT client_id FROM payments WHERE id = $2), ''),
 COALESCE((SELECT SUBSTR(reference, 1, 255) FROM payments WHERE id = $2), ''),
 COALESCE((SELECT payee FROM requests WHERE payment = $2 AND idx = $3), ''),
 COALESCE((SELECT asset FROM requests WHERE payment = $2 AND idx = $3), '')) ON CONFLICT (key) DO NOTHING`

	countTransfer = `UPDATE payments SET transfers = transfers + 1 WHERE id = $1`

	// updateTransfer changes nothing where the stored transfer is final or says
	// the same already. An amount can only change where a reorganisation put
	// another event in the place of the first, and its credit goes with it; otherwise
	// the credit stays what it was fixed at, unless there was no quote to fix it by.
	updateTransfer = `UPDATE transfers SET stage = $3, at = $4, chain = $5, block = $6, block_hash = $7, tx = $8, log_index = $9,
 payer = $10, amount = $11, fee = $13, credit = CASE WHEN amount = $11 AND (quote <> '' OR $19 = '') THEN credit ELSE $12 END,
 quote = CASE WHEN amount = $11 AND quote <> '' THEN quote ELSE $19 END,
 route = $14, source_chain = $15, source_tx = $16, source_asset = $17, source_amount = $18
 WHERE key = $1 AND payment = $2 AND stage <> 'final'
 AND (stage <> $3 OR at <> $4 OR chain <> $5 OR block <> $6 OR block_hash <> $7 OR tx <> $8 OR log_index <> $9
 OR payer <> $10 OR amount <> $11 OR fee <> $13 OR (quote = '' AND $19 <> '')
 OR route <> $14 OR source_chain <> $15 OR source_tx <> $16 OR source_asset <> $17 OR source_amount <> $18)`

	// fillSource says of a final transfer where the money came from, once: that may
	// become known only after it has arrived for good.
	fillSource = `UPDATE transfers SET payer = $4, source_chain = $5, source_tx = $6, source_asset = $7, source_amount = $8
 WHERE key = $1 AND payment = $2 AND stage = 'final' AND route = $3 AND route <> '' AND source_tx = '' AND $6 <> ''`

	selectTransferOwner = `SELECT payment FROM transfers WHERE key = $1`
)

// PutTransfer implements checkout.Tx.
//
// Faults: Conflict "transfer_taken" if the key belongs to another payment.
func (t *tx) PutTransfer(ctx context.Context, id payment.ID, x payment.Transfer) (bool, error) {
	if err := t.warm(ctx, id); err != nil {
		return false, err
	}
	e := x.Evidence
	chain, err := number(uint64(e.Chain))
	if err != nil {
		return false, err
	}
	block, err := number(e.Block)
	if err != nil {
		return false, err
	}
	from, err := number(uint64(e.Source.Chain))
	if err != nil {
		return false, err
	}
	gave := units(e.Source.Amount)
	n, err := t.exec(ctx, insertTransfer, x.Key, id, x.Request, x.Rail, x.Asset, units(x.Amount), units(x.Credit), units(x.Fee),
		x.Stage, micros(x.At), chain, block, e.BlockHash, e.Tx, int64(e.LogIndex), e.Payer, e.Source.Route, from, e.Source.Tx, e.Source.Asset, gave, x.Quote)
	if err != nil {
		return false, err
	}
	if n == 1 {
		if err := t.notTaken(ctx, x.Key); err != nil {
			return false, err
		}
		t.touch(id)
		_, err := t.exec(ctx, countTransfer, id)
		return true, err
	}
	n, err = t.exec(ctx, updateTransfer, x.Key, id, x.Stage, micros(x.At), chain, block, e.BlockHash, e.Tx, int64(e.LogIndex),
		e.Payer, units(x.Amount), units(x.Credit), units(x.Fee), e.Source.Route, from, e.Source.Tx, e.Source.Asset, gave, x.Quote)
	if err != nil {
		return false, err
	}
	if n == 0 && e.Source.Tx != "" {
		if n, err = t.exec(ctx, fillSource, x.Key, id, e.Source.Route, e.Payer, from, e.Source.Tx, e.Source.Asset, gave); err != nil {
			return false, err
		}
	}
	if n == 1 {
		t.touch(id)
		return true, nil
	}
	var owner payment.ID
	if err := t.row(ctx, selectTransferOwner, []any{x.Key}, &owner); err != nil {
		return false, err
	}
	if owner != id {
		return false, errTransferTaken(x.Key)
	}
	return false, nil
}

// notTaken refuses a new transfer that is an archived payment's already: those of a payment
// that is written to are no longer in the archive.
func (t *tx) notTaken(ctx context.Context, key string) error {
	var owner payment.ID
	taken, err := found(t.row(ctx, old(selectTransferOwner), []any{key}, &owner))
	if err == nil && taken {
		return errTransferTaken(key)
	}
	return err
}

func errTransferTaken(key string) error {
	return fault.Newf(fault.Conflict, "transfer_taken", "transfer %s belongs to another payment", key)
}

const (
	transferColumns = `payment, key, request, rail, asset, amount, credit, fee, stage, at, chain, block, block_hash, tx, log_index, payer,
 route, source_chain, source_tx, source_asset, source_amount, quote`

	selectTransfers = `SELECT ` + transferColumns + ` FROM transfers WHERE payment = $1 ORDER BY at, key`

	selectTransfersAbove = `SELECT ` + transferColumns + ` FROM transfers
 WHERE chain = $1 AND block > $2 AND stage <> 'dropped' ORDER BY block, key`

	selectTransfersIn = `SELECT ` + transferColumns + ` FROM transfers
 WHERE chain = $1 AND block = $2 AND block_hash = $3 AND stage = 'pending' ORDER BY key`
)

var findTransfers = inPlace(selectTransfers)

func scanOwn(r rows) (payment.Transfer, error) {
	o, err := scanTransfer(r)
	return o.Transfer, err
}

// TransfersAbove implements checkout.Tx. Those of archived payments are final and old: no
// reorganisation takes them back.
func (t *tx) TransfersAbove(ctx context.Context, chain asset.ChainID, block uint64) ([]checkout.Owned, error) {
	c, b, err := place(chain, block)
	if err != nil {
		return nil, err
	}
	return queryTransfers(ctx, t, selectTransfersAbove, c, b)
}

// TransfersIn implements checkout.Tx. Dropped transfers are in no block.
func (t *tx) TransfersIn(ctx context.Context, chain asset.ChainID, b checkout.Block) ([]checkout.Owned, error) {
	c, n, err := place(chain, b.Number)
	if err != nil {
		return nil, err
	}
	return queryTransfers(ctx, t, selectTransfersIn, c, n, b.Hash)
}

func queryTransfers(ctx context.Context, on session, query string, args ...any) ([]checkout.Owned, error) {
	r, err := on.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (checkout.Owned, error) { return scanTransfer(r) })
}

func scanTransfer(r rows) (checkout.Owned, error) {
	var o checkout.Owned
	var amount, credit, fee, gave string
	var at, chain, block, logIndex, from int64
	x := &o.Transfer
	src := &x.Evidence.Source
	err := r.Scan(&o.Payment, &x.Key, &x.Request, &x.Rail, &x.Asset, &amount, &credit, &fee, &x.Stage, &at,
		&chain, &block, &x.Evidence.BlockHash, &x.Evidence.Tx, &logIndex, &x.Evidence.Payer,
		&src.Route, &from, &src.Tx, &src.Asset, &gave, &x.Quote)
	if err != nil {
		return o, err
	}
	if x.Amount, err = parseUnits(amount); err != nil {
		return o, err
	}
	if x.Credit, err = parseUnits(credit); err != nil {
		return o, err
	}
	if x.Fee, err = parseUnits(fee); err != nil {
		return o, err
	}
	if src.Amount, err = parseUnits(gave); err != nil {
		return o, err
	}
	src.Chain = asset.ChainID(from)
	x.At = fromMicros(at)
	x.Evidence.Chain, x.Evidence.Block, x.Evidence.LogIndex = asset.ChainID(chain), uint64(block), uint(logIndex)
	return o, nil
}

const selectUnsettled = `SELECT block, block_hash, MIN(at) FROM transfers
 WHERE chain = $1 AND block <= $2 AND stage = 'pending' GROUP BY block, block_hash ORDER BY block, block_hash`

// Unsettled implements checkout.Store.
func (s *Store) Unsettled(ctx context.Context, chain asset.ChainID, upTo uint64) ([]checkout.Block, error) {
	c, n, err := place(chain, upTo)
	if err != nil {
		return nil, err
	}
	return queryBlocks(ctx, s.read, selectUnsettled, c, n)
}

func queryBlocks(ctx context.Context, on session, query string, args ...any) ([]checkout.Block, error) {
	r, err := on.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (b checkout.Block, err error) {
		var n, at int64
		err = r.Scan(&n, &b.Hash, &at)
		b.Number, b.Time = uint64(n), fromMicros(at)
		return b, err
	})
}

// place fits a block of a chain into the database's numbers.
func place(chain asset.ChainID, block uint64) (c, b int64, err error) {
	if c, err = number(uint64(chain)); err != nil {
		return 0, 0, fmt.Errorf("chain: %w", err)
	}
	if b, err = number(block); err != nil {
		return 0, 0, fmt.Errorf("block: %w", err)
	}
	return c, b, nil
}
