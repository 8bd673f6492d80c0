package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"quittance/internal/fault"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// problem is what a driver's error code means.
type problem int

const (
	other       problem = iota
	taken               // a unique key is there already
	dangling            // a row that is referred to is not there
	unavailable         // the database does not answer, or cannot write
	contended           // concurrency: the same again may succeed
)

// neutral turns a driver's error into one that callers can act on, by the
// driver's code and never by its text. Errors of the context stay what they are.
func neutral(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch classify(err) {
	case taken:
		return fault.New(fault.Conflict, "already_exists", "This exists already.").Because(err)
	case dangling:
		return fault.New(fault.NotFound, "not_found", "What this refers to does not exist.").Because(err)
	case unavailable, contended:
		return fault.New(fault.Unavailable, "storage_unavailable", "The database does not answer. Please try again.").Because(err)
	case other:
	}
	return fmt.Errorf("database: %w", err)
}

func classify(err error) problem {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return classifySQLite(e.Code())
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classifyPostgres(e)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
		return unavailable
	}
	return other
}

func classifySQLite(code int) problem {
	switch code {
	case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY:
		return taken
	case sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return dangling
	}
	switch code & 0xff { // the primary code of an extended one
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_FULL,
		sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CANTOPEN:
		return unavailable
	}
	return other
}

// classifyPostgres goes by SQLSTATE (PostgreSQL manual, appendix A).
func classifyPostgres(e *pgconn.PgError) problem {
	switch e.Code {
	case "23505": // unique_violation
		if e.ConstraintName == "events_pkey" {
			// Two transactions took the same place in a payment's log.
			return contended
		}
		return taken
	case "23503": // foreign_key_violation
		return dangling
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return contended
	case "25P03", // idle_in_transaction_session_timeout: we were frozen
		lockNotAvailable, // somebody holds the table, or the same key
		"25006":          // read_only_sql_transaction: another server is the primary one now
		return unavailable
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system
		return unavailable
	}
	return other
}

// lockNotAvailable is the SQLSTATE of lock_timeout.
const lockNotAvailable = "55P03"

// lockedOut reports whether others held for too long what a transaction needs for itself.
func lockedOut(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == lockNotAvailable || classifyPostgres(e) == contended)
}

// retryable reports whether the same transaction may succeed if it runs again. It may on
// another connection: those of callers that gave up come back to the pool broken, and when
// many wait for one, sql.DB can hand one of them nothing else as often as it tries.
func retryable(err error) bool {
	if errors.Is(err, driver.ErrBadConn) {
		return true
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && classifyPostgres(e) == contended
}

// affected turns an Exec's result into the number of changed rows.
func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, neutral(err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("count changed rows: %w", err)
	}
	return n, nil
}

// scanned turns a QueryRow's error into ours.
func scanned(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errNoRow
	}
	return neutral(err)
}

// found turns the answer of row into whether there was one.
func found(err error) (bool, error) {
	if errors.Is(err, errNoRow) {
		return false, nil
	}
	return err == nil, err
}

// recode gives a Conflict or NotFound from the database the code and words of
// what was being done; other errors stay.
func recode(err error, kind fault.Kind, code, public string) error {
	if fault.Is(err, kind) {
		return fault.New(kind, code, public).Because(err)
	}
	return err
}

func notFound(what string) error {
	return fault.New(fault.NotFound, strings.ReplaceAll(what, " ", "_")+"_not_found", "There is no such "+what+".")
}
