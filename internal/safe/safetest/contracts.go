// Package safetest plays what a Safe needs, for tests: the official contracts of
// all versions at their official addresses on a simulated chain, Safes made with
// them whose owners sign, and a Transaction Service over HTTP that misbehaves on
// command. It knows nothing of payments.
package safetest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/safe"
)

//go:embed testdata/contracts.json
var contractsJSON []byte

// Code is one official contract.
type Code struct {
	Runtime hexutil.Bytes   `json:"runtime"`
	ABI     json.RawMessage `json:"abi"` // none for the proxies and what inherits
}

var read = sync.OnceValues(func() (map[safe.Version]map[string]Code, error) {
	var file struct {
		Releases map[safe.Version]struct {
			Contracts map[string]Code `json:"contracts"`
		} `json:"releases"`
	}
	err := json.Unmarshal(contractsJSON, &file)
	out := map[safe.Version]map[string]Code{}
	for v, r := range file.Releases {
		out[v] = r.Contracts
	}
	return out, err
})

// Official returns an official contract by its name in 1.5.0.
func Official(t testing.TB, v safe.Version, name string) Code {
	t.Helper()
	all, err := read()
	c, ok := all[v][name]
	if err != nil || !ok {
		t.Fatalf("safetest: %s of %s: %v", name, v, err)
	}
	return c
}

// Interface returns the ABI of an official contract.
func Interface(t testing.TB, v safe.Version, name string) abi.ABI {
	t.Helper()
	parsed, err := abi.JSON(bytes.NewReader(Official(t, v, name).ABI))
	if err != nil {
		t.Fatalf("safetest: ABI of %s of %s: %v", name, v, err)
	}
	return parsed
}

// factories make proxies. Source: @safe-global/safe-deployments 1.37.63.
var factories = map[safe.Version]string{
	safe.V130: "0xa6B71E26C5e0845f74c812102Ca7114b6a896AB2",
	safe.V141: "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67",
	safe.V150: "0x14F2982D601c9458F93bd70B218933A6f8165e7b",
}

// Contracts puts the official contracts into a chain's genesis block, at the
// addresses that safe.At has for the chain. Those of a kind in without are left
// out.
func Contracts(t testing.TB, id asset.ChainID, without ...safe.Kind) []chaintest.Option {
	t.Helper()
	var out []chaintest.Option
	table := safe.At(id)
	for _, kind := range []safe.Kind{safe.Singleton, safe.SingletonL2, safe.MultiSendCallOnly, safe.FallbackHandler} {
		for _, c := range table.Contracts(id, kind) {
			storage := map[common.Hash]common.Hash{}
			if kind == safe.Singleton || kind == safe.SingletonL2 {
				storage[common.Hash{31: 4}] = common.Hash{31: 1} // threshold, as the constructor sets it
			}
			if !contains(without, kind) {
				out = append(out, chaintest.WithCode(c.Address.String(), Official(t, c.Version, string(kind)).Runtime, storage))
			}
		}
	}
	for v, address := range factories {
		out = append(out, chaintest.WithCode(address, Official(t, v, "SafeProxyFactory").Runtime, nil))
	}
	return out
}

func contains(kinds []safe.Kind, k safe.Kind) bool {
	for _, other := range kinds {
		if other == k {
			return true
		}
	}
	return false
}
