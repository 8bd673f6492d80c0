package app

import (
	"fmt"
	"time"

	"quittance/internal/addresses"
	"quittance/internal/asset"
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
	Pool   int                   // free addresses kept ahead for each key; addresses.Config's default if zero
	Slices map[asset.ChainID]int // addresses that have their turn at one block; by the chain's pace if missing
	Prices PriceSetup
	// Funders send gas money to deposit addresses: see config.Deposits.
	Funders []asset.Address
	Keep    time.Duration // for how long a price is given out again; ten seconds if zero
}

// deposits is the rail to addresses of payments' own, and what watches them and keeps them
// ready.
type deposits struct {
	*deposit.Rail
	*addresses.Service
}

// newDeposits makes the rail; nil if no payment is due in a fiat currency here.
func newDeposits(g ground) (rail.Rail, error) {
	s := g.Deposits
	if s == nil {
		return nil, nil
	}
	direct, err := deposit.NewRail(deposit.RailConfig{Book: g.Book, Nodes: g.nodes, Assets: g.pricing.assets, Keys: addresses.Keys{Branches: g.store}})
	if err != nil {
		return nil, err
	}
	cfg := addresses.Config{Store: g.store, Pool: s.Pool, Funders: s.Funders, Log: g.Log}
	for _, c := range g.Chains {
		multicall, ok := g.Registry.Contract(c.ID, official.Multicall3)
		if !ok {
			return nil, fmt.Errorf("deposits: chain %d has no Multicall3, without which addresses cannot be watched", c.ID)
		}
		cfg.Chains = append(cfg.Chains, deposit.Config{
			Chain: c.ID, Node: g.nodes[c.ID], Multicall: multicall.Address, Tokens: g.pricing.tokens(g.Book, c.ID), Slice: s.Slices[c.ID],
		})
	}
	kept, err := addresses.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("deposits: %w", err)
	}
	return &deposits{direct, kept}, nil
}
