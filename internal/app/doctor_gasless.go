package app

import (
	"context"
	"errors"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
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
	only := &GaslessSetup{Table: s.Gasless.Table, Chains: map[asset.ChainID]GaslessChain{c.ID: s.Gasless.Chains[c.ID]}}
	built, err := only.build([]ChainSetup{c}, map[asset.ChainID]chain.Batcher{c.ID: client}, s.Registry, nil, s.Log)
	if !d.check(name+"services", err, "configured for "+only.Chains[c.ID].Provider) {
		return
	}
	defer built.close()
	one := built.chains[c.ID]
	ctx, cancel := context.WithTimeout(ctx, gasCheckPatience)
	defer cancel()
	d.check(name+"bundler", cause(one.bundler.Check(ctx)), "it serves EntryPoint 0.7 on this chain")
	d.check(name+"contracts", one.contracts(ctx), "what accounts of the kind "+one.kind.Name()+" need is there")
	paymaster, err := one.stub(ctx)
	if d.check(name+"sponsor", cause(err), fmt.Sprintf("it answers for the paymaster %s", paymaster)) {
		d.check(name+"paymaster", cause(one.name(ctx, paymaster)), "it is there and has money for an operation")
	}
}

// cause is what stands behind a fault, whose own words are for payers.
func cause(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && errors.Unwrap(f) != nil {
		return errors.Unwrap(f)
	}
	return err
}
