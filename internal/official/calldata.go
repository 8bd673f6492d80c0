package official

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// The selectors and event signatures of the official interfaces.
var (
	// SelectorERC20 is transferFromWithReferenceAndFee(address,address,uint256,bytes,uint256,address).
	SelectorERC20 = [4]byte{0xc2, 0x19, 0xa1, 0x4d}
	// SelectorEth is transferWithReferenceAndFee(address,bytes,uint256,address).
	SelectorEth = [4]byte{0xb8, 0x68, 0x98, 0x0b}
	// SelectorApprove is approve(address,uint256) of ERC-20.
	SelectorApprove = [4]byte{0x09, 0x5e, 0xa7, 0xb3}
)

// Lengths of the fixed layouts: a selector, the words of the arguments and, for
// payments, the reference as a length word and one padded word.
const (
	word       = 32
	erc20Size  = 4 + 8*word
	ethSize    = 4 + 6*word
	aprvSize   = 4 + 2*word
	erc20Bytes = 6 * word // offset of the reference within the arguments
	ethBytes   = 4 * word
)

// ERC20Payment is what a call of ERC20FeeProxy says.
type ERC20Payment struct {
	Token     asset.Address
	Payee     asset.Address
	Amount    *big.Int
	Reference Reference
	Fee       *big.Int
	FeePayee  asset.Address
}

// EthPayment is what a call of EthereumFeeProxy says. The amount is not in the
// calldata: it is the call's value without the fee.
type EthPayment struct {
	Payee     asset.Address
	Reference Reference
	Fee       *big.Int
	FeePayee  asset.Address
}

// Approval is what a call of ERC-20 approve says.
type Approval struct {
	Spender asset.Address
	Amount  *big.Int
}

// ErrAmount is an amount that does not fit the 256 bits of a contract's word.
var ErrAmount = errors.New("amount does not fit an unsigned 256-bit word")

// Encode returns the calldata. Errors: ErrAmount.
func (p ERC20Payment) Encode() ([]byte, error) {
	w := newWriter(SelectorERC20, erc20Size)
	w.address(p.Token)
	w.address(p.Payee)
	w.uint(p.Amount)
	w.number(erc20Bytes)
	w.uint(p.Fee)
	w.address(p.FeePayee)
	w.reference(p.Reference)
	return w.buf, w.err
}

// Encode returns the calldata. Errors: ErrAmount.
func (p EthPayment) Encode() ([]byte, error) {
	w := newWriter(SelectorEth, ethSize)
	w.address(p.Payee)
	w.number(ethBytes)
	w.uint(p.Fee)
	w.address(p.FeePayee)
	w.reference(p.Reference)
	return w.buf, w.err
}

// Encode returns the calldata. Errors: ErrAmount.
func (a Approval) Encode() ([]byte, error) {
	w := newWriter(SelectorApprove, aprvSize)
	w.address(a.Spender)
	w.uint(a.Amount)
	return w.buf, w.err
}

// DecodeERC20Payment reads calldata that is exactly what Encode makes: the
// right selector and length, no dirty bits beside an address, the reference at
// its one place, eight bytes long, with zero padding. Any other bytes are an
// error, even where a contract would accept them.
func DecodeERC20Payment(data []byte) (ERC20Payment, error) {
	r := newReader(data, SelectorERC20, erc20Size)
	p := ERC20Payment{Token: r.address("token"), Payee: r.address("payee"), Amount: r.uint()}
	r.number(erc20Bytes, "offset of the reference")
	p.Fee, p.FeePayee, p.Reference = r.uint(), r.address("fee address"), r.reference()
	if r.err != nil {
		return ERC20Payment{}, r.err
	}
	return p, nil
}

// DecodeEthPayment is DecodeERC20Payment for the native currency's proxy.
func DecodeEthPayment(data []byte) (EthPayment, error) {
	r := newReader(data, SelectorEth, ethSize)
	p := EthPayment{Payee: r.address("payee")}
	r.number(ethBytes, "offset of the reference")
	p.Fee, p.FeePayee, p.Reference = r.uint(), r.address("fee address"), r.reference()
	if r.err != nil {
		return EthPayment{}, r.err
	}
	return p, nil
}

// DecodeApproval reads an ERC-20 approve as strictly.
func DecodeApproval(data []byte) (Approval, error) {
	r := newReader(data, SelectorApprove, aprvSize)
	a := Approval{Spender: r.address("spender"), Amount: r.uint()}
	if r.err != nil {
		return Approval{}, r.err
	}
	return a, nil
}

