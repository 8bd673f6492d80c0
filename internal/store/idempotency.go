package store

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
)

const (
	selectAnswer = `SELECT request_hash, status, body, at, sealed FROM idempotency WHERE merchant = $1 AND route = $2 AND key = $3`
	pruneAnswers = `DELETE FROM idempotency WHERE (merchant, route, key) IN
 (SELECT i.merchant, i.route, i.key FROM idempotency i WHERE i.at < $1 ORDER BY i.at LIMIT $2)`
)

var intoAnswers = newInto(0, `INSERT INTO idempotency (merchant, route, key, request_hash, status, body, at, sealed)`, 8, func(err error) error {
	return recode(err, fault.Conflict, codeKeyTaken, "A request with this idempotency key is under way or done.")
})

// PutAnswer implements checkout.Tx.
func (t *tx) PutAnswer(ctx context.Context, k checkout.IdempotencyKey, a checkout.Answer) error {
	return t.insert(ctx, insertion{into: intoAnswers, order: answerPlace(k),
		args: []any{k.Merchant, k.Route, k.Key, a.RequestHash, a.Status, t.store.sealAnswer(k, a.Body), micros(a.At), true}})
}

const codeKeyTaken = "idempotency_key_taken"

// sealAnswer seals an answer's body: the answer to a new webhook holds its secret.
func (s *Store) sealAnswer(k checkout.IdempotencyKey, body []byte) []byte {
	return s.seal.Seal(body, answerPlace(k))
}

// answerPlace is where an answer is kept, for sealing.
func answerPlace(k checkout.IdempotencyKey) string {
	return "answer/" + string(k.Merchant) + "/" + k.Route + "/" + k.Key
}

// Answer implements checkout.Tx.
func (t *tx) Answer(ctx context.Context, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	return t.store.loadAnswer(ctx, t, k)
}

// Answer implements checkout.Store.
func (s *Store) Answer(ctx context.Context, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	return s.loadAnswer(ctx, s.quick, k)
}

func (s *Store) loadAnswer(ctx context.Context, on session, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	var a checkout.Answer
	var at int64
	var sealed bool
	ok, err := found(on.row(ctx, selectAnswer, []any{k.Merchant, k.Route, k.Key}, &a.RequestHash, &a.Status, &a.Body, &at, &sealed))
	if err != nil || !ok {
		return nil, err
	}
	if sealed {
		if a.Body, err = s.seal.Open(a.Body, answerPlace(k)); err != nil {
			return nil, fmt.Errorf("open the answer of an idempotency key: %w", err)
		}
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
	return s.prune(ctx, pruneAnswers, micros(now.Add(-AnswersKept)))
}
