package safe

import (
	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Version is a release of the Safe contracts.
type Version string

// The versions there are pins of.
const (
	V130 Version = "1.3.0" // its execution events do not index the hash
	V141 Version = "1.4.1"
	V150 Version = "1.5.0"
)

// Versions lists them, oldest first.
func Versions() []Version { return []Version{V130, V141, V150} }

// Kind names a contract by what it does, as its artifact is called in 1.5.0.
type Kind string

// The kinds of contracts that are pinned.
const (
	Singleton         Kind = "Safe"   // the code behind a Safe's proxy
	SingletonL2       Kind = "SafeL2" // the same, with an event for each transaction
	MultiSendCallOnly Kind = "MultiSendCallOnly"
	FallbackHandler   Kind = "CompatibilityFallbackHandler"
)

// Contract is one official contract on one chain.
type Contract struct {
	Chain    asset.ChainID
	Version  Version
	Kind     Kind
	Address  asset.Address
	CodeHash official.Hash // keccak256 of the deployed code
}

// Table is the pinned contracts. It does not change after it was made and is
// safe for concurrent use.
type Table struct {
	byAddress map[place]Contract
	ordered   []Contract
}

type place struct {
	chain   asset.ChainID
	address asset.Address
}

// Pinned returns the table of the real chains.
func Pinned() *Table {
	chains, _ := asset.Real()
	ids := make([]asset.ChainID, len(chains))
	for i, c := range chains {
		ids[i] = c.ID
	}
	return At(ids...)
}

// At returns the table of chains that have the official contracts at the
// official addresses.
func At(chains ...asset.ChainID) *Table {
	t := &Table{byAddress: map[place]Contract{}}
	for _, chain := range chains {
		for _, r := range releases {
			hash := mustHash(r.codeHash)
			for _, a := range r.on(chain) {
				c := Contract{Chain: chain, Version: r.version, Kind: r.kind, Address: mustAddress(a), CodeHash: hash}
				t.byAddress[place{chain, c.Address}] = c
				t.ordered = append(t.ordered, c)
			}
		}
	}
	return t
}

// Contracts returns the contracts of a kind on a chain: all versions, oldest
// first, and of each version the one first that official tools use.
func (t *Table) Contracts(chain asset.ChainID, kind Kind) []Contract {
	var out []Contract
	for _, c := range t.ordered {
		if c.Chain == chain && c.Kind == kind {
			out = append(out, c)
		}
	}
	return out
}

// Contract returns the official contract at an address.
func (t *Table) Contract(chain asset.ChainID, a asset.Address) (Contract, bool) {
	c, ok := t.byAddress[place{chain, a}]
	return c, ok
}

// release is one contract of one version. 1.3.0 was deployed twice on most
// chains, by factories at two addresses.
type release struct {
	version   Version
	kind      Kind
	codeHash  string
	canonical string
	eip155    string // "" if there is none
}

// on returns the addresses on a chain, the one first that official tools use.
func (r release) on(chain asset.ChainID) []string {
	switch {
	case r.eip155 == "":
		return []string{r.canonical}
	case chain == asset.Optimism || chain == asset.Base || chain == asset.Sepolia:
		return []string{r.eip155, r.canonical}
	}
	return []string{r.canonical, r.eip155}
}

// Source: @safe-global/safe-deployments 1.37.63. The packages' artifacts have
// the same hashes (e2e/safe).
var releases = []release{
	{V130, Singleton, "0xbba688fbdb21ad2bb58bc320638b43d94e7d100f6f3ebaab0a4e4de6304b1c2e",
		"0xd9Db270c1B5E3Bd161E8c8503c55cEABeE709552", "0x69f4D1788e39c87893C980c06EdF4b7f686e2938"},
	{V141, Singleton, "0x1fe2df852ba3299d6534ef416eefa406e56ced995bca886ab7a553e6d0c5e1c4",
		"0x41675C099F32341bf84BFc5382aF534df5C7461a", ""},
	{V150, Singleton, "0xdda019cbd7c867a533a2a86e5c53434fdc50b13122b5a5ddb4a8df61b31c20f2",
		"0xFf51A5898e281Db6DfC7855790607438dF2ca44b", ""},
	{V130, SingletonL2, "0x21842597390c4c6e3c1239e434a682b054bd9548eee5e9b1d6a4482731023c0f",
		"0x3E5c63644E683549055b9Be8653de26E0B4CD36E", "0xfb1bffC9d739B8D520DaF37dF666da4C687191EA"},
	{V141, SingletonL2, "0xb1f926978a0f44a2c0ec8fe822418ae969bd8c3f18d61e5103100339894f81ff",
		"0x29fcB43b46531BcA003ddC8FCB67FFE91900C762", ""},
	{V150, SingletonL2, "0x180193227186ccb85316c94db1f0d156ed932b14712cfaac78901899178572dc",
		"0xEdd160fEBBD92E350D4D398fb636302fccd67C7e", ""},
	{V130, MultiSendCallOnly, "0xa9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad",
		"0x40A2aCCbd92BCA938b02010E17A5b8929b49130D", "0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B"},
	{V141, MultiSendCallOnly, "0xecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939",
		"0x9641d764fc13c8B624c04430C7356C1C7C8102e2", ""},
	{V150, MultiSendCallOnly, "0xcdbdcec38d2f1c7d961b0029ff8416b7e86e9974d6f0e9c9580c7d17fcfb6663",
		"0xA83c336B20401Af773B6219BA5027174338D1836", ""},
	{V130, FallbackHandler, "0x03e69f7ce809e81687c69b19a7d7cca45b6d551ffdec73d9bb87178476de1abf",
		"0xf48f2B2d2a534e402487b3ee7C18c33Aec0Fe5e4", "0x017062a1dE2FE6b99BE3d9d37841FeD19F573804"},
	{V141, FallbackHandler, "0x7c6007a5d711cea8dfd5d91f5940ec29c7f200fe511eb1fc1397b367af3c42f9",
		"0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99", ""},
	{V150, FallbackHandler, "0x3c6a85bcf7b563daa624b884b4e9a1b9fa5371edde7be945d998071a48f28bbc",
		"0x3EfCBb83A4A7AfcB4F68D501E2c2203a38be77f4", ""},
}

// proxies are the hashes of the code that stands at a Safe's own address, by
// the version whose factory made it. A Safe that was made with 1.1.1 may have
// changed to a later singleton; its proxy stays. Each code is part of its
// factory's code, whose hash the deployments name.
var proxies = map[official.Hash]string{
	mustHash("0xaea7d4252f6245f301e540cfbee27d3a88de543af8e49c5c62405d5499fab7e5"): "1.1.1",
	mustHash("0xb89c1b3bdf2cf8827818646bce9a8f6e372885f8c55e5c07acbd307cb133b000"): "1.3.0",
	mustHash("0xd7d408ebcd99b2b70be43e20253d6d92a8ea8fab29bd3be7f55b10032331fb4c"): "1.4.1",
	mustHash("0x4e381985ca68b3e5d27b4425fa581c19cf33146d3f887a3cfca96f55528ea46f"): "1.5.0",
}

// mustAddress and mustHash read source text; a mistake is found by the first test.
func mustAddress(text string) asset.Address {
	a, err := asset.ParseAddress(text)
	if err != nil {
		panic("safe: " + text + ": " + err.Error())
	}
	return a
}

func mustHash(text string) official.Hash {
	h, err := official.ParseHash(text)
	if err != nil {
		panic("safe: " + text + ": " + err.Error())
	}
	return h
}

// Calls returns what a Safe calls by a transaction. ok is false where the table does
// not know the code that makes them: acting as the Safe it may do anything.
func (t *Table) Calls(chain asset.ChainID, tx Tx) (calls []rail.Call, ok bool) {
	if tx.Operation != OpCall {
		if c, known := t.Contract(chain, tx.To); !known || c.Kind != MultiSendCallOnly {
			return nil, false
		}
	}
	calls, err := tx.Calls()
	return calls, err == nil
}
