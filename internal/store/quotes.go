package store

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

const (
	insertQuote = `INSERT INTO quotes (id, payment, request, asset, chain, due, units, price, price_at, source, created_at, expires_at, asked)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

	countQuote = `UPDATE payments SET quotes = quotes + 1 WHERE id = $1`

	forgetQuotes = `DELETE FROM quotes WHERE payment = $1 AND expires_at < $2
 AND NOT EXISTS (SELECT 1 FROM transfers x WHERE x.payment = quotes.payment AND x.quote = quotes.id)`

	recountQuotes = `UPDATE payments SET quotes = (SELECT COUNT(*) FROM quotes q WHERE q.payment = payments.id) WHERE id = $1`

	selectQuotes = `SELECT id, request, asset, chain, due, units, price, price_at, source, created_at, expires_at, asked
 FROM quotes WHERE payment = $1 ORDER BY created_at, id`

	// selectQuoted looks at no payment where no merchant has ever had a key for deposits.
	// Payments without an end count for some time after the quote's. What is due to an
	// account of the payee's own is paid by calls that name it, and needs no watching.
	selectQuoted = `SELECT a.asset, MAX(a.until) FROM (SELECT q.asset, p.expires_at AS until FROM payments p JOIN quotes q ON q.payment = p.id
 WHERE EXISTS (SELECT 1 FROM deposit_branches) AND p.state = 'open' AND p.expires_at > $1 AND p.expires_at < $2 AND p.quotes > 0 AND q.asked
 UNION ALL SELECT q.asset, q.expires_at + $3 AS until FROM quotes q JOIN payments p ON p.id = q.payment JOIN requests r ON r.payment = q.payment AND r.idx = q.request
 WHERE EXISTS (SELECT 1 FROM deposit_branches) AND q.asked AND q.expires_at > $1 - $3 AND p.state = 'open' AND p.expires_at >= $2 AND r.chain = 0) a GROUP BY a.asset`

	creditTransfer = `UPDATE transfers SET credit = $3, quote = $4 WHERE key = $1 AND payment = $2 AND quote = ''`
)

// InsertQuote implements checkout.Tx.
func (t *tx) InsertQuote(ctx context.Context, id payment.ID, q payment.Quote) error {
	if err := t.warm(ctx, id); err != nil {
		return err
	}
	chain, err := number(uint64(q.Chain))
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, insertQuote, q.ID, id, q.Request, q.Asset, chain, units(q.Due), units(q.Units),
		units(q.Price.Value), micros(q.Price.At), plain(q.Price.Source), micros(q.CreatedAt), micros(q.ExpiresAt), q.Asked); err != nil {
		return err
	}
	t.touch(id)
	_, err = t.exec(ctx, countQuote, id)
	return err
}

// ForgetQuotes implements checkout.Tx.
func (t *tx) ForgetQuotes(ctx context.Context, id payment.ID, before time.Time) error {
	if err := t.warm(ctx, id); err != nil {
		return err
	}
	if _, err := t.exec(ctx, forgetQuotes, id, micros(before)); err != nil {
		return err
	}
	t.touch(id)
	_, err := t.exec(ctx, recountQuotes, id)
	return err
}

var findQuotes = inPlace(selectQuotes)

func scanQuote(r rows) (payment.Quote, error) {
	var q payment.Quote
	var due, worth, price string
	var chain, priced, created, expires int64
	if err := r.Scan(&q.ID, &q.Request, &q.Asset, &chain, &due, &worth, &price, &priced, &q.Price.Source, &created, &expires, &q.Asked); err != nil {
		return q, err
	}
	q.Chain, q.Price.At = asset.ChainID(chain), fromMicros(priced)
	q.CreatedAt, q.ExpiresAt = fromMicros(created), fromMicros(expires)
	return q, parseInto(map[**big.Int]string{&q.Due: due, &q.Units: worth, &q.Price.Value: price})
}

// quotedAfter is how long after a quote's end money of a payment without an end may still
// be on its way.
const quotedAfter = 24 * time.Hour

// Quoted returns the assets that somebody may be sending to deposit addresses now, because
// a payment that is open asked for them, and until when at most.
func (s *Store) Quoted(ctx context.Context, now time.Time) (map[asset.ID]time.Time, error) {
	r, err := s.read.query(ctx, selectQuoted, micros(now), micros(payment.Endless), quotedAfter.Microseconds())
	if err != nil {
		return nil, fmt.Errorf("find assets that may be sent: %w", err)
	}
	until := map[asset.ID]time.Time{}
	_, err = collect(r, func() (id asset.ID, err error) {
		var at int64
		err = r.Scan(&id, &at)
		until[id] = fromMicros(at)
		return id, err
	})
	return until, err
}

// Credit implements checkout.Tx.
func (t *tx) Credit(ctx context.Context, id payment.ID, key string, credit *big.Int, quote string) (bool, error) {
	if err := t.warm(ctx, id); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, creditTransfer, key, id, units(credit), quote)
	if err != nil || n == 0 {
		return false, err
	}
	t.touch(id)
	return true, nil
}
