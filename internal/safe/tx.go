package safe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Operation is how a Safe runs a transaction.
type Operation uint8

// The operations.
const (
	OpCall         Operation = 0
	OpDelegateCall Operation = 1 // runs the target's code as the Safe itself
)

// Tx is a Safe transaction. Amounts are nil for zero.
type Tx struct {
	To        asset.Address
	Value     *big.Int // wei; a delegatecall ignores it
	Data      []byte
	Operation Operation

	SafeTxGas *big.Int // gas for the call itself: see the package's comment
	// What follows pays the gas back to whoever executes, if GasPrice is not zero.
	BaseGas        *big.Int
	GasPrice       *big.Int
	GasToken       asset.Address
	RefundReceiver asset.Address

	Nonce uint64 // the contract knows 256 bits, and nobody gets there
}

var (
	domainType = crypto.Keccak256([]byte("EIP712Domain(uint256 chainId,address verifyingContract)"))
	txType     = crypto.Keccak256([]byte("SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas," +
		"uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"))
)

// Domain is the EIP-712 domain separator of a Safe, the same in all versions.
func Domain(chain asset.ChainID, safe asset.Address) official.Hash {
	w := words{out: bytes.Clone(domainType)}
	w.small(uint64(chain))
	w.address(safe)
	return official.Hash(crypto.Keccak256(w.out))
}

// Hash is the safeTxHash, which owners sign and events name. Errors:
// official.ErrAmount.
func (t Tx) Hash(chain asset.ChainID, safe asset.Address) (official.Hash, error) {
	w := words{out: bytes.Clone(txType)}
	w.address(t.To)
	w.uint(t.Value)
	w.out = append(w.out, crypto.Keccak256(t.Data)...)
	w.small(uint64(t.Operation))
	t.gas(&w)
	w.small(t.Nonce)
	if w.err != nil {
		return official.Hash{}, w.err
	}
	domain := Domain(chain, safe)
	return official.Hash(crypto.Keccak256([]byte{0x19, 0x01}, domain[:], crypto.Keccak256(w.out))), nil
}

func (t Tx) gas(w *words) {
	w.uint(t.SafeTxGas)
	w.uint(t.BaseGas)
	w.uint(t.GasPrice)
	w.address(t.GasToken)
	w.address(t.RefundReceiver)
}

// selectorExec is
// execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes).
var selectorExec = [4]byte{0x6a, 0x76, 0x12, 0x02}

// EncodeExec returns the calldata that has a Safe execute a transaction with its
// owners' signatures. Errors: official.ErrAmount.
func EncodeExec(t Tx, signatures []byte) ([]byte, error) {
	const head = 10 * word
	w := words{out: bytes.Clone(selectorExec[:])}
	w.address(t.To)
	w.uint(t.Value)
	w.small(head)
	w.small(uint64(t.Operation))
	t.gas(&w)
	w.small(uint64(head + word + padded(len(t.Data))))
	w.bytes(t.Data)
	w.bytes(signatures)
	return w.out, w.err
}

// ErrCalldata is calldata that does not have the one form that official tools
// write.
var ErrCalldata = errors.New("not the calldata it should be")

// DecodeExec reads what EncodeExec writes, and nothing else: any other bytes are
// ErrCalldata, even where the contract would take them. The nonce is not among
// them and stays 0.
func DecodeExec(data []byte) (t Tx, signatures []byte, err error) {
	r := reader{data: data, selector: selectorExec[:]}
	t.To = r.address(0)
	t.Value = r.uint(1)
	t.Data = r.bytes(2)
	t.Operation = Operation(min(r.small(3), 0xff))
	t.SafeTxGas, t.BaseGas, t.GasPrice = r.uint(4), r.uint(5), r.uint(6)
	t.GasToken, t.RefundReceiver = r.address(7), r.address(8)
	signatures = r.bytes(9)
	if r.failed || t.Operation > OpDelegateCall {
		return Tx{}, nil, fmt.Errorf("execTransaction: %w", ErrCalldata)
	}
	if again, err := EncodeExec(t, signatures); err != nil || !bytes.Equal(again, data) {
		return Tx{}, nil, fmt.Errorf("execTransaction: %w", ErrCalldata)
	}
	return t, signatures, nil
}

