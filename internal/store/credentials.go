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
	credentialColumns = `id, merchant, kind, hash, hint, label, origins, created_at, revoked_at,
 public_id, settings, destination, inactive_at, last_used_at, updated_at`

	insertCredential = `INSERT INTO credentials (` + credentialColumns + `)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

	selectCredentialByHash = `SELECT ` + credentialColumns + ` FROM credentials WHERE kind = $1 AND hash = $2`
	selectCredentials      = `SELECT ` + credentialColumns + ` FROM credentials WHERE merchant = $1 ORDER BY created_at, id`
	selectClient           = `SELECT ` + credentialColumns + ` FROM credentials WHERE merchant = $1 AND id = $2 AND kind = 'client_id'`

	// lockClient reads a client id and keeps others from changing it until the
	// transaction ends, on both databases.
	lockClient = `UPDATE credentials SET label = label WHERE merchant = $1 AND id = $2 AND kind = 'client_id' RETURNING ` + credentialColumns

	updateClient = `UPDATE credentials SET label = $2, origins = $3, settings = $4, destination = $5, inactive_at = $6, revoked_at = $7, updated_at = $8
 WHERE id = $1`

	touchCredential = `UPDATE credentials SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2`

	// revokeCredential keeps the time of the first revocation.
	revokeCredential = `UPDATE credentials SET revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END
 WHERE merchant = $1 AND id = $2`
)

// InsertCredential implements merchant.Store.
//
// Faults: Conflict "credential_exists"; NotFound if there is no such merchant.
func (s *Store) InsertCredential(ctx context.Context, c merchant.Credential) error {
	origins, err := encodeOrigins(c.Origins)
	if err != nil {
		return err
	}
	settings, err := encodeSettings(c.Settings)
	if err != nil {
		return err
	}
	err = s.change(ctx, insertCredential, c.ID, c.Merchant, c.Kind, c.Hash, c.Hint, c.Label, origins, micros(c.CreatedAt), micros(c.RevokedAt),
		c.Public, settings, c.Destination, micros(c.InactiveAt), micros(c.LastUsedAt), micros(c.UpdatedAt))
	return recode(err, fault.Conflict, "credential_exists", "This credential exists already.")
}

// CredentialByHash implements merchant.Store.
func (s *Store) CredentialByHash(ctx context.Context, kind merchant.CredentialKind, hash string) (merchant.Credential, error) {
	return one(queryCredentials(ctx, s.quick, selectCredentialByHash, kind, hash))("credential")
}

// Credentials implements merchant.Store.
func (s *Store) Credentials(ctx context.Context, m payment.MerchantID) ([]merchant.Credential, error) {
	return queryCredentials(ctx, s.read, selectCredentials, m)
}

// Client implements merchant.Store.
func (s *Store) Client(ctx context.Context, m payment.MerchantID, id string) (merchant.Credential, error) {
	return one(queryCredentials(ctx, s.read, selectClient, m, id))("client id")
}

// UpdateClient implements merchant.Store.
func (s *Store) UpdateClient(ctx context.Context, m payment.MerchantID, id string, change func(*merchant.Credential) error) (merchant.Credential, error) {
	var c merchant.Credential
	err := s.write(ctx, func(t *tx) error {
		var err error
		if c, err = one(queryCredentials(ctx, t, lockClient, m, id))("client id"); err != nil {
			return err
		}
		if !c.RevokedAt.IsZero() {
			return fault.New(fault.Conflict, "revoked", "This client id was revoked.")
		}
		if err := change(&c); err != nil {
			return err
		}
		origins, err := encodeOrigins(c.Origins)
		if err != nil {
			return err
		}
		settings, err := encodeSettings(c.Settings)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, updateClient, c.ID, c.Label, origins, settings, c.Destination, micros(c.InactiveAt), micros(c.RevokedAt), micros(c.UpdatedAt))
		return err
	})
	return c, err
}

// TouchCredential implements merchant.Store.
func (s *Store) TouchCredential(ctx context.Context, id string, at time.Time) error {
	return s.change(ctx, touchCredential, id, micros(at))
}

// RevokeCredential implements merchant.Store. Revoking again is a no-op.
func (s *Store) RevokeCredential(ctx context.Context, m payment.MerchantID, id string, at time.Time) error {
	return s.changeOne(ctx, "credential", revokeCredential, m, id, micros(at))
}

func queryCredentials(ctx context.Context, on session, query string, args ...any) ([]merchant.Credential, error) {
	r, err := on.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (c merchant.Credential, err error) {
		var origins, settings string
		var created, revoked, inactive, used, updated int64
		if err := r.Scan(&c.ID, &c.Merchant, &c.Kind, &c.Hash, &c.Hint, &c.Label, &origins, &created, &revoked,
			&c.Public, &settings, &c.Destination, &inactive, &used, &updated); err != nil {
			return c, err
		}
		c.CreatedAt, c.RevokedAt, c.InactiveAt = fromMicros(created), fromMicros(revoked), fromMicros(inactive)
		c.LastUsedAt, c.UpdatedAt = fromMicros(used), fromMicros(updated)
		if origins != "" {
			if err := json.Unmarshal([]byte(origins), &c.Origins); err != nil {
				return c, fmt.Errorf("decode origins of credential %s: %w", c.ID, err)
			}
		}
		if c.Settings, err = decodeSettings(settings); err != nil {
			return c, fmt.Errorf("decode settings of credential %s: %w", c.ID, err)
		}
		return c, nil
	})
}

func encodeOrigins(origins []string) (string, error) {
	if len(origins) == 0 {
		return "", nil
	}
	b, err := json.Marshal(origins)
	if err != nil {
		return "", fmt.Errorf("encode origins: %w", err)
	}
	return string(b), nil
}

// storedSettings are a client id's settings as they are kept: the names are part
// of the stored format and never change their meaning.
type storedSettings struct {
	FeePercentage       string `json:"feePercentage,omitempty"`
	FeeAddress          string `json:"feeAddress,omitempty"`          // lower case
	OperatorWallet      string `json:"operatorWallet,omitempty"`      // lower case
	PreApprovalExpiry   int64  `json:"preApprovalExpiry,omitempty"`   // microseconds
	AuthorizationExpiry int64  `json:"authorizationExpiry,omitempty"` // microseconds
}

func encodeSettings(c merchant.ClientSettings) (string, error) {
	if c == (merchant.ClientSettings{}) {
		return "", nil
	}
	s := storedSettings{
		FeePercentage: c.FeePercentage, FeeAddress: lowerOrNone(c.FeeAddress), OperatorWallet: lowerOrNone(c.OperatorWallet),
		PreApprovalExpiry: c.PreApprovalExpiry.Microseconds(), AuthorizationExpiry: c.AuthorizationExpiry.Microseconds(),
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode settings: %w", err)
	}
	return string(b), nil
}

func decodeSettings(text string) (merchant.ClientSettings, error) {
	var c merchant.ClientSettings
	if text == "" {
		return c, nil
	}
	var s storedSettings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return c, err
	}
	c.FeePercentage = s.FeePercentage
	c.PreApprovalExpiry, c.AuthorizationExpiry = time.Duration(s.PreApprovalExpiry)*time.Microsecond, time.Duration(s.AuthorizationExpiry)*time.Microsecond
	var err error
	if c.FeeAddress, err = addressOrNone(s.FeeAddress); err != nil {
		return c, err
	}
	c.OperatorWallet, err = addressOrNone(s.OperatorWallet)
	return c, err
}

// lowerOrNone writes an address that may be missing.
func lowerOrNone(a asset.Address) string {
	if a.IsZero() {
		return ""
	}
	return a.Lower()
}

// addressOrNone reads what lowerOrNone wrote.
func addressOrNone(text string) (asset.Address, error) {
	if text == "" {
		return asset.Address{}, nil
	}
	return parseAddress(text)
}
