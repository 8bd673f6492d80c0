package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/store"
	"quittance/internal/webhook"
	"quittance/web"
)

const (
	sweepEvery = 5 * time.Second // how often payments whose window has passed are looked for
	keepEvery  = time.Minute     // how often what has served its time is deleted
)

// background builds the webhook service and the worker that runs jobs.
func (a *App) background(s Setup) {
	a.Guard = &webhook.Guard{AllowLoopback: s.AllowLoopback}
	a.Webhooks = webhook.New(webhook.Config{Store: a.Store, Guard: a.Guard, Log: s.Log, Tried: a.watch.tried, Encoders: encoders(a.dialects, web.Wiring{
		Directory: a.Directory, Store: a.Store, Book: s.Book, Chains: a.heads, BaseURL: s.BaseURL,
	})})
	handlers := a.Webhooks.Handlers()
	handlers[checkout.TrackKind] = track(a.Checkout.Track, "a transfer over a bridge is under way")
	// Without Safes, too: a job that nobody knows is given up, and they may come back.
	handlers[checkout.SafeTrackKind] = track(a.Checkout.TrackSafe, "a Safe transaction is waiting for its owners")
	handlers[checkout.GaslessTrackKind] = track(a.Checkout.TrackGasless, "a user operation is under way")
	handlers[checkout.PriceKind] = track(a.Checkout.PriceTransfers, "there is no price of what was sent")
	a.watch.kinds = slices.Sorted(maps.Keys(handlers))
	jobs := workerConfig(a.Store, handlers, s.Log)
	jobs.Tracer, jobs.Ran = a.watch.tracer(), a.watch.ran
	a.worker = job.NewWorker(jobs)
}

// workerConfig is how jobs are run. Each place for a delivery is a connection to
// a receiver that may take its whole time limit to say nothing, so there are
// many; each endpoint gets a few of them.
func workerConfig(db *store.Store, handlers map[string]job.Handler, log *slog.Logger) job.Config {
	return job.Config{Queue: db, Handlers: handlers, Log: log, Wake: db.JobsReady(), Laned: 512, PerLane: 8}
}

// track is a job that follows something until there is nothing more to see; why is
// what it waits for.
func track(follow func(ctx context.Context, args string) (again time.Time, err error), why string) job.Handler {
	return func(ctx context.Context, j job.Job) error {
		again, err := follow(ctx, j.Args)
		switch {
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
			return job.Cancel(err)
		case err != nil:
			return err
		case again.IsZero():
			return nil
		case errors.Is(ctx.Err(), context.Canceled):
			return ctx.Err() // a look that a stop cut off says nothing: the next start looks at once
		}
		return job.Snooze(again, why)
	}
}

// expire closes payments whose window has passed, but only while every scanner
// has caught up: money that arrived in time while we were down counts first.
func (a *App) expire(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !a.heads.caughtUp() {
			continue
		}
		if n, err := a.Checkout.ExpireOverdue(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "expiry sweep failed", "err", err)
		} else if n > 0 {
			a.log.InfoContext(ctx, "payments expired", "count", n)
		}
	}
}

// keepHouse forgets what has served its time: idempotent answers past the time
// they are promised for, numbers and sessions that are over, allowances that are
// whole again.
func (a *App) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		now := time.Now().UTC()
		a.keep(ctx, "answers", func() (int, error) { return a.Store.PruneAnswers(ctx, now) })
		a.keep(ctx, "sessions and limits", func() (int, error) { return a.Store.PruneExpired(ctx, now) })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) keep(ctx context.Context, what string, prune func() (int, error)) {
	n, err := prune()
	if err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "what is over was not deleted", "what", what, "err", err)
	} else if n > 0 {
		a.log.DebugContext(ctx, "what is over was deleted", "what", what, "count", n)
	}
}
