package store

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

const (
	putGrant = `INSERT INTO gas_grants (id, payment, chain, owner, op_hash, gwei, rest, at, day, sent, settled, account, until, op)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
 ON CONFLICT (id) DO UPDATE SET op_hash = excluded.op_hash, gwei = excluded.gwei, rest = excluded.rest, sent = excluded.sent,
 settled = excluded.settled, account = excluded.account, until = excluded.until, op = excluded.op`

	dropGrant = `DELETE FROM gas_grants WHERE id = $1`

	selectGrant = `SELECT id, payment, owner, gwei, rest, at, sent, settled, account, until, op FROM gas_grants
 WHERE chain = $1 AND op_hash = $2 AND op_hash <> ''`

	lockGasDay = `INSERT INTO gas_days (chain, day) VALUES ($1, $2) ON CONFLICT (chain, day) DO UPDATE SET day = excluded.day`

	// What sums are written as text: PostgreSQL's are wider than its integers.
	sumOfPayment = `SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN sent OR at > $2 THEN gwei ELSE 0 END), 0) AS TEXT),
 CAST(COALESCE(SUM(CASE WHEN sent OR at > $2 THEN rest ELSE 0 END), 0) AS TEXT) FROM gas_grants WHERE payment = $1`

	sumsOfDay = `SELECT CAST(COALESCE(SUM(gwei), 0) AS TEXT), CAST(COALESCE(SUM(rest), 0) AS TEXT),
 CAST(COALESCE(SUM(CASE WHEN owner = $3 THEN gwei ELSE 0 END), 0) AS TEXT), CAST(COALESCE(SUM(CASE WHEN owner = $3 THEN rest ELSE 0 END), 0) AS TEXT)
 FROM gas_grants WHERE chain = $1 AND day = $2 AND (sent OR at > $4)`

	// What was promised and never sent is of no use two days later; what was spent stays.
	pruneGrants  = `DELETE FROM gas_grants WHERE id IN (SELECT id FROM gas_grants WHERE NOT sent AND at <= $1 - 172800000000 LIMIT $2)`
	pruneGasDays = `DELETE FROM gas_days WHERE (chain, day) IN (SELECT chain, day FROM gas_days WHERE day < $1 / 86400000000 - 2 LIMIT $2)`
)

var findGrant = inPlace(selectGrant)

var weiPerGwei = big.NewInt(1_000_000_000)

func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// PutGrant implements checkout.Tx.
//
// Faults: Conflict "already_exists" if another grant has the operation's hash.
func (t *tx) PutGrant(ctx context.Context, g checkout.Grant) error {
	chain, err := number(uint64(g.Chain))
	if err != nil {
		return err
	}
	gwei, rest := new(big.Int).QuoRem(g.Wei, weiPerGwei, new(big.Int))
	if g.Wei.Sign() < 0 || !gwei.IsInt64() {
		return fmt.Errorf("%s wei are too many to store", g.Wei)
	}
	op, err := encodeOp(g.Op)
	if err != nil {
		return fmt.Errorf("encode the grant's operation: %w", err)
	}
	account := ""
	if !g.Account.IsZero() {
		account = g.Account.Lower()
	}
	if err := t.warm(ctx, g.Payment); err != nil {
		return err
	}
	_, err = t.exec(ctx, putGrant, g.ID, g.Payment, chain, g.Owner.Lower(), g.OpHash, gwei.Int64(), rest.Int64(), micros(g.At), day(g.At),
		g.Sent, g.Settled, account, micros(g.Until), op)
	return err
}

// DropGrant implements checkout.Tx.
func (t *tx) DropGrant(ctx context.Context, id string) error {
	_, err := t.exec(ctx, dropGrant, id)
	return err
}

// Grant implements checkout.Tx.
func (t *tx) Grant(ctx context.Context, on asset.ChainID, hash string) (*checkout.Grant, error) {
	chain, err := number(uint64(on))
	if err != nil {
		return nil, err
	}
	g := checkout.Grant{Chain: on, OpHash: hash}
	var owner, account, op string
	var gwei, rest, at, until int64
	ok, err := found(findGrant.row(ctx, t, []any{chain, plain(hash)}, &g.ID, &g.Payment, &owner, &gwei, &rest, &at, &g.Sent, &g.Settled, &account, &until, &op))
	if err != nil || !ok {
		return nil, err
	}
	g.Wei, g.At, g.Until = wei(big.NewInt(gwei), big.NewInt(rest)), fromMicros(at), fromMicros(until)
	if g.Owner, err = parseAddress(owner); err != nil {
		return nil, err
	}
	if account != "" {
		if g.Account, err = parseAddress(account); err != nil {
			return nil, err
		}
	}
	g.Op, err = decodeOp(op)
	return &g, err
}

// GrantSums implements checkout.Tx.
func (t *tx) GrantSums(ctx context.Context, g checkout.Grant, unsent time.Time) (s checkout.GrantSums, err error) {
	chain, err := number(uint64(g.Chain))
	if err != nil {
		return s, err
	}
	if _, err := t.exec(ctx, lockGasDay, chain, day(g.At)); err != nil {
		return s, err
	}
	var sums [6]string
	if err := t.warm(ctx, g.Payment); err != nil {
		return s, err
	}
	if err := t.row(ctx, sumOfPayment, []any{g.Payment, micros(unsent)}, &s.Grants, &sums[0], &sums[1]); err != nil {
		return s, err
	}
	if err := t.row(ctx, sumsOfDay, []any{chain, day(g.At), g.Owner.Lower(), micros(unsent)}, &sums[2], &sums[3], &sums[4], &sums[5]); err != nil {
		return s, err
	}
	var of [6]*big.Int
	for i, text := range sums {
		if of[i], err = parseUnits(text); err != nil {
			return s, err
		}
	}
	s.Payment, s.ChainDay, s.WalletDay = wei(of[0], of[1]), wei(of[2], of[3]), wei(of[4], of[5])
	return s, nil
}

func wei(gwei, rest *big.Int) *big.Int { return gwei.Mul(gwei, weiPerGwei).Add(gwei, rest) }
