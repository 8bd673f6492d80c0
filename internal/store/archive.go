package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"quittance/internal/payment"
)

// Closed payments of long ago are kept in tables of their own, so that those that new
// payments are written to stay small. A payment is in one of the two places with all that
// is its own. Whatever reads looks in both; whatever writes brings the payment back first.

// ownTables are those whose rows belong to a payment, in an order in which they can be
// taken away before it. A table's old rows are in one of the same columns, "_old".
var ownTables = []string{"handles", "transfers", "attempts", "events", "quotes", "screenings", "safes_asked", "gas_grants", "payment_secrets", "requests"}

var named = regexp.MustCompile(`\b(FROM|JOIN) (payments|` + strings.Join(ownTables, `|`) + `)\b`)

// old is a query of archived payments in place of the others. What it joins must belong to
// one payment each.
func old(query string) string { return named.ReplaceAllString(query, `$1 ${2}_old`) }

// both is a query of all payments. They are listed in its order, if it has one, by columns
// that it selects.
func both(query string) string {
	all, order, ordered := strings.Cut(query, ` ORDER BY `)
	all += ` UNION ALL ` + old(all)
	if ordered {
		all += ` ORDER BY ` + order
	}
	return all
}

// united is a query of all payments whose order and limit hold in each place.
func united(query string) string {
	return `SELECT * FROM (` + query + `) near UNION ALL SELECT * FROM (` + old(query) + `) far`
}

// summed is what a query that counts answers for both places.
func summed(count string) string { return `((` + count + `) + (` + old(count) + `))` }

// placed is a query of what most often is where new payments are.
type placed struct{ near, both string }

func inPlace(query string) placed { return placed{query, both(query)} }

// row scans the only row, wherever it is. The second look goes to both places at once, in
// one statement: it finds what is being moved while it looks.
func (q placed) row(ctx context.Context, on session, args []any, dest ...any) error {
	err := on.row(ctx, q.near, args, dest...)
	if errors.Is(err, errNoRow) {
		return on.row(ctx, q.both, args, dest...)
	}
	return err
}

// gather collects all rows, wherever they are; they are all in one place, and as many as
// least if that is known.
func gather[T any](ctx context.Context, on session, q placed, least int64, args []any, scan func(rows) (T, error)) ([]T, error) {
	look := func(query string) ([]T, error) {
		r, err := on.query(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		return collect(r, func() (T, error) { return scan(r) })
	}
	found, err := look(q.near)
	if err != nil || len(found) > 0 && int64(len(found)) >= least {
		return found, err
	}
	return look(q.both)
}

// warm makes sure that a payment is where it can be written, and keeps it from being
// moved until the transaction ends. One that is nowhere is left to what is written next.
func (t *tx) warm(ctx context.Context, id payment.ID) error {
	if slices.Contains(t.warmed, id) {
		return nil
	}
	n, err := t.exec(ctx, holdPayment, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.thaw(ctx, id)
	}
	t.warmed = append(t.warmed, id)
	return nil
}

const (
	// holdPayment is lockMutable for those who know the payment already.
	holdPayment = `UPDATE payments SET version = version WHERE id = $1`
	holdOld     = `UPDATE payments_old SET version = version WHERE id = $1`
)

// thaw brings a payment back from the archive, if it is there. Somebody else may have done
// that while this transaction waited for them: then it is held.
func (t *tx) thaw(ctx context.Context, id payment.ID) error {
	n, err := t.exec(ctx, holdOld, id)
	if err != nil {
		return err
	}
	if n == 0 {
		if n, err = t.exec(ctx, holdPayment, id); n > 0 {
			t.warmed = append(t.warmed, id)
		}
		return err
	}
	if err := t.move(ctx, []payment.ID{id}, `_old`, ``); err != nil {
		return fmt.Errorf("bring payment %s back from the archive: %w", id.Short(), err)
	}
	t.warmed = append(t.warmed, id)
	return nil
}

// move takes payments that this transaction holds from one place to the other.
func (t *tx) move(ctx context.Context, ids []payment.ID, from, to string) error {
	size := atOnce(movedAtOnce, len(ids))
	args := make([]any, size)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)] // the last one fills up
	}
	which := `(` + placeholders(1, size) + `)`
	if _, err := t.exec(ctx, `INSERT INTO payments`+to+` SELECT * FROM payments`+from+` WHERE id IN `+which, args...); err != nil {
		return err
	}
	for i := range ownTables {
		name := ownTables[len(ownTables)-1-i] // what belongs to requests comes after them
		if _, err := t.exec(ctx, `INSERT INTO `+name+to+` SELECT * FROM `+name+from+` WHERE payment IN `+which, args...); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	for _, name := range ownTables {
		if _, err := t.exec(ctx, `DELETE FROM `+name+from+` WHERE payment IN `+which, args...); err != nil {
			return fmt.Errorf("delete %s: %w", name, err)
		}
	}
	_, err := t.exec(ctx, `DELETE FROM payments`+from+` WHERE id IN `+which, args...)
	return err
}

// movedAtOnce are the numbers of payments that one statement moves.
var movedAtOnce = []int{1, ArchiveBatch}

// ArchiveBatch is how many payments one transaction archives at most: on SQLite all other
// writes wait for it.
const ArchiveBatch = 20

