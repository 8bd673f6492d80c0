package carry

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/seal"
	"quittance/internal/store"
	"quittance/internal/store/storetest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

const (
	dieFrom  = "QUITTANCE_TEST_MOVE_FROM"
	dieTo    = "QUITTANCE_TEST_MOVE_TO"
	dieAfter = "QUITTANCE_TEST_MOVE_AFTER"
)

// TestMain turns the test binary into a move that dies.
func TestMain(m *testing.M) {
	if from := os.Getenv(dieFrom); from != "" {
		_, err := Move{From: from, To: os.Getenv(dieTo), after: func(s stage) {
			if string(s) == os.Getenv(dieAfter) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}}.Run(context.Background())
		fmt.Fprintln(os.Stderr, "it lived:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// engines are the databases that tests run on.
var engines = map[string]func(testing.TB) string{"sqlite": newFile, "postgres": pgtest.DSN}

func newFile(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "q.db") }

func box(t testing.TB) *seal.Box {
	t.Helper()
	b, err := seal.New([]byte(strings.Repeat("k", seal.KeySize)))
	must(t, err)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve opens a database as a server does.
func serve(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box(t)})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(t.Context()))
	return s
}

// served says why a server would not start on a database, nil if it would.
func served(t testing.TB, dsn string) error {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box(t)})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return s.Migrate(t.Context())
}

func addMerchant(s *store.Store, id string) error {
	return s.InsertMerchant(context.Background(), merchant.Merchant{ID: payment.MerchantID(id), Name: id, CreatedAt: time.Now().UTC()})
}

// raw runs statements on a database behind the program's back.
func raw(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	driver, name := "pgx", dsn
	if file, ok := path(dsn); ok {
		driver, name = "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

var (
	oneOf = regexp.MustCompile(`CHECK \((\w+) IN \('(\w+)'`)
	odd   = []string{"", "ä€😀", "line\nline\ttab", `quote " ' \`, strings.Repeat("long ", 5000)}
)

// filled makes a database of the newest schema with rows in every table: all texts of a
// row say its number, so that whatever refers to something finds it.
func filled(t testing.TB, dsn string, rows int) string {
	t.Helper()
	return filledWith(t, dsn, func(string) int { return rows })
}

// filledWith is filled with so many rows of each table.
func filledWith(t testing.TB, dsn string, rows func(table string) int) string {
	t.Helper()
	must(t, serve(t, dsn).Close())
	scratch := dsn
	if isPostgres(dsn) { // what may stand in a column is read from the other engine
		scratch = newFile(t)
		must(t, serve(t, scratch).Close())
	}
	sv, err := open(t.Context(), scratch, look)
	must(t, err)
	defer func() { must(t, sv.close()) }()
	v, err := open(t.Context(), dsn, alone)
	must(t, err)
	defer func() { must(t, v.close()) }()
	ts, err := v.tables(t.Context())
	must(t, err)
	for _, x := range ts {
		var text string
		_, err := sv.get(t.Context(), `SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = $1`, []any{x.Name}, &text)
		must(t, err)
		fillTable(t, v, x, text, rows(x.Name))
	}
	must(t, v.commit(t.Context()))
	return dsn
}

func fillTable(t testing.TB, v view, x table, schema string, rows int) {
	t.Helper()
	allowed := map[string]string{}
	for _, m := range oneOf.FindAllStringSubmatch(schema, -1) {
		allowed[m[1]] = m[2]
	}
	if strings.Contains(schema, "CHECK (one = 1)") {
		rows = 1
		must(t, v.clear(t.Context(), []table{x}))
	}
	n := 0
	must(t, v.fill(t.Context(), x, func() (row, error) {
		if n++; n > rows {
			return nil, nil
		}
		r := make(row, len(x.Columns))
		for i, c := range x.Columns {
			switch word, ok := allowed[c.Name]; {
			case ok:
				r[i] = word
			case c.Kind == text && c.Name == "name" && !slices.Contains(x.Key, i):
				r[i] = odd[n%len(odd)]
			case c.Kind == text:
				r[i] = fmt.Sprintf("%s%06d", []string{"Z", "a", "ä"}[n%3], n) // engines order these in many ways
			case c.Kind == integer:
				r[i] = int64(n)
			case c.Kind == boolean:
				r[i] = n%2 == 0
			case n%4 == 0:
				r[i] = []byte{}
			default:
				r[i] = []byte{0, 0xff, byte(n), byte(n >> 8)}
			}
		}
		return r, nil
	}))
}

// rowsOf counts rows by what the tests know of databases, and not by what carry knows.
func rowsOf(t testing.TB, dsn string) map[string]int {
	t.Helper()
	counts := storetest.Rows(t, dsn)
	for _, name := range own {
		delete(counts, name)
	}
	return counts
}
