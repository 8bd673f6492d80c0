// Package useroptest plays what paying without gas needs, for tests: the real
// EntryPoint, accounts and a paymaster on a simulated chain, wallets that sign for
// their accounts, and a Gateway in front. It knows nothing of payments. Alchemy's
// LightAccount is a stand-in of our own: see package artifacts.
package useroptest

import (
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/safe/safetest"
	"quittance/internal/userop/artifacts"
)

// Interface returns the ABI of a contract of package artifacts.
func Interface(t testing.TB, name string) abi.ABI {
	t.Helper()
	parsed, err := artifacts.Interface(name)
	if err != nil {
		t.Fatalf("useroptest: %v", err)
	}
	return parsed
}

// Contracts puts what accounts need into a chain's genesis block, at the pinned
// addresses, Safe's own contracts and the EntryPoint included.
func Contracts(t testing.TB, id asset.ChainID) []chaintest.Option {
	t.Helper()
	deployed, err := artifacts.Deployed(id)
	if err != nil {
		t.Fatalf("useroptest: %v", err)
	}
	out := safetest.Contracts(t, id)
	for _, d := range deployed {
		storage := map[common.Hash]common.Hash{}
		for slot, value := range d.Storage {
			storage[slot] = value
		}
		out = append(out, chaintest.WithCode(d.Address.String(), d.Runtime, storage))
	}
	return out
}
