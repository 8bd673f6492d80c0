// Package useroptest plays what paying without gas needs, for tests: the real
// EntryPoint, accounts and a paymaster on a simulated chain, wallets that sign for
// their accounts, and a bundler and sponsors over HTTP that misbehave on command. It
// knows nothing of payments. Alchemy's LightAccount is a stand-in of our own: see
// testdata.
package useroptest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/vm/runtime"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/safe/safetest"
	"quittance/internal/userop"
)

//go:embed testdata/contracts.json
var contractsJSON []byte

//go:embed testdata/standins.json
var standinsJSON []byte

// code is one contract: to be created, or as it stands.
type code struct {
	ABI      json.RawMessage `json:"abi"`
	Creation hexutil.Bytes   `json:"creation"`
	Runtime  hexutil.Bytes   `json:"runtime"`
	Salt     common.Hash     `json:"salt"`
	Address  common.Address  `json:"address"`
}

var read = sync.OnceValues(func() (map[string]code, error) {
	all := map[string]code{}
	for _, text := range [][]byte{contractsJSON, standinsJSON} {
		var file struct {
			Contracts map[string]code `json:"contracts"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			return nil, err
		}
		for name, c := range file.Contracts {
			all[name] = c
		}
	}
	return all, nil
})

func contract(name string) (code, abi.ABI, error) {
	all, err := read()
	c, ok := all[name]
	if err != nil || !ok {
		return code{}, abi.ABI{}, fmt.Errorf("useroptest: contract %s: %v", name, err)
	}
	if c.ABI == nil {
		return c, abi.ABI{}, nil
	}
	parsed, err := abi.JSON(bytes.NewReader(c.ABI))
	return c, parsed, err
}

func must(t testing.TB, name string) (code, abi.ABI) {
	t.Helper()
	c, parsed, err := contract(name)
	if err != nil {
		t.Fatal(err)
	}
	return c, parsed
}

// Interface returns the ABI of a contract: EntryPoint, SimpleAccountFactory,
// VerifyingPaymaster, Safe4337Module, SafeModuleSetup, LightAccount,
// LightAccountFactory.
func Interface(t testing.TB, name string) abi.ABI {
	t.Helper()
	_, parsed := must(t, name)
	return parsed
}

// The addresses that userop pins for what it needs of a chain.
const (
	lightFactory        = "0x0000000000400CdFef5E2714E63d8040b700BC24"
	lightImplementation = "0x8E8e658E22B12ada97B402fF0b044D6A325013C7"
	safeModule          = "0x75cf11467937ce3F2f357CE24ffc3DBF8fD5c226"
	safeModuleSetup     = "0x2dd68b007B46fBe91B9A7c3EDa5A7a1063cB5b47"

	// deployer creates contracts at addresses that follow from their code
	// (Arachnid/deterministic-deployment-proxy), and its own code.
	deployer     = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
	deployerCode = "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)

// Contracts puts what accounts need into a chain's genesis block, at the pinned
// addresses: everything but the EntryPoint, which New deploys.
func Contracts(t testing.TB, id asset.ChainID) []chaintest.Option {
	t.Helper()
	out := safetest.Contracts(t, id)
	put := func(address string, runtime []byte) { out = append(out, chaintest.WithCode(address, runtime, nil)) }
	for address, name := range map[string]string{lightFactory: "LightAccountFactory", lightImplementation: "LightAccount", safeModuleSetup: "SafeModuleSetup"} {
		c, _ := must(t, name)
		put(address, c.Runtime)
	}
	multiSend, _ := must(t, "MultiSend")
	put(multiSend.Address.Hex(), multiSend.Runtime)
	// Its constructor writes the EntryPoint into the code.
	module, parsed := must(t, "Safe4337Module")
	args, err := parsed.Pack("", common.Address(userop.EntryPoint))
	if err != nil {
		t.Fatalf("useroptest: Safe4337Module: %v", err)
	}
	made, _, _, err := runtime.Create(append(bytes.Clone(module.Creation), args...), &runtime.Config{GasLimit: 30_000_000, Value: new(big.Int)})
	if err != nil || len(made) == 0 {
		t.Fatalf("useroptest: creating Safe4337Module: %d bytes, %v", len(made), err)
	}
	put(safeModule, made)
	put(deployer, hexutil.MustDecode(deployerCode))
	return out
}
