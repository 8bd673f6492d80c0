package app

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
	"quittance/internal/rate"
	"quittance/internal/store"
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

// PriceSetup says where prices come from. An asset that has a feed and a name is priced
// by its feed, as long as the API does not say something else.
type PriceSetup struct {
	Feeds map[asset.ChainID]FeedSetup // by the chain on which they are read
	API   *rate.APIConfig             // nil for none
	Bound money.BasisPoints           // how far feed and API may be apart; 200 if zero
	Alone bool                        // a feed's word is enough while the API has no price
}

// FeedSetup are the feeds that are read on one chain. They may be of assets of others.
type FeedSetup struct {
	Feeds     map[asset.ID]rate.Feed
	Sequencer asset.Address // the rollup's uptime feed, zero for none
}

// keepPrices is the usual time for which a price is given out again. Quotes are frozen for
// minutes: seconds more do not count.
const keepPrices = 10 * time.Second

// defaultPool is how many addresses are kept ahead for each key: a shop that sells
// twenty things a minute has minutes while a chain does not answer.
const defaultPool = 200

// defaultBound is how far two sources may be apart: what feeds of 0.5 % deviation and
// an API that is a minute old differ by on a bad day.
const defaultBound money.BasisPoints = 200

// paces are how many addresses have their turn at one block where blocks come fast, so
// that a round of 100,000 takes two minutes at the most and asks for no more than that
// needs. Other chains have deposit.Config's default.
var paces = map[asset.ChainID]int{asset.ArbitrumOne: 250}

// deposits is what payments to addresses of their own need.
type deposits struct {
	assets   []asset.ID
	rail     *deposit.Rail
	prices   *prices
	api      *rate.API // nil for none
	watched  *watched
	funders  []asset.Address
	watchers map[asset.ChainID]*deposit.Watcher
	pool     *pool
	rest     *resting
}

// build makes all of it; nil if no payment is due in dollars here.
func (s *DepositSetup) build(setup Setup, nodes map[asset.ChainID]chain.Batcher, db *store.Store) (*deposits, error) {
	if s == nil {
		return nil, nil
	}
	out := &deposits{funders: s.Funders, watchers: map[asset.ChainID]*deposit.Watcher{}, watched: newWatched(db)}
	source, priced, err := out.sources(s.Prices, setup, nodes)
	if err != nil {
		return nil, err
	}
	if out.assets, err = s.enabled(setup.Book, priced); err != nil {
		return nil, err
	}
	out.prices = newPrices(rate.Keep(source, cmp.Or(s.Keep, keepPrices), time.Now), setup.Log)
	out.rail, err = deposit.NewRail(deposit.RailConfig{Book: setup.Book, Nodes: nodes, Assets: out.assets, Keys: keys{db}})
	if err != nil {
		return nil, err
	}
	out.pool = newPool(db, cmp.Or(s.Pool, defaultPool), setup.Log)
	for _, c := range setup.Chains {
		multicall, ok := setup.Registry.Contract(c.ID, official.Multicall3)
		if !ok {
			return nil, fmt.Errorf("deposits: chain %d has no Multicall3, without which addresses cannot be watched", c.ID)
		}
		tokens := out.tokens(setup.Book, c.ID)
		out.watchers[c.ID], err = deposit.New(deposit.Config{
			Chain: c.ID, Node: nodes[c.ID], Multicall: multicall.Address, Tokens: tokens, Index: out.watched.index, Ledger: ledger{db},
			Slice: cmp.Or(s.Slices[c.ID], paces[c.ID]),
		})
		if err != nil {
			return nil, fmt.Errorf("deposits: chain %d: %w", c.ID, err)
		}
		out.pool.chains = append(out.pool.chains, poolChain{id: c.ID, node: nodes[c.ID], multicall: multicall.Address, tokens: tokens})
	}
	out.rest = newResting(db, out.watched, setup.Log)
	return out, nil
}

