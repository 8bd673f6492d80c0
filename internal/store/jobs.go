package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"quittance/internal/job"
	"quittance/internal/payment"
)

const insertJob = `INSERT INTO jobs (id, kind, args, state, run_at, leased_until, attempt, why)
 VALUES ($1, $2, $3, 'ready', $4, 0, 0, '')`

// Enqueue implements job.Enqueuer: the job exists if and only if the
// transaction commits.
func (t *tx) Enqueue(ctx context.Context, j job.Job) error {
	if j.ID == "" {
		j.ID = payment.NewULID(time.Now())
	}
	if _, err := t.exec(ctx, insertJob, j.ID, j.Kind, j.Args, micros(j.RunAt)); err != nil {
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
	// claimJobs repeats its conditions outside of the subquery: on PostgreSQL a
	// row that another worker has just claimed is looked at again, and no longer
	// fits. That is what makes it safe without SKIP LOCKED, which SQLite lacks.
	claimJobs = `UPDATE jobs SET leased_until = $2, attempt = attempt + 1
 WHERE state = 'ready' AND run_at <= $1 AND leased_until <= $1 AND id IN (
  SELECT j.id FROM jobs j WHERE j.state = 'ready' AND j.run_at <= $1 AND j.leased_until <= $1 ORDER BY j.run_at, j.id LIMIT $3)
 RETURNING id, kind, args, run_at, attempt`

	selectAnyDue = `SELECT id FROM jobs WHERE state = 'ready' AND run_at <= $1 AND leased_until <= $1 ORDER BY run_at, id LIMIT 1`
)

// Claim implements job.Queue.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, n int) ([]job.Job, error) {
	for {
		// A look costs no write lock, and most of the time there is nothing.
		var id string
		if ok, err := found(s.read.row(ctx, selectAnyDue, []any{micros(now)}, &id)); err != nil || !ok {
			return nil, err
		}
		jobs, err := s.claim(ctx, now, lease, n)
		if err != nil || len(jobs) > 0 {
			return jobs, err
		}
		// Others took exactly the jobs that we had chosen: look again.
	}
}

func (s *Store) claim(ctx context.Context, now time.Time, lease time.Duration, n int) ([]job.Job, error) {
	var jobs []job.Job
	err := s.write(ctx, func(t *tx) error {
		r, err := t.query(ctx, claimJobs, micros(now), micros(now.Add(lease)), n)
		if err != nil {
			return err
		}
		jobs, err = collect(r, func() (j job.Job, err error) {
			var at int64
			err = r.Scan(&j.ID, &j.Kind, &j.Args, &at, &j.Attempt)
			j.RunAt = fromMicros(at)
			return j, err
		})
		return t.note(err)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(jobs, func(a, b job.Job) int {
		return cmp.Or(a.RunAt.Compare(b.RunAt), cmp.Compare(a.ID, b.ID))
	})
	return jobs, nil
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
	selectBuried = `SELECT id, kind, args, run_at, attempt, why FROM jobs WHERE state = 'buried' AND id < $1 ORDER BY id DESC LIMIT $2`
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
		err = r.Scan(&b.ID, &b.Kind, &b.Args, &at, &b.Attempt, &b.Why)
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
