// Package contracts holds the sandbox's own contracts: Solidity sources, what they compile to, the
// addresses they have on every sandbox chain, and the genesis state that puts them there. It knows
// bytecode and storage layout; it must not know how a chain is run, who pays or what a payment is.
//
// The sources are written for this project from the public interfaces of the official contracts; a
// test runs the same payments on both and compares effects. Those of LI.FI and Across are stand-ins for
// the demo and for tests: their interfaces and refusals are the published ones, their insides are not. Compiling needs Node (npm ci once);
// using the package does not.
package contracts

//go:generate npm run --silent build

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Names of the contracts, as in their sources.
const (
	ERC20FeeProxy    = "ERC20FeeProxy"
	EthereumFeeProxy = "EthereumFeeProxy"
	BatchPayments    = "BatchPayments"
	Multicall3       = "Multicall3"
	USDC             = "SandboxUSDC"
	USDT             = "SandboxUSDT"

	// The stand-ins for LI.FI and, behind it, Across.
	Diamond        = "LifiDiamond"
	FeeForwarder   = "LifiFeeForwarder"
	Exchange       = "LifiExchange"
	SpokePool      = "AcrossSpokePool"
	ReceiverAcross = "LifiReceiverAcross"
	Executor       = "LifiExecutor"

	// HotWallet is what the sandbox's exchange pays out of.
	HotWallet = "HotWallet"
)

// TokenDecimals is the number of decimals of both sandbox tokens.
const TokenDecimals = 6

// addresses are the same on every sandbox chain. All but Multicall3, which is where every chain has
// it, start with 5a4db0 ("sandbo") and end in something that can be told apart at a glance. None of
// them can be an account: nobody has a key for an address chosen by hand.
var addresses = map[string]common.Address{
	ERC20FeeProxy:    common.HexToAddress("0x5a4db00000000000000000000000000000000e20"),
	EthereumFeeProxy: common.HexToAddress("0x5a4db00000000000000000000000000000000e78"),
	BatchPayments:    common.HexToAddress("0x5a4db000000000000000000000000000000ba7c4"),
	Multicall3:       common.HexToAddress("0xcA11bde05977b3631167028862bE2a173976CA11"),
	USDC:             common.HexToAddress("0x5a4db000000000000000000000000000000005dc"),
	USDT:             common.HexToAddress("0x5a4db000000000000000000000000000000005d7"),
	Diamond:          common.HexToAddress("0x5a4db0000000000000000000000000000000d1a0"),
	FeeForwarder:     common.HexToAddress("0x5a4db000000000000000000000000000000000fe"),
	Exchange:         common.HexToAddress("0x5a4db00000000000000000000000000000000de0"),
	SpokePool:        common.HexToAddress("0x5a4db0000000000000000000000000000005b00e"),
	ReceiverAcross:   common.HexToAddress("0x5a4db00000000000000000000000000000000acc"),
	Executor:         common.HexToAddress("0x5a4db00000000000000000000000000000000e7c"),
	HotWallet:        common.HexToAddress("0x5a4db000000000000000000000000000000407a7"),
}

// Artifact is one compiled contract.
type Artifact struct {
	ABI      abi.ABI
	Creation []byte // code that deploys it; no contract here takes constructor arguments
	Runtime  []byte // code as it is on the chain
	// RuntimeHash is keccak256(Runtime), what `quittance doctor` compares deployed code with.
	RuntimeHash common.Hash
	storage     map[string]slot
}

type slot struct {
	Slot   int64 `json:"slot"`
	Offset uint  `json:"offset"` // in bytes, from the low end of the slot
}

//go:embed artifacts.json
var artifactsJSON []byte

var load = sync.OnceValue(func() map[string]*Artifact {
	all, err := decode(artifactsJSON)
	if err != nil {
		panic("embedded sandbox artifacts: " + err.Error()) // the file is part of the build and tested
	}
	return all
})

func decode(file []byte) (map[string]*Artifact, error) {
	var in struct {
		Contracts map[string]struct {
			ABI              json.RawMessage `json:"abi"`
			Creation         hexutil.Bytes   `json:"creation"`
			Runtime          hexutil.Bytes   `json:"runtime"`
			RuntimeKeccak256 common.Hash     `json:"runtimeKeccak256"`
			Storage          map[string]slot `json:"storage"`
		} `json:"contracts"`
	}
	if err := json.Unmarshal(file, &in); err != nil {
		return nil, err
	}
	out := make(map[string]*Artifact, len(in.Contracts))
	for name, c := range in.Contracts {
		parsed, err := abi.JSON(bytes.NewReader(c.ABI))
		if err != nil {
			return nil, fmt.Errorf("ABI of %s: %w", name, err)
		}
		out[name] = &Artifact{
			ABI: parsed, Creation: c.Creation, Runtime: c.Runtime,
			RuntimeHash: c.RuntimeKeccak256, storage: c.Storage,
		}
	}
	return out, nil
}

// Get returns the named contract. The result is shared: read it only. It panics for a name that is
// not one of this package's constants.
func Get(name string) *Artifact {
	a, ok := load()[name]
	if !ok {
		panic("contracts: no contract named " + name)
	}
	return a
}

// Address returns where the named contract is on every sandbox chain. It panics for a name that is
// not one of this package's constants.
func Address(name string) common.Address {
	a, ok := addresses[name]
	if !ok {
		panic("contracts: no contract named " + name)
	}
	return a
}

// Names returns all contract names, tokens included, in a fixed order.
func Names() []string {
	return []string{
		ERC20FeeProxy, EthereumFeeProxy, BatchPayments, Multicall3, USDC, USDT,
		Diamond, FeeForwarder, Exchange, SpokePool, ReceiverAcross, Executor, HotWallet,
	}
}

// Call encodes a call of a contract's method. It panics if the arguments do not fit the ABI: they
// are chosen by the caller's source code, not by data.
func Call(name, method string, args ...any) []byte {
	data, err := Get(name).ABI.Pack(method, args...)
	if err != nil {
		panic(fmt.Sprintf("contracts: %s.%s: %v", name, method, err))
	}
	return data
}

// MaxUint256 is the largest amount or allowance there can be.
func MaxUint256() *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
}
