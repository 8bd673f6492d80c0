package app

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/multisig"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/sepa"
	"quittance/internal/store"
	"quittance/web"
)

// ground is what rails are built on.
type ground struct {
	Setup
	nodes   map[asset.ChainID]chain.Batcher
	codes   *official.Codes
	store   *store.Store
	pricing pricing
	safes   *multisig.Safes // nil if Safes may not pay
}

// rails are the ways in which money moves, in the order in which payers are offered them: a
// new one is one more line. What it brings beside rail.Rail is found by the interfaces below.
//
// Beside an error there are the rails that were made before it, to be closed.
func rails(g ground) ([]rail.Rail, error) {
	var l railList
	l.add(evmref.New(evmref.Config{Book: g.Book, Registry: g.Registry, Codes: g.codes, Nodes: g.nodes, Assets: g.pricing.assets}), nil)
	l.add(newRouting(g))
	l.add(newDeposits(g))
	l.add(sepa.NewRail(), nil)
	return l.made, l.err
}

// railList gathers rails up to the first that cannot be made.
type railList struct {
	made []rail.Rail
	err  error
}

// add takes what a constructor returned: nil is a rail that nothing is set up for.
func (l *railList) add(r rail.Rail, err error) {
	switch {
	case l.err != nil:
	case err != nil:
		l.err = err
	case r != nil:
		l.made = append(l.made, r)
	}
}

// source is a rail whose evidence is on chains: a logReader, a bridge or a blockReader.
type source interface {
	// Filter says which logs of a chain are its business.
	Filter(asset.ChainID) chain.Filter
}

// logReader reads payments off a chain's logs, each by itself.
type logReader interface {
	Decode(asset.ChainID, chain.Log) (rail.Sighting, error)
}

// bridge tells what comes over bridges.
type bridge interface {
	Recovery(asset.ChainID, chain.Log) (rail.Recovery, error)
	// Executor reports whether an account makes payments for those who sent money over a
	// bridge, and Brought which transfer had it emit the log at an index.
	Executor(asset.ChainID, asset.Address) bool
	Brought(id asset.ChainID, logs []chain.Log, index uint) string
}

// blockReader reads more of blocks than single logs.
type blockReader interface {
	// Read adds what it finds. Any error means that the sweep has to be read again.
	Read(ctx context.Context, sw chain.Sweep, out *checkout.Sweep) error
	// MaxRange is how many blocks a sweep may have, 0 for any number.
	MaxRange() uint64
}

// wholeReader is a blockReader that may have use for blocks that came along with a sweep.
type wholeReader interface {
	Whole() bool
}

// worker does something for as long as the server runs.
type worker interface {
	Run(ctx context.Context) error
}

// closer has something to release.
type closer interface{ Close() }

// supplier has a word in what the checkout stores.
type supplier interface {
	Supply(checkout.Store) checkout.Store
}

// restamper has the steps of routes stamped anew, as a web.Restamper.
type restamper interface {
	Restamped(ctx context.Context, p *payment.Payment, owner asset.Address, step []byte) (web.Stamped, error)
}

// allWith are those of all that are a T, too.
func allWith[T, All any](all []All) (some []T) {
	for _, x := range all {
		if t, ok := any(x).(T); ok {
			some = append(some, t)
		}
	}
	return some
}

// oneWith is the first of all that is a T, too; nil if none is.
func oneWith[T, All any](all []All) (one T) {
	if some := allWith[T](all); len(some) > 0 {
		return some[0]
	}
	return one
}
