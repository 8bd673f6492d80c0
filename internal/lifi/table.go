package lifi

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// Network is what is pinned of one chain: nothing else is ever called, allowed
// to pull, or paid through.
type Network struct {
	Chain            asset.ChainID
	Diamond          asset.Address // LI.FI's contract that routes call
	Permit2Proxy     asset.Address
	FeeForwarder     asset.Address // takes LI.FI's fee
	FeeCollector     asset.Address // took it before; zero if there is none
	Executor         asset.Address // calls the fee proxy on the destination: the on-chain payer
	ReceiverAcross   asset.Address // gets the money from Across; zero if it does not end here
	ReceiverStargate asset.Address // gets it from Stargate; zero if it does not end here
	Endpoint         uint32        // LayerZero's number of the chain, 0 without Stargate
	FeeProxy         asset.Address // the official ERC20FeeProxy
	DEXes            []asset.Address
	Stables          []asset.Token // what routes may start from, pass through and end in
	MaxNativeFee     *big.Int      // wei a bridge may ask for on this chain
}

// Table is the pinned networks. It does not change after NewTable and is safe
// for concurrent use.
type Table struct{ networks map[asset.ChainID]Network }

// NewTable checks that every network is complete and stands once.
func NewTable(networks []Network) (*Table, error) {
	t := &Table{networks: map[asset.ChainID]Network{}}
	for _, n := range networks {
		if err := n.check(); err != nil {
			return nil, fmt.Errorf("pinned network %d: %w", n.Chain, err)
		}
		if _, twice := t.networks[n.Chain]; twice {
			return nil, fmt.Errorf("pinned network %d stands twice", n.Chain)
		}
		t.networks[n.Chain] = n
	}
	return t, nil
}

func (n Network) check() error {
	switch {
	case n.Chain == 0 || n.Diamond.IsZero() || n.FeeForwarder.IsZero() || n.Executor.IsZero() || n.FeeProxy.IsZero():
		return errors.New("a contract is missing")
	case len(n.Stables) == 0:
		return errors.New("no asset")
	case n.ReceiverStargate.IsZero() != (n.Endpoint == 0):
		return errors.New("one of receiver and endpoint for Stargate is missing")
	case n.MaxNativeFee == nil || n.MaxNativeFee.Sign() < 0:
		return errors.New("no limit for the bridge's fee")
	}
	for _, s := range n.Stables {
		if s.Chain != n.Chain || s.Address.IsZero() {
			return fmt.Errorf("asset %s is not a token of this chain", s.ID)
		}
	}
	return nil
}

// Network returns what is pinned of a chain.
func (t *Table) Network(chain asset.ChainID) (Network, bool) {
	n, ok := t.networks[chain]
	return n, ok
}

