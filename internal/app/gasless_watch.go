package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/lifecycle"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

const (
	// gasEvery is how often bundlers and sponsors are checked that work.
	gasEvery = time.Hour
	// Those that do not are checked again after these pauses, each twice the one before.
	gasRetryMin, gasRetryMax = 5 * time.Second, 10 * time.Minute
	// gasCheckPatience is how long one check may take.
	gasCheckPatience = 30 * time.Second
)

// parts is what runs in the background. None of it can fail: the direct way goes on
// without the services.
func (g *gasless) parts() []lifecycle.Part {
	if g == nil || len(g.chains) == 0 {
		return nil
	}
	return []lifecycle.Part{{Name: "gas sponsors", Run: g.watch}}
}

// watch checks the services of all chains until ctx ends, and returns nil then.
func (g *gasless) watch(ctx context.Context) error {
	var watching sync.WaitGroup
	for _, c := range g.chains {
		watching.Go(func() { c.watch(ctx) })
	}
	watching.Wait()
	return nil
}

// recheck has the services checked soon.
func (c *gasChain) recheck() {
	select {
	case c.trouble <- struct{}{}:
	default: // they will be
	}
}

func (c *gasChain) watch(ctx context.Context) {
	retry, before := gasRetryMin, errors.New("never checked")
	for {
		err := c.check(ctx)
		if ctx.Err() != nil {
			return
		}
		c.well.Store(err == nil)
		wait := gasEvery
		switch {
		case err != nil && misconfigured(err):
			c.log.ErrorContext(ctx, "ALARM: gas cannot be paid for as it is configured; payments without gas are not offered", "chain", c.id, "err", err)
		case err != nil:
			c.log.ErrorContext(ctx, "ALARM: the bundler or the sponsor of gas does not work; payments without gas are not offered", "chain", c.id, "err", err)
		case before != nil:
			c.log.InfoContext(ctx, "gas is paid for", "chain", c.id, "sponsor", c.offer.Sponsor, "account", c.offer.Kind)
		}
		if before = err; err != nil {
			wait, retry = retry, min(2*retry, gasRetryMax)
		} else {
			retry = gasRetryMin
		}
		if !c.rest(ctx, wait, err == nil) {
			return
		}
	}
}

// rest waits until the services are to be checked again, and reports false if ctx
// ended. Trouble cuts the wait short where they worked, down to the shortest pause:
// questions fail in crowds.
func (c *gasChain) rest(ctx context.Context, wait time.Duration, worked bool) bool {
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
	case <-time.After(min(wait, gasSettle)):
		return true
	}
}

// gasSettle is how long after a trouble the services are checked.
const gasSettle = time.Second

// misconfigured reports whether a check found what does not go away by itself.
func misconfigured(err error) bool {
	return errors.Is(err, userop.ErrBundler) || errors.Is(err, userop.ErrMissing) || fault.Is(err, fault.Forbidden)
}

// probed is the wallet for whose account the sponsor is tried out: nobody's.
var probed = asset.Address{0x0b, 0x5e, 0x55, 19: 0x01}

// check asks everybody whom a payment without gas needs: the bundler, the chain for
// the contracts, and the sponsor for a stub.
func (c *gasChain) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, gasCheckPatience)
	defer cancel()
	if err := c.bundler.Check(ctx); err != nil {
		return fmt.Errorf("bundler: %w", err)
	}
	if err := c.contracts(ctx); err != nil {
		return fmt.Errorf("contracts: %w", err)
	}
	paymaster, err := c.stub(ctx)
	if err != nil {
		return fmt.Errorf("sponsor: %w", err)
	}
	if err := c.name(ctx, paymaster); err != nil {
		return fmt.Errorf("paymaster: %w", err)
	}
	return nil
}

// contracts looks for the code of what smart accounts need.
func (c *gasChain) contracts(ctx context.Context) error {
	needs := append([]asset.Address{userop.EntryPoint}, c.kind.Account(c.id, probed).Needs...)
	codes, err := CodeReader(map[asset.ChainID]chain.Batcher{c.id: c.node})(ctx, c.id, needs)
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
func (c *gasChain) stub(ctx context.Context) (asset.Address, error) {
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
