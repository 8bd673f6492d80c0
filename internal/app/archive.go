package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"quittance/internal/payment"
	"quittance/internal/store"
)

// Keeping says for how long what is over stays where it is.
type Keeping struct {
	Archive  time.Duration // since something last happened to a closed payment; 0 for 90 days, negative for ever
	Messages time.Duration // since merchants were told it; 0 for 400 days, negative for ever
	Upgrade  time.Duration // for how long nodes that know no archive may run beside this one; 0 for a day
}

// archiver takes closed payments out of the way of new ones, a few at a time, and forgets
// what merchants were told long ago. One node does it for all.
type archiver struct {
	Keeping
	store archiveStore
	log   *slog.Logger
}

// archiveStore is what an archiver needs of the store.
type archiveStore interface {
	Archive(ctx context.Context, after payment.ID, quiet time.Time) (store.Archived, error)
	ArchiveSince(ctx context.Context) (time.Time, error)
	PruneMessages(ctx context.Context, before time.Time) (int, error)
}

const (
	archiveEvery = time.Hour // how often it looks through all payments
	// archiveRests is how many times as long as a step took there is none after it: of what
	// the database can write, a tenth at most is the archive's.
	archiveRests = 9
	archivePause = 20 * time.Millisecond // the shortest of these rests
)

func newArchiver(k Keeping, db archiveStore, log *slog.Logger) *archiver {
	const day = 24 * time.Hour
	return &archiver{Keeping{cmp.Or(k.Archive, 90*day), cmp.Or(k.Messages, 400*day), cmp.Or(k.Upgrade, day)}, db, log}
}

// run works until ctx ends, and returns nil then. What fails is tried again the next time:
// nobody waits for it.
func (a *archiver) run(ctx context.Context) error {
	for {
		if n, err := a.archive(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "archiving closed payments failed", "moved", n, "err", err)
		} else if n > 0 {
			a.log.InfoContext(ctx, "closed payments archived", "count", n)
		}
		if n, err := a.forget(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "deleting old messages to merchants failed", "err", err)
		} else if n > 0 {
			a.log.InfoContext(ctx, "old messages to merchants deleted", "count", n)
		}
		if !pause(ctx, archiveEvery) {
			return nil
		}
	}
}

// archive looks through all payments once.
func (a *archiver) archive(ctx context.Context) (moved int, err error) {
	if a.Archive < 0 {
		return 0, nil
	}
	since, err := a.store.ArchiveSince(ctx)
	if err != nil {
		return 0, fmt.Errorf("find out how old the archive is: %w", err)
	}
	now := time.Now()
	if now.Sub(since) < a.Upgrade {
		return 0, nil
	}
	for after := payment.ID(""); ; {
		began := time.Now()
		step, err := a.store.Archive(ctx, after, now.Add(-a.Archive))
		if err != nil {
			return moved, err
		}
		moved += step.Moved
		if after = step.Last; after == "" {
			return moved, nil
		}
		if !pause(ctx, max(archivePause, archiveRests*time.Since(began))) {
			return moved, nil
		}
	}
}

func (a *archiver) forget(ctx context.Context) (int, error) {
	if a.Messages < 0 {
		return 0, nil
	}
	return a.store.PruneMessages(ctx, time.Now().Add(-a.Messages))
}

// pause waits, and reports whether ctx still goes on after that.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
