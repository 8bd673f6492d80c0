// Package official is the contract safety check: which contracts are the
// Request Network's own on which chain, the references that name a request to
// them, their calldata (built, decoded again and compared with the payment),
// the code that is deployed there, and what a simulation must show. It knows
// no payment, no page and no RPC client: callers bring the bytes they read.
package official

//go:generate go run ./gen ../../static/ts/src/registry.gen.ts

import (
	"cmp"
	"fmt"
	"slices"

	"quittance/internal/asset"
)

// Kind names a contract by what it does, as its artifact is called.
type Kind string

// The kinds of official contracts.
const (
	ERC20FeeProxy    Kind = "ERC20FeeProxy"
	EthereumFeeProxy Kind = "EthereumFeeProxy"
	BatchPayments    Kind = "BatchConversionPayments"
	Multicall3       Kind = "Multicall3" // not the Request Network's; used for reading only
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{ERC20FeeProxy, EthereumFeeProxy, BatchPayments, Multicall3} }

// Contract is one official contract on one chain.
type Contract struct {
	Chain         asset.ChainID
	Kind          Kind
	Address       asset.Address
	Version       string
	CreationBlock uint64 // no event of it can be older; 0 if not known
	CodeHash      Hash   // keccak256 of the deployed code, zero while not pinned
}

// Registry is the table of official contracts. It does not change after
// NewRegistry and is safe for concurrent use.
type Registry struct {
	contracts []Contract // by chain, then kind
	byKind    map[kindKey]int
	byAddress map[addressKey]int
}

type kindKey struct {
	chain asset.ChainID
	kind  Kind
}

type addressKey struct {
	chain   asset.ChainID
	address asset.Address
}

// NewRegistry checks that no kind and no address stands twice on a chain.
func NewRegistry(contracts []Contract) (*Registry, error) {
	r := &Registry{contracts: slices.Clone(contracts), byKind: map[kindKey]int{}, byAddress: map[addressKey]int{}}
	slices.SortFunc(r.contracts, func(a, b Contract) int {
		return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Kind, b.Kind))
	})
	for i, c := range r.contracts {
		if c.Chain == 0 || c.Address.IsZero() || !slices.Contains(Kinds(), c.Kind) {
			return nil, fmt.Errorf("official contract %s on chain %d: incomplete", c.Kind, c.Chain)
		}
		if _, dup := r.byKind[kindKey{c.Chain, c.Kind}]; dup {
			return nil, fmt.Errorf("official contract %s stands twice on chain %d", c.Kind, c.Chain)
		}
		if _, dup := r.byAddress[addressKey{c.Chain, c.Address}]; dup {
			return nil, fmt.Errorf("official address %s stands twice on chain %d", c.Address, c.Chain)
		}
		r.byKind[kindKey{c.Chain, c.Kind}] = i
		r.byAddress[addressKey{c.Chain, c.Address}] = i
	}
	return r, nil
}

// Default is the registry of every contract this program knows, sandbox
// included: chain ids tell them apart.
func Default() *Registry {
	r, err := NewRegistry(append(Real(), Sandbox()...))
	if err != nil {
		panic("official: " + err.Error()) // the tables are source text, checked by a test
	}
	return r
}

// Contract returns the official contract of a kind on a chain.
func (r *Registry) Contract(chain asset.ChainID, kind Kind) (Contract, bool) {
	i, ok := r.byKind[kindKey{chain, kind}]
	if !ok {
		return Contract{}, false
	}
	return r.contracts[i], true
}

// At returns the official contract at an address of a chain.
func (r *Registry) At(chain asset.ChainID, a asset.Address) (Contract, bool) {
	i, ok := r.byAddress[addressKey{chain, a}]
	if !ok {
		return Contract{}, false
	}
	return r.contracts[i], true
}

// Contracts returns a chain's official contracts, ordered by kind.
func (r *Registry) Contracts(chain asset.ChainID) []Contract {
	var out []Contract
	for _, c := range r.contracts {
		if c.Chain == chain {
			out = append(out, c)
		}
	}
	return out
}

// Proxy returns the contract that takes payments in a token: the Ethereum fee
// proxy for a chain's native currency (the zero address), else the ERC-20 one.
func (r *Registry) Proxy(chain asset.ChainID, token asset.Address) (Contract, bool) {
	return r.Contract(chain, proxyKind(token))
}

func proxyKind(token asset.Address) Kind {
	if token.IsZero() {
		return EthereumFeeProxy
	}
	return ERC20FeeProxy
}

// Pins are code hashes by chain and kind, as the operator's configuration
// keeps them.
type Pins map[asset.ChainID]map[Kind]Hash

// WithPins returns a copy of the registry with these code hashes. A pin that
// contradicts one already there, or that pins no contract we know, is an error:
// it would hide a change.
func (r *Registry) WithPins(pins Pins) (*Registry, error) {
	contracts := slices.Clone(r.contracts)
	for chain, kinds := range pins {
		for kind, hash := range kinds {
			i, ok := r.byKind[kindKey{chain, kind}]
			switch {
			case !ok:
				return nil, fmt.Errorf("code pin for %s on chain %d: no such official contract", kind, chain)
			case hash.IsZero():
				return nil, fmt.Errorf("code pin for %s on chain %d is empty", kind, chain)
			case !contracts[i].CodeHash.IsZero() && contracts[i].CodeHash != hash:
				return nil, fmt.Errorf("code pin for %s on chain %d contradicts the built-in one", kind, chain)
			}
			contracts[i].CodeHash = hash
		}
	}
	return NewRegistry(contracts)
}
