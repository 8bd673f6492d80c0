// Package safetest plays what a Safe needs, for tests: the official contracts of
// all versions at their official addresses on a simulated chain, Safes made with
// them whose owners sign, and a Transaction Service over HTTP that misbehaves on
// command. It knows nothing of payments.
package safetest

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/safe"
	"quittance/internal/safe/artifacts"
)

// Official returns an official contract by its name in 1.5.0.
func Official(t testing.TB, v safe.Version, name string) artifacts.Code {
	t.Helper()
	c, err := artifacts.Official(v, name)
	if err != nil {
		t.Fatalf("safetest: %v", err)
	}
	return c
}

// Interface returns the ABI of an official contract.
func Interface(t testing.TB, v safe.Version, name string) abi.ABI {
	t.Helper()
	parsed, err := artifacts.Interface(v, name)
	if err != nil {
		t.Fatalf("safetest: %v", err)
	}
	return parsed
}

// Contracts puts the official contracts into a chain's genesis block, at the
// addresses that safe.At has for the chain. Those of a kind in without are left
// out.
func Contracts(t testing.TB, id asset.ChainID, without ...safe.Kind) []chaintest.Option {
	t.Helper()
	deployed, err := artifacts.Deployed(id)
	if err != nil {
		t.Fatalf("safetest: %v", err)
	}
	var out []chaintest.Option
	for _, c := range deployed {
		storage := map[common.Hash]common.Hash{}
		for slot, value := range c.Storage {
			storage[slot] = value
		}
		if c.Kind == "" || !slices.Contains(without, c.Kind) {
			out = append(out, chaintest.WithCode(c.Address.String(), c.Runtime, storage))
		}
	}
	return out
}