// Chains lists the chains, smallest first.
func (t *Table) Chains() []asset.ChainID {
	ids := make([]asset.ChainID, 0, len(t.networks))
	for id := range t.networks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Stable returns the pinned asset at an address of this network.
func (n Network) Stable(a asset.Address) (asset.Token, bool) {
	for _, s := range n.Stables {
		if s.Address == a {
			return s, true
		}
	}
	return asset.Token{}, false
}

// The addresses are those of lifinance/contracts @ef00558 (deployments and
// config/whitelist.json), LayerZero's numbers those of its V2 deployments. The
// fee proxies come from the registry of official contracts.
const (
	diamond      = "0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE"
	permit2Proxy = "0x89c6340B1a1f4b25D36cd8B063D49045caF3f818"
	feeForwarder = "0xCE40449B773a3E6E5e769ADb4e567179d4828cbd"

	// The two route processors with processRoute: Sushi's, the one that the
	// Diamond allows today, and LI.FI's own.
	sushiProcessor = "0xf2614A233c7C3e7f08b1F887Ba133a13f1eb2c55"
	lifiProcessor  = "0x8189AFcC5B73Dc90600FeE92e5267Aff1D192884"
)

// Pinned returns the table of the real chains. It is long because it is data.
func Pinned() *Table {
	networks := []Network{
		{
			Chain: asset.Mainnet, Endpoint: 30101, MaxNativeFee: milli(5),
			FeeCollector:     addr("0x3Ef238c36035880EfbDfa239d218186b79Ad1d6F"),
			Executor:         addr("0xd9B2Da9C45b118e4e93A004FB1452bCDB6cC0E88"),
			ReceiverAcross:   addr("0x07Cc0a0b41641D349240e1988169Fa11b31FC24E"),
			ReceiverStargate: addr("0xB539B40793171211DCA8834da044fC14bCe64BDC"),
			DEXes:            []asset.Address{addr(sushiProcessor), addr(lifiProcessor)},
		},
		{
			Chain: asset.ArbitrumOne, Endpoint: 30110, MaxNativeFee: milli(5),
			FeeCollector:     addr("0xB0210dE78E28e2633Ca200609D9f528c13c26cD9"),
			Executor:         addr("0x2dfaDAB8266483beD9Fd9A292Ce56596a2D1378D"),
			ReceiverAcross:   addr("0x33b255b5db44A78c34381f89f1a454bc0Ef49871"),
			ReceiverStargate: addr("0x1493e7B8d4DfADe0a178dAD9335470337A3a219A"),
			DEXes:            []asset.Address{addr(sushiProcessor), addr(lifiProcessor)},
		},
		{
			Chain: asset.Base, Endpoint: 30184, MaxNativeFee: milli(5),
			FeeCollector:     addr("0x0A6d96E7f4D7b96CFE42185DF61E64d255c12DFf"),
			Executor:         addr("0x4DaC9d1769b9b304cb04741DCDEb2FC14aBdF110"),
			ReceiverAcross:   addr("0x33b255b5db44A78c34381f89f1a454bc0Ef49871"),
			ReceiverStargate: addr("0x1493e7B8d4DfADe0a178dAD9335470337A3a219A"),
			DEXes:            []asset.Address{addr(sushiProcessor), addr(lifiProcessor)},
		},
		{
			Chain: asset.Optimism, Endpoint: 30111, MaxNativeFee: milli(5),
			FeeCollector:     addr("0x271970eE66c03c9D62d8e8c718b9841f2Ea7D817"),
			Executor:         addr("0xC9E66aa9b08EB667e450e072E96F7086AD9f2c91"),
			ReceiverAcross:   addr("0xe417AD5eb9e919567620A48B3757cc182cCdf9e4"),
			ReceiverStargate: addr("0x556701899905f2f83AcA2977D3202Ee3a80f37b7"),
			DEXes:            []asset.Address{addr(sushiProcessor), addr("0xdEE54e0fC8b28b6b80fdb11fC74B9329A4de5220")},
		},
		{
			Chain: asset.Matic, Endpoint: 30109, MaxNativeFee: milli(60_000),
			FeeCollector:     addr("0xbD6C7B0d2f68c2b7805d88388319cfB6EcB50eA9"),
			Executor:         addr("0x2dfaDAB8266483beD9Fd9A292Ce56596a2D1378D"),
			ReceiverAcross:   addr("0x33b255b5db44A78c34381f89f1a454bc0Ef49871"),
			ReceiverStargate: addr("0x1493e7B8d4DfADe0a178dAD9335470337A3a219A"),
			DEXes:            []asset.Address{addr(sushiProcessor), addr(lifiProcessor)},
		},
		{
			Chain: asset.BSC, Endpoint: 30102, MaxNativeFee: milli(20),
			FeeCollector:     addr("0xbD6C7B0d2f68c2b7805d88388319cfB6EcB50eA9"),
			Executor:         addr("0x2dfaDAB8266483beD9Fd9A292Ce56596a2D1378D"),
			ReceiverAcross:   addr("0x33b255b5db44A78c34381f89f1a454bc0Ef49871"),
			ReceiverStargate: addr("0x1493e7B8d4DfADe0a178dAD9335470337A3a219A"),
			DEXes:            []asset.Address{addr(sushiProcessor), addr(lifiProcessor)},
		},
	}
	registry := official.Default()
	for i := range networks {
		n := &networks[i]
		n.Diamond, n.Permit2Proxy, n.FeeForwarder = addr(diamond), addr(permit2Proxy), addr(feeForwarder)
		proxy, _ := registry.Contract(n.Chain, official.ERC20FeeProxy)
		n.FeeProxy = proxy.Address
		n.Stables = stables(n.Chain)
	}
	t, err := NewTable(networks)
	if err != nil {
		panic("lifi: " + err.Error()) // source text, checked by a test
	}
	return t
}

// The stand-ins of internal/sandbox/contracts, the same on both of its chains.
const (
	sandboxDiamond      = "0x5a4db0000000000000000000000000000000d1a0"
	sandboxPermit2Proxy = "0x5a4db00000000000000000000000000000002a0c"
	sandboxFeeForwarder = "0x5a4db000000000000000000000000000000000fe"
	sandboxExecutor     = "0x5a4db00000000000000000000000000000000e7c"
	sandboxReceiver     = "0x5a4db00000000000000000000000000000000acc"
	sandboxDEX          = "0x5a4db00000000000000000000000000000000de0"
)

// Sandbox returns the table of the demo's chains: Across alone, and one
// exchange.
func Sandbox() *Table {
	chains, tokens := asset.Sandbox()
	registry := official.Default()
	var networks []Network
	for _, c := range chains {
		proxy, _ := registry.Contract(c.ID, official.ERC20FeeProxy)
		networks = append(networks, Network{
			Chain: c.ID, Diamond: addr(sandboxDiamond), Permit2Proxy: addr(sandboxPermit2Proxy), FeeForwarder: addr(sandboxFeeForwarder),
			Executor: addr(sandboxExecutor), ReceiverAcross: addr(sandboxReceiver), FeeProxy: proxy.Address,
			DEXes: []asset.Address{addr(sandboxDEX)}, Stables: stablesOf(tokens, c.ID), MaxNativeFee: new(big.Int),
		})
	}
	t, err := NewTable(networks)
	if err != nil {
		panic("lifi: " + err.Error()) // source text, checked by a test
	}
	return t
}

// stables are the dollar tokens of a chain in the asset table.
func stables(chain asset.ChainID) []asset.Token {
	_, tokens := asset.Real()
	return stablesOf(tokens, chain)
}

func stablesOf(all []asset.Token, chain asset.ChainID) []asset.Token {
	return slices.DeleteFunc(slices.Clone(all), func(t asset.Token) bool {
		return t.Chain != chain || !slices.Contains([]string{"USDC", "USDT", "USDT0"}, t.Symbol)
	})
}

// milli is thousandths of a native coin in wei. The limits in the table are 15
// to 20 US dollars at the prices of 2026: several times an honest fee, and no
// more than a nuisance.
func milli(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e15)) }

// addr reads source text of the table; a mistake is found by its first test.
func addr(text string) asset.Address {
	a, err := asset.ParseAddress(text)
	if err != nil {
		panic("lifi: " + text + ": " + err.Error())
	}
	return a
}
