package carry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quittance/internal/store"

	"github.com/jackc/pgx/v5"
)

type postgresView struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

func openPostgres(ctx context.Context, dsn string, h hold) (_ view, err error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err) // pgx keeps the password out of this text
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	o := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	if h == alone {
		o = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	}
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin on PostgreSQL: %w", err), conn.Close(context.Background()))
	}
	v := &postgresView{conn, tx}
	begin := []string{`SET LOCAL statement_timeout = 0`, `SET LOCAL idle_in_transaction_session_timeout = 0`}
	if h == alone {
		begin = append(begin, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, store.MigrationLock))
	}
	for _, q := range begin {
		if err := v.exec(ctx, q); err != nil {
			return nil, errors.Join(fmt.Errorf("begin on PostgreSQL: %w", err), v.close())
		}
	}
	var encoding string
	if _, err := v.get(ctx, `SHOW server_encoding`, nil, &encoding); err != nil || encoding != "UTF8" {
		return nil, errors.Join(fmt.Errorf("the database's encoding is %q, and must be UTF8", encoding), err, v.close())
	}
	return v, nil
}

func (v *postgresView) postgres() bool { return true }

const (
	selectTables = `SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
 AND NOT c.relispartition ORDER BY c.relname COLLATE "C"`
	selectColumns = `SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attidentity <> '' OR a.attgenerated <> ''
 OR COALESCE(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%'
 FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	selectKey = `SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (num, place)
 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY k.place`
	selectRefers = `SELECT DISTINCT r.relname FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid WHERE c.conrelid = $1::regclass AND c.contype = 'f'`
)

func (v *postgresView) tables(ctx context.Context) ([]table, error) {
	names, err := v.strings(ctx, selectTables)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var all []table
	for _, name := range names {
		if slices.Contains(own, name) {
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

func (v *postgresView) table(ctx context.Context, name string) (table, error) {
	t := table{Name: name}
	type described struct {
		name, typ string
		itself    bool
	}
	r, err := v.tx.Query(ctx, selectColumns, quoted(name))
	if err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	all, err := pgx.CollectRows(r, func(r pgx.CollectableRow) (d described, err error) {
		err = r.Scan(&d.name, &d.typ, &d.itself)
		return d, err
	})
	if err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	for _, d := range all {
		if d.itself {
			return t, fmt.Errorf("column %s.%s makes its own values, which cannot be carried", name, d.name)
		}
		c, err := columnOf(name, d.name, d.typ)
		if err != nil {
			return t, err
		}
		t.Columns = append(t.Columns, c)
	}
	key, err := v.strings(ctx, selectKey, quoted(name))
	if err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	if t.refers, err = v.strings(ctx, selectRefers, quoted(name)); err != nil {
		return t, fmt.Errorf("describe table %s: %w", name, err)
	}
	return t, t.tidy(key)
}

func (v *postgresView) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	r, err := v.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(r, pgx.RowTo[string])
}

func (v *postgresView) steps(ctx context.Context) ([]store.Step, error) {
	var there bool
	if _, err := v.get(ctx, `SELECT to_regclass('schema_migrations') IS NOT NULL`, nil, &there); err != nil || !there {
		return nil, err
	}
	r, err := v.tx.Query(ctx, selectSteps)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(r, func(r pgx.CollectableRow) (s store.Step, err error) {
		err = r.Scan(&s.Version, &s.Name, &s.Checksum)
		return s, err
	})
}

func (v *postgresView) each(ctx context.Context, t table, f func(row) error) error {
	r, err := v.tx.Query(ctx, `SELECT `+t.names()+` FROM `+quoted(t.Name)+` ORDER BY `+t.order(` COLLATE "C"`))
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		values, err := r.Values()
		if err != nil {
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

func (v *postgresView) fill(ctx context.Context, t table, next func() (row, error)) error {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	_, err := v.tx.CopyFrom(ctx, pgx.Identifier{t.Name}, names, pgx.CopyFromFunc(func() ([]any, error) {
		r, err := next()
		return r, err
	}))
	return err
}

func (v *postgresView) clear(ctx context.Context, ts []table) error {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = quoted(t.Name)
	}
	if err := v.exec(ctx, `TRUNCATE `+strings.Join(names, ", ")); err != nil {
		return fmt.Errorf("empty the tables: %w", err)
	}
	return nil
}

func (v *postgresView) tuned(ctx context.Context) error { return v.exec(ctx, `ANALYZE`) }

// sound has nothing to do: PostgreSQL checks pages as it reads them.
func (v *postgresView) sound(context.Context) error { return nil }

func (v *postgresView) exec(ctx context.Context, query string, args ...any) error {
	_, err := v.tx.Exec(ctx, query, args...)
	return err
}

func (v *postgresView) get(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	err := v.tx.QueryRow(ctx, query, args...).Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (v *postgresView) commit(ctx context.Context) error { return v.tx.Commit(ctx) }

func (v *postgresView) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// After a commit there is nothing to undo, and that is an error too.
	_ = v.tx.Rollback(ctx)
	return v.conn.Close(ctx)
}

// redacted names a PostgreSQL database without its password.
func redacted(dsn string) (string, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", fmt.Errorf("read the database's URL: %w", err)
	}
	return fmt.Sprintf("postgres://%s@%s:%d/%s", cfg.User, cfg.Host, cfg.Port, cfg.Database), nil
}
