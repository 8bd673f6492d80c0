package carry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"quittance/internal/store"
)

// view is one transaction on a database: a consistent look at it, and a place to write
// to where it was opened for that.
type view interface {
	// tables are all tables but own, each after those it refers to.
	tables(ctx context.Context) ([]table, error)
	// steps are the migrations it has taken by its own record, none without one.
	steps(ctx context.Context) ([]store.Step, error)
	// each reads a table in the order of its key. f must not keep the row.
	each(ctx context.Context, t table, f func(row) error) error
	// fill adds rows until next returns nil.
	fill(ctx context.Context, t table, next func() (row, error)) error
	// clear empties tables, given in the order of tables.
	clear(ctx context.Context, ts []table) error
	// tuned has the engine look at what was filled, so that its plans fit.
	tuned(ctx context.Context) error
	// sound has the engine check its own storage.
	sound(ctx context.Context) error
	exec(ctx context.Context, query string, args ...any) error
	// get scans the first row, and reports whether there is one.
	get(ctx context.Context, query string, args []any, dest ...any) (bool, error)
	commit(ctx context.Context) error
	// close ends it; what was not committed is undone.
	close() error
	// postgres reports whether values must fit PostgreSQL.
	postgres() bool
}

// hold is how a view is opened.
type hold int

const (
	look  hold = iota // sees one state, and holds nobody up
	alone             // lets nobody else write
)

// path returns the file of a SQLite address.
func path(dsn string) (string, bool) { return strings.CutPrefix(dsn, "sqlite:") }

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// open opens a view of a database that is there.
func open(ctx context.Context, dsn string, h hold) (view, error) {
	if file, ok := path(dsn); ok {
		return openSQLite(ctx, file, h)
	}
	if isPostgres(dsn) {
		return openPostgres(ctx, dsn, h)
	}
	return nil, errors.New(`a database is "sqlite:PATH" or "postgres://..."`)
}

// current checks that a database is of this program's schema or of an older one, and
// returns how many of its steps it has taken.
func current(ctx context.Context, v view) (int, error) {
	taken, err := v.steps(ctx)
	if err != nil {
		return 0, fmt.Errorf("read which migrations it has taken: %w", err)
	}
	if len(taken) == 0 {
		return 0, errors.New("it is not a database of this program")
	}
	all, err := store.Steps()
	if err != nil {
		return 0, err
	}
	return store.Compare(taken, all)
}

// progress tells how far something is. It may be nil.
type progress func(table string, rows int64)

const toldEvery = 20_000

func (p progress) tell(table string, rows int64, done bool) {
	if p != nil && (done || rows%toldEvery == 0) {
		p(table, rows)
	}
}

// sums adds up all tables of a view by reading them.
func sums(ctx context.Context, v view, ts []table, p progress) ([]Sum, error) {
	out := make([]Sum, 0, len(ts))
	for _, t := range ts {
		s := newSummer(t)
		err := v.each(ctx, t, func(r row) error {
			s.add(r)
			p.tell(t.Name, s.rows, false)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", t.Name, err)
		}
		p.tell(t.Name, s.rows, true)
		out = append(out, s.sum())
	}
	return out, nil
}

// movedTo is what a database says of itself in its table moved.
type movedTo struct {
	gone        bool
	destination string // '' in a copy that is not finished
	at          int64  // the same in both databases of one move
}

func moved(ctx context.Context, v view, known bool) (m movedTo, err error) {
	if !known {
		return m, nil
	}
	m.gone, err = v.get(ctx, `SELECT destination, at FROM moved WHERE one = 1`, nil, &m.destination, &m.at)
	if err != nil {
		return m, fmt.Errorf("look whether it was left: %w", err)
	}
	return m, nil
}

// movedSince is the migration that made the table moved.
const movedSince = 8
