package store_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"quittance/internal/pgtest"
	"quittance/internal/store/storetest"
)

// file returns the address of a new SQLite database.
func file(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }

// schemas makes a PostgreSQL database and returns a function that makes empty
// schemas in it, which takes a hundredth of the time that a database takes.
func schemas(t testing.TB) func(testing.TB) string {
	t.Helper()
	u, err := url.Parse(pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	return func(t testing.TB) string {
		t.Helper()
		made++
		name := fmt.Sprintf("test_%d", made)
		conn, err := pgx.Connect(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+name); err != nil {
			t.Fatal(err)
		}
		inside := *u
		q := inside.Query()
		q.Set("search_path", name)
		inside.RawQuery = q.Encode()
		return inside.String()
	}
}

func TestSQLite(t *testing.T)   { storetest.Run(t, file) }
func TestPostgres(t *testing.T) { storetest.Run(t, schemas(t)) }
