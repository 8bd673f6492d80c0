package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func TestEachDatabaseIsItsOwn(t *testing.T) {
	first, second := connect(t, DSN(t)), connect(t, DSN(t))
	if _, err := first.Exec(t.Context(), "CREATE TABLE here (id BIGINT)"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		conn *pgx.Conn
		want bool
	}{{"first", first, true}, {"second", second, false}} {
		var got bool
		if err := c.conn.QueryRow(t.Context(), "SELECT to_regclass('here') IS NOT NULL").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s database has the table: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	var dsn string
	t.Run("a test that leaves a connection open", func(t *testing.T) {
		dsn = DSN(t)
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if conn.IsClosed() {
				t.Error("the connection was meant to be open still")
			}
		})
	})
	if dsn == "" {
		t.Skip("the server is missing")
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var exists bool
	err = connect(t, os.Getenv(serverVariable)).QueryRow(t.Context(),
		"SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", strings.TrimPrefix(u.Path, "/")).Scan(&exists)
	if err != nil {
		t.Fatal(err)
	}
	if exists {
		t.Errorf("database %s outlived its test", u.Path)
	}
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.ended = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.ended = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWithoutServer(t *testing.T) {
	for _, c := range []struct{ name, server, ci, want string }{
		{"skips and says how to run", "", "", "skip: QUITTANCE_TEST_POSTGRES is not set: `make test-go`"},
		{"fails in CI", "", "true", "fatal: QUITTANCE_TEST_POSTGRES is not set"},
		{"refuses what is no URL", "host=localhost dbname=x", "", "fatal: QUITTANCE_TEST_POSTGRES is not a postgres:// URL"},
		{"fails when nothing listens", "postgres://u:p@127.0.0.1:1/postgres?sslmode=disable", "", "fatal: making database quittance_test_"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(serverVariable, c.server)
			t.Setenv("CI", c.ci)
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				DSN(r)
			}()
			<-done
			if !strings.HasPrefix(r.ended, c.want) {
				t.Errorf("got %q, want %q...", r.ended, c.want)
			}
		})
	}
}
