package store

import (
	"context"
	"encoding/json"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

const (
	insertAttempt = `INSERT INTO attempts (payment, key, rail, kind, chain, handle, payer, stage, decides, reason, until, at, route, route_id, safe, op, owner)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT (payment, key) DO NOTHING`

	countAttempt = `UPDATE payments SET attempts = attempts + 1 WHERE id = $1`

	// updateAttempt changes nothing where the news are none, and never goes back:
	// neither to an announcement from a proof, nor to a proof from an outcome.
	updateAttempt = `UPDATE attempts SET stage = $3, decides = $4, reason = $5, until = $6, at = $7, payer = $9, route = $10, route_id = $11, safe = $12, op = $13, owner = $14
 WHERE payment = $1 AND key = $2 AND CASE stage WHEN 'announced' THEN 0 WHEN 'proven' THEN 1 ELSE 2 END <= $8
 AND (stage <> $3 OR decides <> $4 OR reason <> $5 OR until <> $6 OR payer <> $9 OR route <> $10 OR safe <> $12 OR op <> $13 OR owner <> $14)`

	selectAttempts = `SELECT key, rail, kind, chain, handle, payer, stage, decides, reason, until, at, route, safe, op, owner
 FROM attempts WHERE payment = $1 ORDER BY at, key`

	selectByRoute = `SELECT DISTINCT payment FROM attempts WHERE route_id = $1 AND route_id <> '' ORDER BY payment`
)

// progress is how far an attempt is: it is only ever updated by one as far.
func progress(s payment.AttemptStage) int {
	switch s {
	case payment.Announced:
		return 0
	case payment.Proven:
		return 1
	case payment.Executed, payment.Abandoned:
		return 2
	}
	return 0
}

// PutAttempt implements checkout.Tx. A known attempt changes its stage, reason,
// limit, payer and owner, route, Safe transaction and user operation; when it was reported
// is no change of its own.
func (t *tx) PutAttempt(ctx context.Context, id payment.ID, a payment.Attempt) (bool, error) {
	if err := t.warm(ctx, id); err != nil {
		return false, err
	}
	chain, err := number(uint64(a.Chain))
	if err != nil {
		return false, err
	}
	route, routeID, err := encodeRoute(a.Route)
	if err != nil {
		return false, fmt.Errorf("encode the attempt's route: %w", err)
	}
	safe, err := encodeSafe(a.Safe)
	if err != nil {
		return false, fmt.Errorf("encode the attempt's Safe transaction: %w", err)
	}
	op, err := encodeOp(a.Op)
	if err != nil {
		return false, fmt.Errorf("encode the attempt's user operation: %w", err)
	}
	n, err := t.exec(ctx, insertAttempt, id, a.Key, a.Rail, a.Kind, chain, a.Handle, a.Payer, a.Stage, a.Decides, a.Reason,
		micros(a.Until), micros(a.At), route, routeID, safe, op, a.OwnedBy())
	if err != nil {
		return false, err
	}
	if n == 1 {
		t.touch(id)
		_, err := t.exec(ctx, countAttempt, id)
		return true, err
	}
	n, err = t.exec(ctx, updateAttempt, id, a.Key, a.Stage, a.Decides, a.Reason, micros(a.Until), micros(a.At),
		progress(a.Stage), a.Payer, route, routeID, safe, op, a.OwnedBy())
	if err != nil {
		return false, err
	}
	if n == 1 {
		t.touch(id)
	}
	return n == 1, nil
}

var findAttempts = inPlace(selectAttempts)

func scanAttempt(r rows) (a payment.Attempt, err error) {
	var chain, until, at int64
	var route, safe, op string
	err = r.Scan(&a.Key, &a.Rail, &a.Kind, &chain, &a.Handle, &a.Payer, &a.Stage, &a.Decides, &a.Reason, &until, &at, &route, &safe, &op, &a.Owner)
	if err != nil {
		return a, err
	}
	a.Chain, a.Until, a.At = asset.ChainID(chain), fromMicros(until), fromMicros(at)
	if a.Route, err = decodeRoute(route); err != nil {
		return a, err
	}
	if a.Safe, err = decodeSafe(safe); err != nil {
		return a, err
	}
	if a.Op, err = decodeOp(op); a.Op != nil {
		a.Owner = "" // it is there for searching
	}
	return a, err
}

// encodeRoute writes a bridge transfer and its id; none is "". Its texts come
// from services outside.
func encodeRoute(r *payment.Route) (text, id string, err error) {
	if r == nil {
		return "", "", nil
	}
	kept := *r
	kept.ID, kept.Tool, kept.Tx = plain(r.ID), plain(r.Tool), plain(r.Tx)
	b, err := json.Marshal(kept)
	return string(b), kept.ID, err
}

// decodeRoute reads what encodeRoute wrote.
func decodeRoute(text string) (*payment.Route, error) {
	if text == "" {
		return nil, nil
	}
	var r payment.Route
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("decode an attempt's route: %w", err)
	}
	return &r, nil
}

// encodeSafe writes a Safe transaction; none is "".
func encodeSafe(x *payment.Safe) (string, error) {
	if x == nil {
		return "", nil
	}
	b, err := json.Marshal(x)
	return string(b), err
}

// decodeSafe reads what encodeSafe wrote.
func decodeSafe(text string) (*payment.Safe, error) {
	if text == "" {
		return nil, nil
	}
	var x payment.Safe
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		return nil, fmt.Errorf("decode an attempt's Safe transaction: %w", err)
	}
	return &x, nil
}

// encodeOp writes a user operation; none is "". Why it failed is a stranger's text.
func encodeOp(x *payment.Op) (string, error) {
	if x == nil {
		return "", nil
	}
	kept := *x
	kept.Why = plain(x.Why)
	b, err := json.Marshal(kept)
	return string(b), err
}

// decodeOp reads what encodeOp wrote.
func decodeOp(text string) (*payment.Op, error) {
	if text == "" {
		return nil, nil
	}
	var x payment.Op
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		return nil, fmt.Errorf("decode an attempt's user operation: %w", err)
	}
	return &x, nil
}

// PaymentsByRoute implements checkout.Tx.
func (t *tx) PaymentsByRoute(ctx context.Context, route string) ([]payment.ID, error) {
	r, err := t.query(ctx, both(selectByRoute), plain(route))
	if err != nil {
		return nil, err
	}
	ids, err := collect(r, func() (id payment.ID, err error) { return id, r.Scan(&id) })
	return ids, t.note(err)
}
