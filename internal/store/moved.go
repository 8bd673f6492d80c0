package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quittance/internal/fault"
)

// The reasons a database of the right schema is not opened.
var (
	ErrMoved      = errors.New("this database was left for another")
	ErrUnfinished = errors.New("this database is the unfinished copy of another")
)

// selectMoved has one row at most. A destination is ” in the copy itself, until the
// database that it was made of is closed.
const selectMoved = `SELECT destination, at FROM moved WHERE one = 1`

// here reports why a database must not be served from, nil if it may be.
func (s *Store) here(ctx context.Context) error {
	known, err := s.engine.hasTable(ctx, "moved")
	if err != nil || !known {
		return err
	}
	var to string
	var at int64
	switch gone, err := found(s.read.row(ctx, selectMoved, nil, &to, &at)); {
	case err != nil:
		return fmt.Errorf("look whether the database was left: %w", err)
	case gone && to == "":
		return fmt.Errorf("%w: run the same `quittance migrate` once more", ErrUnfinished)
	case gone:
		return fmt.Errorf("%w: everything moved to %s at %s; name that one in the configuration", ErrMoved, to, fromMicros(at).Format(time.RFC3339))
	}
	return nil
}

// left is what a server that was open while everything moved says to writes.
func left() error {
	return fault.New(fault.Unavailable, "storage_moved", "This server's data has moved to another database, and is only read here. Please try again shortly.")
}

// busy is what writes are told while another program holds the database for long.
func busy(cause error) error {
	return fault.New(fault.Unavailable, "storage_busy", "The database is being copied, and takes no changes for that long. Nothing was changed. Please try again shortly.").
		Because(cause)
}