// BalanceOf is the calldata of ERC-20 balanceOf(address).
func BalanceOf(owner asset.Address) []byte {
	w := newWriter([4]byte{0x70, 0xa0, 0x82, 0x31}, 4+word)
	w.address(owner)
	return w.buf
}

// Allowance is the calldata of ERC-20 allowance(address,address).
func Allowance(owner, spender asset.Address) []byte {
	w := newWriter([4]byte{0xdd, 0x62, 0xed, 0x3e}, 4+2*word)
	w.address(owner)
	w.address(spender)
	return w.buf
}

// DecodeAmount reads the one word that balanceOf and allowance return.
func DecodeAmount(data []byte) (*big.Int, error) {
	if len(data) != word {
		return nil, fmt.Errorf("amount has %d bytes, expected %d", len(data), word)
	}
	return new(big.Int).SetBytes(data), nil
}

// ReadAmount is DecodeAmount for a node's answer.
func ReadAmount[Answer interface{ Bytes() ([]byte, error) }](a Answer) (*big.Int, error) {
	data, err := a.Bytes()
	if err != nil {
		return nil, err
	}
	return DecodeAmount(data)
}

// writer appends 32-byte words; it keeps the first error.
type writer struct {
	buf []byte
	err error
}

func newWriter(selector [4]byte, size int) *writer {
	return &writer{buf: append(make([]byte, 0, size), selector[:]...)}
}

func (w *writer) grow() []byte {
	n := len(w.buf)
	w.buf = w.buf[:n+word]
	return w.buf[n:]
}

func (w *writer) address(a asset.Address) { copy(w.grow()[12:], a[:]) }

func (w *writer) uint(v *big.Int) {
	if v == nil || v.Sign() < 0 || v.BitLen() > 256 {
		w.err = ErrAmount
		w.grow()
		return
	}
	v.FillBytes(w.grow())
}

// number writes an offset or a length.
func (w *writer) number(v int) { binary.BigEndian.PutUint64(w.grow()[word-8:], uint64(v)) }

func (w *writer) reference(r Reference) {
	w.number(len(r))
	copy(w.grow(), r[:])
}

// reader takes 32-byte words; it keeps the first error and then yields zeros.
type reader struct {
	rest []byte
	err  error
}

func newReader(data []byte, selector [4]byte, size int) *reader {
	r := &reader{}
	switch {
	case len(data) < 4 || !bytes.Equal(data[:4], selector[:]):
		r.err = fmt.Errorf("selector: expected 0x%x, got 0x%x", selector, data[:min(4, len(data))])
	case len(data) != size:
		r.err = fmt.Errorf("length: expected %d bytes, got %d", size, len(data))
	default:
		r.rest = data[4:]
	}
	return r
}

var zeroWord [word]byte

func (r *reader) next() []byte {
	if len(r.rest) < word {
		r.fail("the data ends early")
	}
	if r.err != nil {
		return zeroWord[:]
	}
	w := r.rest[:word]
	r.rest = r.rest[word:]
	return w
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) address(name string) asset.Address {
	w := r.next()
	if !bytes.Equal(w[:12], zeroWord[:12]) {
		r.fail("%s: bits set above the address", name)
	}
	return asset.Address(w[12:])
}

func (r *reader) uint() *big.Int { return new(big.Int).SetBytes(r.next()) }

// number reads an offset or a length that can only be one.
func (r *reader) number(want int, name string) {
	w := r.next()
	if !bytes.Equal(w[:word-8], zeroWord[:word-8]) || binary.BigEndian.Uint64(w[word-8:]) != uint64(want) {
		r.fail("%s: expected %d, got 0x%x", name, want, w)
	}
}

// count reads a number between two bounds; it returns the lower one where there
// is none, so that what depends on it stays small.
func (r *reader) count(low, high int, name string) int {
	w := r.next()
	v := binary.BigEndian.Uint64(w[word-8:])
	if !bytes.Equal(w[:word-8], zeroWord[:word-8]) || v < uint64(low) || v > uint64(high) {
		r.fail("%s: expected %d to %d, got 0x%x", name, low, high, w)
		return low
	}
	return int(v)
}

func (r *reader) reference() Reference {
	var ref Reference
	r.number(len(ref), "length of the reference")
	w := r.next()
	if !bytes.Equal(w[len(ref):], zeroWord[len(ref):]) {
		r.fail("reference: padding is not zero")
	}
	copy(ref[:], w)
	return ref
}
