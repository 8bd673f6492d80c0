package storetest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Rows counts the rows of every table of a database that may be in use, for
// tests that something leaves nothing behind.
func Rows(t testing.TB, dsn string) map[string]int {
	t.Helper()
	driver, tables := "pgx", `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
	if path, isFile := strings.CutPrefix(dsn, "sqlite:"); isFile {
		driver, dsn, tables = "sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)", `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	names, err := db.QueryContext(t.Context(), tables)
	must(t, err)
	counts := map[string]int{}
	for names.Next() {
		var name string
		must(t, names.Scan(&name))
		counts[name] = 0
	}
	must(t, names.Err())
	must(t, names.Close())
	for name := range counts {
		var n int
		must(t, db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM %q", name)).Scan(&n))
		counts[name] = n
	}
	if len(counts) < 10 {
		t.Fatalf("only these tables were found: %v", counts)
	}
	return counts
}
