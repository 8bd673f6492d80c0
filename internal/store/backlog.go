package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
)

// MostCounted is where the counts of a Backlog end: whoever watches needs to know
// that there are very many, and not how many.
const MostCounted = 10_000

// Backlog is the work that waits.
type Backlog struct {
	Due         int            // jobs whose time has come, those that run included
	Kinds       map[string]int // jobs that are to run at some time, by kind: of the first MostCounted
	Buried      int            // jobs that were given up
	Undelivered int            // deliveries that are still tried
	OldestDue   time.Time      // since when the oldest due job waits for a worker, zero if none does
	Oldest      time.Time      // when the oldest undelivered delivery came into being, zero if there is none
}

// Every one of these reads a bounded part of an index.
const (
	selectOldestDue = `SELECT run_at FROM jobs WHERE ` + isDue + ` ORDER BY run_at, id LIMIT 1`
	countDue        = `SELECT COUNT(*) FROM (SELECT id FROM jobs WHERE state = 'ready' AND run_at <= $1 ORDER BY run_at, id LIMIT $2) AS few`
	countKinds      = `SELECT kind, COUNT(*) FROM (SELECT kind FROM jobs WHERE state = 'ready' ORDER BY run_at, id LIMIT $1) AS few GROUP BY kind`
	countBuried     = `SELECT COUNT(*) FROM (SELECT id FROM jobs WHERE state = 'buried' ORDER BY id LIMIT $1) AS few`
	countQueued     = `SELECT COUNT(*) FROM (SELECT id FROM deliveries WHERE state = 'queued' ORDER BY id LIMIT $1) AS few`
	selectQueued    = `SELECT created_at FROM deliveries WHERE state = 'queued' ORDER BY id LIMIT 1`
)

// Backlog looks at the work that waits.
func (s *Store) Backlog(ctx context.Context, now time.Time) (b Backlog, err error) {
	for _, q := range []struct {
		sql  string
		args []any
		to   *int
	}{
		{countDue, []any{micros(now), MostCounted}, &b.Due}, {countBuried, []any{MostCounted}, &b.Buried}, {countQueued, []any{MostCounted}, &b.Undelivered},
	} {
		if err := s.read.row(ctx, q.sql, q.args, q.to); err != nil {
			return Backlog{}, fmt.Errorf("count what waits: %w", err)
		}
	}
	if b.OldestDue, err = s.when(ctx, selectOldestDue, micros(now)); err != nil {
		return Backlog{}, err
	}
	if b.Oldest, err = s.when(ctx, selectQueued); err != nil {
		return Backlog{}, err
	}
	r, err := s.read.query(ctx, countKinds, MostCounted)
	if err != nil {
		return Backlog{}, fmt.Errorf("count jobs: %w", err)
	}
	b.Kinds = map[string]int{}
	_, err = collect(r, func() (struct{}, error) {
		var kind string
		var n int
		err := r.Scan(&kind, &n)
		b.Kinds[kind] = n
		return struct{}{}, err
	})
	return b, err
}

// when reads a time, zero if there is no row.
func (s *Store) when(ctx context.Context, query string, args ...any) (time.Time, error) {
	var at int64
	ok, err := found(s.read.row(ctx, query, args, &at))
	if err != nil || !ok {
		return time.Time{}, err
	}
	return fromMicros(at), nil
}

const sumOfDay = `SELECT CAST(COALESCE(SUM(gwei), 0) AS TEXT) FROM gas_grants WHERE chain = $1 AND day = $2 AND (sent OR at > $3)`

// GasOfDay is what was promised and spent on payers' gas on a chain on now's day, in
// wei without the last nine digits; unsent is since when what was not sent counts.
func (s *Store) GasOfDay(ctx context.Context, chain asset.ChainID, now, unsent time.Time) (*big.Int, error) {
	on, err := number(uint64(chain))
	if err != nil {
		return nil, err
	}
	var text string
	if err := s.read.row(ctx, sumOfDay, []any{on, day(now), micros(unsent)}, &text); err != nil {
		return nil, err
	}
	gwei, err := parseUnits(text)
	if err != nil {
		return nil, err
	}
	return gwei.Mul(gwei, weiPerGwei), nil
}

// Pool is how busy the connections to the database are, and the queue of writes.
type Pool struct {
	Open, InUse, Idle int
	Waits             int64         // how often somebody had to wait for a connection
	Waited            time.Duration // and for how long, all together
	Writes            int           // writes that wait for their turn; PostgreSQL has its own queue
}

// Pool looks at the connections, and at nothing in the database.
func (s *Store) Pool() Pool { return s.engine.pool() }

func (e *sqliteEngine) pool() Pool {
	st := e.readers.db.Stats()
	return Pool{Open: st.OpenConnections, InUse: st.InUse, Idle: st.Idle, Waits: st.WaitCount, Waited: st.WaitDuration, Writes: int(e.waits.Load())}
}

func (e *postgresEngine) pool() Pool {
	var all Pool
	for _, db := range []*sql.DB{e.db.usual, e.db.urgent, e.groups} {
		st := db.Stats()
		all.Open, all.InUse, all.Idle = all.Open+st.OpenConnections, all.InUse+st.InUse, all.Idle+st.Idle
		all.Waits, all.Waited = all.Waits+st.WaitCount, all.Waited+st.WaitDuration
	}
	return all
}
