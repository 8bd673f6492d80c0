package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// Chains tell of many handles that are nobody's here. For each of them the archive would
// be read at another place; so the hashes of what it has, or had, are kept beside it.

const (
	selectOwners = `SELECT value, payment, request FROM handles WHERE rail = $1 AND value IN (`
	selectMarked = `SELECT mark FROM handle_marks WHERE mark IN (`
	insertMark   = `INSERT INTO handle_marks (mark) VALUES ($1) ON CONFLICT (mark) DO NOTHING`
	handlesOf    = `SELECT rail, value FROM handles WHERE payment IN (%s)`
)

// handleMark is what a handle leaves in the archive's list. Two may have the same.
func handleMark(rail, value string) int64 {
	sum := sha256.Sum256([]byte(rail + "\x00" + value))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// ownersAtOnce are the numbers of handles that one query asks for: a fixed few,
// so that few statements are prepared.
var ownersAtOnce = []int{1, 16, 128}

// Owners implements checkout.Tx.
func (t *tx) Owners(ctx context.Context, rail string, handles []string) (map[string]checkout.Owner, error) {
	return loadOwners(ctx, t, rail, handles)
}

// Owners implements checkout.Store.
func (s *Store) Owners(ctx context.Context, rail string, handles []string) (map[string]checkout.Owner, error) {
	return loadOwners(ctx, s.read, rail, handles)
}

// loadOwners looks into the archive only for what has a mark there, and then in both
// places: marks stay, so what comes back meanwhile is found.
func loadOwners(ctx context.Context, on session, rail string, handles []string) (map[string]checkout.Owner, error) {
	owners := map[string]checkout.Owner{}
	look := func(query func(n int) string) func([]any, int) error {
		return func(values []any, size int) error {
			r, err := on.query(ctx, query(size), append([]any{rail}, values...)...)
			if err != nil {
				return err
			}
			_, err = collect(r, func() (value string, err error) {
				var o checkout.Owner
				err = r.Scan(&value, &o.Payment, &o.Request)
				owners[value] = o
				return value, err
			})
			return err
		}
	}
	near := func(n int) string { return selectOwners + placeholders(2, n) + `)` }
	if err := inParts(handles, func(h string) any { return h }, look(near)); err != nil {
		return nil, err
	}
	unknown := map[int64]string{}
	var marks []int64
	for _, h := range handles {
		if _, ok := owners[h]; !ok {
			mark := handleMark(rail, h)
			unknown[mark], marks = h, append(marks, mark)
		}
	}
	var archived []string
	err := inParts(marks, func(m int64) any { return m }, func(values []any, size int) error {
		r, err := on.query(ctx, selectMarked+placeholders(1, size)+`)`, values...)
		if err != nil {
			return err
		}
		_, err = collect(r, func() (mark int64, err error) {
			err = r.Scan(&mark)
			archived = append(archived, unknown[mark])
			return mark, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return owners, inParts(archived, func(h string) any { return h }, look(func(n int) string { return both(near(n)) }))
}

// inParts gives values to a query that takes a fixed number of them; the last fills up.
func inParts[T any](all []T, arg func(T) any, query func(values []any, size int) error) error {
	for len(all) > 0 {
		size := atOnce(ownersAtOnce, len(all))
		n := min(size, len(all))
		values := make([]any, size)
		for i := range values {
			values[i] = arg(all[min(i, n-1)])
		}
		all = all[n:]
		if err := query(values, size); err != nil {
			return err
		}
	}
	return nil
}

// mark lists the handles of payments that go to the archive.
func (t *tx) mark(ctx context.Context, ids []payment.ID) error {
	r, err := t.query(ctx, among(handlesOf, 0), amongArgs(ids)...)
	if err != nil {
		return err
	}
	marks, err := collect(r, func() (int64, error) {
		var rail, value string
		err := r.Scan(&rail, &value)
		return handleMark(rail, value), err
	})
	if err != nil {
		return t.note(err)
	}
	for _, m := range marks {
		if _, err := t.exec(ctx, insertMark, m); err != nil {
			return err
		}
	}
	return nil
}
