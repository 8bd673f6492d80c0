package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postponing is the session of a transaction that begins when something has to be
// answered. If nothing has, what it inserts shares its message and its commit with what
// other callers insert.
type postponing struct {
	engine *postgresEngine
	rows   []insertion
	begun  *sql.Tx // nil if nothing had to be answered yet
}

func (p *postponing) run(ctx context.Context, f func(session) error) error {
	committed := false
	defer func() {
		if p.begun != nil && !committed {
			// Also after a panic of f. Its error would hide the one that matters.
			_ = p.begun.Rollback()
		}
	}()
	if err := f(p); err != nil {
		return err
	}
	if p.begun == nil {
		return p.engine.insertTogether(ctx, p.rows)
	}
	if _, err := p.now(ctx); err != nil {
		return err
	}
	if err := p.begun.Commit(); err != nil {
		return neutral(err)
	}
	committed = true
	return nil
}

func (p *postponing) postpone(r insertion) (err error) {
	r.args, err = driverValues(r.args)
	p.rows = append(p.rows, r)
	return err
}

// now begins the transaction if it has not begun, and does in it what was postponed.
func (p *postponing) now(ctx context.Context) (session, error) {
	if p.begun == nil {
		t, err := p.engine.db.of(ctx).BeginTx(ctx, nil)
		if err != nil {
			return nil, neutral(err)
		}
		p.begun = t
	}
	on := &direct{p.begun}
	rows := p.rows
	p.rows = nil
	for _, r := range rows {
		if _, err := on.exec(ctx, r.into.one, r.args...); err != nil {
			return nil, r.into.explained(err)
		}
	}
	return on, nil
}

func (p *postponing) exec(ctx context.Context, query string, args ...any) (int64, error) {
	on, err := p.now(ctx)
	if err != nil {
		return 0, err
	}
	return on.exec(ctx, query, args...)
}

func (p *postponing) query(ctx context.Context, query string, args ...any) (rows, error) {
	on, err := p.now(ctx)
	if err != nil {
		return nil, err
	}
	return on.query(ctx, query, args...)
}

func (p *postponing) row(ctx context.Context, query string, args []any, dest ...any) error {
	on, err := p.now(ctx)
	if err != nil {
		return err
	}
	return on.row(ctx, query, args, dest...)
}

// insertTogether commits rows, all or none, with what others insert at the same time. Who
// gives up before their turn has written nothing; after that it waits for the truth.
func (e *postgresEngine) insertTogether(ctx context.Context, rows []insertion) error {
	if err := ctx.Err(); err != nil || len(rows) == 0 {
		return err
	}
	s, err := e.insertions.join(rows)
	if err != nil {
		return err
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		if e.insertions.withdraw(s) {
			return ctx.Err()
		}
		<-s.done
	}
	return s.err
}

// insertAll commits what several callers insert. If the database refuses that, none of it
// is there, and each is tried alone: only those who are at fault have the error.
func (e *postgresEngine) insertAll(ctx context.Context, all []*share[[]insertion]) {
	var rows []insertion
	for _, s := range all {
		rows = append(rows, s.what...)
	}
	err := e.insertRows(ctx, rows)
	for _, s := range all {
		if len(all) > 1 && err != nil && refused(err) {
			s.end(outcome(e.insertRows(ctx, s.what)))
		} else {
			s.end(outcome(err))
		}
	}
}

// meant is what the database said about rows of one table.
type meant struct {
	said error
	into *into
}

func (m meant) Error() string { return m.said.Error() }
func (m meant) Unwrap() error { return m.said }

// outcome is the error of insertRows as the caller is to have it.
func outcome(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
		return neutral(errors.Join(driver.ErrBadConn, err)) // nothing was sent
	}
	if m, ok := errors.AsType[meant](err); ok {
		return m.into.explained(unanswered(m.said))
	}
	return unanswered(err)
}

// insertRows commits rows in one message. The database makes a transaction of it.
func (e *postgresEngine) insertRows(ctx context.Context, rows []insertion) error {
	slices.SortStableFunc(rows, func(a, b insertion) int {
		return cmp.Or(cmp.Compare(a.into.rank, b.into.rank), cmp.Compare(a.order, b.order))
	})
	return e.onConn(ctx, func(on *pgx.Conn) (err error) {
		var b pgx.Batch
		var tables []*into
		for len(rows) > 0 {
			table := rows[0].into
			n := slices.IndexFunc(rows, func(r insertion) bool { return r.into != table })
			if n < 0 {
				n = len(rows)
			}
			for range table.queue(&b, rows[:n]) {
				tables = append(tables, table)
			}
			rows = rows[n:]
		}
		answers := on.SendBatch(ctx, &b)
		for _, table := range tables {
			if _, err := answers.Exec(); err != nil {
				return meant{errors.Join(err, answers.Close()), table}
			}
		}
		return answers.Close() // the commit
	})
}

// queue says rows to the database, which answers with as many results as are returned: one
// if they are of the same types, which they always are.
func (i *into) queue(b *pgx.Batch, rows []insertion) (results int) {
	if len(rows) > 1 {
		values := make([][]any, len(rows))
		for n, r := range rows {
			values[n] = r.args
		}
		if columns, ok := arrays(values); ok {
			b.Queue(i.many+unnested(columns), columns...)
			return 1
		}
	}
	for _, r := range rows {
		b.Queue(i.one, r.args...)
	}
	return len(rows)
}
