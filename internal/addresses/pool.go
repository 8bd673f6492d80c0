package addresses

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail/deposit"
)

const (
	poolEvery = 15 * time.Second // how often all keys are looked at
	poolNews  = 2 * time.Second  // how often new ones are looked for
	poolRest  = time.Second      // the least between two looks
	// recheckAfter is how old the knowledge may be that an address is untouched.
	recheckAfter = time.Hour
	// poolTries bounds how often a key is gone through in one look: one that is in use
	// as a wallet's has many addresses that cannot be given out.
	poolTries = 20
)

// pool keeps addresses ready to be given out: found untouched on every chain, because a
// merchant's key may be a wallet's that is in use. While a chain does not answer, there
// are no new ones.
type pool struct {
	branches merchant.Branches
	chains   []deposit.Config
	size     int
	log      *slog.Logger
	now      func() time.Time
	wake     chan struct{}

	mu    sync.Mutex
	taken map[payment.MerchantID]int // since the last look at its key

	// Only run's goroutine touches these.
	all     time.Time           // when all keys are looked at again
	known   map[string]bool     // by branch: looked at before
	claimed map[string][]uint32 // by branch: indexes that nobody else will look at, not looked at yet
	silent  map[string]string   // by branch: why it could not be looked at, as it was logged
}

func newPool(b merchant.Branches, chains []deposit.Config, size int, log *slog.Logger) *pool {
	return &pool{
		branches: b, chains: chains, size: size, log: log, now: time.Now, wake: make(chan struct{}, 1),
		taken: map[payment.MerchantID]int{}, claimed: map[string][]uint32{}, silent: map[string]string{}, known: map[string]bool{},
	}
}

// run keeps the keys supplied until ctx ends, and returns nil then.
func (p *pool) run(ctx context.Context) error {
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(poolRest):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-time.After(poolNews):
		}
	}
}

