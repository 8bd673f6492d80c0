package carry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"quittance/internal/seal"
	"quittance/internal/store"
)

// The reasons a database is not filled.
var (
	ErrNotEmpty = errors.New("the database that should be filled is not empty")
	ErrForeign  = errors.New("the database that should be filled has tables of something else")
)

// target is a database that may be filled. Nobody else can migrate or fill it until it
// is closed.
type target struct {
	view
	ts   []table
	mark movedTo // of an earlier try, if there was one
}

// prepare makes the first n steps of the schema in a database and opens it to be filled.
// Its errors include ErrNotEmpty and ErrForeign; what an earlier try left is no error.
func prepare(ctx context.Context, dsn string, n int) (_ *target, err error) {
	if err := migrated(ctx, dsn, n); err != nil {
		return nil, err
	}
	v, err := open(ctx, dsn, alone)
	if err != nil {
		return nil, err
	}
	t := &target{view: v}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.close())
		}
	}()
	have, err := current(ctx, v)
	if err != nil {
		return nil, err
	}
	if have != n {
		return nil, fmt.Errorf("the database that should be filled has taken %d migrations, not %d: give one without tables", have, n)
	}
	if t.ts, err = v.tables(ctx); err != nil {
		return nil, err
	}
	if t.mark, err = moved(ctx, v, n >= movedSince); err != nil {
		return nil, err
	}
	if t.mark.gone && t.mark.destination != "" {
		return nil, fmt.Errorf("the database that should be filled: %w: everything moved to %s", store.ErrMoved, t.mark.destination)
	}
	if t.mark.gone {
		return t, nil
	}
	return t, t.empty(ctx, n)
}

// migrated makes the schema of a database that has none, or goes on with it.
func migrated(ctx context.Context, dsn string, n int) error {
	have, mark, err := found(ctx, dsn)
	if err != nil {
		return err
	}
	if mark.gone || have == n {
		return nil
	}
	return migrateTo(ctx, dsn, n)
}

// found looks at a database that may have no tables, or, of SQLite, not be there at all.
func found(ctx context.Context, dsn string) (have int, mark movedTo, err error) {
	if file, ok := path(dsn); ok {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return 0, mark, nil
		}
	}
	v, err := open(ctx, dsn, look)
	if err != nil {
		return 0, mark, err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	taken, err := v.steps(ctx)
	if err != nil {
		return 0, mark, err
	}
	if len(taken) == 0 {
		ts, err := v.tables(ctx)
		if err == nil && len(ts) > 0 {
			err = fmt.Errorf("%w: %s", ErrForeign, named(ts))
		}
		return 0, mark, err
	}
	if have, err = current(ctx, v); err != nil {
		return 0, mark, err
	}
	mark, err = moved(ctx, v, have >= movedSince)
	return have, mark, err
}

func migrateTo(ctx context.Context, dsn string, n int) error {
	box, err := seal.New(seal.NewKey()) // migrations open and seal nothing
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Config{DSN: dsn, Seal: box})
	if err != nil {
		return err
	}
	return errors.Join(s.MigrateTo(ctx, n), s.Close())
}

// empty refuses a database that holds more than its migrations put there.
func (t *target) empty(ctx context.Context, n int) error {
	var rows []table
	for _, x := range t.ts {
		var one int
		some, err := t.get(ctx, `SELECT 1 FROM `+quoted(x.Name)+` LIMIT 1`, nil, &one)
		if err != nil {
			return fmt.Errorf("look into table %s: %w", x.Name, err)
		}
		if some {
			rows = append(rows, x)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	new, err := fresh(ctx, n)
	if err != nil {
		return err
	}
	if used := slices.DeleteFunc(slices.Clone(rows), func(x table) bool { return new[x.Name].Rows > 0 }); len(used) > 0 {
		return fmt.Errorf("%w: there are rows in %s", ErrNotEmpty, named(used))
	}
	have, err := sums(ctx, t.view, rows, nil)
	if err != nil {
		return err
	}
	for _, s := range have {
		if s != new[s.Table] {
			return fmt.Errorf("%w: %s is not as it was made", ErrNotEmpty, s.Table)
		}
	}
	return nil
}

// fresh is what a new database holds after its first n steps.
func fresh(ctx context.Context, n int) (_ map[string]Sum, err error) {
	dir, err := os.MkdirTemp("", "quittance")
	if err != nil {
		return nil, fmt.Errorf("make a new database to compare with: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	dsn := "sqlite:" + filepath.Join(dir, "new.db")
	if err := migrateTo(ctx, dsn, n); err != nil {
		return nil, err
	}
	v, err := open(ctx, dsn, look)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	ts, err := v.tables(ctx)
	if err != nil {
		return nil, err
	}
	all, err := sums(ctx, v, ts, nil)
	if err != nil {
		return nil, err
	}
	out := map[string]Sum{}
	for _, s := range all {
		out[s.Table] = s
	}
	return out, nil
}

func named(ts []table) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}