const (
	// selectQuiet looks for them in the order in which they were made.
	selectQuiet = `SELECT p.id FROM payments p WHERE p.id > $2 AND p.created_at < $1 AND ` + closed + ` ORDER BY p.id LIMIT $3`

	// closed is of payments that nothing has happened to since $1 and that wait for nothing.
	// An announced transaction that never came is no reason to wait; transfers that lack
	// their copies are, until they have them.
	closed = `p.state IN ('paid', 'failed', 'expired', 'canceled') AND p.settled_at < $1 AND p.canceled_at < $1
 AND (p.expires_at < $1 OR p.state <> 'expired')
 AND NOT EXISTS (SELECT 1 FROM transfers x WHERE x.payment = p.id AND (x.stage = 'pending' OR x.at >= $1 OR x.merchant = '' OR x.dialect = ''))
 AND NOT EXISTS (SELECT 1 FROM attempts x WHERE x.payment = p.id AND (x.at >= $1 OR x.until >= $1 OR x.kind <> 'tx' AND x.stage IN ('announced', 'proven')))
 AND NOT EXISTS (SELECT 1 FROM events x WHERE x.payment = p.id AND x.at >= $1)
 AND NOT EXISTS (SELECT 1 FROM quotes x WHERE x.payment = p.id AND x.expires_at >= $1)
 AND NOT EXISTS (SELECT 1 FROM gas_grants x WHERE x.payment = p.id AND (x.at >= $1 OR x.sent AND NOT x.settled))
 AND NOT EXISTS (SELECT 1 FROM deliveries x WHERE x.payment = p.id AND x.state = 'queued')`

	// selectIdle holds payments, without those that somebody works on.
	selectIdle = `SELECT a.id FROM payments a WHERE a.id IN (%s) ORDER BY a.id {{PASS BY}}`

	selectClosed = `SELECT p.id FROM payments p WHERE p.id IN (%s) AND ` + closed + ` ORDER BY p.id`

	// selectUntold are payments of which something is still to be told.
	selectUntold = `SELECT e.payment FROM jobs j JOIN events e ON e.id = j.args WHERE e.payment IN (%s)`
)

// Archived says how far one step of the archive came.
type Archived struct {
	Moved int
	// Last is the payment to go on after, "" once all were looked at.
	Last payment.ID
}

// Archive takes the next few closed payments, to which nothing has happened since quiet, to
// where they are out of the way; after is where the last step ended, "" at first. Payments that
// somebody works on are left for another time. Everything reads them as before, and whoever
// writes to one brings it back.
func (s *Store) Archive(ctx context.Context, after payment.ID, quiet time.Time) (a Archived, err error) {
	r, err := s.read.query(ctx, selectQuiet, micros(quiet), after, ArchiveBatch)
	if err != nil {
		return a, fmt.Errorf("find closed payments: %w", err)
	}
	ids, err := scanIDs(r)
	if err != nil || len(ids) == 0 {
		return a, err
	}
	if len(ids) == ArchiveBatch {
		a.Last = ids[len(ids)-1]
	}
	untold, err := idsAmong(ctx, s.read, selectUntold, ids)
	if err != nil {
		return a, fmt.Errorf("find payments that are still told of: %w", err)
	}
	ids = slices.DeleteFunc(ids, func(id payment.ID) bool { return slices.Contains(untold, id) })
	err = s.write(ctx, func(t *tx) error {
		a.Moved, err = t.archive(ctx, ids, quiet)
		return err
	})
	if errors.Is(err, errBatchTaken) {
		return Archived{Last: a.Last}, nil // it has what is left for another time
	}
	if err != nil {
		return Archived{}, fmt.Errorf("archive payments: %w", err)
	}
	s.known.more()
	return a, nil
}

// archive moves those of some payments that are idle and closed. That is looked at once
// more, because only those that are held cannot change any more.
func (t *tx) archive(ctx context.Context, ids []payment.ID, quiet time.Time) (moved int, err error) {
	for _, look := range []string{t.store.engine.text(selectIdle), selectClosed} {
		if len(ids) == 0 {
			return 0, nil
		}
		var more []any
		if look == selectClosed {
			more = []any{micros(quiet)}
		}
		if ids, err = idsAmong(ctx, t, look, ids, more...); err != nil {
			return 0, err
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	if err := t.mark(ctx, ids); err != nil {
		return 0, fmt.Errorf("mark handles: %w", err)
	}
	return len(ids), t.move(ctx, ids, ``, `_old`)
}

// idsAmong selects from a full number of payments; what else the query needs comes first.
func idsAmong(ctx context.Context, on session, query string, ids []payment.ID, more ...any) ([]payment.ID, error) {
	r, err := on.query(ctx, among(query, len(more)), append(more, amongArgs(ids)...)...)
	if err != nil {
		return nil, err
	}
	return scanIDs(r)
}

// among is a query of a full number of payments, behind so many other parameters.
func among(query string, others int) string {
	return fmt.Sprintf(query, placeholders(others+1, ArchiveBatch))
}

// amongArgs are its parameters; the last payment fills up.
func amongArgs(ids []payment.ID) []any {
	args := make([]any, ArchiveBatch)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	return args
}

func scanIDs(r rows) ([]payment.ID, error) {
	return collect(r, func() (id payment.ID, err error) { return id, r.Scan(&id) })
}

// archiveSchema is the migration that made the archive's tables.
const archiveSchema = 9

// ArchiveSince says since when the database has an archive. Nodes of the version before
// look for payments in one place only.
func (s *Store) ArchiveSince(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.read.row(ctx, `SELECT applied_at FROM schema_migrations WHERE version = $1`, []any{archiveSchema}, &at)
	if err != nil {
		return time.Time{}, fmt.Errorf("look at applied migrations: %w", err)
	}
	return fromMicros(at), nil
}
