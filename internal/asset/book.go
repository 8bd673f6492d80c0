// Package asset knows chains, tokens and addresses: one checked table that
// everything else looks things up in. It knows nothing of RPC or of payments.
package asset

import (
	"fmt"
	"slices"
	"strings"
)

// ChainID is an EIP-155 chain id.
type ChainID uint64

// ID names an asset on wires and in the database, in the Request Network's
// spelling: "USDC-base", "ETH-mainnet".
type ID string

// The fiat currencies, which are on no chain: what is due in them is paid in other assets,
// or by bank.
const (
	USD ID = "USD"
	EUR ID = "EUR"
)

// Token is an ERC-20 token or a chain's native currency.
type Token struct {
	ID       ID
	Aliases  []ID // other spellings accepted on input
	Chain    ChainID
	Network  string // the chain's Request Network name, kept here because every wire wants both
	Symbol   string
	Name     string
	Address  Address // zero for the native currency
	Decimals uint8
	Native   bool
	// ResetAllowance marks tokens (USDT on Ethereum) that refuse to change a
	// non-zero allowance to another non-zero value.
	ResetAllowance bool
}

// Chain is one EVM network.
type Chain struct {
	ID       ChainID
	Network  string   // Request Network name: "base", "arbitrum-one"
	Selector string   // the API's query value: "BASE"
	Name     string   // for people: "Base"
	Aliases  []string // other spellings accepted on input
	Explorer string   // base URL of a block explorer, "" if there is none
	Native   Token
	Sandbox  bool // money on this chain is worth nothing
}

// TxURL is the explorer's page for a transaction, or "".
func (c Chain) TxURL(hash string) string { return c.explore("/tx/", hash) }

// AddressURL is the explorer's page for an address, or "".
func (c Chain) AddressURL(a Address) string { return c.explore("/address/", a.String()) }

func (c Chain) explore(path, what string) string {
	if c.Explorer == "" {
		return ""
	}
	return strings.TrimRight(c.Explorer, "/") + path + what
}

// Book is the table of chains and tokens one server knows. It does not change
// after NewBook and is safe for concurrent use.
type Book struct {
	chains    []Chain
	tokens    []Token
	byChain   map[ChainID]int
	byNetwork map[string]int
	byID      map[ID]int
	byAddress map[tokenKey]int
}

type tokenKey struct {
	chain   ChainID
	address Address
}

// NewBook checks that no chain, name, id or address stands twice and that every
// token's chain is there. Native currencies come from the chains themselves.
func NewBook(chains []Chain, tokens []Token) (*Book, error) {
	b := &Book{byChain: map[ChainID]int{}, byNetwork: map[string]int{}, byID: map[ID]int{}, byAddress: map[tokenKey]int{}}
	for _, c := range chains {
		if err := b.addChain(c); err != nil {
			return nil, err
		}
	}
	for _, t := range tokens {
		if t.Native || t.Address.IsZero() {
			return nil, fmt.Errorf("token %s: native currencies are part of their chain", t.ID)
		}
		if err := b.addToken(t); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *Book) addChain(c Chain) error {
	if c.ID == 0 || c.Network == "" || c.Selector == "" || !c.Native.Native || !c.Native.Address.IsZero() {
		return fmt.Errorf("chain %d %q: incomplete", c.ID, c.Network)
	}
	if _, dup := b.byChain[c.ID]; dup {
		return fmt.Errorf("chain id %d stands twice", c.ID)
	}
	b.byChain[c.ID] = len(b.chains)
	for _, name := range append([]string{c.Network, c.Selector}, c.Aliases...) {
		name = strings.ToLower(name)
		if i, dup := b.byNetwork[name]; dup && i != len(b.chains) {
			return fmt.Errorf("network name %q stands twice", name)
		}
		b.byNetwork[name] = len(b.chains)
	}
	b.chains = append(b.chains, c)
	return b.addToken(c.Native)
}

func (b *Book) addToken(t Token) error {
	chain, ok := b.Chain(t.Chain)
	if !ok {
		return fmt.Errorf("token %s: chain %d is not known", t.ID, t.Chain)
	}
	if t.Network != chain.Network {
		return fmt.Errorf("token %s: network %q is not chain %d", t.ID, t.Network, t.Chain)
	}
	key := tokenKey{t.Chain, t.Address}
	if _, dup := b.byAddress[key]; dup {
		return fmt.Errorf("token %s: address %s stands twice", t.ID, t.Address)
	}
	b.byAddress[key] = len(b.tokens)
	for _, id := range append([]ID{t.ID}, t.Aliases...) {
		k := ID(strings.ToLower(string(id)))
		if _, dup := b.byID[k]; dup {
			return fmt.Errorf("currency id %s stands twice", id)
		}
		b.byID[k] = len(b.tokens)
	}
	b.tokens = append(b.tokens, t)
	return nil
}

// Chain looks a chain up by its id.
func (b *Book) Chain(id ChainID) (Chain, bool) {
	i, ok := b.byChain[id]
	if !ok {
		return Chain{}, false
	}
	return b.chains[i], true
}

// Network looks a chain up by its network name, selector or alias, whatever the case.
func (b *Book) Network(name string) (Chain, bool) {
	i, ok := b.byNetwork[strings.ToLower(name)]
	if !ok {
		return Chain{}, false
	}
	return b.chains[i], true
}

// Token looks an asset up by its id or an alias, whatever the case.
func (b *Book) Token(id ID) (Token, bool) {
	i, ok := b.byID[ID(strings.ToLower(string(id)))]
	if !ok {
		return Token{}, false
	}
	return b.tokens[i], true
}

// TokenAt looks a token up by its contract; the zero address is the native currency.
func (b *Book) TokenAt(chain ChainID, a Address) (Token, bool) {
	i, ok := b.byAddress[tokenKey{chain, a}]
	if !ok {
		return Token{}, false
	}
	return b.tokens[i], true
}

// Chains returns all chains in the order they were given.
func (b *Book) Chains() []Chain { return slices.Clone(b.chains) }

// Tokens returns all assets, each chain's native currency included.
func (b *Book) Tokens() []Token { return slices.Clone(b.tokens) }
