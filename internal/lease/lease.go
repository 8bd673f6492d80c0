// Package lease has several processes on one database agree which of them does
// what only one has to do, and hears what that one tells the others. It compares
// no clocks: a holder moves its lease's beat on, and whoever has seen a beat
// stand still for long enough by its own clock may take the lease.
//
// A lease saves work and is no lock: a process that was frozen may go on for a
// moment after another took over. What must happen once is guarded by the rows
// that it changes. The package knows no work, no chain and no SQL.
package lease

import (
	"context"
	"log/slog"
	"time"
)

// Row is a lease as the database has it.
type Row struct {
	Name   string
	Holder string // "" if nobody has it
	Beat   int64
	News   string // what the holder tells the others
}

// Table keeps leases.
type Table interface {
	// Leases are all that were ever held.
	Leases(ctx context.Context) ([]Row, error)
	// Beat moves on those leases that still have the given Holder, with the given
	// News, and returns where their beats are now, by name.
	Beat(ctx context.Context, held []Row) (beats map[string]int64, err error)
	// Take gives a lease to a holder if it is still as it was seen, the zero Beat
	// for one that was never there. The news stay.
	Take(ctx context.Context, seen Row, holder string) (taken bool, err error)
	// Release gives back the leases that still have the given Holder.
	Release(ctx context.Context, held []Row) error
}

// Work is what one process at a time does.
type Work struct {
	Name string
	// Run works until ctx ends, and may be called again after that. Its return
	// before counts as a failure.
	Run func(ctx context.Context) error
	// News is what the other processes are told with each beat, "" to leave the
	// news as they are. It must not block. Nil for nothing.
	News func() string
}

// Config is what a Keeper is made of.
type Config struct {
	Table  Table
	Holder string // this process and no other, "" for a random name
	Works  []Work
	Log    *slog.Logger // nil for none
	// Round is called after each look at the leases, nil for nothing.
	Round func()
	// Every is how often leases are looked at, and beat. Default 1 s.
	Every time.Duration
	// Patience is for how long a beat must have stood still before its lease is
	// taken. Default 5 s.
	Patience time.Duration
	// Doubt is after how long without a beat of its own a holder stops its work.
	// What is between it and Patience is the time that the work has to end.
	// Default four fifths of Patience.
	Doubt time.Duration
}

// Known is what a process knows of a lease.
type Known struct {
	Mine bool // the work runs here
	News string
	// Age is how long ago a holder told News, by this process's clock, or how long ago
	// they were seen first. Who takes a lease tells none by that.
	Age time.Duration
}
