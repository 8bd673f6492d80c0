package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/store"
)

// readWithin is how long after a payment's end the blocks before it are read at the latest,
// while servers run.
const readWithin = time.Minute

// keepWord refuses to work without watching for what payers may be sending now: this
// server would read the blocks that hold it, alone or in another one's place, and nobody
// would read them again.
func keepWord(ctx context.Context, s *store.Store, watched []asset.ID, now time.Time) error {
	asked, err := s.Quoted(ctx, now.Add(-readWithin))
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(asked)) {
		if !slices.Contains(watched, id) {
			return fmt.Errorf("deposits: somebody may be paying in %s, which this configuration does not watch for; leave deposits and prices as they were until %s, on every server of this database",
				id, asked[id].Add(readWithin).Format(time.RFC3339))
		}
	}
	return nil
}

// promised has a server that watches no deposit addresses read no blocks while another one
// of the same database has asked payers for money.
type promised struct {
	store *store.Store

	mu  sync.Mutex
	at  time.Time // of the last look
	err error
}

// promisedFor is how long a look counts: from being asked to having paid takes longer.
const promisedFor = 5 * time.Second

// Filter implements source: no log is of any use here.
func (*promised) Filter(asset.ChainID) chain.Filter { return chain.Filter{} }

// MaxRange implements blockReader.
func (*promised) MaxRange() uint64 { return 0 }

// Read implements blockReader: it finds nothing, or refuses.
func (p *promised) Read(ctx context.Context, _ chain.Sweep, _ *checkout.Sweep) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.at) >= promisedFor {
		p.at, p.err = now, keepWord(ctx, p.store, nil, now)
	}
	return p.err
}
