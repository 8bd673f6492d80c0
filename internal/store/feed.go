package store

import (
	"context"
	"fmt"
	"strings"

	"quittance/internal/payment"
	"quittance/internal/webhook"
)

const (
	// lockFeed makes the merchant's next writer wait for this one's commit: so
	// positions come into being in their order, and who has read up to one of them
	// has missed none before it.
	lockFeed = `INSERT INTO feed_heads (merchant, position) VALUES ($1, 0)
 ON CONFLICT (merchant) DO UPDATE SET position = feed_heads.position RETURNING position`
	moveFeed = `UPDATE feed_heads SET position = $2 WHERE merchant = $1`

	// insertEntry leaves a message alone that is there already, of an earlier relay
	// of the same event.
	insertEntry = `INSERT INTO feed (merchant, position, id, event_id, payment, sequence, event, client_id, body, at, dialect)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`

	feedColumns = `merchant, position, id, event_id, payment, sequence, event, client_id, body, at, dialect`

	selectFeedHead = `SELECT position FROM feed_heads WHERE merchant = $1`
)

// publish adds messages of one merchant to its feed, in their order.
func (t *tx) publish(ctx context.Context, entries []webhook.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	m := entries[0].Merchant
	var head int64
	if err := t.row(ctx, lockFeed, []any{m}, &head); err != nil {
		return fmt.Errorf("lock the feed of merchant %s: %w", m, err)
	}
	before := head
	for _, e := range entries {
		if e.Merchant != m {
			return fmt.Errorf("publish messages of merchants %s and %s together", m, e.Merchant)
		}
		n, err := t.exec(ctx, insertEntry, m, head+1, e.ID, e.EventID, e.Payment, e.Sequence, e.Event, e.ClientID, e.Body, micros(e.At), e.Dialect)
		if err != nil {
			return fmt.Errorf("publish message %s: %w", e.ID, err)
		}
		head += n
	}
	if head == before {
		return nil
	}
	_, err := t.exec(ctx, moveFeed, m, head)
	return err
}

// Feed implements webhook.Store. Its condition is put together from constants,
// so that each combination of filters can use its index.
func (s *Store) Feed(ctx context.Context, f webhook.FeedFilter) ([]webhook.Entry, error) {
	where, args := []string{"merchant = $1", "position > $2"}, []any{f.Merchant, f.After}
	and := func(condition string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf("%s $%d", condition, len(args)))
	}
	if f.ClientID != "" {
		and("client_id <> '' AND client_id =", f.ClientID)
	}
	if f.Payment != "" {
		and("payment <> '' AND payment =", f.Payment)
	}
	if f.Dialect != "" {
		and("dialect =", f.Dialect)
	}
	args = append(args, pageSize(f.Limit))
	r, err := s.read.query(ctx, fmt.Sprintf(`SELECT %s FROM feed WHERE %s ORDER BY position LIMIT $%d`,
		feedColumns, strings.Join(where, " AND "), len(args)), args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (e webhook.Entry, err error) {
		var at int64
		err = r.Scan(&e.Merchant, &e.Position, &e.ID, &e.EventID, &e.Payment, &e.Sequence, &e.Event, &e.ClientID, &e.Body, &at, &e.Dialect)
		e.At = fromMicros(at)
		return e, err
	})
}

// FeedHead implements webhook.Store.
func (s *Store) FeedHead(ctx context.Context, m payment.MerchantID) (position int64, err error) {
	_, err = found(s.read.row(ctx, selectFeedHead, []any{m}, &position))
	return position, err
}
