package app

import (
	"fmt"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/config"
	"quittance/internal/money"
	"quittance/internal/rate"
)

// realDeposits is the configured setup; nil if nobody is asked what things cost.
func realDeposits(d config.Deposits, p config.Prices, book *asset.Book) (*DepositSetup, error) {
	if !p.On() {
		return nil, nil
	}
	s := &DepositSetup{Pool: d.Pool, Slices: map[asset.ChainID]int{}, Prices: PriceSetup{
		Feeds: map[asset.ChainID]FeedSetup{}, Bound: money.BasisPoints(p.Bound), Alone: p.Alone,
	}}
	for i, text := range d.Assets {
		t, ok := book.Token(asset.ID(text))
		if !ok {
			return nil, unknownAsset(fmt.Sprintf("deposits.assets[%d]", i), text)
		}
		s.Assets = append(s.Assets, t.ID)
	}
	for i, text := range d.Funders {
		at, err := asset.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("configuration: deposits.funders[%d]: %w", i, err)
		}
		s.Funders = append(s.Funders, at)
	}
	for name, n := range d.Slice {
		if c, ok := book.Network(name); ok {
			s.Slices[c.ID] = n
		}
	}
	for name, feeds := range p.Chainlink {
		c, ok := book.Network(name)
		if !ok {
			return nil, fmt.Errorf("configuration: prices.chainlink.%s: this network is not known", name)
		}
		setup, err := realFeeds("prices.chainlink."+name, c, feeds, book)
		if err != nil {
			return nil, err
		}
		if setup.Sequencer, err = realSequencer(p.Sequencer[name], c); err != nil {
			return nil, err
		}
		s.Prices.Feeds[c.ID] = setup
	}
	if p.API.URL == "" {
		return s, nil
	}
	s.Prices.API = &rate.APIConfig{
		URL: p.API.URL, Key: string(p.API.Key), KeyHeader: p.API.KeyHeader, IDs: map[asset.ID]string{},
		MaxAge: time.Duration(p.API.MaxAge), Timeout: time.Duration(p.API.Timeout), PerMinute: p.API.PerMinute,
	}
	for text, name := range p.API.IDs {
		id, ok := pricedAsset(text, book)
		if !ok {
			return nil, unknownAsset("prices.api.ids", text)
		}
		s.Prices.API.IDs[id] = name
	}
	return s, nil
}

func unknownAsset(field, text string) error {
	return fmt.Errorf("configuration: %s: %s is no asset of the configured chains", field, text)
}

// realFeeds are the configured feeds of one chain.
func realFeeds(field string, c asset.Chain, feeds map[string]config.Feed, book *asset.Book) (FeedSetup, error) {
	known, _ := rate.Feeds(c.ID)
	s := FeedSetup{Feeds: map[asset.ID]rate.Feed{}}
	for text, f := range feeds {
		id, ok := pricedAsset(text, book)
		if !ok {
			return s, unknownAsset(field, text)
		}
		feed := rate.Feed{MaxAge: time.Duration(f.MaxAge)}
		if f.Feed == config.FeedKnown {
			if feed.Address, ok = known[pricedAs(id)]; !ok {
				return s, fmt.Errorf("configuration: %s.%s.feed: no feed of %s is known on this network: give its address", field, text, pricedAs(id))
			}
		} else {
			at, err := asset.ParseAddress(f.Feed)
			if err != nil {
				return s, fmt.Errorf("configuration: %s.%s.feed: %w", field, text, err)
			}
			feed.Address = at
		}
		s.Feeds[id] = feed
	}
	return s, nil
}

// pricedAsset is an asset of the book, or the euro, which is in none and has a price.
func pricedAsset(text string, book *asset.Book) (asset.ID, bool) {
	if text == config.Euro {
		return asset.EUR, true
	}
	t, ok := book.Token(asset.ID(text))
	return t.ID, ok
}

// pricedAs is what a feed calls an asset: the part of its id before the network. USDT0 is
// USDT where bridges bring it, and has its price.
func pricedAs(id asset.ID) string {
	symbol, _, _ := strings.Cut(string(id), "-")
	if symbol == "USDT0" {
		return "USDT"
	}
	return symbol
}

func realSequencer(said string, c asset.Chain) (asset.Address, error) {
	_, known := rate.Feeds(c.ID)
	field := "prices.sequencer." + c.Network
	switch said {
	case "":
		return known, nil
	case config.FeedNone:
		return asset.Address{}, nil
	case config.FeedKnown:
		if known.IsZero() {
			return known, fmt.Errorf("configuration: %s: no such feed is known on this network", field)
		}
		return known, nil
	}
	at, err := asset.ParseAddress(said)
	if err != nil {
		return at, fmt.Errorf("configuration: %s: %w", field, err)
	}
	return at, nil
}
