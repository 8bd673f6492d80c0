// Package artifacts holds the contracts that paying without gas stands on:
// EntryPoint 0.7 with a factory and a paymaster of its authors, Safe's module for
// it, and stand-ins of our own for Alchemy's LightAccount. NOTICE.md beside this
// file names sources, versions and licences. It is for chains of one's own, the
// sandbox's and those of tests: it knows what such a chain begins with, and
// neither how a chain is run nor any operation.
package artifacts

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

	"quittance/internal/userop"
)

//go:embed contracts.json
var contractsJSON []byte

//go:embed standins.json
var standinsJSON []byte

// The names of the contracts.
const (
	EntryPoint           = "EntryPoint"
	VerifyingPaymaster   = "VerifyingPaymaster"
	SimpleAccountFactory = "SimpleAccountFactory"
	Safe4337Module       = "Safe4337Module"
	SafeModuleSetup      = "SafeModuleSetup"
	MultiSend            = "MultiSend" // Safe's, 1.4.1
	LightAccount         = "LightAccount"
	LightAccountFactory  = "LightAccountFactory"
)

// Code is one contract: to be created, or as it stands.
type Code struct {
	ABI      json.RawMessage `json:"abi"`      // none for MultiSend
	Creation hexutil.Bytes   `json:"creation"` // without the constructor's arguments
	Runtime  hexutil.Bytes   `json:"runtime"`
	// Salt is the EntryPoint's, which with its code makes its address.
	Salt common.Hash `json:"salt"`
	// Address is MultiSend's, which its code knows.
	Address common.Address `json:"address"`
}

var read = sync.OnceValues(func() (map[string]Code, error) {
	all := map[string]Code{}
	for _, text := range [][]byte{contractsJSON, standinsJSON} {
		var file struct {
			Contracts map[string]Code `json:"contracts"`
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

// Contract returns a contract by its name.
func Contract(name string) (Code, error) {
	all, err := read()
	if err != nil {
		return Code{}, fmt.Errorf("contracts of ERC-4337: %w", err)
	}
	c, ok := all[name]
	if !ok {
		return Code{}, fmt.Errorf("contracts of ERC-4337: there is no %s", name)
	}
	return c, nil
}

// Interface returns the ABI of a contract.
func Interface(name string) (abi.ABI, error) {
	c, err := Contract(name)
	if err != nil {
		return abi.ABI{}, err
	}
	parsed, err := abi.JSON(bytes.NewReader(c.ABI))
	if err != nil {
		return abi.ABI{}, fmt.Errorf("ABI of %s: %w", name, err)
	}
	return parsed, nil
}

// Creation returns the code that creates a contract with its constructor's arguments.
func Creation(name string, args ...any) ([]byte, error) {
	c, err := Contract(name)
	if err != nil {
		return nil, err
	}
	parsed, err := Interface(name)
	if err != nil {
		return nil, err
	}
	packed, err := parsed.Pack("", args...)
	if err != nil {
		return nil, fmt.Errorf("constructor of %s: %w", name, err)
	}
	return append(bytes.Clone(c.Creation), packed...), nil
}

// PackedOp is a packed operation as the ABIs' codec wants it.
type PackedOp struct {
	Sender             common.Address
	Nonce              *big.Int
	InitCode           []byte
	CallData           []byte
	AccountGasLimits   [32]byte
	PreVerificationGas *big.Int
	GasFees            [32]byte
	PaymasterAndData   []byte
	Signature          []byte
}

// Tuple makes one.
func Tuple(p userop.Packed) PackedOp {
	return PackedOp{common.Address(p.Sender), p.Nonce, p.InitCode, p.CallData, p.AccountGasLimits, p.PreVerificationGas, p.GasFees, p.PaymasterAndData, p.Signature}
}
