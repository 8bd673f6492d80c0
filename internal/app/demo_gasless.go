//go:build !nosandbox

package app

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/gasless"
	"quittance/internal/sandbox"
	"quittance/internal/userop"
)

// Where the demo's bundlers and sponsors are told how to behave, and where the wallet
// of the payer without native coins is, each followed by "/" and a network.
const (
	bundlerPath = "/sandbox/bundler"
	saverPath   = "/sandbox/saver"
)

// demoGasless has gas paid for on both chains: for LightAccounts as Alchemy does, for
// Safe accounts as any paymaster with any bundler. What it costs is nobody's.
func demoGasless(kind string, chains *sandbox.Chains, gateways *sandbox.Gateways) (*GaslessSetup, error) {
	provider := map[string]string{userop.KindLight: gasless.ProviderAlchemy, userop.KindSafe: gasless.ProviderERC7677}[kind]
	if provider == "" {
		return nil, fmt.Errorf("the demo's smart accounts are one of %v", gasless.Accounts)
	}
	s := &GaslessSetup{Chains: map[asset.ChainID]gasless.Chain{}}
	var ids []asset.ChainID
	for _, c := range chains.All() {
		id := asset.ChainID(c.ChainID)
		ids = append(ids, id)
		s.Chains[id] = gasless.Chain{
			Provider: provider, Name: "the sandbox", Kind: kind, BundlerURL: gateways.URL(c.Network), Pricing: userop.PricingPimlico,
			Policy: sandbox.SponsorPolicy, Context: `{"policyId":"` + sandbox.SponsorPolicy + `"}`,
			MaxFeePerGas: big.NewInt(100e9), MaxCost: coin(1),
			Budget: checkout.GaslessBudget{Payment: coin(20), Grants: 20, WalletDay: coin(10_000), ChainDay: coin(100_000)},
		}
	}
	s.Table = userop.At(ids...)
	return s, nil
}

// paysGas reports whether gas is paid for on all chains where it should be.
func paysGas(a *App, s Setup) bool {
	for id := range s.Gasless.Chains {
		if !a.PaysGas(id) {
			return false
		}
	}
	return true
}

// coin is so many native coins in wei.
func coin(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

// demoSaver is the payer without native coins, the same on both chains.
type demoSaver struct {
	Address    string `json:"address"`
	PrivateKey string `json:"privateKey"`
	Account    string `json:"account"` // its smart account, the same on both chains
	Kind       string `json:"kind"`    // of the account
}

func describeSaver(kind string, chains *sandbox.Chains, setup *GaslessSetup) (demoSaver, error) {
	address, key := chains.Saver()
	owner, err := asset.ParseAddress(address)
	if err != nil {
		return demoSaver{}, fmt.Errorf("the saver: %w", err)
	}
	id := asset.ChainID(chains.All()[0].ChainID)
	k, known := setup.Table.Kind(id, kind)
	if !known {
		return demoSaver{}, fmt.Errorf("there is no kind of smart account %q", kind)
	}
	return demoSaver{Address: address, PrivateKey: key, Account: k.Account(id, owner).Address.String(), Kind: kind}, nil
}
