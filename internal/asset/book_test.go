package asset

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func book(t testing.TB, table func() ([]Chain, []Token)) *Book {
	t.Helper()
	b, err := NewBook(table())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every fact of the collected documents is in the table, and nothing else.
func TestRealTableIsTheDocumentedOne(t *testing.T) {
	file, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tokens []struct {
			ChainID                          ChainID
			RnNetwork, Symbol, Name, Address string
			RnCurrencyID                     ID
			Alias                            string
			Decimals                         uint8
			Quirks                           []string
		}
	}
	if err := json.Unmarshal(file, &doc); err != nil {
		t.Fatal(err)
	}
	b := book(t, Real)
	for _, want := range doc.Tokens {
		got, ok := b.Token(want.RnCurrencyID)
		if !ok {
			t.Errorf("%s is missing", want.RnCurrencyID)
			continue
		}
		if got.ID != want.RnCurrencyID || got.Chain != want.ChainID || got.Network != want.RnNetwork || got.Symbol != want.Symbol || plainName(got.Name) != plainName(want.Name) ||
			got.Address.String() != want.Address || got.Decimals != want.Decimals || got.Native {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if at, ok := b.TokenAt(want.ChainID, parse(t, want.Address)); !ok || at.ID != got.ID {
			t.Errorf("%s is not found by its address", got.ID)
		}
		if want.Alias != "" {
			if alias, ok := b.Token(ID(want.Alias + "-" + want.RnNetwork)); !ok || alias.ID != got.ID {
				t.Errorf("%s is not found by its alias %s", got.ID, want.Alias)
			}
		}
		resets := len(want.Quirks) > 0 && strings.Contains(want.Quirks[0], "set to 0 first")
		if got.ResetAllowance != resets {
			t.Errorf("%s: resets its allowance %v, want %v", got.ID, got.ResetAllowance, resets)
		}
	}
	if got, want := len(b.Tokens()), len(doc.Tokens)+len(b.Chains()); got != want {
		t.Errorf("%d assets, want %d tokens and native currencies", got, want)
	}
}

// plainName is a name without what tells people that the money is none.
func plainName(name string) string { return strings.TrimSuffix(name, " (test)") }

func TestLookups(t *testing.T) {
	b := book(t, Real)
	for id, want := range map[ID]ID{
		"USDC-matic": "USDCn-matic", "USDC-optimism": "USDCn-optimism", "USDC-sepolia": "fUSDC-sepolia", "USDT-sepolia": "fUSDT-sepolia",
		"USDT0-arbitrum-one": "USDT-arbitrum-one", "USDT0-matic": "USDT-matic", "USDT0-optimism": "USDT0-optimism",
		"ETH-sepolia": "ETH-sepolia-sepolia", "MATIC-matic": "POL-matic", "usdc-BASE": "USDC-base", "ETH-mainnet": "ETH-mainnet",
		"ETH-arbitrum-one": "ETH-arbitrum-one", "ETH-base": "ETH-base", "ETH-optimism": "ETH-optimism", "BNB-bsc": "BNB-bsc",
	} {
		if got, ok := b.Token(id); !ok || got.ID != want {
			t.Errorf("%s: got %s %v, want %s", id, got.ID, ok, want)
		}
	}
	for _, id := range []ID{"", "ETH-matic", "EUR", "USDC", "USDC-tron", "USDC-base ", "EURC-optimism"} {
		if got, ok := b.Token(id); ok {
			t.Errorf("%q: got %s", id, got.ID)
		}
	}
	for name, want := range map[string]ChainID{
		"ETHEREUM": Mainnet, "mainnet": Mainnet, "eth": Mainnet, "ARBITRUM": ArbitrumOne, "arbitrum-one": ArbitrumOne, "BASE": Base,
		"OPTIMISM": Optimism, "POLYGON": Matic, "matic": Matic, "BNB": BSC, "bsc": BSC, "SEPOLIA": Sepolia, "Polygon": Matic,
	} {
		if got, ok := b.Network(name); !ok || got.ID != want {
			t.Errorf("%s: got %d %v, want %d", name, got.ID, ok, want)
		}
	}
	if got, ok := b.Network("tron"); ok {
		t.Errorf("tron: got %+v", got)
	}
	if _, ok := b.Chain(84532); ok {
		t.Error("chain 84532 is not in the table")
	}
	if _, ok := b.TokenAt(Mainnet, parse(t, usdcBase)); ok {
		t.Error("a token's address on another chain is another thing")
	}
	native, ok := b.TokenAt(Matic, Address{})
	if !ok || native.Symbol != "POL" || !native.Native || native.Decimals != 18 {
		t.Errorf("native currency of Polygon: got %+v", native)
	}
}

func TestSandboxTable(t *testing.T) {
	b := book(t, Sandbox)
	for name, id := range map[string]ChainID{"base": SandboxBase, "BASE": SandboxBase, "arbitrum-one": SandboxArbitrum, "ARBITRUM": SandboxArbitrum} {
		c, ok := b.Network(name)
		if !ok || c.ID != id || !c.Sandbox || c.TxURL("0x1") != "" {
			t.Errorf("%s: got %+v", name, c)
		}
	}
	for _, id := range []ID{"USDC-base", "USDT-base", "ETH-base", "USDC-arbitrum-one", "USDT-arbitrum-one", "ETH-arbitrum-one"} {
		tok, ok := b.Token(id)
		if !ok || tok.ID != id || tok.ResetAllowance != (tok.Symbol == "USDT") {
			t.Errorf("%s: got %+v %v", id, tok, ok)
		}
	}
	// No wallet can take a sandbox chain for a real one, and no book can hold both.
	real, _ := Real()
	for _, r := range real {
		if _, ok := b.Chain(r.ID); ok || r.Sandbox {
			t.Errorf("%s is in the sandbox", r.Name)
		}
	}
	chains, tokens := Sandbox()
	realChains, realTokens := Real()
	if _, err := NewBook(append(realChains, chains...), append(realTokens, tokens...)); err == nil {
		t.Error("one book with two networks of the same name")
	}
}

func TestExplorerLinks(t *testing.T) {
	c, _ := book(t, Real).Chain(Base)
	if got, want := c.TxURL("0xab"), "https://basescan.org/tx/0xab"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.AddressURL(parse(t, strings.ToLower(usdcBase))), "https://basescan.org/address/"+usdcBase; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNewBookRefuses(t *testing.T) {
	chain := func(id ChainID, network, selector string) Chain {
		return evm(id, network, selector, network, "", "ETH", "Ether")
	}
	a, b := chain(1, "one", "ONE"), chain(2, "two", "TWO")
	token := erc20(1, "one", "T", "T", 6, usdcBase, "T-one", "T1")
	change := func(f func(*Token)) Token { x := token; f(&x); return x }
	tests := []struct {
		name   string
		chains []Chain
		tokens []Token
	}{
		{"chain id twice", []Chain{a, chain(1, "two", "TWO")}, nil},
		{"network name twice", []Chain{a, chain(2, "one", "TWO")}, nil},
		{"selector is another's name", []Chain{a, chain(2, "two", "One")}, nil},
		{"no chain id", []Chain{chain(0, "one", "ONE")}, nil},
		{"no network name", []Chain{chain(1, "", "ONE")}, nil},
		{"native with an address", []Chain{func() Chain { c := a; c.Native.Address = token.Address; return c }()}, nil},
		{"token on an unknown chain", []Chain{b}, []Token{token}},
		{"token with another network's name", []Chain{a, b}, []Token{change(func(t *Token) { t.Network = "two" })}},
		{"token without an address", []Chain{a}, []Token{change(func(t *Token) { t.Address = Address{} })}},
		{"token that is native", []Chain{a}, []Token{change(func(t *Token) { t.Native = true })}},
		{"address twice", []Chain{a}, []Token{token, change(func(t *Token) { t.ID, t.Aliases = "U-one", nil })}},
		{"currency id twice", []Chain{a}, []Token{token, change(func(t *Token) { t.Address[0]++; t.ID, t.Aliases = "t-ONE", nil })}},
		{"alias is another's id", []Chain{a}, []Token{token, change(func(t *Token) { t.Address[0]++; t.ID, t.Aliases = "U-one", []ID{"t1"} })}},
	}
	for _, tt := range tests {
		if _, err := NewBook(tt.chains, tt.tokens); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	if _, err := NewBook([]Chain{a, b}, []Token{token}); err != nil {
		t.Errorf("a good book: %v", err)
	}
}

// A caller may do what it likes with what it got.
func TestBookDoesNotChange(t *testing.T) {
	b := book(t, Real)
	chains, tokens := b.Chains(), b.Tokens()
	chains[0].Network, tokens[0].ID = "changed", "changed"
	if b.Chains()[0].Network != "mainnet" || b.Tokens()[0].ID != "ETH-mainnet" {
		t.Error("the book was changed from outside")
	}
}
