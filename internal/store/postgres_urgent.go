package store

import (
	"context"
	"database/sql"
)

// What others wait for, like the beat of a lease, must not wait behind them for a
// connection: all of the usual ones may be waiting for the same row.

type urgentKey struct{}

// urgent marks what is done on connections of its own, on a database that has several.
func urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgentKey{}, true) }

// lines are the connections for what is usual, and for what is urgent.
type lines struct{ usual, urgent *sql.DB }

func (l lines) of(ctx context.Context) *sql.DB {
	if ctx.Value(urgentKey{}) != nil {
		return l.urgent
	}
	return l.usual
}

func (l lines) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return l.of(ctx).ExecContext(ctx, query, args...)
}

func (l lines) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return l.of(ctx).QueryContext(ctx, query, args...)
}

func (l lines) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return l.of(ctx).QueryRowContext(ctx, query, args...)
}
