package app

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/rate"
)

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

// defaultBound is how far two sources may be apart: what feeds of 0.5 % deviation and
// an API that is a minute old differ by on a bad day.
const defaultBound money.BasisPoints = 200

// pricing is what amounts in a fiat currency can be paid in, and at whose prices. The zero
// value is nothing.
type pricing struct {
	assets []asset.ID      // in the order in which they are offered
	prices checkout.Prices // nil where nobody is asked
	api    *rate.API       // nil for none
}

// pricing makes it of the setup; the zero value if no payment is due in a fiat currency here.
func (s *DepositSetup) pricing(setup Setup, nodes map[asset.ChainID]chain.Batcher) (pricing, error) {
	if s == nil {
		return pricing{}, nil
	}
	from, err := s.Prices.sources(setup, nodes)
	if err != nil {
		return pricing{}, err
	}
	p := pricing{prices: newPrices(rate.Keep(from.Source, cmp.Or(s.Keep, keepPrices), time.Now), setup.Log), api: from.api}
	p.assets, err = s.enabled(setup.Book, from.of)
	return p, err
}

// close ends questions to the price API.
func (p pricing) close() {
	if p.api != nil {
		p.api.Close()
	}
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
func (p pricing) tokens(book *asset.Book, id asset.ChainID) (out []asset.Address) {
	for _, a := range p.assets {
		if t, _ := book.Token(a); t.Chain == id && !t.Native {
			out = append(out, t.Address)
		}
	}
	return out
}

// sharing are the chains on which amounts in euros can be shared out in one transaction, in
// the order in which they are configured: there is a batch contract, and something to pay
// with whose price is known.
func (p pricing) sharing(s Setup) (out []asset.ChainID) {
	for _, c := range s.Chains {
		_, batch := s.Registry.Contract(c.ID, official.BatchPayments)
		priced := slices.ContainsFunc(p.assets, func(id asset.ID) bool { t, ok := s.Book.Token(id); return ok && t.Chain == c.ID })
		if batch && priced {
			out = append(out, c.ID)
		}
	}
	return out
}

// priceSources are the configured sources as one.
type priceSources struct {
	rate.Source
	of  []asset.ID // that have a price
	api *rate.API  // nil for none; whoever made the sources closes it
}

func (s PriceSetup) sources(setup Setup, nodes map[asset.ChainID]chain.Batcher) (priceSources, error) {
	var feeds rate.Several
	var fed, named []asset.ID
	for _, c := range setup.Chains {
		f, ok := s.Feeds[c.ID]
		if !ok {
			continue
		}
		source, err := f.source(c.ID, setup, nodes)
		if err != nil {
			return priceSources{}, err
		}
		part := rate.Part{Source: source}
		for id := range f.Feeds {
			if slices.Contains(fed, id) {
				return priceSources{}, fmt.Errorf("prices: %s has feeds on two chains", id)
			}
			if _, ok := setup.Book.Token(id); !ok && id != asset.EUR {
				return priceSources{}, fmt.Errorf("prices: %s is not known on the configured chains", id)
			}
			part.Of, fed = append(part.Of, id), append(fed, id)
		}
		feeds = append(feeds, part)
	}
	if len(feeds) != len(s.Feeds) {
		return priceSources{}, errors.New("prices: feeds of a chain that is not configured")
	}
	if s.API == nil {
		return priceSources{Source: feeds, of: fed}, nil
	}
	api, err := rate.NewAPI(*s.API)
	if err != nil {
		return priceSources{}, err
	}
	for id := range s.API.IDs {
		named = append(named, id)
	}
	both := slices.DeleteFunc(slices.Clone(fed), func(id asset.ID) bool { return !slices.Contains(named, id) })
	agreed := rate.Agreed{First: feeds, Second: api, Bound: cmp.Or(s.Bound, defaultBound), Alone: s.Alone}
	all := rate.Several{{Source: agreed, Of: both}, {Source: feeds, Of: fed}, {Source: api, Of: named}}
	return priceSources{Source: all, of: append(fed, named...), api: api}, nil
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
