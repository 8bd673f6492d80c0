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
	"quittance/internal/lifecycle"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/store"
	"quittance/internal/webhook"
	"quittance/web/request"
	"quittance/web/secpaid"
	"quittance/web/spacepay"
)

// tells reports whether merchants are told of a kind of event in a dialect: what the
// dialect's encoder tells of. Events of no dialect go to nobody else either.
func tells(dialect string, k payment.EventKind) bool {
	encoders := map[string]webhook.Encoder{request.Name: request.Encoder{}, spacepay.Name: spacepay.Encoder{}, secpaid.Name: secpaid.Encoder{}}
	if e, ok := encoders[dialect]; ok {
		return e.Tells(k)
	}
	return k.Announced()
}

// depositRange is how many blocks are read at once where each of them is read whole.
const depositRange = 200

// maxRange bounds the blocks of one range.
func (d *deposits) maxRange(configured uint64) uint64 {
	if d == nil || configured != 0 && configured <= depositRange {
		return configured
	}
	return depositRange
}

// readWithin is how long after a payment's end the blocks before it are read at the latest,
// while servers run.
const readWithin = time.Minute

// keepWord refuses to work without watching for what payers may be sending now: this
// server would read the blocks that hold it, alone or in another one's place, and nobody
// would read them again.
func (d *deposits) keepWord(ctx context.Context, s *store.Store, now time.Time) error {
	asked, err := s.Quoted(ctx, now.Add(-readWithin))
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(asked)) {
		if d == nil || !slices.Contains(d.assets, id) {
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

// promises are what a server has to check that watches no addresses, nil for others.
func (d *deposits) promises(s *store.Store) *promised {
	if d != nil {
		return nil
	}
	return &promised{store: s}
}

func (p *promised) check(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.at) >= promisedFor {
		var none *deposits
		p.at, p.err = now, none.keepWord(ctx, p.store, now)
	}
	return p.err
}

// filter adds what watchers read to what the other rails do.
func (d *deposits) filter(id asset.ChainID, f chain.Filter) chain.Filter {
	if d == nil {
		return f
	}
	more := d.watchers[id].Filter()
	if len(more.Addresses) == 0 { // no token is enabled here
		return f
	}
	return chain.Filter{Addresses: append(f.Addresses, more.Addresses...), Topics0: append(f.Topics0, more.Topics0...)}
}

// transfer reports whether a log is a token's Transfer event.
func (d *deposits) transfer(l chain.Log) bool {
	return d != nil && len(l.Topics) == 3 && l.Topics[0] == official.TopicTransfer
}

// enabled are the assets that fiat amounts can be paid in, none without prices.
func (d *deposits) enabled() []asset.ID {
	if d == nil {
		return nil
	}
	return d.assets
}

// known are the prices, nil if nobody asks for any.
func (d *deposits) known() checkout.Prices {
	if d == nil {
		return nil
	}
	return d.prices
}

// store is the checkout's, which tells the pool of addresses that are given out.
func (d *deposits) store(s *store.Store) checkout.Store {
	if d == nil {
		return s
	}
	return supplied{s, d.pool}
}

// parts is what runs in the background. None of it can fail: addresses that are there go
// on being given out, and watched.
func (d *deposits) parts() []lifecycle.Part {
	if d == nil {
		return nil
	}
	return []lifecycle.Part{{Name: "deposit addresses", Run: d.pool.run}, {Name: "resting addresses", Run: d.rest.run}}
}

// networks are the chains on which amounts in euros can be shared out in one transaction, in
// the order in which they are configured: there is a batch contract, and something to pay
// with whose price is known.
func (d *deposits) networks(s Setup) (out []asset.ChainID) {
	if d == nil {
		return nil
	}
	for _, c := range s.Chains {
		_, batch := s.Registry.Contract(c.ID, official.BatchPayments)
		priced := slices.ContainsFunc(d.assets, func(id asset.ID) bool { t, ok := s.Book.Token(id); return ok && t.Chain == c.ID })
		if batch && priced {
			out = append(out, c.ID)
		}
	}
	return out
}
