// Package addresses keeps the deposit addresses of merchants' keys: it makes new ones ready,
// tells watchers of them, has them rest when their payments are long over, and derives them
// again. Which addresses may be given out, and how long they are looked at, is neither the
// rail's affair, which knows no merchant's key, nor the checkout's, which sees no chain.
//
// It must not know prices, and no key but extended public ones.
package addresses

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/lifecycle"
	"quittance/internal/merchant"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
)

// Store is what is kept of addresses and of what came to them.
type Store interface {
	merchant.Branches
	// AddressesOver are addresses above a Seq, in its order, whose payments were over at a
	// time: it had ended, or, of those without an end, they had been paid or called off.
	AddressesOver(ctx context.Context, seq int64, at time.Time, limit int) ([]merchant.DepositAddress, error)
	// Balances are checkout.Store's.
	Balances(ctx context.Context, id asset.ChainID, from uint64, of []asset.Address) (map[asset.Address][]checkout.Balance, error)
}

// Config is what a Service is made of.
type Config struct {
	Store Store
	// Chains are those that are watched, and asked who has used an address; without Index
	// and Ledger, which are the Service's.
	Chains []deposit.Config
	Pool   int // free addresses kept ahead for each key; 200 if zero
	// Funders send gas money to deposit addresses, which pays no debt.
	Funders []asset.Address
	Log     *slog.Logger // nil for none
}

// defaultPool is how many addresses are kept ahead for each key: a shop that sells
// twenty things a minute has minutes while a chain does not answer.
const defaultPool = 200

// paces are how many addresses have their turn at one block where blocks come fast, so
// that a round of 100,000 takes two minutes at the most and asks for no more than that
// needs. Other chains have deposit.Config's default.
var paces = map[asset.ChainID]int{asset.ArbitrumOne: 250}

// Service watches deposit addresses on all chains and keeps them ready. Each chain's blocks
// are read by one goroutine.
type Service struct {
	watched  *watched
	funders  []asset.Address
	watchers map[asset.ChainID]*deposit.Watcher
	pool     *pool
	rest     *resting
}

// New makes a Service. It asks nobody; its errors are those of deposit.New.
func New(cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		funders: cfg.Funders, watchers: map[asset.ChainID]*deposit.Watcher{}, watched: newWatched(cfg.Store),
		pool: newPool(cfg.Store, cfg.Chains, cmp.Or(cfg.Pool, defaultPool), cfg.Log),
	}
	for _, c := range cfg.Chains {
		c.Index, c.Ledger, c.Slice = s.watched.index, ledger{cfg.Store}, cmp.Or(c.Slice, paces[c.Chain])
		var err error
		if s.watchers[c.Chain], err = deposit.New(c); err != nil {
			return nil, fmt.Errorf("chain %d: %w", c.Chain, err)
		}
	}
	s.rest = newResting(cfg.Store, s.watched, cfg.Log)
	return s, nil
}

// Filter says which logs of a chain tell of deposits.
func (s *Service) Filter(id asset.ChainID) chain.Filter { return s.watchers[id].Filter() }

// Read finds what a sweep's blocks brought to deposit addresses. After any error the sweep
// has to be read again.
func (s *Service) Read(ctx context.Context, sw chain.Sweep, out *checkout.Sweep) error {
	if err := s.watched.refresh(ctx); err != nil {
		return err
	}
	found, err := s.watchers[sw.Chain].Read(ctx, sw)
	if err != nil {
		return fmt.Errorf("watch deposit addresses: %w", err)
	}
	out.Sightings = append(out.Sightings, s.payments(found.Sightings)...)
	out.Balances = append(out.Balances, balances(found.Balances)...)
	return nil
}

// Tokens are the sightings of a sweep that its logs alone are evidence of. It asks no chain.
func (s *Service) Tokens(ctx context.Context, sw chain.Sweep) ([]rail.Sighting, error) {
	if err := s.watched.refresh(ctx); err != nil {
		return nil, err
	}
	return s.watchers[sw.Chain].Tokens(sw), nil
}

// Testify asks a node whether it has what is kept of native money in a block.
func (s *Service) Testify(ctx context.Context, id asset.ChainID, b chain.Block, held []checkout.Held, by chain.Batcher) (chain.Testimony, error) {
	kept := make([]deposit.Kept, len(held))
	for i, h := range held {
		kept[i] = deposit.Kept{Address: h.Address, Wei: h.Wei, Money: h.Money, Sure: h.Sure, Early: h.Early}
		if h.Previous != nil {
			kept[i].Before, kept[i].Block = h.Previous.Wei, h.Previous.BlockHash
		}
	}
	return s.watchers[id].Testify(ctx, by, b, kept)
}

// payments leaves out the native currency that funders sent: it pays for the gas of a
// sweep, and no payer's debt. Balances keep it, as they must.
func (s *Service) payments(xs []rail.Sighting) []rail.Sighting {
	return slices.DeleteFunc(xs, func(x rail.Sighting) bool {
		return x.Token.IsZero() && slices.ContainsFunc(s.funders, func(f asset.Address) bool { return f.String() == x.Evidence.Payer })
	})
}

// Whole reports whether whole blocks are read: as long as an address is watched.
func (s *Service) Whole() bool {
	watched, _ := s.watched.index.Len()
	return watched > 0
}

// MaxRange is how many blocks a sweep may have: each is read whole.
func (s *Service) MaxRange() uint64 { return 200 }

// RoundLength is how many blocks of a chain it takes at present until every address that
// does not rest was looked at in turn.
func (s *Service) RoundLength(id asset.ChainID) uint64 { return s.watchers[id].RoundLength() }

// Run keeps addresses ready, and has those rest whose payments are long over, until ctx ends.
// Neither can fail: addresses that are there go on being given out, and watched.
func (s *Service) Run(ctx context.Context) error {
	return lifecycle.Run(ctx, lifecycle.Part{Name: "addresses", Run: s.pool.run}, lifecycle.Part{Name: "resting addresses", Run: s.rest.run})
}

// Supply returns a store that tells of addresses that are given out, so that there are new
// ones in time.
func (s *Service) Supply(of checkout.Store) checkout.Store { return supplied{of, s.pool} }
