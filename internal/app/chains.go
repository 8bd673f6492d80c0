package app

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/addresses"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/holdings"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/siwe"
)

// ChainSetup is one chain and how it is read.
type ChainSetup struct {
	ID            asset.ChainID
	Endpoints     []chain.Endpoint
	PublicRPC     []string
	Confirmations int
	FinalizedTag  bool // the network's own finality instead of Confirmations
	Agree         int
	StartBlock    uint64
	MaxRange      uint64
	Interval      time.Duration

	// ConfirmAbove are the amounts from which another endpoint must tell the same logs, by
	// asset; nil for every amount of every asset. It matters where Agree is more than 1.
	ConfirmAbove map[asset.ID]*big.Int
}

// finality is the rule by which blocks are there for good. Where the network's
// own finality is asked for, a number of confirmations must not be enough: it is
// shown to payers and decides nothing.
func (c ChainSetup) finality() chain.Finality {
	if c.FinalizedTag {
		return chain.Finality{Tag: true}
	}
	return chain.Finality{Confirmations: uint64(c.Confirmations)}
}

// chains builds what reads chains, the rails over them, and the checkout.
func (a *App) chains(s Setup, rails func(ground) ([]rail.Rail, error)) (err error) {
	batchers := map[asset.ChainID]chain.Batcher{}
	var ids []asset.ChainID
	for _, c := range s.Chains {
		client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
		if err != nil {
			return fmt.Errorf("chain %d: %w", c.ID, err)
		}
		a.nodes[c.ID], batchers[c.ID], ids = client, tracedNode{client, a.watch.network(c.ID)}, append(ids, c.ID)
	}
	a.reader = CodeReader(batchers)
	a.codes = official.NewCodes(s.Registry, ids, a.reader, s.Log)
	a.verifier = siwe.NewVerifier(batchers)
	a.heads = newHeads()
	if a.safes, err = s.Safe.build(s.Chains, batchers, a.heads.final); err != nil {
		return err
	}
	if a.gasless, err = s.Gasless.build(s.Chains, batchers, s.Registry, a.heads.final, s.Log); err != nil {
		return err
	}
	if a.pricing, err = s.Deposits.pricing(s, batchers); err != nil {
		return err
	}
	a.rails, err = rails(ground{Setup: s, nodes: batchers, codes: a.codes, store: a.Store, pricing: a.pricing, safes: a.safes})
	if err != nil {
		return err
	}
	var kept checkout.Store = a.Store
	for _, r := range allWith[supplier](a.rails) {
		kept = r.Supply(kept)
	}
	a.Checkout = checkout.New(checkout.Config{
		Store: kept, Book: s.Book, Rails: a.rails, Prices: a.pricing.prices, Screener: a.screener(), Wallets: holdings.New(batchers, s.Registry),
		Tracker: oneWith[checkout.Tracker](a.rails), Safes: a.safePort(), Gasless: a.gasPort(),
		Window: s.Window, Grace: s.Grace, Settle: s.settle(), Nudge: a.nudge, Log: s.Log,
	})
	return a.scan(s)
}

// scan builds the watchers of the chains, which read what the rails ask for.
func (a *App) scan(s Setup) error {
	sources := allWith[source](a.rails)
	if s.Deposits == nil {
		sources = append(sources, addresses.NewPromised(a.Store))
	}
	for _, c := range s.Chains {
		kept := &sink{checkout: a.Checkout, sources: sources, node: a.nodes[c.ID], registry: s.Registry, safes: s.Safe.table(), tracer: a.watch.tracer(), log: s.Log}
		book := &records{sink: kept, book: s.Book, above: c.ConfirmAbove}
		sc, err := chain.NewScanner(chain.ScannerConfig{
			Client: a.nodes[c.ID], Filter: func() chain.Filter { return filter(sources, c.ID) }, Blocks: func() bool { return whole(sources) },
			Sink: kept, Records: book, Witness: book,
			Finality: c.finality(), Agree: c.Agree, StartBlock: c.StartBlock, MaxRange: maxRange(sources, c.MaxRange), Interval: c.Interval, Log: s.Log,
		})
		if err != nil {
			return fmt.Errorf("chain %d: %w", c.ID, err)
		}
		a.heads.scanners[c.ID], a.heads.required[c.ID] = sc, c.Confirmations
	}
	return nil
}

// whole reports whether any source reads whole blocks.
func whole(sources []source) bool {
	return slices.ContainsFunc(allWith[wholeReader](sources), wholeReader.Whole)
}

// settle is how long what is in a block may take to become known: some looks at the
// chain that is looked at least often.
func (s Setup) settle() time.Duration {
	const looks = 5
	var slowest time.Duration
	for _, c := range s.Chains {
		slowest = max(slowest, cmp.Or(c.Interval, chain.DefaultInterval))
	}
	return looks * slowest
}

// CodeReader reads deployed code in one round trip.
func CodeReader(nodes map[asset.ChainID]chain.Batcher) official.CodeReader {
	return func(ctx context.Context, id asset.ChainID, addresses []asset.Address) ([][]byte, error) {
		node, ok := nodes[id]
		if !ok {
			return nil, fmt.Errorf("chain %d is not configured", id)
		}
		return chain.Codes(ctx, node, addresses...)
	}
}

// maxRange bounds the blocks of a sweep as configured, and as what reads them needs; 0 for
// the scanner's own bound.
func maxRange(sources []source, configured uint64) uint64 {
	for _, r := range allWith[blockReader](sources) {
		if most := r.MaxRange(); most != 0 && (configured == 0 || most < configured) {
			configured = most
		}
	}
	return configured
}

// CaughtUp reports whether payments can be made and would be noticed: every
// chain has been read up to its head, by whichever node, and the code of the contracts that take
// payments has been looked at. Whether it is the right code, pages say.
func (a *App) CaughtUp() bool { return a.looked() && a.heads.followed() }

// looked reports whether the code of the contracts that take payments has been looked at.
func (a *App) looked() bool {
	for id := range a.nodes {
		for _, kind := range []official.Kind{official.ERC20FeeProxy, official.EthereumFeeProxy} {
			if a.codes.Check(id, kind).Outcome == rail.Waiting {
				return false
			}
		}
	}
	return true
}

// PaysGas reports whether payers' gas is paid for on a chain right now.
func (a *App) PaysGas(id asset.ChainID) bool {
	if a.gasless == nil {
		return false
	}
	_, offered := a.gasless.Offer(id)
	return offered
}
