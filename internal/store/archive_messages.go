package store

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/payment"
)

const (
	// pruneDeliveries goes by ids, which begin with the time, from the oldest on. What is
	// still to be sent stays, however old.
	pruneDeliveries = `DELETE FROM deliveries WHERE id IN (SELECT d.id FROM deliveries d
 WHERE d.id < $3 AND d.created_at < $1 AND d.state <> 'queued' ORDER BY d.id LIMIT $2)`

	selectFeeds     = `SELECT merchant FROM feed_heads ORDER BY merchant`
	selectFeedStart = `SELECT MIN(position) FROM feed WHERE merchant = $1`
	selectEldest    = `SELECT position, at FROM feed WHERE merchant = $1 ORDER BY position LIMIT $2`
	cutFeed         = `DELETE FROM feed WHERE merchant = $1 AND position <= $2`
)

// PruneMessages deletes what merchants were told before a time: deliveries that arrived or
// were given up, and the beginnings of feeds. It returns how many rows that were.
func (s *Store) PruneMessages(ctx context.Context, before time.Time) (int, error) {
	total, err := s.pruneDeliveries(ctx, before)
	if err != nil {
		return total, fmt.Errorf("delete old deliveries: %w", err)
	}
	r, err := s.read.query(ctx, selectFeeds)
	if err != nil {
		return total, fmt.Errorf("list feeds: %w", err)
	}
	merchants, err := collect(r, func() (m payment.MerchantID, err error) { return m, r.Scan(&m) })
	if err != nil {
		return total, fmt.Errorf("list feeds: %w", err)
	}
	for _, m := range merchants {
		for n := pruneBatch; n == pruneBatch; {
			if n, err = s.cutFeed(ctx, m, before); err != nil {
				return total, fmt.Errorf("shorten the feed of merchant %s: %w", m, err)
			}
			total += n
		}
	}
	return total, nil
}

func (s *Store) pruneDeliveries(ctx context.Context, before time.Time) (total int, err error) {
	const random = 16 // characters of an id behind its time
	id := payment.NewULID(before)
	id = id[:len(id)-random]
	for n := int64(pruneBatch); n == pruneBatch; total += int(n) {
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.exec(ctx, pruneDeliveries, micros(before), pruneBatch, id)
			return err
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// cutFeed takes away a feed's first entries up to the first that is to be kept.
func (s *Store) cutFeed(ctx context.Context, m payment.MerchantID, before time.Time) (cut int, err error) {
	r, err := s.read.query(ctx, selectEldest, m, pruneBatch)
	if err != nil {
		return 0, err
	}
	var last int64
	kept := false
	if _, err := collect(r, func() (position int64, err error) {
		var at int64
		err = r.Scan(&position, &at)
		if kept = kept || at >= micros(before); !kept {
			last, cut = position, cut+1
		}
		return position, err
	}); err != nil || cut == 0 {
		return 0, err
	}
	return cut, s.change(ctx, cutFeed, m, last)
}

// FeedStart implements webhook.Store.
func (s *Store) FeedStart(ctx context.Context, m payment.MerchantID) (int64, error) {
	var first *int64
	if err := s.read.row(ctx, selectFeedStart, []any{m}, &first); err != nil {
		return 0, err
	}
	if first != nil {
		return *first, nil
	}
	head, err := s.FeedHead(ctx, m)
	return head + 1, err
}
