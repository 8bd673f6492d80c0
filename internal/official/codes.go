package official

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/rail"
)

// CodeReader reads the code deployed at addresses of a chain, in their order;
// empty where there is none.
type CodeReader func(ctx context.Context, chain asset.ChainID, addresses []asset.Address) ([][]byte, error)

// rereadEvery is how often deployed code is read again. Official contracts
// cannot be upgraded in place, so a change means a lying node or a chain that
// is not what it says.
const rereadEvery = 10 * time.Minute

// Codes knows whether the code deployed at official addresses is the pinned
// one. Until Refresh has read a chain, its contracts are pending.
type Codes struct {
	registry *Registry
	chains   []asset.ChainID
	read     CodeReader
	log      *slog.Logger

	mu    sync.RWMutex
	found map[kindKey]Hash
}

// NewCodes returns a Codes for the contracts of these chains.
func NewCodes(registry *Registry, chains []asset.ChainID, read CodeReader, log *slog.Logger) *Codes {
	return &Codes{
		registry: registry, chains: slices.Clone(chains), read: read, log: log, found: map[kindKey]Hash{},
	}
}

// Run reads all chains at once and then every ten minutes, until the context
// ends; it returns nil then. A chain that does not answer is asked again sooner
// while its code was never read.
func (c *Codes) Run(ctx context.Context) error {
	for {
		wait := rereadEvery
		if err := c.Refresh(ctx); err != nil {
			c.log.WarnContext(ctx, "deployed code of official contracts could not be read", "err", err)
			if c.unread() {
				wait = 5 * time.Second
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (c *Codes) unread() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, chain := range c.chains {
		for _, k := range c.registry.Contracts(chain) {
			if _, ok := c.found[kindKey{chain, k.Kind}]; !ok {
				return true
			}
		}
	}
	return false
}

// Refresh reads every chain once, all at the same time. A chain that cannot be
// read keeps what was known of it; the error names one such chain.
func (c *Codes) Refresh(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(c.chains))
	for i, chain := range c.chains {
		wg.Go(func() { errs[i] = c.refresh(ctx, chain) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Codes) refresh(ctx context.Context, chain asset.ChainID) error {
	contracts := c.registry.Contracts(chain)
	codes, err := readCodes(ctx, chain, contracts, c.read)
	if err != nil {
		return err
	}
	for i, k := range contracts {
		hash := CodeHash(codes[i])
		c.mu.Lock()
		before, known := c.found[kindKey{chain, k.Kind}]
		c.found[kindKey{chain, k.Kind}] = hash
		c.mu.Unlock()
		if changed := known && before != hash; changed || (!k.CodeHash.IsZero() && hash != k.CodeHash) {
			c.log.ErrorContext(ctx, "ALARM: the code of an official contract is not the pinned code",
				"chain", uint64(chain), "contract", string(k.Kind), "address", k.Address.String(),
				"pinned", k.CodeHash.String(), "found", hash.String())
		}
	}
	return nil
}

func readCodes(ctx context.Context, chain asset.ChainID, contracts []Contract, read CodeReader) ([][]byte, error) {
	addresses := make([]asset.Address, len(contracts))
	for i, k := range contracts {
		addresses[i] = k.Address
	}
	codes, err := read(ctx, chain, addresses)
	if err != nil {
		return nil, fmt.Errorf("reading contract code on chain %d: %w", chain, err)
	}
	if len(codes) != len(addresses) {
		return nil, fmt.Errorf("reading contract code on chain %d: asked for %d, got %d", chain, len(addresses), len(codes))
	}
	return codes, nil
}

// Check answers whether the deployed code of contracts is the pinned one: refused
// if one's differs, if there is none, or if nothing is pinned to compare it with;
// else pending while one's was not read yet. It asks no chain.
func (c *Codes) Check(chain asset.ChainID, kind Kind, more ...Kind) rail.Check {
	answer := rail.Check{Name: CheckCode, Outcome: rail.Passed, Detail: "The contract's code is the pinned code."}
	if len(more) > 0 {
		answer.Detail = "The contracts' code is the pinned code."
	}
	for _, k := range append([]Kind{kind}, more...) {
		switch one := c.one(chain, k); one.Outcome {
		case rail.Refused:
			return one
		case rail.Waiting:
			answer = one
		case rail.Passed:
		}
	}
	return answer
}

func (c *Codes) one(chain asset.ChainID, kind Kind) rail.Check {
	check := rail.Check{Name: CheckCode, Outcome: rail.Refused}
	contract, ok := c.registry.Contract(chain, kind)
	if !ok {
		check.Detail = fmt.Sprintf("There is no official %s on chain %d.", kind, chain)
		return check
	}
	c.mu.RLock()
	found, read := c.found[kindKey{chain, kind}]
	c.mu.RUnlock()
	switch {
	case contract.CodeHash.IsZero():
		check.Detail = fmt.Sprintf("The code of %s on chain %d is not pinned. The operator of this page must run `quittance doctor --pin`.", kind, chain)
	case !read:
		check.Outcome, check.Detail = rail.Waiting, "The contract's code was not read yet."
	case found != contract.CodeHash:
		check.Detail = fmt.Sprintf("The code of %s at %s is not the pinned code: expected %s, got %s.", kind, contract.Address, contract.CodeHash, found)
	default:
		check.Outcome = rail.Passed
	}
	return check
}

// ReadPins reads the code of every official contract on the given chains over
// two independent endpoints and returns its hashes. It is an error if they do
// not agree or there is no code: nothing half-true may be pinned.
func ReadPins(ctx context.Context, registry *Registry, chains []asset.ChainID, one, two CodeReader) (Pins, error) {
	pins := Pins{}
	for _, chain := range chains {
		contracts := registry.Contracts(chain)
		first, err := readCodes(ctx, chain, contracts, one)
		if err != nil {
			return nil, fmt.Errorf("first endpoint: %w", err)
		}
		second, err := readCodes(ctx, chain, contracts, two)
		if err != nil {
			return nil, fmt.Errorf("second endpoint: %w", err)
		}
		pins[chain] = map[Kind]Hash{}
		for i, k := range contracts {
			a, b := CodeHash(first[i]), CodeHash(second[i])
			switch {
			case len(first[i]) == 0 || len(second[i]) == 0:
				return nil, fmt.Errorf("%s at %s on chain %d: there is no code", k.Kind, k.Address, chain)
			case a != b:
				return nil, fmt.Errorf("%s at %s on chain %d: the endpoints disagree, %s and %s", k.Kind, k.Address, chain, a, b)
			}
			pins[chain][k.Kind] = a
		}
	}
	return pins, nil
}
