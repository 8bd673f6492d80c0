package store

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/job"
)

const (
	insertRecovery = `INSERT INTO recoveries (route, chain, tx, token, receiver, amount, at, forget_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (route, chain, tx, token, receiver, amount) DO NOTHING`

	selectRecoveries = `SELECT route, chain, tx, token, receiver, amount, at, forget_at FROM recoveries WHERE route = $1
 ORDER BY chain, tx, token, receiver, amount`

	pruneRecoveries = `DELETE FROM recoveries WHERE (route, chain, tx) IN
 (SELECT route, chain, tx FROM recoveries WHERE forget_at <= $1 LIMIT $2)`
)

// PutRecovery implements checkout.Tx.
func (t *tx) PutRecovery(ctx context.Context, r checkout.Recovery) error {
	chain, err := number(uint64(r.Chain))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, insertRecovery, r.Route, chain, r.Tx, r.Token.Lower(), r.To.Lower(), units(r.Amount), micros(r.At), micros(r.Forget))
	return err
}

// Recoveries implements checkout.Tx.
func (t *tx) Recoveries(ctx context.Context, route string) ([]checkout.Recovery, error) {
	r, err := t.query(ctx, selectRecoveries, plain(route))
	if err != nil {
		return nil, err
	}
	all, err := collect(r, func() (checkout.Recovery, error) { return scanRecovery(r) })
	return all, t.note(err)
}

func scanRecovery(r rows) (v checkout.Recovery, err error) {
	var chain, at, forget int64
	var token, to, amount string
	if err = r.Scan(&v.Route, &chain, &v.Tx, &token, &to, &amount, &at, &forget); err != nil {
		return v, err
	}
	v.Chain, v.At, v.Forget = asset.ChainID(chain), fromMicros(at), fromMicros(forget)
	if v.Token, err = parseAddress(token); err != nil {
		return v, err
	}
	if v.To, err = parseAddress(to); err != nil {
		return v, err
	}
	v.Amount, err = parseUnits(amount)
	return v, err
}

// Follow implements checkout.Tx. Those of one chain wait for one another and for
// nobody else: a node that hangs holds up no delivery.
func (t *tx) Follow(ctx context.Context, f checkout.Follow) error {
	return t.Enqueue(ctx, job.Job{Kind: f.Kind, Args: f.Args(), Lane: f.Lane(), RunAt: f.At})
}
