package store

import (
	"context"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

const (
	insertWallet   = `INSERT INTO merchant_wallets (wallet, merchant, contract, created_at) VALUES ($1, $2, $3, $4)`
	deleteWallet   = `DELETE FROM merchant_wallets WHERE merchant = $1 AND wallet = $2`
	endWallet      = `DELETE FROM wallet_sessions WHERE merchant = $1 AND wallet = $2`
	selectWallets  = `SELECT wallet, merchant, contract, created_at FROM merchant_wallets WHERE merchant = $1 ORDER BY wallet`
	selectByWallet = `SELECT merchant, contract, created_at FROM merchant_wallets WHERE wallet = $1`
	insertNonce    = `INSERT INTO nonces (value, purpose, detail, expires_at) VALUES ($1, $2, $3, $4)`
	selectNonce    = `SELECT detail, expires_at FROM nonces WHERE value = $1 AND purpose = $2`
	useNonce       = `DELETE FROM nonces WHERE value = $1 AND purpose = $2 RETURNING detail, expires_at`
	insertSession  = `INSERT INTO wallet_sessions (hash, merchant, wallet, chain, created_at, expires_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	selectSession  = `SELECT merchant, wallet, chain, created_at, expires_at, ends_at FROM wallet_sessions WHERE hash = $1`
	moveSession    = `UPDATE wallet_sessions SET expires_at = $2 WHERE hash = $1 AND expires_at < $2`
	deleteSession  = `DELETE FROM wallet_sessions WHERE hash = $1`
	pruneNonces    = `DELETE FROM nonces WHERE value IN (SELECT value FROM nonces WHERE expires_at <= $1 LIMIT $2)`
	pruneSessions  = `DELETE FROM wallet_sessions WHERE hash IN (SELECT hash FROM wallet_sessions WHERE expires_at <= $1 LIMIT $2)`
	pruneLimits    = `DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE full_at <= $1 LIMIT $2)`
)

var _ merchant.Accounts = (*Store)(nil)

// AddWallet implements merchant.Accounts.
func (s *Store) AddWallet(ctx context.Context, w merchant.Wallet) error {
	err := s.change(ctx, insertWallet, w.Address.Lower(), w.Merchant, int64(w.Contract), micros(w.CreatedAt))
	return recode(err, fault.Conflict, "wallet_taken", "This wallet acts for a merchant already.")
}

// RemoveWallet implements merchant.Accounts.
func (s *Store) RemoveWallet(ctx context.Context, m payment.MerchantID, wallet asset.Address) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, deleteWallet, m, wallet.Lower())
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("wallet")
		}
		_, err = t.exec(ctx, endWallet, m, wallet.Lower())
		return err
	})
}

// Wallets implements merchant.Accounts.
func (s *Store) Wallets(ctx context.Context, m payment.MerchantID) ([]merchant.Wallet, error) {
	r, err := s.read.query(ctx, selectWallets, m)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (w merchant.Wallet, err error) {
		var wallet string
		var chain, created int64
		if err := r.Scan(&wallet, &w.Merchant, &chain, &created); err != nil {
			return w, err
		}
		w.Contract, w.CreatedAt = asset.ChainID(chain), fromMicros(created)
		w.Address, err = parseAddress(wallet)
		return w, err
	})
}

// Wallet implements merchant.Accounts.
func (s *Store) Wallet(ctx context.Context, wallet asset.Address) (merchant.Wallet, error) {
	w := merchant.Wallet{Address: wallet}
	var chain, created int64
	ok, err := found(s.read.row(ctx, selectByWallet, []any{wallet.Lower()}, &w.Merchant, &chain, &created))
	if err == nil && !ok {
		err = notFound("wallet")
	}
	if err != nil {
		return merchant.Wallet{}, err
	}
	w.Contract, w.CreatedAt = asset.ChainID(chain), fromMicros(created)
	return w, nil
}

// InsertNonce implements merchant.Accounts.
func (s *Store) InsertNonce(ctx context.Context, n merchant.Nonce) error {
	err := s.change(ctx, insertNonce, n.Value, n.Purpose, n.Detail, micros(n.ExpiresAt))
	return recode(err, fault.Conflict, "nonce_taken", "There is such a nonce already.")
}

// Nonce implements merchant.Accounts.
func (s *Store) Nonce(ctx context.Context, purpose, value string, now time.Time) (merchant.Nonce, error) {
	n := merchant.Nonce{Value: value, Purpose: purpose}
	var expires int64
	ok, err := found(s.read.row(ctx, selectNonce, []any{plain(value), purpose}, &n.Detail, &expires))
	n.ExpiresAt = fromMicros(expires)
	if err == nil && (!ok || !now.Before(n.ExpiresAt)) {
		return merchant.Nonce{}, notFound("nonce")
	}
	return n, err
}

// UseNonce implements merchant.Accounts.
func (s *Store) UseNonce(ctx context.Context, purpose, value string, now time.Time) (merchant.Nonce, error) {
	n := merchant.Nonce{Value: value, Purpose: purpose}
	var expires int64
	var ok bool
	err := s.write(ctx, func(t *tx) (err error) {
		ok, err = found(t.row(ctx, useNonce, []any{plain(value), purpose}, &n.Detail, &expires))
		return err
	})
	n.ExpiresAt = fromMicros(expires)
	if err == nil && (!ok || !now.Before(n.ExpiresAt)) {
		return merchant.Nonce{}, notFound("nonce")
	}
	return n, err
}

// InsertSession implements merchant.Accounts.
func (s *Store) InsertSession(ctx context.Context, x merchant.Session) error {
	chain, err := number(uint64(x.Chain))
	if err != nil {
		return err
	}
	return s.change(ctx, insertSession, x.Hash, x.Merchant, x.Wallet.Lower(), chain, micros(x.CreatedAt), micros(x.ExpiresAt), micros(x.EndsAt))
}

// Session implements merchant.Accounts.
func (s *Store) Session(ctx context.Context, hash string, now time.Time) (merchant.Session, error) {
	x := merchant.Session{Hash: hash}
	var wallet string
	var chain, created, expires, ends int64
	ok, err := found(s.quick.row(ctx, selectSession, []any{hash}, &x.Merchant, &wallet, &chain, &created, &expires, &ends))
	if err != nil {
		return x, err
	}
	x.CreatedAt, x.ExpiresAt, x.EndsAt, x.Chain = fromMicros(created), fromMicros(expires), fromMicros(ends), asset.ChainID(chain)
	if !ok || x.Over(now) {
		return merchant.Session{}, notFound("session")
	}
	if x.Wallet, err = parseAddress(wallet); err != nil {
		return x, err
	}
	later, moved := x.Used(now)
	if !moved {
		return x, nil
	}
	// Nothing changes if it was ended meanwhile, and somebody else's use may have
	// moved it further.
	return later, s.change(ctx, moveSession, hash, micros(later.ExpiresAt))
}

// EndSession implements merchant.Accounts.
func (s *Store) EndSession(ctx context.Context, hash string) error {
	return s.change(ctx, deleteSession, hash)
}

// PruneExpired implements merchant.Accounts.
func (s *Store) PruneExpired(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for _, query := range []string{pruneNonces, pruneSessions, pruneLimits, pruneRecoveries, pruneGrants, pruneGasDays} {
		n, err := s.prune(ctx, query, micros(now))
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// prune deletes what is older than a time, some at once.
func (s *Store) prune(ctx context.Context, query string, before int64) (int, error) {
	total := 0
	for {
		var n int64
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.exec(ctx, query, before, pruneBatch)
			return err
		})
		if err != nil {
			return total, err
		}
		total += int(n)
		if n < pruneBatch {
			return total, nil
		}
	}
}
