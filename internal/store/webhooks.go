package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/webhook"
)

const (
	deliveryColumns = `id, event_id, payment, merchant, endpoint, dialect, event, body, test, state,
 attempts, next_at, created_at, last_at, last_status, last_error, last_us, get_url`
	deliveryWidth = 18

	insertDeliveries = `INSERT INTO deliveries (` + deliveryColumns + `) VALUES `

	selectDelivery = `SELECT ` + deliveryColumns + ` FROM deliveries WHERE id = $1`

	attemptedDelivery = `UPDATE deliveries SET state = $2, attempts = attempts + 1, next_at = $3,
 last_at = $4, last_status = $5, last_error = $6, last_us = $7
 WHERE id = $1 AND ($2 = 'delivered' OR state = 'queued' AND next_at = $8 AND attempts = $9) RETURNING endpoint, test, state, next_at`
	// attemptedInVain counts one try of several at the same time: their number decides how
	// long the next one waits.
	attemptedInVain = `UPDATE deliveries SET attempts = CASE WHEN attempts = $2 THEN attempts + 1 ELSE attempts END
 WHERE id = $1 RETURNING endpoint, test, state, next_at`

	replayDelivery = `UPDATE deliveries SET state = 'queued', next_at = $2 WHERE id = $1 RETURNING endpoint`

	// selectReplayable leaves out what is about to be sent anyway.
	selectReplayable = `SELECT id FROM deliveries WHERE endpoint = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
 AND NOT test AND state <> 'queued' AND ($6 = '' OR dialect = $6) ORDER BY id LIMIT $5`
	selectFailed = `SELECT id FROM deliveries WHERE endpoint = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
 AND NOT test AND state = 'exhausted' AND ($6 = '' OR dialect = $6) ORDER BY id LIMIT $5`
	// replayAgain repeats the condition: somebody else may replay the same.
	replayAgain = `UPDATE deliveries SET state = 'queued', next_at = $2 WHERE id = $1 AND state <> 'queued'`

	giveUpQueued = `UPDATE deliveries SET state = 'exhausted', next_at = 0, last_error = $2 WHERE state = 'queued' AND id IN (
 SELECT d.id FROM deliveries d WHERE d.endpoint = $1 AND d.state = 'queued' ORDER BY d.id LIMIT $3)`
)

// SaveDeliveries implements webhook.Store.
func (s *Store) SaveDeliveries(ctx context.Context, entries []webhook.Entry, ds []webhook.Delivery) error {
	return s.write(ctx, func(t *tx) error { return t.say(ctx, entries, ds) })
}

// say puts messages into the feed and their deliveries on their way.
func (t *tx) say(ctx context.Context, entries []webhook.Entry, ds []webhook.Delivery) error {
	if err := t.publish(ctx, entries); err != nil {
		return err
	}
	for some := range slices.Chunk(ds, saveBatch) {
		if err := t.saveDeliveries(ctx, some); err != nil {
			return fmt.Errorf("save %d deliveries: %w", len(some), err)
		}
	}
	return nil
}

// saveBatch is how many deliveries one statement saves: an event goes to every
// endpoint of its merchant, and a database across a network takes its time for
// each statement.
const saveBatch = 32

// saveDeliveries leaves a delivery alone that is there already, by its id or as
// the same message of the same event to the same endpoint.
func (t *tx) saveDeliveries(ctx context.Context, ds []webhook.Delivery) error {
	args := make([]any, 0, len(ds)*deliveryWidth)
	for _, d := range ds {
		body := d.Body
		if body == nil {
			body = []byte{} // nil would be NULL
		}
		args = append(args, d.ID, d.EventID, d.Payment, d.Merchant, d.Endpoint, d.Dialect, d.Event, body, d.Test, d.State,
			d.Attempts, micros(d.NextAt), micros(d.CreatedAt), micros(d.Last.At), d.Last.Status, plain(d.Last.Error), d.Last.Took.Microseconds(), d.Get)
	}
	r, err := t.query(ctx, insertDeliveries+tuples(len(ds), deliveryWidth)+` ON CONFLICT DO NOTHING RETURNING id`, args...)
	if err != nil {
		return err
	}
	saved, err := collect(r, func() (id string, err error) { return id, r.Scan(&id) })
	if err != nil {
		return t.note(err)
	}
	var jobs []job.Job
	for _, d := range ds {
		if slices.Contains(saved, d.ID) {
			jobs = append(jobs, job.Job{Kind: webhook.DeliverKind, Args: d.ID, Lane: cmp.Or(d.Lane, d.Endpoint), RunAt: d.NextAt})
		}
	}
	return t.enqueueAll(ctx, jobs)
}

// Delivery implements webhook.Store.
//
// Faults: NotFound "delivery_not_found", or "webhook_not_found" if the endpoint
// was deleted; then the delivery is returned all the same.
func (s *Store) Delivery(ctx context.Context, id string) (webhook.Delivery, merchant.Endpoint, error) {
	d, err := one(s.queryDeliveries(ctx, selectDelivery, id))("delivery")
	if err != nil {
		return webhook.Delivery{}, merchant.Endpoint{}, err
	}
	e, err := one(s.queryEndpoints(ctx, s.read, selectEndpoint, d.Endpoint))("webhook")
	return d, e, err
}

