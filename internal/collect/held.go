// Package collect finds out what sits on merchants' deposit addresses and whose payments it
// was, plans with that how it is moved, and sends what was signed. Package sweep knows what a
// plan is and neither chains nor payments; what is to be left alone, what moving takes and
// what became of it only both together tell.
//
// It must not know where keys are, nor how a command asks for that.
package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail/deposit"
	"quittance/internal/sweep"
)

// Collector plans by what a database knows of addresses.
type Collector struct {
	Branches merchant.Branches
	Checkout *checkout.Service
	Watched  bool            // servers take what comes to deposit addresses for payments,
	Funders  []asset.Address // but for native currency of these
}

// Chain is one that is asked.
type Chain struct {
	asset.Chain
	Node      chain.Batcher
	Multicall asset.Address // its Multicall3
	Tokens    []asset.Token // that are looked for, native currency not among them
}

// Held is what sits on one deposit address of one chain.
type Held struct {
	Branch  string // its id
	Path    string // where a wallet finds the address
	Network asset.Chain
	sweep.Holding

	// Payment is whose address it is, nil for one that was given to nobody: then what
	// sits there is the key's owner's in some other way.
	Payment *payment.Payment
}

// Open reports whether a payment may still change: somebody may pay more, or what came is
// not final yet.
func (h Held) Open() bool {
	if h.Payment == nil {
		return false
	}
	state := h.Payment.Standing.State
	return state == payment.Open || state == payment.Seen ||
		slices.ContainsFunc(h.Payment.Transfers, func(t payment.Transfer) bool { return t.Stage == payment.Pending })
}

// Pick returns the keys that deposit addresses come from: of one merchant, or of
// all for "", and one by its id unless that is "".
func (c Collector) Pick(ctx context.Context, m payment.MerchantID, id string) ([]merchant.Branch, error) {
	all, err := c.Branches.Branches(ctx)
	if err != nil {
		return nil, err
	}
	picked := slices.DeleteFunc(all, func(b merchant.Branch) bool { return m != "" && b.Merchant != m || id != "" && b.ID != id })
	if len(picked) == 0 {
		return nil, errors.New("there is no such key for deposit addresses; `quittance deposits list` has them")
	}
	return picked, nil
}

// Holdings reads from a chain what sits on the addresses of a branch up to the last one
// that was given out, payments or not. Addresses with nothing on them are left out.
func (c Collector) Holdings(ctx context.Context, b merchant.Branch, of Chain) ([]Held, error) {
	branch, err := hdkey.OpenBranch(b.XPub)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", b.ID, err)
	}
	addresses, owners, err := c.givenOut(ctx, b, branch)
	if err != nil {
		return nil, err
	}
	at := make([]asset.Address, len(of.Tokens))
	for i, t := range of.Tokens {
		at[i] = t.Address
	}
	held, err := deposit.Holdings(ctx, of.Node, of.Multicall, at, addresses)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", of.Network, err)
	}
	var out []Held
	for i, h := range held {
		x := Held{Branch: b.ID, Path: branch.Path(uint32(i)), Network: of.Chain, Holding: sweep.Holding{Index: uint32(i), Address: h.Address, Nonce: h.Nonce, Native: h.Native}}
		for j, units := range h.Tokens {
			if units != nil && units.Sign() > 0 {
				x.Tokens = append(x.Tokens, sweep.TokenHolding{Token: of.Tokens[j], Units: units})
			}
		}
		if h.Native.Sign() == 0 && len(x.Tokens) == 0 {
			continue
		}
		if id := owners[uint32(i)]; id != "" {
			if x.Payment, err = c.Checkout.Payment(ctx, id); err != nil {
				return nil, fmt.Errorf("payment of %s: %w", h.Address, err)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// addressesRead bounds one look into the database.
const addressesRead = 1000

// givenOut derives a branch's addresses up to the last one that a payment has, and tells
// whose they are by their index. What the database has of them must be what is derived.
func (c Collector) givenOut(ctx context.Context, b merchant.Branch, branch hdkey.Branch) ([]asset.Address, map[uint32]payment.ID, error) {
	owners, stored := map[uint32]payment.ID{}, map[uint32]asset.Address{}
	end := uint32(0)
	for seq := int64(0); ; {
		some, err := c.Branches.AddressesAfter(ctx, seq, addressesRead)
		if err != nil {
			return nil, nil, err
		}
		if len(some) == 0 {
			break
		}
		for _, d := range some {
			if d.Branch == b.ID && d.Payment != "" {
				owners[d.Index], stored[d.Index], end = d.Payment, d.Address, max(end, d.Index+1)
			}
		}
		seq = some[len(some)-1].Seq
	}
	out := make([]asset.Address, end)
	for i := range end {
		var err error
		// An index without a key is met by nobody; its place stays the zero address, which
		// no key has either.
		if out[i], err = branch.Address(i); err != nil && !errors.Is(err, hdkey.ErrNoChild) {
			return nil, nil, fmt.Errorf("address %d of key %s: %w", i, b.ID, err)
		}
		if want, ok := stored[i]; ok && want != out[i] {
			return nil, nil, fmt.Errorf("the database says that address %d of key %s is %s, the key says %s", i, b.ID, want, out[i])
		}
	}
	return out, owners, nil
}
