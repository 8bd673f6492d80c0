package userop

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// EntryPoint is the contract, version 0.7, that operations go through: at the same
// address on every chain, because the address follows from its code. Source:
// eth-infinitism/account-abstraction v0.7.0.
var EntryPoint = mustAddress("0x0000000071727De22E5E9d8BAf0edAc6f37da032")

// Op is a user operation in the form that bundlers take it. Amounts are nil for
// zero.
type Op struct {
	Sender asset.Address
	Nonce  *big.Int // 192 bits of a key, then 64 bits that count

	// The factory makes the account first; zero if it exists.
	Factory     asset.Address
	FactoryData []byte

	CallData []byte

	// Gas and wei for each unit of it, 128 bits at the most but for the third.
	CallGasLimit         *big.Int
	VerificationGasLimit *big.Int
	PreVerificationGas   *big.Int
	MaxFeePerGas         *big.Int
	MaxPriorityFeePerGas *big.Int

	Paymaster                     asset.Address // zero if the account pays by itself
	PaymasterVerificationGasLimit *big.Int
	PaymasterPostOpGasLimit       *big.Int
	PaymasterData                 []byte

	Signature []byte // not part of the hash
}

// Packed is a user operation in the form that the EntryPoint takes it.
type Packed struct {
	Sender             asset.Address
	Nonce              *big.Int
	InitCode           []byte   // factory and its calldata
	CallData           []byte   //
	AccountGasLimits   [32]byte // 128 bits for verification, 128 bits for the call
	PreVerificationGas *big.Int
	GasFees            [32]byte // 128 bits of tip, 128 bits of price
	PaymasterAndData   []byte   // paymaster, 128 and 128 bits of gas limits, its data
	Signature          []byte
}

// ErrOp is an operation that has no accepted form: an amount that does not fit,
// data for a factory or a paymaster that is not there, too many bytes.
var ErrOp = errors.New("not a user operation")

// maxCalldata bounds what is read or written at all: the gas limit of a transaction
// (EIP-7825) lets no more than this through.
const maxCalldata = 256 << 10

// where paymasterAndData has its parts.
const (
	paymasterGasAt    = 20
	paymasterPostOpAt = paymasterGasAt + 16
	paymasterDataAt   = paymasterPostOpAt + 16
)

func (o Op) size() int {
	return len(o.FactoryData) + len(o.CallData) + len(o.PaymasterData) + len(o.Signature)
}

// Pack returns the EntryPoint's form. Errors: ErrOp.
func (o Op) Pack() (Packed, error) {
	p := Packed{
		Sender: o.Sender, Nonce: orZero(o.Nonce), CallData: o.CallData,
		PreVerificationGas: orZero(o.PreVerificationGas), Signature: o.Signature,
	}
	for _, v := range []*big.Int{p.Nonce, p.PreVerificationGas} {
		if v.Sign() < 0 || v.BitLen() > 256 {
			return Packed{}, fmt.Errorf("%w: an amount does not fit", ErrOp)
		}
	}
	if o.size() > maxCalldata {
		return Packed{}, fmt.Errorf("%w: more than %d bytes", ErrOp, maxCalldata)
	}
	var paymasterGas [32]byte
	var errs [3]error
	p.AccountGasLimits, errs[0] = pair(o.VerificationGasLimit, o.CallGasLimit)
	p.GasFees, errs[1] = pair(o.MaxPriorityFeePerGas, o.MaxFeePerGas)
	paymasterGas, errs[2] = pair(o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit)
	if err := errors.Join(errs[:]...); err != nil {
		return Packed{}, err
	}
	switch {
	case !o.Factory.IsZero():
		p.InitCode = append(o.Factory[:len(o.Factory):len(o.Factory)], o.FactoryData...)
	case len(o.FactoryData) > 0:
		return Packed{}, fmt.Errorf("%w: data for no factory", ErrOp)
	}
	switch {
	case !o.Paymaster.IsZero():
		p.PaymasterAndData = append(append(bytes.Clone(o.Paymaster[:]), paymasterGas[:]...), o.PaymasterData...)
	case len(o.PaymasterData) > 0 || paymasterGas != [32]byte{}:
		return Packed{}, fmt.Errorf("%w: data for no paymaster", ErrOp)
	}
	return p, nil
}

// pair puts two amounts into one word, the first in its upper half.
func pair(high, low *big.Int) (w [32]byte, err error) {
	for i, v := range []*big.Int{high, low} {
		v = orZero(v)
		if v.Sign() < 0 || v.BitLen() > 128 {
			return w, fmt.Errorf("%w: an amount of gas does not fit", ErrOp)
		}
		v.FillBytes(w[16*i : 16*(i+1)])
	}
	return w, nil
}

