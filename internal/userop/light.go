package userop

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// light is Alchemy's LightAccount 2.0.0. Sources: @account-kit/smart-contracts
// 4.88.5, AccountVersionRegistry and predictLightAccountAddress; the proxy is the
// minimal ERC-1967 one of solady's LibClone.
type light struct{}

var (
	lightFactory        = mustAddress("0x0000000000400CdFef5E2714E63d8040b700BC24")
	lightImplementation = mustAddress("0x8E8e658E22B12ada97B402fF0b044D6A325013C7")
	lightCreation       = official.Hash(crypto.Keccak256Hash(
		mustHex("603d3d8160223d3973"), lightImplementation[:],
		mustHex("60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3")))

	// slotImplementation is where proxies keep what they run (ERC-1967).
	slotImplementation = mustHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")
)

// Name implements Kind.
func (light) Name() string { return KindLight }

var (
	selectorCreateAccount = [4]byte{0x5f, 0xbf, 0xb9, 0xcf} // createAccount(address,uint256)
	selectorOwner         = [4]byte{0x8d, 0xa5, 0xcb, 0x5b} // owner()
)

// Account implements Kind, for the salt 0, which is what the Kit uses if it is not
// told another.
func (light) Account(chain asset.ChainID, owner asset.Address) Account {
	args := append(addressWord(owner), make([]byte, 32)...)
	return Account{
		Kind: KindLight, Chain: chain, Owner: owner,
		Address: create2(lightFactory, crypto.Keccak256Hash(args), lightCreation),
		Factory: lightFactory, FactoryData: append(selectorCreateAccount[:4:4], args...),
		Needs: []asset.Address{lightFactory, lightImplementation},
		Proofs: []Proof{
			{Slot: &slotImplementation, Answer: addressWord(lightImplementation)},
			{Call: selectorOwner[:], Answer: addressWord(owner)},
		},
	}
}

// Encode implements Kind: one call as execute, several as executeBatch with values.
func (light) Encode(calls []rail.Call) ([]byte, error) { return EncodeExecute(calls) }

// Decode implements Kind.
func (light) Decode(callData []byte) ([]rail.Call, error) { return DecodeExecute(callData) }

// ErrCalls are calls that no operation can carry: none, too many, or one to nobody.
var ErrCalls = errors.New("not calls of an operation")

// MaxCalls bounds the calls of one operation.
const MaxCalls = 50

var (
	selectorExecute     = [4]byte{0xb6, 0x1d, 0x27, 0xf6} // execute(address,uint256,bytes)
	selectorBatch       = [4]byte{0x18, 0xdf, 0xb3, 0xc7} // executeBatch(address[],bytes[])
	selectorBatchValues = [4]byte{0x47, 0xe1, 0xda, 0x2a} // executeBatch(address[],uint256[],bytes[])

	addressesType, uintsType, blobType, blobsType = abiType("address[]"), abiType("uint256[]"), abiType("bytes"), abiType("bytes[]")

	executeArgs     = arguments(addressType, uintType, blobType)
	batchArgs       = arguments(addressesType, blobsType)
	batchValuesArgs = arguments(addressesType, uintsType, blobsType)
)

// EncodeExecute returns the calldata of accounts with the functions
// execute(address,uint256,bytes) and executeBatch(address[],uint256[],bytes[]):
// LightAccount, and SimpleAccount of eth-infinitism. Errors: ErrCalls,
// official.ErrAmount.
func EncodeExecute(calls []rail.Call) ([]byte, error) {
	if err := checkCalls(calls); err != nil {
		return nil, err
	}
	if len(calls) == 1 {
		c := calls[0]
		return pack(selectorExecute, executeArgs, common.Address(c.To), orZero(c.Value), c.Data)
	}
	targets, values, datas := make([]common.Address, len(calls)), make([]*big.Int, len(calls)), make([][]byte, len(calls))
	for i, c := range calls {
		targets[i], values[i], datas[i] = common.Address(c.To), orZero(c.Value), c.Data
	}
	return pack(selectorBatchValues, batchValuesArgs, targets, values, datas)
}

func checkCalls(calls []rail.Call) error {
	if len(calls) == 0 || len(calls) > MaxCalls {
		return fmt.Errorf("%w: %d of them", ErrCalls, len(calls))
	}
	total := 0
	for i, c := range calls {
		if c.To.IsZero() {
			return fmt.Errorf("%w: call %d goes to nobody", ErrCalls, i)
		}
		if v := orZero(c.Value); v.Sign() < 0 || v.BitLen() > 256 {
			return fmt.Errorf("call %d: %w", i, official.ErrAmount)
		}
		total += len(c.Data)
	}
	if total > maxCalldata/2 {
		return fmt.Errorf("%w: %d bytes", ErrCalls, total)
	}
	return nil
}

func pack(selector [4]byte, args abi.Arguments, values ...any) ([]byte, error) {
	body, err := args.Pack(values...)
	if err != nil {
		return nil, fmt.Errorf("encoding calldata: %w", err)
	}
	return append(selector[:4:4], body...), nil
}

// DecodeExecute reads what EncodeExecute writes, and executeBatch(address[],bytes[]),
// which the same accounts have for calls without value. Anything else is
// ErrCalldata, even where a contract would take it.
func DecodeExecute(data []byte) ([]rail.Call, error) {
	calls, again, err := decodeExecute(data)
	if err != nil {
		return nil, fmt.Errorf("execute: %w", err)
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("execute: %w", ErrCalldata)
	}
	return calls, nil
}

// decodeExecute reads calls and writes them again, as the function that was called
// wants them.
func decodeExecute(data []byte) (calls []rail.Call, again []byte, err error) {
	var targets []common.Address
	var values []*big.Int
	var datas [][]byte
	switch {
	case bytes.HasPrefix(data, selectorExecute[:]):
		targets, values, datas = make([]common.Address, 1), make([]*big.Int, 1), make([][]byte, 1)
		err = unpack(data, selectorExecute, executeArgs, &targets[0], &values[0], &datas[0])
	case bytes.HasPrefix(data, selectorBatchValues[:]):
		err = unpack(data, selectorBatchValues, batchValuesArgs, &targets, &values, &datas)
	default:
		if err = unpack(data, selectorBatch, batchArgs, &targets, &datas); err == nil {
			values = make([]*big.Int, len(targets))
		}
	}
	if err != nil || len(targets) != len(datas) || len(values) != len(datas) || len(datas) > MaxCalls {
		return nil, nil, ErrCalldata
	}
	for i := range datas {
		calls = append(calls, plainCall(asset.Address(targets[i]), orZero(values[i]), datas[i]))
	}
	if err := checkCalls(calls); err != nil {
		return nil, nil, ErrCalldata // not calldata that one would write
	}
	switch {
	case bytes.HasPrefix(data, selectorBatch[:]):
		again, err = pack(selectorBatch, batchArgs, targets, datas)
	case bytes.HasPrefix(data, selectorBatchValues[:]):
		again, err = pack(selectorBatchValues, batchValuesArgs, targets, values, datas)
	default:
		again, err = EncodeExecute(calls)
	}
	return calls, again, err
}

func mustHex(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic("userop: " + err.Error())
	}
	return b
}