// Attempted implements webhook.Store.
//
// Faults: NotFound.
func (s *Store) Attempted(ctx context.Context, d webhook.Delivery, a webhook.Attempt, state webhook.DeliveryState, next time.Time) (left webhook.Outcome, err error) {
	err = s.write(ctx, func(t *tx) error {
		var endpoint string
		var test bool
		var due int64
		args := []any{d.ID, state, micros(next), micros(a.At), a.Status, plain(a.Error), a.Took.Microseconds(), micros(d.NextAt), d.Attempts}
		ok, err := found(t.row(ctx, attemptedDelivery, args, &endpoint, &test, &left.State, &due))
		if err == nil && !ok {
			ok, err = found(t.row(ctx, attemptedInVain, []any{d.ID, d.Attempts}, &endpoint, &test, &left.State, &due))
		}
		if err != nil {
			return err
		}
		if !ok {
			return notFound("delivery")
		}
		left.NextAt = fromMicros(due)
		left.Health, err = t.judge(ctx, endpoint, a, test)
		return err
	})
	return left, err
}

// Replay implements webhook.Store.
//
// Faults: NotFound.
func (s *Store) Replay(ctx context.Context, id string, now time.Time) error {
	return s.write(ctx, func(t *tx) error {
		var endpoint string
		ok, err := found(t.row(ctx, replayDelivery, []any{id, micros(now)}, &endpoint))
		if err != nil {
			return err
		}
		if !ok {
			return notFound("delivery")
		}
		return t.Enqueue(ctx, job.Job{Kind: webhook.DeliverKind, Args: id, Lane: endpoint, RunAt: now})
	})
}

// ReplayRange implements webhook.Store.
func (s *Store) ReplayRange(ctx context.Context, r webhook.Range, now time.Time, limit int) (replayed int, last string, err error) {
	query := selectReplayable
	if r.Failed {
		query = selectFailed
	}
	to := int64(math.MaxInt64)
	if !r.To.IsZero() {
		to = micros(r.To)
	}
	err = s.write(ctx, func(t *tx) error {
		replayed, last = 0, ""
		rows, err := t.query(ctx, query, r.Endpoint, r.After, micros(r.From), to, limit, r.Dialect)
		if err != nil {
			return err
		}
		ids, err := collect(rows, func() (id string, err error) { return id, rows.Scan(&id) })
		if err != nil {
			return t.note(err)
		}
		for i, id := range ids {
			// A microsecond apart, so that they are sent in their old order.
			at := now.Add(time.Duration(i) * time.Microsecond)
			n, err := t.exec(ctx, replayAgain, id, micros(at))
			if err != nil {
				return err
			}
			if last = id; n == 0 {
				continue
			}
			if err := t.Enqueue(ctx, job.Job{Kind: webhook.DeliverKind, Args: id, Lane: r.Endpoint, RunAt: at}); err != nil {
				return err
			}
			replayed++
		}
		if len(ids) < limit {
			last = ""
		}
		return nil
	})
	return replayed, last, err
}

// GiveUpQueued implements webhook.Store.
func (s *Store) GiveUpQueued(ctx context.Context, endpoint, why string, limit int) (int, error) {
	var n int64
	err := s.write(ctx, func(t *tx) (err error) {
		n, err = t.exec(ctx, giveUpQueued, endpoint, plain(why), limit)
		return err
	})
	return int(n), err
}

// maxPage bounds one page of a list, defaultPage is what a zero limit means.
const (
	maxPage     = 1000
	defaultPage = 100
)

func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

// Deliveries implements webhook.Store. Its condition is put together from
// constants, so that each combination of filters can use its index.
func (s *Store) Deliveries(ctx context.Context, f webhook.Filter) ([]webhook.Delivery, error) {
	var where []string
	var args []any
	and := func(condition string, v any) {
		args = append(args, v)
		where = append(where, fmt.Sprintf("%s $%d", condition, len(args)))
	}
	before := f.Before
	if before == "" {
		before = lastID
	}
	and("id <", before)
	if f.Merchant != "" {
		and("merchant =", f.Merchant)
	}
	if f.Endpoint != "" {
		and("endpoint =", f.Endpoint)
	}
	if f.Payment != "" {
		and("payment =", f.Payment)
	}
	if f.State != "" {
		and("state =", f.State)
	}
	if f.Dialect != "" {
		and("dialect =", f.Dialect)
	}
	args = append(args, pageSize(f.Limit))
	return s.queryDeliveries(ctx, fmt.Sprintf(`SELECT %s FROM deliveries WHERE %s ORDER BY id DESC LIMIT $%d`,
		deliveryColumns, strings.Join(where, " AND "), len(args)), args...)
}

func (s *Store) queryDeliveries(ctx context.Context, query string, args ...any) ([]webhook.Delivery, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (d webhook.Delivery, err error) {
		var next, created, at, took int64
		err = r.Scan(&d.ID, &d.EventID, &d.Payment, &d.Merchant, &d.Endpoint, &d.Dialect, &d.Event, &d.Body, &d.Test, &d.State,
			&d.Attempts, &next, &created, &at, &d.Last.Status, &d.Last.Error, &took, &d.Get)
		d.NextAt, d.CreatedAt, d.Last.At = fromMicros(next), fromMicros(created), fromMicros(at)
		d.Last.Took = time.Duration(took) * time.Microsecond
		return d, err
	})
}