// enabled are the assets that can be paid with. Each needs a price: one that nobody
// knows the worth of would be taken and never count.
func (s *DepositSetup) enabled(book *asset.Book, priced []asset.ID) ([]asset.ID, error) {
	if len(s.Assets) > 0 {
		for _, id := range s.Assets {
			if t, ok := book.Token(id); !ok || t.ID != id {
				return nil, fmt.Errorf("deposits: assets: %s is not known on the configured chains", id)
			}
			if !slices.Contains(priced, id) {
				return nil, fmt.Errorf("deposits: assets: %s has no price: neither a feed nor a name of the price API", id)
			}
		}
		return slices.Clone(s.Assets), nil
	}
	var all []asset.ID
	for _, c := range book.Chains() { // the native currency first
		for _, native := range []bool{true, false} {
			for _, t := range book.Tokens() {
				if t.Chain == c.ID && t.Native == native && slices.Contains(priced, t.ID) {
					all = append(all, t.ID)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("deposits: no asset has a price")
	}
	return all, nil
}

// tokens are the enabled tokens of a chain, whose transfers are read.
func (d *deposits) tokens(book *asset.Book, id asset.ChainID) (out []asset.Address) {
	for _, a := range d.assets {
		if t, _ := book.Token(a); t.Chain == id && !t.Native {
			out = append(out, t.Address)
		}
	}
	return out
}

// sources are the configured sources of prices as one, and the assets that it has.
func (d *deposits) sources(s PriceSetup, setup Setup, nodes map[asset.ChainID]chain.Batcher) (rate.Source, []asset.ID, error) {
	var feeds rate.Several
	var fed, named []asset.ID
	for _, c := range setup.Chains {
		f, ok := s.Feeds[c.ID]
		if !ok {
			continue
		}
		source, err := f.source(c.ID, setup, nodes)
		if err != nil {
			return nil, nil, err
		}
		part := rate.Part{Source: source}
		for id := range f.Feeds {
			if slices.Contains(fed, id) {
				return nil, nil, fmt.Errorf("prices: %s has feeds on two chains", id)
			}
			if _, ok := setup.Book.Token(id); !ok && id != asset.EUR {
				return nil, nil, fmt.Errorf("prices: %s is not known on the configured chains", id)
			}
			part.Of, fed = append(part.Of, id), append(fed, id)
		}
		feeds = append(feeds, part)
	}
	if len(feeds) != len(s.Feeds) {
		return nil, nil, errors.New("prices: feeds of a chain that is not configured")
	}
	if s.API == nil {
		return feeds, fed, nil
	}
	var err error
	if d.api, err = rate.NewAPI(*s.API); err != nil {
		return nil, nil, err
	}
	for id := range s.API.IDs {
		named = append(named, id)
	}
	both := slices.DeleteFunc(slices.Clone(fed), func(id asset.ID) bool { return !slices.Contains(named, id) })
	agreed := rate.Agreed{First: feeds, Second: d.api, Bound: cmp.Or(s.Bound, defaultBound), Alone: s.Alone}
	all := rate.Several{{Source: agreed, Of: both}, {Source: feeds, Of: fed}, {Source: d.api, Of: named}}
	return all, append(fed, named...), nil
}

// source reads the feeds of one chain.
func (f FeedSetup) source(id asset.ChainID, setup Setup, nodes map[asset.ChainID]chain.Batcher) (*rate.Chainlink, error) {
	multicall, ok := setup.Registry.Contract(id, official.Multicall3)
	if !ok {
		return nil, fmt.Errorf("prices: chain %d has no Multicall3, through which feeds are read", id)
	}
	source, err := rate.NewChainlink(rate.ChainlinkConfig{
		Chain: id, Node: nodes[id], Multicall: multicall.Address, Feeds: f.Feeds, Sequencer: f.Sequencer,
	})
	if err != nil {
		return nil, fmt.Errorf("prices: chain %d: %w", id, err)
	}
	return source, nil
}

// rails are the rails of deposits, none if there are none.
func (d *deposits) rails() []rail.Rail {
	if d == nil {
		return nil
	}
	return []rail.Rail{d.rail}
}

// close ends questions to the price API.
func (d *deposits) close() {
	if d != nil && d.api != nil {
		d.api.Close()
	}
}

// logged is a log that may be left out.
func logged(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