const (
	word = 32

	// maxCalldata bounds what is read or written at all: the gas limit of a
	// transaction (EIP-7825) lets no more than this through.
	maxCalldata = 256 << 10
)

func padded(n int) int { return (n + word - 1) / word * word }

// words writes ABI words one after the other.
type words struct {
	out []byte
	err error
}

func (w *words) address(a asset.Address) {
	w.out = append(w.out, make([]byte, word-len(a))...)
	w.out = append(w.out, a[:]...)
}

func (w *words) uint(v *big.Int) {
	var b [word]byte
	switch {
	case v == nil:
	case v.Sign() < 0 || v.BitLen() > 8*word:
		w.err = official.ErrAmount
	default:
		v.FillBytes(b[:])
	}
	w.out = append(w.out, b[:]...)
}

func (w *words) small(v uint64) {
	w.out = append(w.out, make([]byte, word-8)...)
	w.out = binary.BigEndian.AppendUint64(w.out, v)
}

// bytes writes a byte string with its length and padding.
func (w *words) bytes(b []byte) {
	w.small(uint64(len(b)))
	w.out = append(w.out, b...)
	w.out = append(w.out, make([]byte, padded(len(b))-len(b))...)
}

// reader picks arguments out of calldata. It is lenient: whoever uses it
// encodes what was read and compares.
type reader struct {
	data     []byte
	selector []byte // none for what a call returned
	failed   bool
}

func (r *reader) at(offset int) []byte {
	if len(r.data) > maxCalldata || !bytes.HasPrefix(r.data, r.selector) || offset < 0 || len(r.data) < len(r.selector)+offset+word {
		r.failed = true
		return make([]byte, word)
	}
	return r.data[len(r.selector)+offset:][:word]
}

func (r *reader) address(n int) asset.Address { return asset.Address(r.at(n * word)[word-20:]) }

func (r *reader) uint(n int) *big.Int { return new(big.Int).SetBytes(r.at(n * word)) }

func (r *reader) small(n int) uint64 { return clamp(r.at(n * word)) }

// clamp reads a number that must be small; a large one becomes larger than any
// calldata.
func clamp(w []byte) uint64 {
	if v := new(big.Int).SetBytes(w); v.IsUint64() {
		return min(v.Uint64(), maxCalldata+1)
	}
	return maxCalldata + 1
}

// bytes reads the byte string whose offset is the n-th argument.
func (r *reader) bytes(n int) []byte {
	start := int(r.small(n))
	length := int(clamp(r.at(start)))
	from := len(r.selector) + start + word
	if r.failed || from+length > len(r.data) {
		r.failed = true
		return nil
	}
	return r.data[from : from+length : from+length]
}

// Calls returns what a Safe calls by a transaction: the transaction itself, or the
// items of a batch. Whose code makes them is for Table.Calls to know. Errors:
// ErrCalldata.
func (t Tx) Calls() ([]rail.Call, error) {
	if t.Operation == OpCall {
		return []rail.Call{{To: t.To, Data: t.Data, Value: t.Value}}, nil
	}
	items, err := DecodeMultiSend(t.Data)
	if err != nil {
		return nil, err
	}
	calls := make([]rail.Call, len(items))
	for i, item := range items {
		calls[i] = rail.Call{To: item.To, Data: item.Data, Value: item.Value}
	}
	return calls, nil
}

// PastHashes returns the hashes that a transaction can have had whose nonce is not
// known: with one of the latest that a Safe used, at most so many of them, before
// next. Errors: official.ErrAmount.
func (t Tx) PastHashes(chain asset.ChainID, safe asset.Address, next, most uint64) (map[official.Hash]bool, error) {
	hashes := map[official.Hash]bool{}
	for t.Nonce = next - min(next, most); t.Nonce < next; t.Nonce++ {
		h, err := t.Hash(chain, safe)
		if err != nil {
			return nil, err
		}
		hashes[h] = true
	}
	return hashes, nil
}
