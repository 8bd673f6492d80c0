package app

import (
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/config"
	"quittance/internal/gasless"
	"quittance/internal/lifecycle"
	"quittance/internal/official"
	"quittance/internal/userop"
)

// GaslessSetup is how payers' gas is paid for, by chain.
type GaslessSetup struct {
	Table  *userop.Table // the kinds of smart accounts
	Chains map[asset.ChainID]gasless.Chain
}

// build makes what answers about paying without gas; nil if nobody pays for it.
func (s *GaslessSetup) build(chains []ChainSetup, nodes map[asset.ChainID]chain.Batcher, registry *official.Registry, final func(asset.ChainID) uint64, log *slog.Logger) (*gasless.Service, error) {
	if s == nil {
		return nil, nil
	}
	return gasless.New(gasless.Config{Table: s.Table, Chains: s.Chains, Nodes: nodes, Registry: registry, Final: final, Ranges: ranges(chains), Log: log})
}

// gasPort is the checkout's port to those who pay for gas: truly nil without them.
func (a *App) gasPort() checkout.Gasless {
	if a.gasless == nil {
		return nil
	}
	return a.gasless
}

// gasParts is what runs in the background. None of it can fail: the direct way goes on
// without the services.
func (a *App) gasParts() []lifecycle.Part {
	if a.gasless == nil {
		return nil
	}
	return []lifecycle.Part{{Name: "gas sponsors", Run: a.gasless.Run}}
}

// realGasless is the configured one over the real chains; nil if nobody pays for gas.
func realGasless(c map[string]config.Gasless, book *asset.Book) (*GaslessSetup, error) {
	if len(c) == 0 {
		return nil, nil
	}
	s := &GaslessSetup{Table: userop.Pinned(), Chains: map[asset.ChainID]gasless.Chain{}}
	for network, g := range c {
		x, known := book.Network(network)
		if !known {
			return nil, fmt.Errorf("configuration: gasless.%s: this network is not among the chains", network)
		}
		pricing := userop.Pricing(g.Prices)
		if g.Prices == "chain" {
			pricing = userop.PricingChain
		}
		wei := func(c config.Coins) *big.Int { return c.Units(int(x.Native.Decimals)) }
		s.Chains[x.ID] = gasless.Chain{
			Provider: g.Provider, Name: g.Sponsor, Kind: g.Account, BundlerURL: string(g.BundlerURL), PaymasterURL: string(g.PaymasterURL),
			Policy: string(g.Policy), Context: string(g.Context), Pricing: pricing, Timeout: time.Duration(g.Timeout),
			MaxFeePerGas: g.MaxFeePerGas.Units(9), MaxCost: wei(g.MaxCost),
			Budget: checkout.GaslessBudget{Payment: wei(g.Budget.Payment), Grants: g.Budget.Grants, WalletDay: wei(g.Budget.WalletDay), ChainDay: wei(g.Budget.ChainDay)},
		}
	}
	return s, nil
}
