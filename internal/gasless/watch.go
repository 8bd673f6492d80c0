package gasless

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

const (
	// checkEvery is how often bundlers and sponsors are checked that work.
	checkEvery = time.Hour
	// Those that do not are checked again after these pauses, each twice the one before.
	retryMin, retryMax = 5 * time.Second, 10 * time.Minute
	// checkPatience is how long one check may take.
	checkPatience = 30 * time.Second
)

// Run checks the services of all chains until ctx ends, and returns nil then.
func (g *Service) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	for _, c := range g.chains {
		watching.Go(func() { c.watch(ctx) })
	}
	<-ctx.Done()
	watching.Wait()
	return nil
}

// recheck has the services checked soon.
func (c *sponsoredChain) recheck() {
	select {
	case c.trouble <- struct{}{}:
	default: // they will be
	}
}

func (c *sponsoredChain) watch(ctx context.Context) {
	retry, before := retryMin, errors.New("never checked")
	for {
		err := c.check(ctx)
		if ctx.Err() != nil {
			return
		}
		c.well.Store(err == nil)
		wait := checkEvery
		switch {
		case err != nil && misconfigured(err):
			c.log.ErrorContext(ctx, "ALARM: gas cannot be paid for as it is configured; payments without gas are not offered", "chain", c.id, "err", err)
		case err != nil:
			c.log.ErrorContext(ctx, "ALARM: the bundler or the sponsor of gas does not work; payments without gas are not offered", "chain", c.id, "err", err)
		case before != nil:
			c.log.InfoContext(ctx, "gas is paid for", "chain", c.id, "sponsor", c.offer.Sponsor, "account", c.offer.Kind)
		}
		if before = err; err != nil {
			wait, retry = retry, min(2*retry, retryMax)
		} else {
			retry = retryMin
		}
		if !c.rest(ctx, wait, err == nil) {
			return
		}
	}
}

// rest waits until the services are to be checked again, and reports false if ctx
// ended. Trouble cuts the wait short where they worked, down to the shortest pause:
// questions fail in crowds.
func (c *sponsoredChain) rest(ctx context.Context, wait time.Duration, worked bool) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	trouble := c.trouble
	if !worked {
		trouble = nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-trouble:
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(min(wait, settleAfter)):
		return true
	}
}

// settleAfter is how long after a trouble the services are checked.
const settleAfter = time.Second

// misconfigured reports whether a check found what does not go away by itself.
func misconfigured(err error) bool {
	return errors.Is(err, userop.ErrBundler) || errors.Is(err, userop.ErrMissing) || fault.Is(err, fault.Forbidden)
}

// probed is the wallet for whose account the sponsor is tried out: nobody's.
var probed = asset.Address{0x0b, 0x5e, 0x55, 19: 0x01}

// Finding is one thing that payments without gas need on a chain.
type Finding struct {
	What   string // "bundler", "contracts", "sponsor", "paymaster"
	Err    error  // why it does not work, nil if it does
	Detail string // what was found, if it works; for operators
}

// Examine asks everybody whom a payment without gas needs: the bundler, the chain for
// the contracts, and the sponsor for a stub with a paymaster that has money. Each is
// asked when its finding is drawn, and no longer than until ctx ends. Of a chain where
// nobody pays for gas there is nothing to find.
func (g *Service) Examine(ctx context.Context, id asset.ChainID) iter.Seq[Finding] {
	c, known := g.chains[id]
	if !known {
		return func(func(Finding) bool) {}
	}
	return c.examine(ctx)
}

func (c *sponsoredChain) examine(ctx context.Context) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		if !yield(Finding{"bundler", c.bundler.Check(ctx), "it serves EntryPoint 0.7 on this chain"}) {
			return
		}
		if !yield(Finding{"contracts", c.contracts(ctx), "what accounts of the kind " + c.kind.Name() + " need is there"}) {
			return
		}
		paymaster, err := c.stub(ctx)
		if !yield(Finding{"sponsor", err, fmt.Sprintf("it answers for the paymaster %s", paymaster)}) || err != nil {
			return
		}
		yield(Finding{"paymaster", c.name(ctx, paymaster), "it is there and has money for an operation"})
	}
}

// check is nil if all that payments without gas need works.
func (c *sponsoredChain) check(ctx context.Context) error {
	for f := range c.examine(ctx) {
		if f.Err != nil {
			return fmt.Errorf("%s: %w", f.What, f.Err)
		}
	}
	return nil
}

// contracts looks for the code of what smart accounts need.
func (c *sponsoredChain) contracts(ctx context.Context) error {
	needs := append([]asset.Address{userop.EntryPoint}, c.kind.Account(c.id, probed).Needs...)
	codes, err := chain.Codes(ctx, c.node, needs...)
	if err != nil {
		return err
	}
	for i, code := range codes {
		if len(code) == 0 {
			return fmt.Errorf("%w: %s", userop.ErrMissing, needs[i])
		}
	}
	return nil
}

// stub asks the sponsor about a first operation of nobody's account, and returns the
// paymaster that it names.
func (c *sponsoredChain) stub(ctx context.Context) (asset.Address, error) {
	account := c.kind.Account(c.id, probed)
	data, err := c.kind.Encode([]rail.Call{{To: c.usual, Data: []byte{0, 0, 0, 0}, Value: new(big.Int)}})
	if err != nil {
		return asset.Address{}, err
	}
	// Prices and gas are those of an operation that could be: some sponsors look at them.
	fees, err := c.bundler.Fees(ctx)
	if err != nil {
		return asset.Address{}, fmt.Errorf("what gas costs: %w", err)
	}
	stub, _, err := c.paymaster.Stub(ctx, userop.Op{
		Sender: account.Address, Factory: account.Factory, FactoryData: account.FactoryData, CallData: data,
		CallGasLimit: big.NewInt(100_000), VerificationGasLimit: big.NewInt(500_000), PreVerificationGas: big.NewInt(100_000),
		MaxFeePerGas: fees.Max, MaxPriorityFeePerGas: fees.Tip, Signature: stubSignature,
	})
	return stub.Paymaster, err
}

// stubSignature has the form of a key's, and is nobody's.
var stubSignature = []byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0, 31: 0,
	32: 0x7a, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
	48: 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 64: 0x1c,
}
