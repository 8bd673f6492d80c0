package gasless

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/userop"
)

// Accounts are the names of the kinds of smart accounts, the preferred one first.
var Accounts = []string{userop.KindLight, userop.KindSafe}

// The providers of bundlers and sponsors.
const (
	ProviderAlchemy = "alchemy"
	ProviderPimlico = "pimlico"
	ProviderERC7677 = "erc7677" // any paymaster's service with any bundler
)

// Chain is who pays for gas on one chain, and how much.
type Chain struct {
	Provider     string
	Name         string // of the sponsor, for people
	Kind         string // of smart account; the table's first if empty
	BundlerURL   string
	PaymasterURL string // the bundler's if empty
	Policy       string // of Alchemy or Pimlico
	Context      string // JSON, for ProviderERC7677
	Pricing      userop.Pricing
	MaxFeePerGas *big.Int // wei
	MaxCost      *big.Int // wei, of one operation
	Budget       checkout.GaslessBudget
	Timeout      time.Duration // of one question; the services' own default if zero
}

// context is what a paymaster's service is told of the policy.
func (c Chain) context() (string, error) {
	name := map[string]string{ProviderAlchemy: "policyId", ProviderPimlico: "sponsorshipPolicyId"}[c.Provider]
	if name == "" || c.Policy == "" {
		return c.Context, nil
	}
	for _, r := range c.Policy {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' {
			return "", errors.New("the policy's id has characters that no id has")
		}
	}
	return `{"` + name + `":"` + c.Policy + `"}`, nil
}

// Config is whom a Service asks, and for how much.
type Config struct {
	Table    *userop.Table           // the kinds of smart accounts
	Chains   map[asset.ChainID]Chain // where gas is paid for
	Nodes    map[asset.ChainID]chain.Batcher
	Registry *official.Registry // the contracts that payments call
	// Final is the height up to which a chain's blocks are there for good and have
	// been searched for payments: what an operation's event says of a payment, its
	// money must have had the chance to say before.
	Final func(asset.ChainID) uint64
	// Ranges is how many blocks one question for a chain's events may span; those that
	// it does not name, or at zero, have chain.NewStride's default.
	Ranges map[asset.ChainID]uint64
	Log    *slog.Logger
}

// New makes a Service. It asks nobody. Its errors say what of the configuration cannot
// work, and show no address of a service.
func New(cfg Config) (*Service, error) {
	out := &Service{chains: map[asset.ChainID]*sponsoredChain{}, final: cfg.Final}
	for _, id := range slices.Sorted(maps.Keys(cfg.Chains)) {
		node, known := cfg.Nodes[id]
		if !known {
			return nil, errors.New("gasless: a sponsored chain is not among the chains")
		}
		c, err := cfg.Chains[id].build(id, cfg.Table, node)
		if err != nil {
			return nil, fmt.Errorf("gasless on chain %d: %w", id, err)
		}
		c.strides, c.log, c.trouble = chain.NewStride(cfg.Ranges[id]), cfg.Log, make(chan struct{}, 1)
		if proxy, ok := cfg.Registry.Contract(id, official.ERC20FeeProxy); ok {
			c.usual = proxy.Address
		}
		out.chains[id] = c
	}
	return out, nil
}

func (c Chain) build(id asset.ChainID, table *userop.Table, node chain.Batcher) (*sponsoredChain, error) {
	kinds := table.Kinds(id)
	if len(kinds) == 0 {
		return nil, errors.New("no kind of smart account is known there")
	}
	kind, known := table.Kind(id, cmp.Or(c.Kind, kinds[0].Name()))
	if !known {
		return nil, fmt.Errorf("there is no kind of smart account %q", c.Kind)
	}
	g := &sponsoredChain{
		id: id, node: node, kind: kind, named: map[asset.Address]bool{},
		limits: userop.DefaultLimits(c.MaxFeePerGas, c.MaxCost),
		offer:  checkout.GaslessOffer{Sponsor: c.Name, Kind: kind.Name(), MaxCost: c.MaxCost, Budget: c.Budget},
	}
	context, err := c.context()
	if err != nil {
		return nil, err
	}
	bundler := userop.ServiceConfig{Chain: id, URL: c.BundlerURL, Timeout: c.Timeout}
	paymaster := bundler
	paymaster.URL = cmp.Or(c.PaymasterURL, c.BundlerURL)
	if g.bundler, err = userop.NewBundler(bundler, c.Pricing, node); err != nil {
		return nil, err
	}
	if g.paymaster, err = userop.NewPaymaster(paymaster, context); err != nil {
		return nil, err
	}
	switch c.Provider {
	case ProviderAlchemy:
		if g.alchemy, err = userop.NewAlchemy(paymaster, c.Policy); err != nil {
			return nil, err
		}
		g.sponsor = g.alchemy
	case ProviderPimlico, ProviderERC7677:
		g.sponsor = userop.Sponsored{Bundler: g.bundler, Paymaster: g.paymaster}
	default:
		return nil, fmt.Errorf("there is no provider %q", c.Provider)
	}
	return g, nil
}
