package store

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

const (
	insertAttempt = `INSERT INTO attempts (payment, key, rail, kind, chain, handle, payer, stage, decides, reason, until, at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (payment, key) DO NOTHING`

	countAttempt = `UPDATE payments SET attempts = attempts + 1 WHERE id = $1`

	// updateAttempt changes nothing where the news are none, and never takes an
	// outcome back because somebody announces the same attempt once more.
	updateAttempt = `UPDATE attempts SET stage = $3, decides = $4, reason = $5, until = $6, at = $7
 WHERE payment = $1 AND key = $2 AND (stage = 'announced' OR $8 = 1)
 AND (stage <> $3 OR decides <> $4 OR reason <> $5 OR until <> $6)`

	selectAttempts = `SELECT key, rail, kind, chain, handle, payer, stage, decides, reason, until, at
 FROM attempts WHERE payment = $1 ORDER BY at, key`
)

// PutAttempt implements checkout.Tx. A known attempt changes its stage, reason
// and limit; when it was reported is no change of its own.
func (t *tx) PutAttempt(ctx context.Context, id payment.ID, a payment.Attempt) (bool, error) {
	chain, err := number(uint64(a.Chain))
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, insertAttempt, id, a.Key, a.Rail, a.Kind, chain, a.Handle, a.Payer, a.Stage, a.Decides, a.Reason,
		micros(a.Until), micros(a.At))
	if err != nil {
		return false, err
	}
	if n == 1 {
		t.touch(id)
		_, err := t.exec(ctx, countAttempt, id)
		return true, err
	}
	outcome := 0
	if a.Stage != payment.Announced {
		outcome = 1
	}
	n, err = t.exec(ctx, updateAttempt, id, a.Key, a.Stage, a.Decides, a.Reason, micros(a.Until), micros(a.At), outcome)
	if err != nil {
		return false, err
	}
	if n == 1 {
		t.touch(id)
	}
	return n == 1, nil
}

func loadAttempts(ctx context.Context, on session, id payment.ID) ([]payment.Attempt, error) {
	r, err := on.query(ctx, selectAttempts, id)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (a payment.Attempt, err error) {
		var chain, until, at int64
		err = r.Scan(&a.Key, &a.Rail, &a.Kind, &chain, &a.Handle, &a.Payer, &a.Stage, &a.Decides, &a.Reason, &until, &at)
		a.Chain, a.Until, a.At = asset.ChainID(chain), fromMicros(until), fromMicros(at)
		return a, err
	})
}
