package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/span"
)

const (
	insertJobs = `INSERT INTO jobs (id, kind, args, lane, run_at, state, leased_until, attempt, why, trace) VALUES `
	jobWidth   = 10
)

// Enqueue implements job.Enqueuer: the job exists if and only if the
// transaction commits.
func (t *tx) Enqueue(ctx context.Context, j job.Job) error { return t.enqueueAll(ctx, []job.Job{j}) }

// enqueueAll is Enqueue for several jobs in one statement.
func (t *tx) enqueueAll(ctx context.Context, jobs []job.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	args, trace := make([]any, 0, len(jobs)*jobWidth), span.Parent(ctx)
	for _, j := range jobs {
		if j.ID == "" {
			j.ID = payment.NewULID(time.Now())
		}
		args = append(args, j.ID, j.Kind, j.Args, j.Lane, micros(j.RunAt), "ready", 0, 0, "", cmp.Or(j.Trace, trace))
	}
	if _, err := t.exec(ctx, insertJobs+tuples(len(jobs), jobWidth), args...); err != nil {
		return err
	}
	t.enqueued = true
	return nil
}

// Enqueue stores a job in a transaction of its own.
func (s *Store) Enqueue(ctx context.Context, j job.Job) error {
	return s.write(ctx, func(t *tx) error { return t.Enqueue(ctx, j) })
}

const (
	isDue = `state = 'ready' AND run_at <= $1 AND leased_until <= $1`

	selectDue = `SELECT id FROM jobs WHERE lane = '' AND ` + isDue + ` ORDER BY run_at, id LIMIT $2`

	selectAnyLanedDue = `SELECT id FROM jobs WHERE lane <> '' AND ` + isDue + ` ORDER BY run_at, id LIMIT 1`

	// selectLanedDue takes the jobs that have the fewest of their lane before
	// them, leased ones included, and among those the oldest. It hops from lane to
	// lane and looks at the first few jobs of each, so that what it costs depends
	// on the number of lanes and not on how many jobs wait in them.
	selectLanedDue = `WITH RECURSIVE lanes (lane) AS (
  SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'ready' AND j.lane > ''
  UNION ALL
  SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'ready' AND j.lane > l.lane) FROM lanes l WHERE l.lane IS NOT NULL
 ), leased (lane, n) AS (
  SELECT j.lane, COUNT(*) FROM jobs j WHERE j.leased_until > 0 AND j.leased_until > $1 AND j.lane > '' GROUP BY j.lane
 ), heads (lane, id, place) AS (
  SELECT l.lane, (SELECT j.id FROM jobs j WHERE j.lane = l.lane AND j.state = 'ready' AND j.run_at <= $1 AND j.leased_until <= $1
   ORDER BY j.run_at, j.id LIMIT 1), COALESCE(b.n, 0)
  FROM lanes l LEFT JOIN leased b ON b.lane = l.lane WHERE l.lane IS NOT NULL AND COALESCE(b.n, 0) < $3
  UNION ALL
  SELECT h.lane, (SELECT j.id FROM jobs j WHERE j.lane = h.lane AND j.state = 'ready' AND j.run_at <= $1 AND j.leased_until <= $1
   AND (j.run_at, j.id) > (k.run_at, k.id) ORDER BY j.run_at, j.id LIMIT 1), h.place + 1
  FROM heads h JOIN jobs k ON k.id = h.id WHERE h.place + 1 < $3
 )
 SELECT h.id FROM heads h JOIN jobs j ON j.id = h.id ORDER BY h.place, j.run_at, j.id LIMIT $2`

	// claimJobs repeats the conditions: on PostgreSQL a row that another worker
	// has just claimed is looked at again, and no longer fits. That is what makes it
	// safe without SKIP LOCKED, which SQLite lacks.
	claimJobs = `UPDATE jobs SET leased_until = $2, attempt = attempt + 1 WHERE ` + isDue + ` AND id IN (`

	renewJobs = `UPDATE jobs SET leased_until = $1 WHERE state = 'ready' AND leased_until > 0 AND (`
)

// Claim implements job.Queue. The limit of a lane holds for all workers, but
// for those on PostgreSQL that claim in the same moment.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, room job.Room) ([]job.Job, error) {
	for {
		// A look costs no write lock, and most of the time there is nothing.
		ids, err := s.claimable(ctx, now, room)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		jobs, err := s.claim(ctx, now, lease, ids)
		if err != nil || len(jobs) > 0 {
			return jobs, err
		}
		// Others took exactly the jobs that we had chosen: look again.
	}
}

// claimable chooses the jobs for a claim.
func (s *Store) claimable(ctx context.Context, now time.Time, room job.Room) ([]string, error) {
	var ids []string
	if room.Free > 0 {
		some, err := s.jobIDs(ctx, selectDue, micros(now), room.Free)
		if err != nil {
			return nil, err
		}
		ids = some
	}
	if room.Laned <= 0 || room.PerLane <= 0 {
		return ids, nil
	}
	var one string
	if ok, err := found(s.read.row(ctx, selectAnyLanedDue, []any{micros(now)}, &one)); err != nil || !ok {
		return ids, err
	}
	laned, err := s.jobIDs(ctx, selectLanedDue, micros(now), room.Laned, room.PerLane)
	return append(ids, laned...), err
}

func (s *Store) jobIDs(ctx context.Context, query string, args ...any) ([]string, error) {
	r, err := s.read.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (id string, err error) { return id, r.Scan(&id) })
}

// claimBatch is how many jobs one statement claims.
const claimBatch = 64

