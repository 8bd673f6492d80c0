package app

import (
	"context"
	"errors"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/gasless"
)

// gasless checks that gas can be paid for where it should be: the bundler, the
// contracts, and that the sponsor answers and has money.
func (d *doctor) gasless(ctx context.Context, s Setup) {
	if s.Gasless == nil {
		return
	}
	for _, c := range s.Chains {
		if _, sponsored := s.Gasless.Chains[c.ID]; !sponsored {
			continue
		}
		info, _ := s.Book.Chain(c.ID)
		d.gasOn(ctx, s, c, info)
	}
}

func (d *doctor) gasOn(ctx context.Context, s Setup, c ChainSetup, info asset.Chain) {
	name := info.Network + " gas "
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
	if !d.check(name+"node", err, "usable") {
		return
	}
	defer client.Close()
	only := &GaslessSetup{Table: s.Gasless.Table, Chains: map[asset.ChainID]gasless.Chain{c.ID: s.Gasless.Chains[c.ID]}}
	built, err := only.build([]ChainSetup{c}, map[asset.ChainID]chain.Batcher{c.ID: client}, s.Registry, nil, s.Log)
	if !d.check(name+"services", err, "configured for "+only.Chains[c.ID].Provider) {
		return
	}
	defer built.Close()
	for f := range built.Examine(ctx, c.ID) {
		d.check(name+f.What, cause(f.Err), f.Detail)
	}
}

// cause is what stands behind a fault, whose own words are for payers.
func cause(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && errors.Unwrap(f) != nil {
		return errors.Unwrap(f)
	}
	return err
}
