package store

import (
	"slices"
	"testing"
)

// Rows move between a table and its archive as they are.
func TestTheArchiveHasTheSameColumns(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		query := `SELECT name || ' ' || type FROM pragma_table_info($1)`
		if _, ok := s.engine.(*postgresEngine); ok {
			query = `SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`
		}
		columns := func(table string) (names []string) {
			r, err := s.read.query(t.Context(), query, table)
			if err == nil {
				names, err = collect(r, func() (name string, err error) { return name, r.Scan(&name) })
			}
			if err != nil {
				t.Fatal(err)
			}
			return names
		}
		for _, table := range append(ownTables, "payments") {
			if near, far := columns(table), columns(table+"_old"); len(near) < 2 || !slices.Equal(near, far) {
				t.Errorf("%s has columns %q and its archive %q", table, near, far)
			}
		}
	})
}
