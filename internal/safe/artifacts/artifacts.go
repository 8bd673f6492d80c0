// Package artifacts holds the official Safe contracts 1.3.0, 1.4.1 and 1.5.0:
// code and ABI as Safe's own packages have them, and the addresses at which they
// are deployed. They are under LGPL-3.0-only and unchanged; NOTICE.md beside this
// file names their source. It is for chains of one's own, the sandbox's and those
// of tests, and knows neither how a chain is run nor any Safe.
package artifacts

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/safe"
)

//go:embed contracts.json
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

// Factory is the name of the contract that makes Safes.
const Factory = "SafeProxyFactory"

// Official returns a contract by its name in 1.5.0.
func Official(v safe.Version, name string) (Code, error) {
	all, err := read()
	if err != nil {
		return Code{}, fmt.Errorf("the contracts of Safes: %w", err)
	}
	c, ok := all[v][name]
	if !ok {
		return Code{}, fmt.Errorf("the contracts of Safes: version %q has no %s", v, name)
	}
	return c, nil
}

// Interface returns the ABI of a contract.
func Interface(v safe.Version, name string) (abi.ABI, error) {
	c, err := Official(v, name)
	if err != nil {
		return abi.ABI{}, err
	}
	parsed, err := abi.JSON(bytes.NewReader(c.ABI))
	if err != nil {
		return abi.ABI{}, fmt.Errorf("ABI of %s of %s: %w", name, v, err)
	}
	return parsed, nil
}

// factories make proxies. Source: @safe-global/safe-deployments 1.37.63.
var factories = map[safe.Version]string{
	safe.V130: "0xa6B71E26C5e0845f74c812102Ca7114b6a896AB2",
	safe.V141: "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67",
	safe.V150: "0x14F2982D601c9458F93bd70B218933A6f8165e7b",
}

// FactoryAddress returns where the contract stands that makes Safes of a version.
func FactoryAddress(v safe.Version) asset.Address {
	a, err := asset.ParseAddress(factories[v])
	if err != nil {
		panic("artifacts: factory of " + string(v) + ": " + err.Error()) // source text
	}
	return a
}

// Contract is a contract as it stands on a chain that has all of them.
type Contract struct {
	Version safe.Version
	Kind    safe.Kind // "" for a factory
	Address asset.Address
	Runtime []byte
	// Storage is what the constructor left there: slot and value.
	Storage map[[32]byte][32]byte
}

// Deployed returns the singletons, the batch contracts, the fallback handlers and
// the factories at the addresses that safe.At has for a chain.
func Deployed(chain asset.ChainID) ([]Contract, error) {
	var out []Contract
	add := func(v safe.Version, kind safe.Kind, name string, at asset.Address, storage map[[32]byte][32]byte) error {
		c, err := Official(v, name)
		if err == nil {
			out = append(out, Contract{Version: v, Kind: kind, Address: at, Runtime: c.Runtime, Storage: storage})
		}
		return err
	}
	table := safe.At(chain)
	for _, kind := range []safe.Kind{safe.Singleton, safe.SingletonL2, safe.MultiSendCallOnly, safe.FallbackHandler} {
		for _, c := range table.Contracts(chain, kind) {
			var storage map[[32]byte][32]byte
			if kind == safe.Singleton || kind == safe.SingletonL2 {
				storage = map[[32]byte][32]byte{{31: 4}: {31: 1}} // a threshold, so that nobody can set the singleton up
			}
			if err := add(c.Version, kind, string(kind), c.Address, storage); err != nil {
				return nil, err
			}
		}
	}
	for _, v := range safe.Versions() {
		if err := add(v, "", Factory, FactoryAddress(v), nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}
