package store

import (
	"context"
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
