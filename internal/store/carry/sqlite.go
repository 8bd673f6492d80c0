package carry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"quittance/internal/store"

	_ "modernc.org/sqlite" // registers the driver
)

// lockMillis is how long a lock is waited for. A server gives way after each group of
// writes, so it is a matter of luck and not of time.
const lockMillis = 30_000

type sqliteView struct {
	db   *sql.DB
	conn *sql.Conn
}

func openSQLite(ctx context.Context, file string, h hold) (_ view, err error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	q := url.Values{"mode": {"rw"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", lockMillis), "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)", "cache_size(-64000)", "temp_store(MEMORY)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), db.Close())
	}
	v := &sqliteView{db, conn}
	begin := []string{`BEGIN`, `SELECT COUNT(*) FROM sqlite_schema`} // the first read decides what is seen
	if h == alone {
		begin = []string{`BEGIN IMMEDIATE`}
	}
	for _, q := range begin {
		if err := v.exec(ctx, q); err != nil {
			return nil, errors.Join(fmt.Errorf("begin on %s: %w", file, err), v.close())
		}
	}
	return v, nil
}

func (v *sqliteView) postgres() bool { return false }

func (v *sqliteView) tables(ctx context.Context) ([]table, error) {
	names, err := v.strings(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var all []table
	for _, name := range names {
		if name == "sqlite_sequence" {
			return nil, errors.New("a table counts its rows by itself, which cannot be carried")
		}
		if slices.Contains(own, name) || strings.HasPrefix(name, "sqlite_") {
			continue
		}
		t, err := v.table(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return orderedTables(all)
}

func (v *sqliteView) table(ctx context.Context, name string) (table, error) {
	t := table{Name: name}
	r, err := v.conn.QueryContext(ctx, `SELECT name, type, pk, hidden FROM pragma_table_xinfo($1) ORDER BY pk, cid`, name)
	if err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	defer func() { _ = r.Close() }()
	var key []string
	for r.Next() {
		var col, typ string
		var pk, hidden int
		if err := r.Scan(&col, &typ, &pk, &hidden); err != nil {
			return t, fmt.Errorf("describe table %s: %w", name, err)
		}
		if hidden != 0 {
			return t, fmt.Errorf("column %s.%s makes its own values, which cannot be carried", name, col)
		}
		c, err := columnOf(name, col, typ)
		if err != nil {
			return t, err
		}
		t.Columns = append(t.Columns, c)
		if pk > 0 {
			key = append(key, col)
		}
	}
	if err := r.Err(); err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	if t.refers, err = v.strings(ctx, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)`, name); err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	return t, t.tidy(key)
}

func (v *sqliteView) strings(ctx context.Context, query string, args ...any) (out []string, err error) {
	r, err := v.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	for r.Next() {
		var s string
		if err := r.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, r.Err()
}

func (v *sqliteView) steps(ctx context.Context) (out []store.Step, err error) {
	var n int
	if _, err := v.get(ctx, `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`, nil, &n); err != nil || n == 0 {
		return nil, err
	}
	r, err := v.conn.QueryContext(ctx, selectSteps)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	for r.Next() {
		var s store.Step
		if err := r.Scan(&s.Version, &s.Name, &s.Checksum); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, r.Err()
}

const selectSteps = `SELECT version, name, checksum FROM schema_migrations ORDER BY version`

func (v *sqliteView) each(ctx context.Context, t table, f func(row) error) error {
	r, err := v.conn.QueryContext(ctx, `SELECT `+t.names()+` FROM `+quoted(t.Name)+` ORDER BY `+t.order(""))
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	values, into := make(row, len(t.Columns)), make([]any, len(t.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return err
		}
		if err := t.conformed(values); err != nil {
			return err
		}
		if err := f(values); err != nil {
			return err
		}
	}
	return r.Err()
}

func (v *sqliteView) fill(ctx context.Context, t table, next func() (row, error)) error {
	marks := make([]string, len(t.Columns))
	for i := range marks {
		marks[i] = "?"
	}
	st, err := v.conn.PrepareContext(ctx, `INSERT INTO `+quoted(t.Name)+` (`+t.names()+`) VALUES (`+strings.Join(marks, ", ")+`)`)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	for {
		r, err := next()
		if err != nil || r == nil {
			return err
		}
		if _, err := st.ExecContext(ctx, r...); err != nil {
			return fmt.Errorf("%s: %w", t.named(r), err)
		}
	}
}

func (v *sqliteView) clear(ctx context.Context, ts []table) error {
	for _, t := range slices.Backward(ts) {
		if err := v.exec(ctx, `DELETE FROM `+quoted(t.Name)); err != nil {
			return fmt.Errorf("empty table %s: %w", t.Name, err)
		}
	}
	return nil
}

// tuned has nothing to do: the plans that tests hold to are those without statistics.
func (v *sqliteView) tuned(context.Context) error { return nil }

func (v *sqliteView) sound(ctx context.Context) error {
	said, err := v.strings(ctx, `PRAGMA integrity_check(5)`)
	if err != nil {
		return fmt.Errorf("check the database's file: %w", err)
	}
	if len(said) != 1 || said[0] != "ok" {
		return fmt.Errorf("the database's file is damaged: %s", strings.Join(said, "; "))
	}
	return nil
}

func (v *sqliteView) exec(ctx context.Context, query string, args ...any) error {
	_, err := v.conn.ExecContext(ctx, query, args...)
	return err
}

func (v *sqliteView) get(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	err := v.conn.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (v *sqliteView) commit(ctx context.Context) error { return v.exec(ctx, `COMMIT`) }

func (v *sqliteView) close() error {
	// Without a transaction there is nothing to undo, and that is an error too.
	_, _ = v.conn.ExecContext(context.Background(), `ROLLBACK`)
	return errors.Join(v.conn.Close(), v.db.Close())
}
