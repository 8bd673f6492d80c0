package addresses

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
)

// Asked is what a database knows of the quotes that payers have.
type Asked interface {
	// Quoted are the assets that somebody may be sending to deposit addresses now, and
	// until when at most.
	Quoted(ctx context.Context, now time.Time) (map[asset.ID]time.Time, error)
}

// readWithin is how long after a payment's end the blocks before it are read at the latest,
// while servers run.
const readWithin = time.Minute

// KeepWord refuses to work without watching for what payers may be sending now: this
// server would read the blocks that hold it, alone or in another one's place, and nobody
// would read them again.
func KeepWord(ctx context.Context, s Asked, watched []asset.ID, now time.Time) error {
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

// Promised has a server that watches no deposit addresses read no blocks while another one
// of the same database has asked payers for money.
type Promised struct {
	asked Asked

	mu  sync.Mutex
	at  time.Time // of the last look
	err error
}

// NewPromised returns one for a database.
func NewPromised(a Asked) *Promised { return &Promised{asked: a} }

// promisedFor is how long a look counts: from being asked to having paid takes longer.
const promisedFor = 5 * time.Second

// Filter asks for nothing: no log is of any use here.
func (*Promised) Filter(asset.ChainID) chain.Filter { return chain.Filter{} }

// MaxRange is 0: any number of blocks may be passed over at once.
func (*Promised) MaxRange() uint64 { return 0 }

// Read finds nothing, or refuses.
func (p *Promised) Read(ctx context.Context, _ chain.Sweep, _ *checkout.Sweep) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.at) >= promisedFor {
		p.at, p.err = now, KeepWord(ctx, p.asked, nil, now)
	}
	return p.err
}