func (s *Store) claim(ctx context.Context, now time.Time, lease time.Duration, ids []string) ([]job.Job, error) {
	slices.Sort(ids) // workers that meet wait for each other and never in a circle
	var jobs []job.Job
	err := s.write(ctx, func(t *tx) error {
		jobs = nil
		for some := range slices.Chunk(ids, claimBatch) {
			args := []any{micros(now), micros(now.Add(lease))}
			// Few lengths make few statements to prepare: the last id fills up.
			for i := range roundUp(len(some)) {
				args = append(args, some[min(i, len(some)-1)])
			}
			r, err := t.query(ctx, claimJobs+placeholders(3, len(args)-2)+`) RETURNING id, kind, args, lane, run_at, attempt, trace`, args...)
			if err != nil {
				return err
			}
			claimed, err := collect(r, func() (j job.Job, err error) {
				var at int64
				err = r.Scan(&j.ID, &j.Kind, &j.Args, &j.Lane, &at, &j.Attempt, &j.Trace)
				j.RunAt = fromMicros(at)
				return j, err
			})
			if err != nil {
				return t.note(err)
			}
			jobs = append(jobs, claimed...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(jobs, func(a, b job.Job) int {
		return cmp.Or(a.RunAt.Compare(b.RunAt), cmp.Compare(a.ID, b.ID))
	})
	return jobs, nil
}

// Renew implements job.Queue.
func (s *Store) Renew(ctx context.Context, claimed []job.Job, until time.Time) (kept []string, err error) {
	claimed = slices.SortedFunc(slices.Values(claimed), func(a, b job.Job) int { return cmp.Compare(a.ID, b.ID) })
	ctx = urgent(ctx)
	err = s.write(ctx, func(t *tx) error {
		kept = nil
		for some := range slices.Chunk(claimed, claimBatch) {
			query, args := renewJobs, []any{micros(until)}
			for i := range roundUp(len(some)) {
				j := some[min(i, len(some)-1)]
				if i > 0 {
					query += ` OR `
				}
				query += fmt.Sprintf(`(id = $%d AND attempt = $%d)`, len(args)+1, len(args)+2)
				args = append(args, j.ID, j.Attempt)
			}
			r, err := t.query(ctx, query+`) RETURNING id`, args...)
			if err != nil {
				return err
			}
			ids, err := collect(r, func() (id string, err error) { return id, r.Scan(&id) })
			if err != nil {
				return t.note(err)
			}
			kept = append(kept, ids...)
		}
		return nil
	})
	return kept, err
}

// roundUp is the next power of four, at most claimBatch.
func roundUp(n int) int {
	size := 1
	for size < n {
		size *= 4
	}
	return min(size, claimBatch)
}

const (
	deleteJob = `DELETE FROM jobs WHERE id = $1`
	againJob  = `UPDATE jobs SET run_at = $2, leased_until = 0, why = $3 WHERE id = $1 AND state = 'ready'`
	snoozeJob = `UPDATE jobs SET run_at = $2, leased_until = 0, why = $3, attempt = 0 WHERE id = $1 AND state = 'ready'`
	buryJob   = `UPDATE jobs SET state = 'buried', leased_until = 0, why = $2 WHERE id = $1`
)

// Done implements job.Queue. A job that is gone already is no error: a second
// worker may have taken it over after the lease ran out.
func (s *Store) Done(ctx context.Context, id string) error {
	return s.change(ctx, deleteJob, id)
}

// Again implements job.Queue.
func (s *Store) Again(ctx context.Context, id string, at time.Time, why string) error {
	return s.change(ctx, againJob, id, micros(at), plain(why))
}

// Snooze implements job.Queue.
func (s *Store) Snooze(ctx context.Context, id string, at time.Time, why string) error {
	return s.change(ctx, snoozeJob, id, micros(at), plain(why))
}

// Bury implements job.Queue.
func (s *Store) Bury(ctx context.Context, id string, why string) error {
	return s.change(ctx, buryJob, id, plain(why))
}

// change runs one statement in a transaction of its own.
func (s *Store) change(ctx context.Context, query string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
}

// changeOne is change for a row that must be there.
func (s *Store) changeOne(ctx context.Context, what, query string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, query, args...)
		if err == nil && n == 0 {
			return notFound(what)
		}
		return err
	})
}

const (
	selectBuried = `SELECT id, kind, args, lane, run_at, attempt, why FROM jobs WHERE state = 'buried' AND id < $1 ORDER BY id DESC LIMIT $2`
	reviveJob    = `UPDATE jobs SET state = 'ready', run_at = $2, attempt = 0 WHERE id = $1 AND state = 'buried'`
)

// lastID is above every ULID in every collation, for listing from the newest on.
const lastID = "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"

// Buried lists jobs that were given up, the newest first, below an id ("" for
// the start).
func (s *Store) Buried(ctx context.Context, before string, limit int) ([]job.Buried, error) {
	if before == "" {
		before = lastID
	}
	r, err := s.read.query(ctx, selectBuried, before, limit)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (b job.Buried, err error) {
		var at int64
		err = r.Scan(&b.ID, &b.Kind, &b.Args, &b.Lane, &at, &b.Attempt, &b.Why)
		b.RunAt = fromMicros(at)
		return b, err
	})
}

// Revive makes a buried job due again.
//
// Faults: NotFound.
func (s *Store) Revive(ctx context.Context, id string, at time.Time) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec(ctx, reviveJob, id, micros(at))
		if err == nil && n == 0 {
			return notFound("job")
		}
		t.enqueued = true
		return err
	})
}
