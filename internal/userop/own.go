package userop

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/rail"
)

// KindOwn is a wallet that is a smart account by itself: of a kind of its own, or by
// EIP-7702. It makes its operations itself and asks for a sponsor over ERC-7677; its
// money is where it is, so that nothing is pulled.
const KindOwn = "own"

// Own returns the kind of wallets that are smart accounts. They must be there
// already: nobody's factory is paid for. Their nonces may have keys.
//
// Calldata is read in the forms that accounts of EntryPoint 0.7 share:
// execute(address,uint256,bytes), executeBatch of three kinds, and
// execute(bytes32,bytes) of ERC-7579, each as a plain call that reverts as a whole.
// Others are refused, and their wallets pay for gas.
func Own() Kind { return own{} }

type own struct{}

// Name implements Kind.
func (own) Name() string { return KindOwn }

// Account implements Kind: it is the wallet.
func (own) Account(chain asset.ChainID, owner asset.Address) Account {
	return Account{Kind: KindOwn, Chain: chain, Owner: owner, Address: owner, AnyKey: true}
}

// Encode implements Kind, in the form of ERC-7579 and EIP-7821 for a batch.
func (own) Encode(calls []rail.Call) ([]byte, error) {
	if err := checkCalls(calls); err != nil {
		return nil, err
	}
	if len(calls) == 1 {
		return EncodeExecute(calls)
	}
	return encodeModular(calls)
}

// execution is a call in an array of them.
type execution struct {
	Target common.Address
	Value  *big.Int
	Data   []byte
}

var (
	selectorBatchTuples = [4]byte{0x34, 0xfc, 0xd5, 0xbe} // executeBatch((address,uint256,bytes)[])
	selectorModular     = [4]byte{0xe9, 0xae, 0x5c, 0x53} // execute(bytes32,bytes)

	executionsArgs = arguments(abiType("tuple[]", abi.ArgumentMarshaling{Name: "target", Type: "address"},
		abi.ArgumentMarshaling{Name: "value", Type: "uint256"}, abi.ArgumentMarshaling{Name: "data", Type: "bytes"}))
	modularArgs = arguments(wordType, blobType)

	// The modes of ERC-7579: a single call or a batch, which reverts if one does. Any
	// other bit is a delegatecall, an attempt, or somebody's own.
	modeSingle = [32]byte{}
	modeBatch  = [32]byte{1}
)

func executionsOf(calls []rail.Call) []execution {
	out := make([]execution, len(calls))
	for i, c := range calls {
		out[i] = execution{common.Address(c.To), orZero(c.Value), c.Data}
	}
	return out
}

func callsOf(list []execution) []rail.Call {
	out := make([]rail.Call, len(list))
	for i, e := range list {
		out[i] = plainCall(asset.Address(e.Target), e.Value, e.Data)
	}
	return out
}

func encodeModular(calls []rail.Call) ([]byte, error) {
	batch, err := executionsArgs.Pack(executionsOf(calls))
	if err != nil {
		return nil, fmt.Errorf("encoding calls: %w", err)
	}
	return pack(selectorModular, modularArgs, modeBatch, batch)
}

// Decode implements Kind.
func (own) Decode(data []byte) ([]rail.Call, error) {
	switch {
	case bytes.HasPrefix(data, selectorBatchTuples[:]):
		var list []execution
		if err := unpack(data, selectorBatchTuples, executionsArgs, &list); err != nil {
			return nil, fmt.Errorf("executeBatch: %w", err)
		}
		calls := callsOf(list[:min(len(list), MaxCalls+1)])
		return same("executeBatch", data, calls, func() ([]byte, error) {
			return pack(selectorBatchTuples, executionsArgs, executionsOf(calls))
		})
	case bytes.HasPrefix(data, selectorModular[:]):
		return decodeModular(data)
	}
	return DecodeExecute(data)
}

func decodeModular(data []byte) ([]rail.Call, error) {
	var mode [32]byte
	var inner []byte
	if err := unpack(data, selectorModular, modularArgs, &mode, &inner); err != nil {
		return nil, fmt.Errorf("execute: %w", err)
	}
	switch {
	case mode == modeSingle && len(inner) >= 20+32:
		calls := []rail.Call{plainCall(asset.Address(inner[:20]), new(big.Int).SetBytes(inner[20:52]), inner[52:])}
		return same("execute", data, calls, func() ([]byte, error) { return pack(selectorModular, modularArgs, mode, inner) })
	case mode == modeBatch:
		var list []execution
		if err := unpackAnswer(inner, executionsArgs, &list); err != nil {
			return nil, fmt.Errorf("execute: %w", err)
		}
		calls := callsOf(list[:min(len(list), MaxCalls+1)])
		return same("execute", data, calls, func() ([]byte, error) { return encodeModular(calls) })
	}
	return nil, fmt.Errorf("execute with mode %x: %w", mode, ErrCalldata)
}

// same returns the calls if they are ones that can be encoded, and to the same bytes.
func same(what string, data []byte, calls []rail.Call, encode func() ([]byte, error)) ([]rail.Call, error) {
	if err := checkCalls(calls); err != nil {
		return nil, fmt.Errorf("%s: %w", what, ErrCalldata)
	}
	if again, err := encode(); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("%s: %w", what, ErrCalldata)
	}
	return calls, nil
}
