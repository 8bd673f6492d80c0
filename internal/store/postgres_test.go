package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"quittance/internal/fault"
)

// breaking opens connections on which no transaction begins as often as it says.
type breaking struct {
	driver.Conn
	times int
}

func (b *breaking) Connect(context.Context) (driver.Conn, error) { return b, nil }
func (b *breaking) Driver() driver.Driver                        { return nil }
func (b *breaking) Close() error                                 { return nil }
func (b *breaking) Commit() error                                { return nil }
func (b *breaking) Rollback() error                              { return nil }

func (b *breaking) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (b *breaking) Begin() (driver.Tx, error) {
	if b.times--; b.times >= 0 {
		return nil, driver.ErrBadConn
	}
	return b, nil
}

// A caller that gives up leaves a broken connection in the pool, and its neighbours must
// not suffer from several in a row.
func TestBrokenConnectionsAreReplaced(t *testing.T) {
	const tries = 3 // of sql.DB itself
	for times, works := range map[int]bool{0: true, tries: true, 2 * tries: true, retries * tries: false} {
		db := sql.OpenDB(&breaking{times: times})
		e := newPostgres(lines{db, db}, db)
		ran := 0
		err := e.write(t.Context(), func(on session) error {
			_, err := on.exec(t.Context(), `one statement`)
			if err == nil {
				ran++
			}
			return err
		})
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if works && (err != nil || ran != 1) {
			t.Errorf("after %d broken connections: ran %d times, %v", times, ran, err)
		}
		if !works && (!fault.Is(err, fault.Unavailable) || ran != 0) {
			t.Errorf("with broken connections only: ran %d times, %v, want Unavailable", ran, err)
		}
	}
}
