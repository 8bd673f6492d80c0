package app

import (
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/config"
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

// build makes the port of the setup; nil if Safes are not taken.
func (s *SafeSetup) build(chains []ChainSetup, nodes map[asset.ChainID]chain.Batcher, final func(asset.ChainID) uint64) (*safes, error) {
	if s == nil {
		return nil, nil
	}
	out := &safes{table: s.Table, nodes: nodes, final: final, strides: map[asset.ChainID]*chain.Stride{}}
	for _, c := range chains {
		out.strides[c.ID] = chain.NewStride(c.MaxRange)
	}
	if s.Service != nil {
		var err error
		if out.service, err = safe.NewService(*s.Service); err != nil {
			return nil, fmt.Errorf("safe: %w", err)
		}
	}
	return out, nil
}

// table is the contracts that are known, nil if Safes are not taken.
func (s *SafeSetup) table() *safe.Table {
	if s == nil {
		return nil
	}
	return s.Table
}
