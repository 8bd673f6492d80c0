package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

const (
	// lockMerchant makes those who set a merchant's branch wait for each other.
	lockMerchant = `UPDATE merchants SET id = id WHERE id = $1`

	restBranches = `UPDATE deposit_branches SET active = FALSE WHERE merchant = $1 AND id <> $2 AND active`

	// putBranch changes nothing of another merchant's.
	putBranch = `INSERT INTO deposit_branches (id, merchant, xpub, next_index, asset, life_us, active, created_at)
 VALUES ($1, $2, $3, $4, $5, $6, TRUE, $7) ON CONFLICT (id) DO UPDATE SET
 asset = excluded.asset, life_us = excluded.life_us, active = TRUE WHERE deposit_branches.merchant = excluded.merchant`

	branchColumns  = `id, merchant, xpub, next_index, asset, life_us, active, created_at`
	selectBranch   = `SELECT ` + branchColumns + ` FROM deposit_branches WHERE id = $1`
	selectBranches = `SELECT ` + branchColumns + ` FROM deposit_branches ORDER BY merchant, created_at, id`
	selectActive   = `SELECT ` + branchColumns + ` FROM deposit_branches WHERE merchant = $1 AND active`

	claimIndexes = `UPDATE deposit_branches SET next_index = next_index + $2 WHERE id = $1 AND next_index + $2 <= $3 RETURNING next_index`
)

// indexes is how many addresses a branch has (BIP-32: keys that can be derived without
// the private one have indexes below 2^31).
const indexes = int64(1) << 31

// branchPlace is where a branch's key is kept, for sealing.
func branchPlace(id string) string { return "deposit_branch/" + id }

// SetBranch implements merchant.Branches. The number of the next index is that of a
// branch that is known already.
//
// Faults: NotFound "merchant_not_found"; Conflict "key_taken".
func (s *Store) SetBranch(ctx context.Context, b merchant.Branch) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, lockMerchant, b.Merchant)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("merchant")
		}
		if _, err := t.exec(ctx, restBranches, b.Merchant, b.ID); err != nil {
			return err
		}
		n, err = t.exec(ctx, putBranch, b.ID, b.Merchant, s.seal.Seal([]byte(b.XPub), branchPlace(b.ID)), int64(b.NextIndex),
			b.Asset, b.Life.Microseconds(), micros(b.CreatedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Conflict, "key_taken", "This key belongs to another merchant.")
		}
		return nil
	})
}

// Branch implements merchant.Branches.
func (s *Store) Branch(ctx context.Context, m payment.MerchantID) (merchant.Branch, error) {
	b, err := one(s.queryBranches(ctx, selectActive, m))("deposit key")
	return b, recode(err, fault.NotFound, noDepositKey, "This merchant has no key for deposit addresses.")
}

const noDepositKey = "no_deposit_key"

// BranchByID implements merchant.Branches.
func (s *Store) BranchByID(ctx context.Context, id string) (merchant.Branch, error) {
	return one(s.queryBranches(ctx, selectBranch, id))("deposit key")
}

// Branches implements merchant.Branches.
func (s *Store) Branches(ctx context.Context) ([]merchant.Branch, error) {
	return s.queryBranches(ctx, selectBranches)
}

func (s *Store) queryBranches(ctx context.Context, query string, args ...any) ([]merchant.Branch, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (b merchant.Branch, err error) {
		var sealed []byte
		var next, life, created int64
		if err := r.Scan(&b.ID, &b.Merchant, &sealed, &next, &b.Asset, &life, &b.Active, &created); err != nil {
			return b, err
		}
		b.NextIndex, b.Life, b.CreatedAt = uint32(next), time.Duration(life)*time.Microsecond, fromMicros(created)
		xpub, err := s.seal.Open(sealed, branchPlace(b.ID))
		if err != nil {
			return b, fmt.Errorf("open the key of branch %s: %w", b.ID, err)
		}
		b.XPub = string(xpub)
		return b, nil
	})
}

// ClaimIndexes implements merchant.Branches.
//
// Faults: NotFound; Conflict "key_used_up" if the branch has not so many left.
func (s *Store) ClaimIndexes(ctx context.Context, id string, n uint32) (first uint32, err error) {
	err = s.write(ctx, func(t *tx) error {
		var next int64
		ok, err := found(t.row(ctx, claimIndexes, []any{id, int64(n), indexes}, &next))
		if err != nil {
			return err
		}
		first = uint32(next - int64(n))
		if ok {
			return nil
		}
		if _, err := s.BranchByID(ctx, id); err != nil {
			return err
		}
		return fault.New(fault.Conflict, "key_used_up", "This key has no addresses left.")
	})
	return first, err
}

