package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// retries bounds how often a transaction runs that the database keeps
	// refusing for reasons of concurrency.
	retries = 10
	// MigrationLock is the advisory lock that migrating nodes take, an arbitrary
	// number of our own. Who fills a database holds it too.
	MigrationLock = 7_305_871_120_418
	pgConnections = 16
	// urgentConnections are for what must not wait behind all else.
	urgentConnections = 2
	// groupConnections are for what is done together: one for questions, one for insertions.
	groupConnections = 2
	// groupPatience is how long what is done together waits for a lock that somebody else
	// holds. Then each is done alone, and only those who need it are refused.
	groupPatience = "1s"
	// tablePatience is how long a migration waits for a table: whoever comes after it
	// waits behind it.
	tablePatience = 2 * time.Second
	// idleTimeout is what the database does with a transaction whose node was frozen,
	// or cut off: it would hold its locks against all others. Ours never wait.
	idleTimeout, idleMost = "idle_in_transaction_session_timeout", "2s"
)

// postgresEngine gives every write a transaction of its own, at the default
// level "read committed": rows that a decision depends on are locked or guarded
// by the statements themselves.
type postgresEngine struct {
	db     lines
	groups *sql.DB     // for what is done together
	closed atomic.Bool // *sql.DB has no error of its own for that

	questions  gathering[question]
	insertions gathering[[]insertion]
	wide       wideTexts

	tablePatience time.Duration
}

func openPostgres(ctx context.Context, dsn string) (*postgresEngine, *spread, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// pgx keeps the password out of this text.
		return nil, nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	if cfg.RuntimeParams[idleTimeout] == "" {
		cfg.RuntimeParams[idleTimeout] = idleMost
	}
	e := newPostgres(lines{pooled(cfg, pgConnections), pooled(cfg, urgentConnections)}, pooled(grouped(cfg), groupConnections))
	if err := e.db.usual.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("connect to PostgreSQL: %w", neutral(err)), e.Close())
	}
	return e, newSpread(cfg), nil
}

func pooled(cfg *pgx.ConnConfig, connections int) *sql.DB {
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(30 * time.Minute) // its address may be another server's by then
	return db
}

// grouped are connections for look-ups by an index and for insertions, which are planned
// once: how many rows come together would have them planned each time, and a plan that was
// made while a table was small must not read all of it later.
func grouped(cfg *pgx.ConnConfig) *pgx.ConnConfig {
	cfg = cfg.Copy()
	cfg.RuntimeParams["plan_cache_mode"], cfg.RuntimeParams["enable_seqscan"] = "force_generic_plan", "off"
	cfg.RuntimeParams["lock_timeout"] = groupPatience
	return cfg
}

func newPostgres(db lines, groups *sql.DB) *postgresEngine {
	e := &postgresEngine{db: db, groups: groups, tablePatience: tablePatience}
	e.questions.do, e.insertions.do = e.askAll, e.insertAll
	return e
}

// onlyCounted refuses what nodes of the version before add to the archive's marks, because
// they tell nobody: PostgreSQL has no ON CONFLICT, which theirs end with, for a table with a
// rule. Their archiving fails until they are gone; the rule itself does nothing. On SQLite
// there are no other nodes.
const onlyCounted = `CREATE RULE handle_marks_counted AS ON INSERT TO handle_marks DO ALSO UPDATE mark_batches SET tag = tag WHERE 1 = 0;`

var postgresWords = strings.NewReplacer("{{BLOB}}", "BYTEA", "{{PASS BY}}", "FOR UPDATE OF a SKIP LOCKED", "{{TEXTS}}", "json_array_elements_text",
	"{{ONLY COUNTED MARKS}}", onlyCounted)

func (e *postgresEngine) reader() session        { return &direct{e.db} }
func (e *postgresEngine) quick() session         { return quick{&direct{e.db}, e} }
func (e *postgresEngine) text(sql string) string { return postgresWords.Replace(sql) }

func (e *postgresEngine) Close() error {
	e.closed.Store(true)
	e.insertions.close()
	e.questions.close()
	return errors.Join(e.groups.Close(), e.db.usual.Close(), e.db.urgent.Close())
}

func (e *postgresEngine) write(ctx context.Context, f func(session) error) error {
	for n := 1; ; n++ {
		if e.closed.Load() {
			return errClosed()
		}
		err := e.once(ctx, f)
		if err == nil || n == retries || !retryable(err) {
			return err
		}
		// Jitter, so that those who collided do not collide again.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(time.Duration(n) * 5 * time.Millisecond)):
		}
	}
}

// once runs a transaction.
func (e *postgresEngine) once(ctx context.Context, f func(session) error) error {
	return (&postponing{engine: e}).run(ctx, f)
}

func (e *postgresEngine) migrate(ctx context.Context, f func(session) error) error {
	return e.once(ctx, func(on session) error {
		if _, err := on.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, MigrationLock); err != nil {
			return err
		}
		if _, err := on.exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d`, e.tablePatience.Milliseconds())); err != nil {
			return err
		}
		return f(on)
	})
}

func (e *postgresEngine) hasTable(ctx context.Context, name string) (bool, error) {
	return found(e.reader().row(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1`, []any{name}, &name))
}

// queryer is *sql.DB or *sql.Tx. The driver keeps statements prepared on each
// connection by their text.
type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// direct is a session that leaves preparing to the driver.
type direct struct{ on queryer }

func (d *direct) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(d.on.ExecContext(ctx, query, args...))
}

func (d *direct) query(ctx context.Context, query string, args ...any) (rows, error) {
	r, err := d.on.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, neutral(err)
	}
	return r, nil
}

func (d *direct) row(ctx context.Context, query string, args []any, dest ...any) error {
	return scanned(d.on.QueryRowContext(ctx, query, args...).Scan(dest...))
}
