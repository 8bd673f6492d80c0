package store

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

const (
	insertMerchant  = `INSERT INTO merchants (id, name, window_us, created_at, access) VALUES ($1, $2, $3, $4, $5)`
	merchantColumns = `id, name, window_us, created_at, access`
	selectMerchant  = `SELECT ` + merchantColumns + ` FROM merchants WHERE id = $1`
	selectMerchants = `SELECT ` + merchantColumns + ` FROM merchants ORDER BY id`
)

// InsertMerchant implements merchant.Store.
//
// Faults: Conflict "merchant_exists".
func (s *Store) InsertMerchant(ctx context.Context, m merchant.Merchant) error {
	access, err := encodeAccess(m.Access)
	if err != nil {
		return err
	}
	err = s.change(ctx, insertMerchant, m.ID, m.Name, m.Window.Microseconds(), micros(m.CreatedAt), access)
	return recode(err, fault.Conflict, "merchant_exists", "There is a merchant with this id already.")
}

// Merchant implements merchant.Store.
func (s *Store) Merchant(ctx context.Context, id payment.MerchantID) (merchant.Merchant, error) {
	return one(s.queryMerchants(ctx, selectMerchant, id))("merchant")
}

// Merchants implements merchant.Store.
func (s *Store) Merchants(ctx context.Context) ([]merchant.Merchant, error) {
	return s.queryMerchants(ctx, selectMerchants)
}

func (s *Store) queryMerchants(ctx context.Context, query string, args ...any) ([]merchant.Merchant, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (m merchant.Merchant, err error) {
		var window, created int64
		var access string
		if err := r.Scan(&m.ID, &m.Name, &window, &created, &access); err != nil {
			return m, err
		}
		m.Window, m.CreatedAt = time.Duration(window)*time.Microsecond, fromMicros(created)
		m.Access, err = decodeAccess(access)
		return m, err
	})
}

// one turns a list into its only element, or NotFound of what was looked for.
func one[T any](all []T, err error) func(what string) (T, error) {
	return func(what string) (T, error) {
		var zero T
		if err != nil {
			return zero, err
		}
		if len(all) == 0 {
			return zero, notFound(what)
		}
		return all[0], nil
	}
}

const (
	insertEndpoint = `INSERT INTO endpoints (id, merchant, url, secret, client_id, active, created_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7)`

	endpointColumns   = `id, merchant, url, secret, client_id, active, created_at`
	selectEndpoints   = `SELECT ` + endpointColumns + ` FROM endpoints WHERE merchant = $1 ORDER BY id`
	selectEndpoint    = `SELECT ` + endpointColumns + ` FROM endpoints WHERE id = $1`
	setEndpointActive = `UPDATE endpoints SET active = $3 WHERE merchant = $1 AND id = $2`
	deleteEndpoint    = `DELETE FROM endpoints WHERE merchant = $1 AND id = $2`
)

// secretPlace is where an endpoint's secret is kept, for sealing.
func secretPlace(endpoint string) string { return "endpoint/" + endpoint }

// InsertEndpoint implements merchant.Store.
func (s *Store) InsertEndpoint(ctx context.Context, e merchant.Endpoint) error {
	err := s.change(ctx, insertEndpoint, e.ID, e.Merchant, e.URL, s.seal.Seal([]byte(e.Secret), secretPlace(e.ID)),
		e.ClientID, e.Active, micros(e.CreatedAt))
	return recode(err, fault.Conflict, "webhook_exists", "There is a webhook for this URL already.")
}

// Endpoints implements merchant.Store and webhook.Store.
func (s *Store) Endpoints(ctx context.Context, m payment.MerchantID) ([]merchant.Endpoint, error) {
	return s.queryEndpoints(ctx, selectEndpoints, m)
}

func (s *Store) queryEndpoints(ctx context.Context, query string, args ...any) ([]merchant.Endpoint, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (e merchant.Endpoint, err error) {
		var sealed []byte
		var created int64
		if err := r.Scan(&e.ID, &e.Merchant, &e.URL, &sealed, &e.ClientID, &e.Active, &created); err != nil {
			return e, err
		}
		secret, err := s.seal.Open(sealed, secretPlace(e.ID))
		if err != nil {
			return e, fmt.Errorf("open the secret of endpoint %s: %w", e.ID, err)
		}
		e.Secret, e.CreatedAt = string(secret), fromMicros(created)
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
