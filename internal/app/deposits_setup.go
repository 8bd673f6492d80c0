package app

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
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
)

// DepositSetup says how what is due in dollars is paid: with which assets, and at whose
// prices. The addresses are of the merchants' own keys, which the database has.
type DepositSetup struct {
	// Assets are the enabled ones, in the order in which they are offered; all that have
	// a price if empty.
	Assets []asset.ID
	Pool   int                   // free addresses kept ahead for each key; 200 if zero
	Slices map[asset.ChainID]int // addresses that have their turn at one block; by the chain's pace if missing
	Prices PriceSetup
	// Funders send gas money to deposit addresses: see config.Deposits.
	Funders []asset.Address
	Keep    time.Duration // for how long a price is given out again; ten seconds if zero
}

// defaultPool is how many addresses are kept ahead for each key: a shop that sells
// twenty things a minute has minutes while a chain does not answer.
const defaultPool = 200

// paces are how many addresses have their turn at one block where blocks come fast, so
// that a round of 100,000 takes two minutes at the most and asks for no more than that
// needs. Other chains have deposit.Config's default.
var paces = map[asset.ChainID]int{asset.ArbitrumOne: 250}

// deposits is the rail to addresses of payments' own, and what watches them and keeps them
// ready.
type deposits struct {
	*deposit.Rail
	watched  *watched
	funders  []asset.Address
	watchers map[asset.ChainID]*deposit.Watcher
	pool     *pool
	rest     *resting
}

// newDeposits makes the rail; nil if no payment is due in a fiat currency here.
func newDeposits(g ground) (rail.Rail, error) {
	s := g.Deposits
	if s == nil {
		return nil, nil
	}
	d := &deposits{
		funders: s.Funders, watchers: map[asset.ChainID]*deposit.Watcher{}, watched: newWatched(g.store), pool: newPool(g.store, cmp.Or(s.Pool, defaultPool), g.Log),
	}
	var err error
	d.Rail, err = deposit.NewRail(deposit.RailConfig{Book: g.Book, Nodes: g.nodes, Assets: g.pricing.assets, Keys: keys{g.store}})
	if err != nil {
		return nil, err
	}
	for _, c := range g.Chains {
		multicall, ok := g.Registry.Contract(c.ID, official.Multicall3)
		if !ok {
			return nil, fmt.Errorf("deposits: chain %d has no Multicall3, without which addresses cannot be watched", c.ID)
		}
		tokens := g.pricing.tokens(g.Book, c.ID)
		d.watchers[c.ID], err = deposit.New(deposit.Config{
			Chain: c.ID, Node: g.nodes[c.ID], Multicall: multicall.Address, Tokens: tokens, Index: d.watched.index, Ledger: ledger{g.store},
			Slice: cmp.Or(s.Slices[c.ID], paces[c.ID]),
		})
		if err != nil {
			return nil, fmt.Errorf("deposits: chain %d: %w", c.ID, err)
		}
		d.pool.chains = append(d.pool.chains, poolChain{id: c.ID, node: g.nodes[c.ID], multicall: multicall.Address, tokens: tokens})
	}
	d.rest = newResting(g.store, d.watched, g.Log)
	return d, nil
}

// Filter implements source.
func (d *deposits) Filter(id asset.ChainID) chain.Filter { return d.watchers[id].Filter() }

// Read implements blockReader: it finds what a sweep's blocks brought to deposit addresses.
func (d *deposits) Read(ctx context.Context, sw chain.Sweep, out *checkout.Sweep) error {
	if err := d.watched.refresh(ctx); err != nil {
		return err
	}
	found, err := d.watchers[sw.Chain].Read(ctx, sw)
	if err != nil {
		return fmt.Errorf("watch deposit addresses: %w", err)
	}
	out.Sightings = append(out.Sightings, d.payments(found.Sightings)...)
	out.Balances = append(out.Balances, balances(found.Balances)...)
	return nil
}

// payments leaves out the native currency that funders sent: it pays for the gas of a
// sweep, and no payer's debt. Balances keep it, as they must.
func (d *deposits) payments(xs []rail.Sighting) []rail.Sighting {
	return slices.DeleteFunc(xs, func(x rail.Sighting) bool {
		return x.Token.IsZero() && slices.ContainsFunc(d.funders, func(f asset.Address) bool { return f.String() == x.Evidence.Payer })
	})
}

// MaxRange implements blockReader: each block is read whole.
func (d *deposits) MaxRange() uint64 { return 200 }

// Run keeps addresses ready, and has those rest whose payments are long over, until ctx ends.
// Neither can fail: addresses that are there go on being given out, and watched.
func (d *deposits) Run(ctx context.Context) error {
	return lifecycle.Run(ctx, lifecycle.Part{Name: "addresses", Run: d.pool.run}, lifecycle.Part{Name: "resting addresses", Run: d.rest.run})
}

// Supply implements supplier: the pool is told of addresses that are given out.
func (d *deposits) Supply(s checkout.Store) checkout.Store { return supplied{s, d.pool} }

// logged is a log that may be left out.
func logged(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