const (
	// takeSeqs holds the row until the transaction ends: so addresses become visible
	// in the order of their numbers.
	takeSeqs = `UPDATE deposit_seq SET seq = seq + $1 WHERE one = 1 RETURNING seq`

	insertAddresses = `INSERT INTO deposit_addresses (address, merchant, branch, idx, checked_at, payment, request, taken_at, seq) VALUES `
	addressWidth    = 9

	addressColumns  = `address, merchant, branch, idx, checked_at, payment, request, taken_at, seq`
	selectAddress   = `SELECT ` + addressColumns + ` FROM deposit_addresses WHERE address = $1`
	selectFree      = `SELECT ` + addressColumns + ` FROM deposit_addresses WHERE branch = $1 AND payment = '' ORDER BY idx`
	selectAddresses = `SELECT ` + addressColumns + ` FROM deposit_addresses WHERE seq > $1 ORDER BY seq LIMIT $2`

	// selectOver goes by when a payment without an end was paid or called off.
	selectOver = `SELECT a.address, a.merchant, a.branch, a.idx, a.checked_at, a.payment, a.request, a.taken_at, a.seq
 FROM deposit_addresses a WHERE a.seq > $1 AND a.payment <> '' AND a.taken_at <= $2
 AND (EXISTS (` + overPayment + `) OR EXISTS (` + overArchived + `)) ORDER BY a.seq LIMIT $4`
	overPayment = `SELECT 1 FROM payments p ` + isOver
	// An archived payment was over before; it is asked all the same when.
	overArchived = `SELECT 1 FROM payments_old p ` + isOver
	isOver       = `WHERE p.id = a.payment AND (p.expires_at <= $2 OR p.expires_at >= $3
 AND (p.settled_at <> 0 AND p.settled_at <= $2 OR p.canceled_at <> 0 AND p.canceled_at <= $2))`

	refreshAddress = `UPDATE deposit_addresses SET checked_at = $2 WHERE address = $1 AND payment = ''`
	dropAddress    = `DELETE FROM deposit_addresses WHERE address = $1 AND payment = ''`

	// takeAddress passes by addresses that others are taking, so that nobody waits.
	takeAddress = `UPDATE deposit_addresses SET payment = $2, request = $3, taken_at = $4 WHERE address =
 (SELECT a.address FROM deposit_addresses a WHERE a.branch = $1 AND a.payment = '' ORDER BY a.idx LIMIT 1 {{PASS BY}}) RETURNING address`

	selectActiveID = `SELECT id FROM deposit_branches WHERE merchant = $1 AND active`
)

// addressesAtOnce are the numbers of addresses that one statement adds.
var addressesAtOnce = []int{1, 50}

// AddAddresses implements merchant.Branches. Only what identifies the addresses and
// CheckedAt are taken from them.
func (s *Store) AddAddresses(ctx context.Context, as []merchant.DepositAddress) error {
	if len(as) == 0 {
		return nil
	}
	return s.write(ctx, func(t *tx) error {
		var seq int64
		if err := t.row(ctx, takeSeqs, []any{len(as)}, &seq); err != nil {
			return err
		}
		seq -= int64(len(as))
		for rest := as; len(rest) > 0; {
			size := atOnce(addressesAtOnce, len(rest))
			if size > len(rest) {
				size = 1
			}
			args := make([]any, 0, size*addressWidth)
			for _, a := range rest[:size] {
				seq++
				args = append(args, a.Address.Lower(), a.Merchant, a.Branch, int64(a.Index), micros(a.CheckedAt), "", 0, 0, seq)
			}
			rest = rest[size:]
			if _, err := t.exec(ctx, insertAddresses+tuples(size, addressWidth)+` ON CONFLICT (address) DO NOTHING`, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// TakeAddress implements checkout.Tx.
func (t *tx) TakeAddress(ctx context.Context, m payment.MerchantID, id payment.ID, request int, now time.Time) (asset.Address, error) {
	var branch, address string
	ok, err := found(t.row(ctx, selectActiveID, []any{m}, &branch))
	if err != nil {
		return asset.Address{}, err
	}
	if !ok {
		return asset.Address{}, fault.New(fault.NotFound, noDepositKey, "This merchant has no key for deposit addresses.")
	}
	err = t.row(ctx, t.store.engine.text(takeAddress), []any{branch, id, request, micros(now)}, &address)
	if errors.Is(err, errNoRow) {
		return asset.Address{}, fault.New(fault.Unavailable, "no_address", "There is no deposit address to give out at the moment. Please try again shortly.")
	}
	if err != nil {
		return asset.Address{}, err
	}
	return parseAddress(address)
}

// FreeAddresses implements merchant.Branches.
func (s *Store) FreeAddresses(ctx context.Context, branch string) ([]merchant.DepositAddress, error) {
	return s.queryAddresses(ctx, selectFree, branch)
}

// AddressesAfter implements merchant.Branches.
func (s *Store) AddressesAfter(ctx context.Context, seq int64, limit int) ([]merchant.DepositAddress, error) {
	return s.queryAddresses(ctx, selectAddresses, seq, limit)
}

// AddressesOver returns addresses after a number whose payments were over at a time: their
// time had ended, or, of those without an end, they had been paid or called off. Lowest
// numbers first.
func (s *Store) AddressesOver(ctx context.Context, seq int64, at time.Time, limit int) ([]merchant.DepositAddress, error) {
	return s.queryAddresses(ctx, selectOver, seq, min(micros(at), micros(payment.Endless)-1), micros(payment.Endless), limit)
}

// DepositAddress implements merchant.Branches.
func (s *Store) DepositAddress(ctx context.Context, a asset.Address) (merchant.DepositAddress, error) {
	return one(s.queryAddresses(ctx, selectAddress, a.Lower()))("deposit address")
}

func (s *Store) queryAddresses(ctx context.Context, query string, args ...any) ([]merchant.DepositAddress, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (a merchant.DepositAddress, err error) {
		var address string
		var index, checked, taken int64
		if err := r.Scan(&address, &a.Merchant, &a.Branch, &index, &checked, &a.Payment, &a.Request, &taken, &a.Seq); err != nil {
			return a, err
		}
		a.Index, a.CheckedAt, a.TakenAt = uint32(index), fromMicros(checked), fromMicros(taken)
		a.Address, err = parseAddress(address)
		return a, err
	})
}

// RefreshAddress implements merchant.Branches.
func (s *Store) RefreshAddress(ctx context.Context, a asset.Address, at time.Time) error {
	return s.change(ctx, refreshAddress, a.Lower(), micros(at))
}

// DropAddress implements merchant.Branches.
func (s *Store) DropAddress(ctx context.Context, a asset.Address) error {
	return s.change(ctx, dropAddress, a.Lower())
}
