package store

import (
	"cmp"
	"context"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

const (
	destinationColumns = `id, merchant, wallet, chain, token, active, created_at, wallet_type, access`

	insertDestination = `INSERT INTO destinations (` + destinationColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	replaceDestination = `UPDATE destinations SET active = FALSE WHERE merchant = $1 AND wallet = $2 AND chain = $3 AND active AND id <> $4`

	moveDestination = `UPDATE destinations SET chain = $4, token = $5, wallet_type = $6, access = $7
 WHERE merchant = $1 AND id = $2 AND wallet = $3 AND active`

	selectDestinations       = `SELECT ` + destinationColumns + ` FROM destinations WHERE merchant = $1 ORDER BY id`
	selectActiveDestinations = `SELECT ` + destinationColumns + ` FROM destinations WHERE merchant = $1 AND active ORDER BY id`
	selectDestination        = `SELECT ` + destinationColumns + ` FROM destinations WHERE merchant = $1 AND id = $2`
	deactivateDestination    = `UPDATE destinations SET active = FALSE WHERE merchant = $1 AND id = $2`
)

// InsertDestination implements merchant.Store.
//
// Faults: Conflict if the id is taken, or if another active destination of the
// wallet and chain is being added at the same moment.
func (s *Store) InsertDestination(ctx context.Context, d merchant.Destination) error {
	chain, access, err := encodeDestination(d)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(t *tx) error {
		if d.Active {
			if _, err := t.exec(ctx, replaceDestination, d.Merchant, d.To.Wallet.Lower(), chain, d.ID); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, insertDestination, d.ID, d.Merchant, d.To.Wallet.Lower(), chain, d.To.Token.Lower(), d.Active, micros(d.CreatedAt),
			cmp.Or(d.WalletType, merchant.EOA), access)
		return err
	})
	return recode(err, fault.Conflict, "destination_exists", "This destination exists already.")
}

// MoveDestination implements merchant.Store.
//
// Faults: Conflict if another active destination of the wallet and chain is
// being added at the same moment.
func (s *Store) MoveDestination(ctx context.Context, d merchant.Destination) error {
	chain, access, err := encodeDestination(d)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, replaceDestination, d.Merchant, d.To.Wallet.Lower(), chain, d.ID); err != nil {
			return err
		}
		n, err := t.exec(ctx, moveDestination, d.Merchant, d.ID, d.To.Wallet.Lower(), chain, d.To.Token.Lower(),
			cmp.Or(d.WalletType, merchant.EOA), access)
		if err == nil && n == 0 {
			return notFound("destination")
		}
		return err
	})
	return recode(err, fault.Conflict, "destination_exists", "This destination exists already.")
}

func encodeDestination(d merchant.Destination) (chain int64, access string, err error) {
	if chain, err = number(uint64(d.To.Chain)); err != nil {
		return 0, "", fmt.Errorf("chain: %w", err)
	}
	access, err = encodeOwnAccess(d.Access)
	return chain, access, err
}

// anyone is a policy that lets everyone see and pay, where no policy at all
// means another one.
const anyone = "{}"

// encodeOwnAccess writes a policy that may be left to somebody else: nil is "".
func encodeOwnAccess(a *payment.Access) (string, error) {
	if a == nil {
		return "", nil
	}
	text, err := encodeAccess(*a)
	return cmp.Or(text, anyone), err
}

// decodeOwnAccess reads what encodeOwnAccess wrote.
func decodeOwnAccess(text string) (*payment.Access, error) {
	if text == "" {
		return nil, nil
	}
	a, err := decodeAccess(text)
	return &a, err
}

// Destinations implements merchant.Store.
func (s *Store) Destinations(ctx context.Context, m payment.MerchantID) ([]merchant.Destination, error) {
	return s.queryDestinations(ctx, selectDestinations, m)
}

// ActiveDestinations implements merchant.Store.
func (s *Store) ActiveDestinations(ctx context.Context, m payment.MerchantID) ([]merchant.Destination, error) {
	return s.queryDestinations(ctx, selectActiveDestinations, m)
}

// Destination implements merchant.Store.
func (s *Store) Destination(ctx context.Context, m payment.MerchantID, id string) (merchant.Destination, error) {
	return one(s.queryDestinations(ctx, selectDestination, m, id))("destination")
}

func (s *Store) queryDestinations(ctx context.Context, query string, args ...any) ([]merchant.Destination, error) {
	r, err := s.quick.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (d merchant.Destination, err error) {
		var wallet, token, access string
		var chain, created int64
		if err := r.Scan(&d.ID, &d.Merchant, &wallet, &chain, &token, &d.Active, &created, &d.WalletType, &access); err != nil {
			return d, err
		}
		d.To.Chain, d.CreatedAt = asset.ChainID(chain), fromMicros(created)
		if d.To.Wallet, err = parseAddress(wallet); err != nil {
			return d, err
		}
		if d.To.Token, err = parseAddress(token); err != nil {
			return d, err
		}
		d.Access, err = decodeOwnAccess(access)
		return d, err
	})
}

// DeactivateDestination implements merchant.Store.
func (s *Store) DeactivateDestination(ctx context.Context, m payment.MerchantID, id string) error {
	return s.changeOne(ctx, "destination", deactivateDestination, m, id)
}
