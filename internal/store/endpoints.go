package store

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

const (
	insertEndpoint = `INSERT INTO endpoints (id, merchant, url, secret, client_id, active, created_at, previous_secret, previous_until, dialect)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	endpointColumns = `id, merchant, url, secret, client_id, active, created_at,
 previous_secret, previous_until, failing_since, disabled_at, disabled_why, dialect`
	selectEndpoints = `SELECT ` + endpointColumns + ` FROM endpoints WHERE merchant = $1 AND dialect = '' ORDER BY id`
	selectEndpoint  = `SELECT ` + endpointColumns + ` FROM endpoints WHERE id = $1`

	// setEndpointActive also forgets what the server held against it: a merchant
	// who switches it on says that it works now.
	setEndpointActive = `UPDATE endpoints SET active = $3, failing_since = 0, failed_at = 0, failures = 0, disabled_at = 0, disabled_why = ''
 WHERE merchant = $1 AND id = $2 AND dialect = ''`
	deleteEndpoint = `DELETE FROM endpoints WHERE merchant = $1 AND id = $2 AND dialect = ''`

	lockEndpoint   = `UPDATE endpoints SET merchant = merchant WHERE id = $1`
	rotateEndpoint = `UPDATE endpoints SET secret = $2, previous_secret = $3, previous_until = $4 WHERE id = $1`

	// failEndpoint begins to count anew after a pause, so that two bad days with a
	// quiet month between them are not taken for a month of failures.
	failEndpoint = `UPDATE endpoints SET
 failures = CASE WHEN failing_since = 0 OR failed_at < $3 THEN 1 ELSE failures + 1 END,
 failing_since = CASE WHEN failing_since = 0 OR failed_at < $3 THEN $2 ELSE failing_since END,
 failed_at = $2 WHERE id = $1 AND active RETURNING failing_since, failures`
	healEndpoint = `UPDATE endpoints SET failing_since = 0, failed_at = 0, failures = 0 WHERE id = $1 AND failing_since <> 0`

	disableEndpoint = `UPDATE endpoints SET active = FALSE, disabled_at = $2, disabled_why = $3 WHERE id = $1 AND active AND failing_since <> 0`
)

// secretPlace and previousPlace are where an endpoint's secrets are kept, for sealing.
func secretPlace(endpoint string) string   { return "endpoint/" + endpoint }
func previousPlace(endpoint string) string { return "endpoint/" + endpoint + "/previous" }

// InsertEndpoint implements merchant.Store, of endpoints that the merchant registers.
func (s *Store) InsertEndpoint(ctx context.Context, e merchant.Endpoint) error {
	err := s.change(ctx, insertEndpoint, e.ID, e.Merchant, e.URL, s.seal.Seal([]byte(e.Secret), secretPlace(e.ID)),
		e.ClientID, e.Active, micros(e.CreatedAt), s.sealPrevious(e.ID, e.PreviousSecret), micros(e.PreviousUntil), "")
	return recode(err, fault.Conflict, "webhook_exists", "There is a webhook for this URL already.")
}

// sealPrevious seals a secret that was replaced; none stays nothing.
func (s *Store) sealPrevious(endpoint, secret string) []byte {
	if secret == "" {
		return []byte{}
	}
	return s.seal.Seal([]byte(secret), previousPlace(endpoint))
}

// Endpoints implements merchant.Store and webhook.Store. Those of a dialect are left out.
func (s *Store) Endpoints(ctx context.Context, m payment.MerchantID) ([]merchant.Endpoint, error) {
	return s.queryEndpoints(ctx, s.read, selectEndpoints, m)
}

// Endpoint implements webhook.Store.
//
// Faults: NotFound "webhook_not_found", also for another merchant's and a dialect's.
func (s *Store) Endpoint(ctx context.Context, m payment.MerchantID, id string) (merchant.Endpoint, error) {
	e, err := one(s.queryEndpoints(ctx, s.read, selectEndpoint, id))("webhook")
	if err == nil && (e.Merchant != m || e.Dialect != "") {
		return merchant.Endpoint{}, notFound("webhook")
	}
	return e, err
}

func (s *Store) queryEndpoints(ctx context.Context, on session, query string, args ...any) ([]merchant.Endpoint, error) {
	all, err := s.scanEndpoints(ctx, on, query, args...)
	if err != nil {
		return nil, err
	}
	for i, e := range all {
		if e.Dialect == "" {
			continue
		}
		links, err := s.loadLinks(ctx, on, e.Merchant)
		if err != nil {
			return nil, err
		}
		all[i].Secret, all[i].PreviousSecret, all[i].PreviousUntil = links.Secret, links.PreviousSecret, links.PreviousUntil
	}
	return all, nil
}

func (s *Store) scanEndpoints(ctx context.Context, on session, query string, args ...any) ([]merchant.Endpoint, error) {
	r, err := on.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (e merchant.Endpoint, err error) {
		var sealed, previous []byte
		var created, until, failing, disabled int64
		if err := r.Scan(&e.ID, &e.Merchant, &e.URL, &sealed, &e.ClientID, &e.Active, &created,
			&previous, &until, &failing, &disabled, &e.DisabledWhy, &e.Dialect); err != nil {
			return e, err
		}
		e.CreatedAt, e.PreviousUntil, e.FailingSince, e.DisabledAt = fromMicros(created), fromMicros(until), fromMicros(failing), fromMicros(disabled)
		if e.Dialect != "" { // it has no secret of its own
			return e, nil
		}
		secret, err := s.seal.Open(sealed, secretPlace(e.ID))
		if err != nil {
			return e, fmt.Errorf("open the secret of endpoint %s: %w", e.ID, err)
		}
		e.Secret = string(secret)
		if len(previous) == 0 {
			return e, nil
		}
		if secret, err = s.seal.Open(previous, previousPlace(e.ID)); err != nil {
			return e, fmt.Errorf("open the previous secret of endpoint %s: %w", e.ID, err)
		}
		e.PreviousSecret = string(secret)
		return e, nil
	})
}

// SetEndpointActive implements merchant.Store.
func (s *Store) SetEndpointActive(ctx context.Context, m payment.MerchantID, id string, active bool) error {
	return s.changeOne(ctx, "webhook", setEndpointActive, m, id, active)
}

// DeleteEndpoint implements merchant.Store. Deliveries to it stay listed.
func (s *Store) DeleteEndpoint(ctx context.Context, m payment.MerchantID, id string) error {
	return s.changeOne(ctx, "webhook", deleteEndpoint, m, id)
}

// RotateSecret implements webhook.Store.
//
// Faults: NotFound; Conflict "webhook_changed" if its secret is not old any more.
func (s *Store) RotateSecret(ctx context.Context, endpoint, old, secret string, until time.Time) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, lockEndpoint, endpoint); err != nil {
			return err
		}
		e, err := one(s.queryEndpoints(ctx, t, selectEndpoint, endpoint))("webhook")
		if err != nil {
			return err
		}
		if e.Dialect != "" {
			return notFound("webhook")
		}
		if e.Secret != old {
			return fault.New(fault.Conflict, "webhook_changed", "The secret of this webhook was replaced at the same moment.")
		}
		previous := old
		if until.IsZero() {
			previous = ""
		}
		_, err = t.exec(ctx, rotateEndpoint, endpoint, s.seal.Seal([]byte(secret), secretPlace(endpoint)),
			s.sealPrevious(endpoint, previous), micros(until))
		return err
	})
}

// judge notes the outcome of an attempt at an endpoint and returns how it does.
// A test that fails says nothing; one that arrives proves that the endpoint works.
func (t *tx) judge(ctx context.Context, endpoint string, a webhook.Attempt, test bool) (webhook.Health, error) {
	if a.Error == "" {
		_, err := t.exec(ctx, healEndpoint, endpoint)
		return webhook.Health{}, err
	}
	if test {
		return webhook.Health{}, nil
	}
	var since int64
	var h webhook.Health
	ok, err := found(t.row(ctx, failEndpoint, []any{endpoint, micros(a.At), micros(a.At.Add(-webhook.Pause))}, &since, &h.Failures))
	if !ok || err != nil {
		return webhook.Health{}, err
	}
	h.FailingSince = fromMicros(since)
	return h, nil
}

// Disable implements webhook.Store.
func (s *Store) Disable(ctx context.Context, endpoint string, at time.Time, why string, notice []webhook.Entry, ds []webhook.Delivery) (disabled bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, disableEndpoint, endpoint, micros(at), plain(why))
		if disabled = n > 0; err != nil || !disabled {
			return err
		}
		return t.say(ctx, notice, ds)
	})
	return disabled, err
}
