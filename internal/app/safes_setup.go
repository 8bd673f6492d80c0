package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/config"
	"quittance/internal/multisig"
	"quittance/internal/safe"
)

// SafeSetup is how payments from Safe multisig accounts are taken.
type SafeSetup struct {
	Table   *safe.Table         // the official contracts
	Service *safe.ServiceConfig // nil asks no Transaction Service
}

// realSafe is the configured one over the real chains; nil if Safes may not pay.
func realSafe(c config.Safe, book *asset.Book) (*SafeSetup, error) {
	if !c.On() {
		return nil, nil
	}
	s := &SafeSetup{Table: safe.Pinned()}
	if !c.Service.Enabled {
		return s, nil
	}
	s.Service = &safe.ServiceConfig{APIKey: string(c.Service.APIKey), V1: c.Service.V1, Timeout: time.Duration(c.Service.Timeout)}
	if len(c.Service.BaseURLs) > 0 {
		s.Service.BaseURLs = map[asset.ChainID]string{}
	}
	for network, u := range c.Service.BaseURLs {
		x, known := book.Network(network)
		if !known {
			return nil, fmt.Errorf("configuration: safe.service.base_urls.%s: this network is not among the chains", network)
		}
		s.Service.BaseURLs[x.ID] = u
	}
	return s, nil
}

// framers are all who may frame the page, each once.
func framers(c *config.Config) []string {
	all := slices.Clone(c.FrameAncestors)
	if c.Safe.On() {
		all = append(all, c.Safe.FrameAncestors...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// build makes what answers about Safes; nil if Safes are not taken.
func (s *SafeSetup) build(chains []ChainSetup, nodes map[asset.ChainID]chain.Batcher, final func(asset.ChainID) uint64) (*multisig.Safes, error) {
	if s == nil {
		return nil, nil
	}
	safes, err := multisig.New(multisig.Config{Table: s.Table, Service: s.Service, Nodes: nodes, Final: final, Ranges: ranges(chains)})
	if err != nil {
		return nil, fmt.Errorf("safe: %w", err)
	}
	return safes, nil
}

// ranges are how many blocks one question for logs may span, by chain.
func ranges(chains []ChainSetup) map[asset.ChainID]uint64 {
	out := map[asset.ChainID]uint64{}
	for _, c := range chains {
		out[c.ID] = c.MaxRange
	}
	return out
}

// table is the contracts that are known, nil if Safes are not taken.
func (s *SafeSetup) table() *safe.Table {
	if s == nil {
		return nil
	}
	return s.Table
}

// safePort is the checkout's port to Safes: truly nil where there are none.
func (a *App) safePort() checkout.Safes {
	if a.safes == nil {
		return nil
	}
	return a.safes
}

// sameSafe is how a rail asks whether one Safe is on two chains; nil without Safes.
func sameSafe(s *multisig.Safes) func(ctx context.Context, from, to asset.ChainID, wallet asset.Address) error {
	if s == nil {
		return nil
	}
	return s.Same
}
