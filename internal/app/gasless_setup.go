package app

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/config"
	"quittance/internal/official"
	"quittance/internal/userop"
)

// GaslessSetup is how payers' gas is paid for, by chain.
type GaslessSetup struct {
	Table  *userop.Table // the kinds of smart accounts
	Chains map[asset.ChainID]GaslessChain
}

// SmartAccounts are the names of the kinds of smart accounts, the preferred one first.
var SmartAccounts = []string{userop.KindLight, userop.KindSafe}

// The providers of bundlers and sponsors.
const (
	ProviderAlchemy = "alchemy"
	ProviderPimlico = "pimlico"
	ProviderERC7677 = "erc7677" // any paymaster's service with any bundler
)

// GaslessChain is who pays for gas on one chain, and how much.
type GaslessChain struct {
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
	Timeout      time.Duration     // of one question; the services' own default if zero
	Transport    http.RoundTripper // carries questions, nil for the network
}

// context is what a paymaster's service is told of the policy.
func (c GaslessChain) context() (string, error) {
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

// build makes the port of the setup; nil if nobody pays for gas.
func (s *GaslessSetup) build(chains []ChainSetup, nodes map[asset.ChainID]chain.Batcher, registry *official.Registry, final func(asset.ChainID) uint64, log *slog.Logger) (*gasless, error) {
	if s == nil {
		return nil, nil
	}
	out := &gasless{chains: map[asset.ChainID]*gasChain{}, final: final, log: log}
	for _, c := range chains {
		one, sponsored := s.Chains[c.ID]
		if !sponsored {
			continue
		}
		made, err := one.build(c.ID, s.Table, nodes[c.ID])
		if err != nil {
			return nil, fmt.Errorf("gasless on chain %d: %w", c.ID, err)
		}
		made.strides, made.log, made.trouble = chain.NewStride(c.MaxRange), log, make(chan struct{}, 1)
		if proxy, ok := registry.Contract(c.ID, official.ERC20FeeProxy); ok {
			made.usual = proxy.Address
		}
		out.chains[c.ID] = made
	}
	if len(out.chains) != len(s.Chains) {
		return nil, errors.New("gasless: a sponsored chain is not among the chains")
	}
	return out, nil
}

func (c GaslessChain) build(id asset.ChainID, table *userop.Table, node chain.Batcher) (*gasChain, error) {
	kinds := table.Kinds(id)
	if len(kinds) == 0 {
		return nil, errors.New("no kind of smart account is known there")
	}
	kind, known := table.Kind(id, cmp.Or(c.Kind, kinds[0].Name()))
	if !known {
		return nil, fmt.Errorf("there is no kind of smart account %q", c.Kind)
	}
	g := &gasChain{
		id: id, node: node, kind: kind, named: map[asset.Address]bool{},
		limits: userop.DefaultLimits(c.MaxFeePerGas, c.MaxCost),
		offer:  checkout.GaslessOffer{Sponsor: c.Name, Kind: kind.Name(), MaxCost: c.MaxCost, Budget: c.Budget},
	}
	context, err := c.context()
	if err != nil {
		return nil, err
	}
	bundler := userop.ServiceConfig{Chain: id, URL: c.BundlerURL, Timeout: c.Timeout, Transport: c.Transport}
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

// realGasless is the configured one over the real chains; nil if nobody pays for gas.
func realGasless(c map[string]config.Gasless, book *asset.Book) (*GaslessSetup, error) {
	if len(c) == 0 {
		return nil, nil
	}
	s := &GaslessSetup{Table: userop.Pinned(), Chains: map[asset.ChainID]GaslessChain{}}
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
		s.Chains[x.ID] = GaslessChain{
			Provider: g.Provider, Name: g.Sponsor, Kind: g.Account, BundlerURL: string(g.BundlerURL), PaymasterURL: string(g.PaymasterURL),
			Policy: string(g.Policy), Context: string(g.Context), Pricing: pricing, Timeout: time.Duration(g.Timeout),
			MaxFeePerGas: g.MaxFeePerGas.Units(9), MaxCost: wei(g.MaxCost),
			Budget: checkout.GaslessBudget{Payment: wei(g.Budget.Payment), Grants: g.Budget.Grants, WalletDay: wei(g.Budget.WalletDay), ChainDay: wei(g.Budget.ChainDay)},
		}
	}
	return s, nil
}
