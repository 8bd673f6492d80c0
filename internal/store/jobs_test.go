package store_test

import (
	"context"
	"errors"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/job/jobtest"
	"quittance/internal/store"
	"quittance/internal/store/storetest"
)

// queue enqueues the way everybody does who has a checkout.Tx.
type queue struct{ *store.Store }

func (q queue) Transact(ctx context.Context, f func(job.Enqueuer) error) error {
	return q.Write(ctx, func(tx checkout.Tx) error {
		e, ok := tx.(job.Enqueuer)
		if !ok {
			return errors.New("the store's transactions cannot enqueue")
		}
		return f(e)
	})
}

func TestJobs(t *testing.T) {
	for engine, databases := range map[string]func(testing.TB) func(testing.TB) string{
		"sqlite":   func(testing.TB) func(testing.TB) string { return file },
		"postgres": schemas,
	} {
		t.Run(engine, func(t *testing.T) {
			database := databases(t)
			jobtest.Run(t, func(t *testing.T) (jobtest.Database, func() jobtest.Database) {
				dsn := database(t)
				open := func() jobtest.Database { return queue{storetest.Open(t, dsn)} }
				return open(), open
			})
		})
	}
}
