package carry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"quittance/internal/seal"
	"quittance/internal/store"
)

// Move takes everything of a SQLite database to an empty PostgreSQL database, beside a
// running server or without one.
type Move struct {
	From, To string    // "sqlite:PATH" and "postgres://..."
	Box      *seal.Box // must open all sealed secrets; nil for no matter
	Told     func(table string, rows int64)
	after    func(stage) // for tests that die there
}

// stage is a point at which a move may die.
type stage string

const (
	locked    stage = "locked"    // SQLite takes no writes, PostgreSQL is empty
	copied    stage = "copied"    // all rows are there, for nobody to see
	committed stage = "committed" // to be seen, marked as unfinished
	left      stage = "left"      // SQLite is left for good
	finished  stage = "finished"  // the mark is gone
)

func (m Move) reached(s stage) {
	if m.after != nil {
		m.after(s)
	}
}

// Run moves. SQLite's lock is held meanwhile: a server that has it open reads on and
// refuses writes. SQLite is left only once the copy is committed and was read back; until
// then the copy says of itself that it is unfinished, so that nobody serves from it. A
// move that died is run again: it starts anew, or finishes what was left undone.
//
// Its errors include ErrNotEmpty, ErrForeign, ErrDiffers, store.ErrMoved.
func (m Move) Run(ctx context.Context) (r Report, err error) {
	if _, ok := path(m.From); !ok || !isPostgres(m.To) {
		return r, errors.New("a move is from sqlite:PATH to postgres://...; any other way is a backup, with the server stopped, and its restore")
	}
	name, err := redacted(m.To)
	if err != nil {
		return r, err
	}
	all, err := store.Steps()
	if err != nil {
		return r, err
	}
	to, err := prepare(ctx, m.To, len(all))
	if err != nil {
		return r, err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, to.close())
		}
	}()
	from, err := open(ctx, m.From, alone)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	gone, err := leaving(ctx, from, len(all))
	if err != nil {
		return r, err
	}
	m.reached(locked)
	if gone.gone {
		if !to.mark.gone || to.mark.at != gone.at || name != gone.destination {
			return r, fmt.Errorf("%w: everything moved to %s", store.ErrMoved, gone.destination)
		}
		if r, err = m.again(ctx, from, to); err != nil {
			return r, err
		}
	} else {
		at := time.Now().UnixMicro()
		if r, err = m.copy(ctx, from, to, at); err != nil {
			return r, err
		}
		m.reached(committed)
		if err := from.exec(ctx, `INSERT INTO moved (one, destination, at) VALUES (1, $1, $2)`, name, at); err != nil {
			return r, fmt.Errorf("write down where everything moved to: %w", err)
		}
		if err := from.commit(ctx); err != nil {
			return r, fmt.Errorf("leave the old database: %w", err)
		}
		m.reached(left)
	}
	closed = true
	if err := to.close(); err != nil {
		return r, err
	}
	return r, m.finish(ctx)
}

// leaving looks at a database that is to be left.
func leaving(ctx context.Context, v view, n int) (movedTo, error) {
	have, err := current(ctx, v)
	if err != nil {
		return movedTo{}, fmt.Errorf("the database to move: %w", err)
	}
	if have != n {
		return movedTo{}, errors.New("the database to move has an older schema than this program: run `quittance migrate` first")
	}
	return moved(ctx, v, true)
}

// copy fills the target, reads it back, and commits it with the mark.
func (m Move) copy(ctx context.Context, from view, to *target, at int64) (r Report, err error) {
	ts, err := from.tables(ctx)
	if err != nil {
		return r, err
	}
	if err := sameTables(ts, to.ts); err != nil {
		return r, err
	}
	if err := to.clear(ctx, to.ts); err != nil {
		return r, err
	}
	opens := newOpener(m.Box)
	read, err := pour(ctx, ts, func(t table) iter.Seq2[row, error] { return scan(ctx, from, t) }, to, opens, m.Told)
	if err != nil {
		return r, err
	}
	if err := opens.verdict(); err != nil {
		return r, fmt.Errorf("%w; nothing was moved", err)
	}
	m.reached(copied)
	back, err := sums(ctx, to, ts, nil)
	if err != nil {
		return r, fmt.Errorf("read the copy back: %w", err)
	}
	if r, err = compared(read, back); err != nil {
		return r, fmt.Errorf("%w; nothing was moved", err)
	}
	if err := to.exec(ctx, `DELETE FROM moved`); err != nil {
		return r, fmt.Errorf("mark the copy as unfinished: %w", err)
	}
	if err := to.exec(ctx, `INSERT INTO moved (one, destination, at) VALUES (1, '', $1)`, at); err != nil {
		return r, fmt.Errorf("mark the copy as unfinished: %w", err)
	}
	if err := to.tuned(ctx); err != nil {
		return r, fmt.Errorf("have the copy analysed: %w", err)
	}
	if err := to.commit(ctx); err != nil {
		return r, fmt.Errorf("commit the copy: %w", err)
	}
	return r, nil
}

// again compares a copy that was committed before the move died.
func (m Move) again(ctx context.Context, from view, to *target) (r Report, err error) {
	ts, err := from.tables(ctx)
	if err != nil {
		return r, err
	}
	var sides [2][]Sum
	for i, v := range []view{from, to} {
		if sides[i], err = sums(ctx, v, ts, m.Told); err != nil {
			return r, err
		}
	}
	return compared(sides[0], sides[1])
}

// finish takes the mark off: from then on servers may use the copy.
func (m Move) finish(ctx context.Context) (err error) {
	v, err := open(ctx, m.To, alone)
	if err != nil {
		return fmt.Errorf("open the new database (run the move once more): %w", err)
	}
	defer func() { err = errors.Join(err, v.close()) }()
	for _, q := range []string{`DELETE FROM moved WHERE destination = ''`, freeLeases} {
		if err := v.exec(ctx, q); err != nil {
			return fmt.Errorf("open the new database (run the move once more): %w", err)
		}
	}
	if err := v.commit(ctx); err != nil {
		return fmt.Errorf("open the new database (run the move once more): %w", err)
	}
	m.reached(finished)
	return nil
}

// freeLeases spares new servers the wait for those whose holders had the old database.
const freeLeases = `UPDATE leases SET holder = ''`

// pour fills a target with tables from somewhere and adds up what it took.
func pour(ctx context.Context, ts []table, from func(table) iter.Seq2[row, error], to view, opens *opener, p progress) ([]Sum, error) {
	var out []Sum
	for _, t := range ts {
		s := newSummer(t)
		next, stop := iter.Pull2(from(t))
		var failed error // the engine may have words of its own for it
		err := to.fill(ctx, t, func() (row, error) {
			r, err, ok := next()
			if err == nil && ok && to.postgres() {
				err = t.fits(r)
			}
			if err != nil || !ok {
				failed = err
				return nil, err
			}
			s.add(r)
			opens.look(t, r)
			p.tell(t.Name, s.rows, false)
			return r, nil
		})
		stop()
		if err = firstOf(failed, err); err != nil {
			return nil, fmt.Errorf("copy table %s: %w", t.Name, err)
		}
		p.tell(t.Name, s.rows, true)
		out = append(out, s.sum())
	}
	return out, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// scan reads a table of a view one row at a time; a row is good until the next.
func scan(ctx context.Context, v view, t table) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		enough := errors.New("enough")
		err := v.each(ctx, t, func(r row) error {
			if !yield(r, nil) {
				return enough
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield(nil, err)
		}
	}
}
