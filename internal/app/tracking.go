package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/rail/crosschain"
)

// tracker follows what routes carry over bridges, nil without routes.
func (r *routing) tracker(s Setup, nodes map[asset.ChainID]chain.Batcher) *crosschain.Tracker {
	if r == nil {
		return nil
	}
	finality := map[asset.ChainID]chain.Finality{}
	for _, c := range s.Chains {
		finality[c.ID] = c.finality()
	}
	return crosschain.NewTracker(crosschain.TrackerConfig{Book: s.Book, Client: r.client, Nodes: nodes, Finality: finality, Safes: s.Safe.table()})
}

// filter asks for all that is evidence of either; what is neither's, a contract's
// event of the other's kind, is passed over when it is read.
func filter(r decoder, over bridges, id asset.ChainID) chain.Filter {
	f := r.Filter(id)
	if over != nil && len(f.Addresses) > 0 {
		more := over.Filter(id)
		f.Addresses, f.Topics0 = slices.Concat(f.Addresses, more.Addresses), slices.Concat(f.Topics0, more.Topics0)
	}
	return f
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
