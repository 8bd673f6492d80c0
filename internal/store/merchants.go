package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

const (
	insertMerchant  = `INSERT INTO merchants (id, name, window_us, created_at) VALUES ($1, $2, $3, $4)`
	merchantColumns = `id, name, window_us, created_at`
	selectMerchant  = `SELECT ` + merchantColumns + ` FROM merchants WHERE id = $1`
	selectMerchants = `SELECT ` + merchantColumns + ` FROM merchants ORDER BY id`
)

// InsertMerchant implements merchant.Store.
//
// Faults: Conflict "merchant_exists".
func (s *Store) InsertMerchant(ctx context.Context, m merchant.Merchant) error {
	err := s.change(ctx, insertMerchant, m.ID, m.Name, m.Window.Microseconds(), micros(m.CreatedAt))
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
		err = r.Scan(&m.ID, &m.Name, &window, &created)
		m.Window, m.CreatedAt = time.Duration(window)*time.Microsecond, fromMicros(created)
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
	insertCredential = `INSERT INTO credentials (id, merchant, kind, hash, hint, label, origins, created_at, revoked_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	credentialColumns      = `id, merchant, kind, hash, hint, label, origins, created_at, revoked_at`
	selectCredentialByHash = `SELECT ` + credentialColumns + ` FROM credentials WHERE kind = $1 AND hash = $2`
	selectCredentials      = `SELECT ` + credentialColumns + ` FROM credentials WHERE merchant = $1 ORDER BY id`

	// revokeCredential keeps the time of the first revocation.
	revokeCredential = `UPDATE credentials SET revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END
 WHERE merchant = $1 AND id = $2`
)

// InsertCredential implements merchant.Store.
//
// Faults: Conflict "credential_exists"; NotFound if there is no such merchant.
func (s *Store) InsertCredential(ctx context.Context, c merchant.Credential) error {
	origins := ""
	if len(c.Origins) > 0 {
		b, err := json.Marshal(c.Origins)
		if err != nil {
			return fmt.Errorf("encode origins: %w", err)
		}
		origins = string(b)
	}
	err := s.change(ctx, insertCredential, c.ID, c.Merchant, c.Kind, c.Hash, c.Hint, c.Label, origins, micros(c.CreatedAt), micros(c.RevokedAt))
	return recode(err, fault.Conflict, "credential_exists", "This credential exists already.")
}

// CredentialByHash implements merchant.Store.
func (s *Store) CredentialByHash(ctx context.Context, kind merchant.CredentialKind, hash string) (merchant.Credential, error) {
	return one(s.queryCredentials(ctx, selectCredentialByHash, kind, hash))("credential")
}

// Credentials implements merchant.Store.
func (s *Store) Credentials(ctx context.Context, m payment.MerchantID) ([]merchant.Credential, error) {
	return s.queryCredentials(ctx, selectCredentials, m)
}

func (s *Store) queryCredentials(ctx context.Context, query string, args ...any) ([]merchant.Credential, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (c merchant.Credential, err error) {
		var origins string
		var created, revoked int64
		if err := r.Scan(&c.ID, &c.Merchant, &c.Kind, &c.Hash, &c.Hint, &c.Label, &origins, &created, &revoked); err != nil {
			return c, err
		}
		c.CreatedAt, c.RevokedAt = fromMicros(created), fromMicros(revoked)
		if origins == "" {
			return c, nil
		}
		return c, json.Unmarshal([]byte(origins), &c.Origins)
	})
}

// RevokeCredential implements merchant.Store. Revoking again is a no-op.
func (s *Store) RevokeCredential(ctx context.Context, m payment.MerchantID, id string, at time.Time) error {
	return s.changeOne(ctx, "credential", revokeCredential, m, id, micros(at))
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

const (
	insertDestination = `INSERT INTO destinations (id, merchant, wallet, chain, token, active, created_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7)`

	replaceDestination    = `UPDATE destinations SET active = FALSE WHERE merchant = $1 AND wallet = $2 AND chain = $3 AND active`
	selectDestinations    = `SELECT id, merchant, wallet, chain, token, active, created_at FROM destinations WHERE merchant = $1 ORDER BY id`
	deactivateDestination = `UPDATE destinations SET active = FALSE WHERE merchant = $1 AND id = $2`
)

// InsertDestination implements merchant.Store.
//
// Faults: Conflict if the id is taken, or if another active destination of the
// wallet and chain is being added at the same moment.
func (s *Store) InsertDestination(ctx context.Context, d merchant.Destination) error {
	chain, err := number(uint64(d.To.Chain))
	if err != nil {
		return err
	}
	err = s.write(ctx, func(t *tx) error {
		if d.Active {
			if _, err := t.exec(ctx, replaceDestination, d.Merchant, d.To.Wallet.Lower(), chain); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, insertDestination, d.ID, d.Merchant, d.To.Wallet.Lower(), chain, d.To.Token.Lower(), d.Active, micros(d.CreatedAt))
		return err
	})
	return recode(err, fault.Conflict, "destination_exists", "This destination exists already.")
}

// Destinations implements merchant.Store.
func (s *Store) Destinations(ctx context.Context, m payment.MerchantID) ([]merchant.Destination, error) {
	r, err := s.read.query(ctx, selectDestinations, m)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (d merchant.Destination, err error) {
		var wallet, token string
		var chain, created int64
		if err := r.Scan(&d.ID, &d.Merchant, &wallet, &chain, &token, &d.Active, &created); err != nil {
			return d, err
		}
		d.To.Chain, d.CreatedAt = asset.ChainID(chain), fromMicros(created)
		if d.To.Wallet, err = parseAddress(wallet); err != nil {
			return d, err
		}
		d.To.Token, err = parseAddress(token)
		return d, err
	})
}

// DeactivateDestination implements merchant.Store.
func (s *Store) DeactivateDestination(ctx context.Context, m payment.MerchantID, id string) error {
	return s.changeOne(ctx, "destination", deactivateDestination, m, id)
}