func halves(w []byte) (high, low *big.Int) {
	return new(big.Int).SetBytes(w[:16]), new(big.Int).SetBytes(w[16:32])
}

// Unpack returns the bundlers' form, which packs to the same again. Errors: ErrOp.
func (p Packed) Unpack() (Op, error) {
	o := Op{
		Sender: p.Sender, Nonce: orZero(p.Nonce), CallData: p.CallData,
		PreVerificationGas: orZero(p.PreVerificationGas), Signature: p.Signature,
	}
	o.VerificationGasLimit, o.CallGasLimit = halves(p.AccountGasLimits[:])
	o.MaxPriorityFeePerGas, o.MaxFeePerGas = halves(p.GasFees[:])
	if n := len(p.InitCode); n > 0 {
		if n < len(o.Factory) {
			return Op{}, fmt.Errorf("%w: initCode of %d bytes", ErrOp, n)
		}
		o.Factory, o.FactoryData = asset.Address(p.InitCode[:20]), p.InitCode[20:]
	}
	if n := len(p.PaymasterAndData); n > 0 {
		if n < paymasterDataAt {
			return Op{}, fmt.Errorf("%w: paymasterAndData of %d bytes", ErrOp, n)
		}
		o.Paymaster, o.PaymasterData = asset.Address(p.PaymasterAndData[:20]), p.PaymasterAndData[paymasterDataAt:]
		o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit = halves(p.PaymasterAndData[paymasterGasAt:paymasterDataAt])
	}
	again, err := o.Pack()
	if err != nil {
		return Op{}, err
	}
	if !bytes.Equal(again.InitCode, p.InitCode) || !bytes.Equal(again.PaymasterAndData, p.PaymasterAndData) {
		return Op{}, fmt.Errorf("%w: a factory or paymaster that is none", ErrOp)
	}
	return o, nil
}

var (
	wordType, addressType, uintType = abiType("bytes32"), abiType("address"), abiType("uint256")

	hashed    = arguments(addressType, uintType, wordType, wordType, wordType, uintType, wordType, wordType)
	committed = arguments(wordType, addressType, uintType)
)

// Hash is the userOpHash, which the owner signs and events name: of everything but
// the signature, on one chain and for EntryPoint. Errors: ErrOp.
func (o Op) Hash(chain asset.ChainID) (official.Hash, error) {
	p, err := o.Pack()
	if err != nil {
		return official.Hash{}, err
	}
	return p.Hash(chain)
}

// Hash is Op.Hash. Errors: ErrOp.
func (p Packed) Hash(chain asset.ChainID) (official.Hash, error) {
	inner, err := hashed.Pack(common.Address(p.Sender), orZero(p.Nonce), crypto.Keccak256Hash(p.InitCode), crypto.Keccak256Hash(p.CallData),
		p.AccountGasLimits, orZero(p.PreVerificationGas), p.GasFees, crypto.Keccak256Hash(p.PaymasterAndData))
	if err != nil {
		return official.Hash{}, fmt.Errorf("%w: %w", ErrOp, err)
	}
	outer, err := committed.Pack(crypto.Keccak256Hash(inner), common.Address(EntryPoint), new(big.Int).SetUint64(uint64(chain)))
	if err != nil {
		return official.Hash{}, fmt.Errorf("%w: %w", ErrOp, err)
	}
	return official.Hash(crypto.Keccak256Hash(outer)), nil
}

// MaxCost is what the operation may cost at most, in wei: all its gas at its
// highest price. It is what the EntryPoint takes from the paymaster beforehand.
func (o Op) MaxCost() *big.Int {
	gas := new(big.Int)
	for _, v := range []*big.Int{
		o.CallGasLimit, o.VerificationGasLimit, o.PreVerificationGas, o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit,
	} {
		gas.Add(gas, orZero(v))
	}
	return gas.Mul(gas, orZero(o.MaxFeePerGas))
}

func orZero(v *big.Int) *big.Int {
	if v == nil {
		return new(big.Int)
	}
	return v
}

// abiType and arguments read source text; a mistake is found by the first test.
func abiType(name string, components ...abi.ArgumentMarshaling) abi.Type {
	t, err := abi.NewType(name, "", components)
	if err != nil {
		panic("userop: " + name + ": " + err.Error())
	}
	return t
}

func arguments(types ...abi.Type) abi.Arguments {
	var out abi.Arguments
	for _, t := range types {
		out = append(out, abi.Argument{Type: t})
	}
	return out
}

func mustAddress(text string) asset.Address {
	a, err := asset.ParseAddress(text)
	if err != nil {
		panic("userop: " + text + ": " + err.Error())
	}
	return a
}

func mustHash(text string) official.Hash {
	h, err := official.ParseHash(text)
	if err != nil {
		panic("userop: " + text + ": " + err.Error())
	}
	return h
}
