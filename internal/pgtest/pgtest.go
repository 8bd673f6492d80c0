// Package pgtest gives a test a PostgreSQL database of its own. It is test
// support: only _test.go files may import it. It knows how to make and drop a
// database on the server that QUITTANCE_TEST_POSTGRES names, and nothing of
// what is stored there; starting that server is the test command's work
// (`make test-go`).
package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// serverVariable holds a postgres:// URL whose user may create databases.
const serverVariable = "QUITTANCE_TEST_POSTGRES"

// timeout is long because the disk that makes and drops databases is that of all other tests.
const timeout = 3 * time.Minute

// DSN makes an empty database and returns its postgres:// URL. The database is
// dropped when the test ends, after whatever the test registered later with
// Cleanup, so a pool opened on it is closed first.
//
// Without QUITTANCE_TEST_POSTGRES the test is skipped, and fails where CI is
// "true": there the server must not be missing unnoticed.
func DSN(t testing.TB) string {
	t.Helper()
	server := os.Getenv(serverVariable)
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set: run the PostgreSQL tests with `make test-go`", serverVariable)
		}
		t.Skipf("%s is not set: `make test-go` starts a server for the tests, or name one of yours", serverVariable)
	}
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		t.Fatalf("%s is not a postgres:// URL", serverVariable)
	}

	name := "quittance_test_" + strings.ToLower(rand.Text())
	// Copying the template file by file beats logging every block of it when
	// the database lives for a second.
	if err := run(server, "CREATE DATABASE "+name+" STRATEGY file_copy"); err != nil {
		t.Fatalf("making database %s: %v", name, err)
	}
	t.Cleanup(func() {
		// FORCE, so that a connection a failed test left open does not leave
		// the database behind as well.
		if err := run(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping database %s: %v", name, err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// run executes one statement on a connection of its own.
func run(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
