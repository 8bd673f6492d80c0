package store

import (
	"context"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
)

const (
	insertAnswer = `INSERT INTO idempotency (merchant, route, key, request_hash, status, body, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	selectAnswer = `SELECT request_hash, status, body, at FROM idempotency WHERE merchant = $1 AND route = $2 AND key = $3`
	pruneAnswers = `DELETE FROM idempotency WHERE (merchant, route, key) IN
 (SELECT i.merchant, i.route, i.key FROM idempotency i WHERE i.at < $1 ORDER BY i.at LIMIT $2)`
)

// PutAnswer implements checkout.Tx.
func (t *tx) PutAnswer(ctx context.Context, k checkout.IdempotencyKey, a checkout.Answer) error {
	body := a.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	_, err := t.exec(ctx, insertAnswer, k.Merchant, k.Route, k.Key, a.RequestHash, a.Status, body, micros(a.At))
	return recode(err, fault.Conflict, "idempotency_key_taken", "A request with this idempotency key is under way or done.")
}

// Answer implements checkout.Tx.
func (t *tx) Answer(ctx context.Context, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	return loadAnswer(ctx, t, k)
}

// Answer implements checkout.Store.
func (s *Store) Answer(ctx context.Context, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	return loadAnswer(ctx, s.read, k)
}

func loadAnswer(ctx context.Context, on session, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	var a checkout.Answer
	var at int64
	ok, err := found(on.row(ctx, selectAnswer, []any{k.Merchant, k.Route, k.Key}, &a.RequestHash, &a.Status, &a.Body, &at))
	if err != nil || !ok {
		return nil, err
	}
	a.At = fromMicros(at)
	return &a, nil
}

// AnswersKept is how long an idempotency key is remembered.
const AnswersKept = 30 * 24 * time.Hour

// pruneBatch bounds one deletion, so that it does not hold up other writes.
const pruneBatch = 500

// PruneAnswers forgets answers older than AnswersKept and returns how many.
func (s *Store) PruneAnswers(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for {
		var n int64
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.exec(ctx, pruneAnswers, micros(now.Add(-AnswersKept)), pruneBatch)
			return err
		})
		if err != nil {
			return total, err
		}
		total += int(n)
		if n < pruneBatch {
			return total, nil
		}
	}
}
