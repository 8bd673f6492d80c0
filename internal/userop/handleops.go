package userop

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
)

// ErrCalldata is calldata that does not have the one form that tools write.
var ErrCalldata = errors.New("not the calldata it should be")

// selectorHandleOps is
// handleOps((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[],address).
var selectorHandleOps = [4]byte{0x76, 0x5e, 0x82, 0x7f}

// MaxOps bounds the operations of one bundle that is read.
const MaxOps = 250

// abiOp is a Packed as the codec wants it, field by field in the contract's order.
type abiOp struct {
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

var handleOps = arguments(abiType("tuple[]",
	abi.ArgumentMarshaling{Name: "sender", Type: "address"}, abi.ArgumentMarshaling{Name: "nonce", Type: "uint256"},
	abi.ArgumentMarshaling{Name: "initCode", Type: "bytes"}, abi.ArgumentMarshaling{Name: "callData", Type: "bytes"},
	abi.ArgumentMarshaling{Name: "accountGasLimits", Type: "bytes32"}, abi.ArgumentMarshaling{Name: "preVerificationGas", Type: "uint256"},
	abi.ArgumentMarshaling{Name: "gasFees", Type: "bytes32"}, abi.ArgumentMarshaling{Name: "paymasterAndData", Type: "bytes"},
	abi.ArgumentMarshaling{Name: "signature", Type: "bytes"}), addressType)

// EncodeHandleOps returns the calldata that has the EntryPoint execute operations
// and pay for their gas to the beneficiary. Errors: ErrOp.
func EncodeHandleOps(ops []Packed, beneficiary asset.Address) ([]byte, error) {
	if len(ops) == 0 || len(ops) > MaxOps {
		return nil, fmt.Errorf("%w: a bundle of %d", ErrOp, len(ops))
	}
	list := make([]abiOp, len(ops))
	total := 0
	for i, p := range ops {
		list[i] = abiOp{
			common.Address(p.Sender), orZero(p.Nonce), p.InitCode, p.CallData, p.AccountGasLimits,
			orZero(p.PreVerificationGas), p.GasFees, p.PaymasterAndData, p.Signature,
		}
		total += len(p.InitCode) + len(p.CallData) + len(p.PaymasterAndData) + len(p.Signature)
		if list[i].Nonce.Sign() < 0 || list[i].Nonce.BitLen() > 256 || list[i].PreVerificationGas.Sign() < 0 || list[i].PreVerificationGas.BitLen() > 256 {
			return nil, fmt.Errorf("%w: an amount does not fit", ErrOp)
		}
	}
	if total > maxCalldata {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrOp, maxCalldata)
	}
	body, err := handleOps.Pack(list, common.Address(beneficiary))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOp, err)
	}
	return append(selectorHandleOps[:4:4], body...), nil
}

// DecodeHandleOps reads what EncodeHandleOps writes, and nothing else: any other
// bytes are ErrCalldata, even where the EntryPoint would take them.
func DecodeHandleOps(data []byte) (ops []Packed, beneficiary asset.Address, err error) {
	var in struct {
		Ops         []abiOp
		Beneficiary common.Address
	}
	if err := unpack(data, selectorHandleOps, handleOps, &in.Ops, &in.Beneficiary); err != nil {
		return nil, asset.Address{}, fmt.Errorf("handleOps: %w", err)
	}
	for _, p := range in.Ops[:min(len(in.Ops), MaxOps)] {
		ops = append(ops, Packed{
			asset.Address(p.Sender), p.Nonce, p.InitCode, p.CallData, p.AccountGasLimits,
			p.PreVerificationGas, p.GasFees, p.PaymasterAndData, p.Signature,
		})
	}
	again, err := EncodeHandleOps(ops, asset.Address(in.Beneficiary))
	if err != nil || !bytes.Equal(again, data) {
		return nil, asset.Address{}, fmt.Errorf("handleOps: %w", ErrCalldata)
	}
	return ops, asset.Address(in.Beneficiary), nil
}

// unpack reads arguments behind a selector into pointers, leniently: whoever uses
// it encodes what was read and compares.
func unpack(data []byte, selector [4]byte, args abi.Arguments, out ...any) error {
	if !bytes.HasPrefix(data, selector[:]) {
		return ErrCalldata
	}
	return unpackAnswer(data[len(selector):], args, out...)
}

// unpackAnswer is unpack for what a call returned.
func unpackAnswer(data []byte, args abi.Arguments, out ...any) error {
	if len(data) > maxCalldata {
		return ErrCalldata
	}
	values, err := args.Unpack(data)
	if err != nil || len(values) != len(out) {
		return ErrCalldata
	}
	for i, v := range values {
		abi.ConvertType(v, out[i])
	}
	return nil
}