// gave counts an address that was given out, or one that was wanted where there was none.
func (p *pool) gave(m payment.MerchantID, none bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[m]++; none || p.taken[m]*4 >= p.size {
		select {
		case p.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// took returns whose addresses were given out, and begins to count anew.
func (p *pool) took() map[payment.MerchantID]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.taken
	p.taken = map[payment.MerchantID]int{}
	return of
}

// look supplies active keys: those of which addresses were given out, those that are new,
// and every now and then all of them.
func (p *pool) look(ctx context.Context) {
	of, all := p.took(), !p.now().Before(p.all)
	if all {
		p.all = p.now().Add(poolEvery)
	}
	branches, err := p.branches.Branches(ctx)
	if err != nil {
		p.failed(ctx, merchant.Branch{}, err)
		return
	}
	delete(p.silent, "")
	for _, b := range branches {
		if !b.Active || !all && of[b.Merchant] == 0 && p.known[b.ID] {
			continue
		}
		p.known[b.ID] = true
		if err := p.supply(ctx, b); err != nil {
			p.failed(ctx, b, err)
			continue
		}
		if p.silent[b.ID] != "" {
			delete(p.silent, b.ID)
			p.log.InfoContext(ctx, "deposit addresses are made again", "merchant", b.Merchant)
		}
	}
}

// failed logs why a key could not be supplied, once for each reason.
func (p *pool) failed(ctx context.Context, b merchant.Branch, err error) {
	if ctx.Err() != nil || p.silent[b.ID] == err.Error() {
		return
	}
	p.silent[b.ID] = err.Error()
	p.log.ErrorContext(ctx, "no new deposit addresses: they could not be found untouched on every chain", "merchant", b.Merchant, "err", err)
}

// supply looks again at a key's free addresses that were looked at long ago, and adds
// new ones once half of them are gone.
func (p *pool) supply(ctx context.Context, b merchant.Branch) error {
	free, err := p.branches.FreeAddresses(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("read free addresses: %w", err)
	}
	dropped, err := p.recheck(ctx, free)
	if err != nil {
		return err
	}
	have := len(free) - dropped
	if have > p.size/2 {
		return nil
	}
	key, err := hdkey.OpenBranch(b.XPub)
	if err != nil {
		return fmt.Errorf("open the key of branch %s: %w", b.ID, err)
	}
	next := b.NextIndex
	for range poolTries {
		if have >= p.size {
			return nil
		}
		added, after, err := p.add(ctx, b, key, next, p.size-have)
		if err != nil {
			return err
		}
		have, next = have+added, after
	}
	return fmt.Errorf("%d addresses in a row have been used already: is the key a wallet's?", poolTries*p.size)
}

// recheck drops free addresses that somebody has used since they were looked at.
func (p *pool) recheck(ctx context.Context, free []merchant.DepositAddress) (dropped int, err error) {
	var old []asset.Address
	for _, a := range free {
		if p.now().Sub(a.CheckedAt) >= recheckAfter {
			old = append(old, a.Address)
		}
	}
	if len(old) == 0 {
		return 0, nil
	}
	at := p.now()
	good, err := p.untouched(ctx, old)
	if err != nil {
		return 0, err
	}
	for _, a := range old {
		if !good[a] {
			dropped++
			if err := p.branches.DropAddress(ctx, a); err != nil {
				return 0, fmt.Errorf("drop an address: %w", err)
			}
			continue
		}
		if err := p.branches.RefreshAddress(ctx, a, at); err != nil {
			return 0, fmt.Errorf("keep an address: %w", err)
		}
	}
	return dropped, nil
}

// add looks at n addresses from an index on and adds the untouched ones. The indexes are
// claimed after the look, so that none is lost while a chain does not answer; if another
// server was faster, what was claimed is looked at in their place.
func (p *pool) add(ctx context.Context, b merchant.Branch, key hdkey.Branch, next uint32, n int) (added int, after uint32, err error) {
	if held := p.claimed[b.ID]; len(held) > 0 {
		added, err = p.offer(ctx, b, key, held)
		if err == nil {
			delete(p.claimed, b.ID)
		}
		return added, next, err
	}
	at := p.now()
	as, err := derive(key, indexes(next, n))
	if err != nil {
		return 0, next, err
	}
	good, err := p.untouched(ctx, addresses(as))
	if err != nil {
		return 0, next, err
	}
	first, err := p.branches.ClaimIndexes(ctx, b.ID, uint32(n))
	if err != nil {
		return 0, next, fmt.Errorf("claim indexes: %w", err)
	}
	after = first + uint32(n)
	if first != next {
		p.claimed[b.ID] = indexes(first, n)
		return 0, after, nil
	}
	added, err = p.put(ctx, b, as, good, at)
	if err != nil {
		p.claimed[b.ID] = indexes(first, n)
	}
	return added, after, err
}

// offer looks at indexes that are ours and adds those that are untouched.
func (p *pool) offer(ctx context.Context, b merchant.Branch, key hdkey.Branch, of []uint32) (int, error) {
	at := p.now()
	as, err := derive(key, of)
	if err != nil {
		return 0, err
	}
	good, err := p.untouched(ctx, addresses(as))
	if err != nil {
		return 0, err
	}
	return p.put(ctx, b, as, good, at)
}

func (p *pool) put(ctx context.Context, b merchant.Branch, as []derived, good map[asset.Address]bool, at time.Time) (int, error) {
	var free []merchant.DepositAddress
	for _, a := range as {
		if good[a.address] {
			free = append(free, merchant.DepositAddress{Address: a.address, Merchant: b.Merchant, Branch: b.ID, Index: a.index, CheckedAt: at})
		}
	}
	if err := p.branches.AddAddresses(ctx, free); err != nil {
		return 0, fmt.Errorf("add addresses: %w", err)
	}
	return len(free), nil
}

// untouched asks every chain, and says of which addresses nobody has ever used them on
// any. A chain that does not answer is an error: nothing is known then.
func (p *pool) untouched(ctx context.Context, of []asset.Address) (map[asset.Address]bool, error) {
	used := map[asset.Address]bool{}
	for _, c := range p.chains {
		held, err := deposit.Holdings(ctx, c.Node, c.Multicall, c.Tokens, of)
		if err != nil {
			return nil, fmt.Errorf("chain %d: %w", c.Chain, err)
		}
		for _, h := range held {
			used[h.Address] = used[h.Address] || !h.Untouched()
		}
	}
	good := map[asset.Address]bool{}
	for _, a := range of {
		good[a] = !used[a]
	}
	return good, nil
}

// derived is an address of a key.
type derived struct {
	address asset.Address
	index   uint32
}

// derive makes the addresses at indexes. An index without a key is passed over (BIP-32).
func derive(key hdkey.Branch, of []uint32) (out []derived, err error) {
	for _, i := range of {
		a, err := key.Address(i)
		if errors.Is(err, hdkey.ErrNoChild) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("derive address %d: %w", i, err)
		}
		out = append(out, derived{a, i})
	}
	return out, nil
}

func indexes(from uint32, n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = from + uint32(i)
	}
	return out
}

func addresses(of []derived) []asset.Address {
	out := make([]asset.Address, len(of))
	for i, a := range of {
		out[i] = a.address
	}
	return out
}

// supplied is a store that tells the pool of addresses that are given out.
type supplied struct {
	checkout.Store
	pool *pool
}

// Write implements checkout.Store.
func (s supplied) Write(ctx context.Context, f func(checkout.Tx) error) error {
	return s.Store.Write(ctx, func(tx checkout.Tx) error { return f(suppliedTx{tx, s.pool}) })
}

type suppliedTx struct {
	checkout.Tx
	pool *pool
}

// TakeAddress implements checkout.Tx.
func (t suppliedTx) TakeAddress(ctx context.Context, m payment.MerchantID, id payment.ID, request int, now time.Time) (asset.Address, error) {
	a, err := t.Tx.TakeAddress(ctx, m, id, request, now)
	if err == nil || fault.Is(err, fault.Unavailable) {
		t.pool.gave(m, err != nil)
	}
	return a, err
}
