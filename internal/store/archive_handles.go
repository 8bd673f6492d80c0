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
	// selectWithHead ends selectOwners, with one row more: the last batch of marks.
	selectWithHead = `) UNION ALL SELECT l.tag, '', l.batch FROM (` + selectHead + `) l`
	// insertMark has no ON CONFLICT, by which PostgreSQL knows nodes of the version before.
	insertMark = `INSERT INTO handle_marks (mark) SELECT CAST($1 AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM handle_marks WHERE mark = $1)`
	handlesOf  = `SELECT rail, value FROM handles WHERE payment IN (%s)`
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
	return loadOwners(ctx, t, t.store.known, rail, handles)
}

// Owners implements checkout.Store.
func (s *Store) Owners(ctx context.Context, rail string, handles []string) (map[string]checkout.Owner, error) {
	return loadOwners(ctx, s.read, s.known, rail, handles)
}

// loadOwners looks into the archive only for what may have a mark there, and then in both
// places: marks stay, so what comes back meanwhile is found.
func loadOwners(ctx context.Context, on session, k *known, rail string, handles []string) (map[string]checkout.Owner, error) {
	o := owners{on: on, rail: rail, found: map[string]checkout.Owner{}}
	if err := o.look(ctx, handles, func(n int) string { return selectOwners + placeholders(2, n) + selectWithHead }); err != nil {
		return nil, err
	}
	unknown := map[string]int64{}
	var marks []int64
	for _, h := range handles {
		if _, ok := o.found[h]; !ok {
			unknown[h] = handleMark(rail, h)
			marks = append(marks, unknown[h])
		}
	}
	if o.alike {
		marks = k.possible(o.head, marks)
	}
	marked, err := o.marked(ctx, marks)
	if err != nil {
		return nil, err
	}
	var archived []string
	for h, m := range unknown {
		if marked[m] {
			archived = append(archived, h)
		}
	}
	return o.found, o.look(ctx, archived, func(n int) string { return both(selectOwners + placeholders(2, n) + `)`) })
}

// owners collects whose handles are.
type owners struct {
	on    session
	rail  string
	found map[string]checkout.Owner
	head  batch // the last batch of marks when handles were looked for
	alike bool  // it was the same each time
	asked bool
}

// look asks for handles. A row without a payment tells the last batch.
func (o *owners) look(ctx context.Context, handles []string, query func(n int) string) error {
	return inParts(handles, func(h string) any { return h }, func(values []any, size int) error {
		r, err := o.on.query(ctx, query(size), append([]any{o.rail}, values...)...)
		if err != nil {
			return err
		}
		var head batch
		_, err = collect(r, func() (value string, err error) {
			var owner checkout.Owner
			var request int64
			if err = r.Scan(&value, &owner.Payment, &request); err != nil {
				return "", err
			}
			if owner.Payment == "" {
				head = batch{request, value}
				return value, nil
			}
			owner.Request = int(request)
			o.found[value] = owner
			return value, nil
		})
		o.alike = !o.asked || o.alike && head == o.head
		o.head, o.asked = head, true
		return err
	})
}

// marked is which of some marks the archive has.
func (o *owners) marked(ctx context.Context, marks []int64) (map[int64]bool, error) {
	has := map[int64]bool{}
	err := inParts(marks, func(m int64) any { return m }, func(values []any, size int) error {
		r, err := o.on.query(ctx, selectMarked+placeholders(1, size)+`)`, values...)
		if err != nil {
			return err
		}
		_, err = collect(r, func() (mark int64, err error) {
			err = r.Scan(&mark)
			has[mark] = true
			return mark, err
		})
		return err
	})
	return has, err
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
	if len(marks) == 0 {
		return nil
	}
	if err := t.addBatch(ctx, marks); err != nil {
		return err
	}
	for _, m := range marks {
		if _, err := t.exec(ctx, insertMark, m); err != nil {
			return err
		}
	}
	return nil
}
