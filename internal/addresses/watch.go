package addresses

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail/deposit"
)

// Keys derives addresses again from the merchants' extended keys.
type Keys struct{ Branches merchant.Branches }

var _ deposit.Keys = Keys{}

// Derive implements deposit.Keys.
func (k Keys) Derive(ctx context.Context, p *payment.Payment, request int) (asset.Address, error) {
	given, err := k.Branches.DepositAddress(ctx, p.Terms.Requests[request].Payee)
	if err != nil {
		return asset.Address{}, err
	}
	if given.Payment != p.ID || given.Request != request || given.Merchant != p.Terms.Merchant {
		return asset.Address{}, fault.New(fault.NotFound, "not_found", "The address was given to another payment.")
	}
	b, err := k.Branches.BranchByID(ctx, given.Branch)
	if err != nil {
		return asset.Address{}, err
	}
	if b.Merchant != p.Terms.Merchant {
		return asset.Address{}, fault.New(fault.NotFound, "not_found", "The key is another merchant's.")
	}
	branch, err := hdkey.OpenBranch(b.XPub)
	if err != nil {
		return asset.Address{}, fmt.Errorf("open the key of branch %s: %w", b.ID, err)
	}
	return branch.Address(given.Index)
}

// ledger is the stored balances for watchers.
type ledger struct{ store Store }

var _ deposit.Ledger = ledger{}

// Balances implements deposit.Ledger.
func (l ledger) Balances(ctx context.Context, id asset.ChainID, from uint64, of []asset.Address) (map[asset.Address]deposit.Known, error) {
	stored, err := l.store.Balances(ctx, id, from, of)
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	out := make(map[asset.Address]deposit.Known, len(stored))
	for a, rows := range stored {
		var k deposit.Known
		for _, b := range rows {
			if row := (deposit.Known{Block: b.Block, Before: b.Before, Wei: b.Wei}); b.Block < from {
				k.Block, k.Before, k.Wei = row.Block, row.Before, row.Wei
			} else {
				k.Later = append(k.Later, row)
			}
		}
		out[a] = k
	}
	return out, nil
}

// balances are what a watcher found, as they are stored.
func balances(bs []deposit.Balance) []checkout.Balance {
	out := make([]checkout.Balance, len(bs))
	for i, b := range bs {
		out[i] = checkout.Balance{Address: b.Address, Block: b.Block, BlockHash: b.BlockHash, Before: b.Before, Wei: b.Wei}
	}
	return out
}

// watched is the set of addresses that watchers look for, kept up with the database,
// where this server and others add to it.
type watched struct {
	index    *deposit.Index
	branches merchant.Branches

	mu  sync.Mutex
	seq int64 // up to which addresses were read
}

func newWatched(b merchant.Branches) *watched {
	return &watched{index: deposit.NewIndex(), branches: b}
}

// watchedAtOnce bounds one question for addresses.
const watchedAtOnce = 5000

// refresh reads the addresses that were added since the last time. Whoever gets an
// address gets one that was committed before, so a sweep that is read afterwards finds
// what it receives.
func (w *watched) refresh(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		as, err := w.branches.AddressesAfter(ctx, w.seq, watchedAtOnce)
		if err != nil {
			return fmt.Errorf("read deposit addresses: %w", err)
		}
		added := make([]asset.Address, len(as))
		for i, a := range as {
			added[i], w.seq = a.Address, a.Seq
		}
		w.index.Add(added...)
		if len(as) < watchedAtOnce {
			return nil
		}
	}
}

const (
	restEvery = time.Hour
	// restAfter is how long after its payment's end an address is looked at in turn; of a
	// payment without one, after it was paid or called off. What names it is found for ever.
	restAfter = 30 * 24 * time.Hour
)

// resting makes addresses whose payments are long over rest, so that turns stay short.
type resting struct {
	store   Store
	watched *watched
	log     *slog.Logger
	now     func() time.Time
	rested  map[asset.Address]bool // only run's goroutine touches it
}

func newResting(db Store, w *watched, log *slog.Logger) *resting {
	return &resting{store: db, watched: w, log: log, now: time.Now, rested: map[asset.Address]bool{}}
}

// run looks every hour until ctx ends, and returns nil then.
func (r *resting) run(ctx context.Context) error {
	for {
		if n, err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "finding deposit addresses that may rest failed", "err", err)
		} else if n > 0 {
			r.log.InfoContext(ctx, "deposit addresses rest", "count", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(restEvery):
		}
	}
}

// look goes through all addresses whose payments were over long ago: by their time, or, of
// those without an end, because they were paid or called off. It begins with the first one
// each time: payments end in another order than their addresses were made in.
func (r *resting) look(ctx context.Context) (count int, err error) {
	if err := r.watched.refresh(ctx); err != nil { // whoever is read later is watched anew
		return 0, err
	}
	old := r.now().Add(-restAfter)
	for seq := int64(0); ; {
		as, err := r.store.AddressesOver(ctx, seq, old, watchedAtOnce)
		if err != nil {
			return count, fmt.Errorf("read deposit addresses: %w", err)
		}
		for _, a := range as {
			seq = a.Seq
			if r.rested[a.Address] {
				continue
			}
			r.watched.index.Rest(a.Address)
			r.rested[a.Address] = true
			count++
		}
		if len(as) < watchedAtOnce {
			return count, nil
		}
	}
}
