// Package multicall puts many questions to contracts into one eth_call of Multicall3
// (mds1/multicall3) and takes its answer apart. It knows that contract's calldata, and
// neither who is asked nor what the answers mean.
package multicall

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

const word = 32

// The functions of Multicall3 (mds1/multicall3 @19da7a5).
var (
	selectorAggregate3 = [4]byte{0x82, 0xad, 0x56, 0xcb} // aggregate3((address,bool,bytes)[])
	selectorEthBalance = [4]byte{0x4d, 0x23, 0x01, 0xcc} // getEthBalance(address)
)

// EthBalance is the calldata of getEthBalance, which the contract itself answers: an
// account's native currency.
func EthBalance(owner asset.Address) []byte {
	data := make([]byte, 4+word)
	copy(data, selectorEthBalance[:])
	copy(data[4+word-len(owner):], owner[:])
	return data
}

// Bundle is the calls of one aggregate3, none of them twice. The zero value is empty.
type Bundle struct {
	calls  []call
	places map[string]int
}

type call struct {
	target asset.Address
	data   []byte
}

// Add returns the place of the call's answer.
func (b *Bundle) Add(target asset.Address, data []byte) int {
	key := string(target[:]) + string(data)
	if i, ok := b.places[key]; ok {
		return i
	}
	if b.places == nil {
		b.places = map[string]int{}
	}
	b.places[key] = len(b.calls)
	b.calls = append(b.calls, call{target, data})
	return len(b.calls) - 1
}

// Len is the number of answers there will be.
func (b *Bundle) Len() int { return len(b.calls) }

// Encode returns the calldata of aggregate3, where every call may fail by itself.
func (b *Bundle) Encode() []byte {
	out := append([]byte{}, selectorAggregate3[:]...)
	out = appendNumber(out, word)
	out = appendNumber(out, len(b.calls))
	at := len(b.calls) * word
	for _, c := range b.calls {
		out = appendNumber(out, at)
		at += 4*word + padded(len(c.data))
	}
	for _, c := range b.calls {
		out = append(append(out, make([]byte, word-len(c.target))...), c.target[:]...)
		out = appendNumber(out, 1) // allowFailure
		out = appendNumber(out, 3*word)
		out = appendNumber(out, len(c.data))
		out = append(append(out, c.data...), make([]byte, padded(len(c.data))-len(c.data))...)
	}
	return out
}

func padded(n int) int { return (n + word - 1) / word * word }

func appendNumber(to []byte, v int) []byte {
	var w [word]byte
	binary.BigEndian.PutUint64(w[word-8:], uint64(v))
	return append(to, w[:]...)
}

// Answer is what became of one call.
type Answer struct {
	Success bool
	Data    []byte
}

// Amount is what a call returned, nil if it failed or returned anything but one word.
func (a Answer) Amount() *big.Int {
	if !a.Success || len(a.Data) != word {
		return nil
	}
	return new(big.Int).SetBytes(a.Data)
}

var errShort = errors.New("the data ends early")

// Decode reads what aggregate3 returned for n calls, (bool,bytes)[], in the one
// encoding that the contract's compiler makes: every part directly behind the one
// before, no dirty bits, zero padding, and no byte that belongs to nothing. Any
// other bytes are an error.
func Decode(data []byte, n int) ([]Answer, error) {
	if len(data) == 0 {
		return nil, errors.New("it is empty: there is no Multicall3")
	}
	r := reader{rest: data}
	r.exactly(word, "offset of the answers")
	r.exactly(n, "number of answers")
	at := n * word
	starts := make([]int, n)
	for i := range starts {
		starts[i] = r.number("offset of an answer")
	}
	if r.err != nil {
		return nil, r.err
	}
	out := make([]Answer, n)
	for i := range out {
		if starts[i] != at {
			return nil, fmt.Errorf("answer %d is not where it belongs", i)
		}
		flag := r.number("success")
		r.exactly(2*word, "offset of what a call returned")
		size := r.number("length of what a call returned")
		out[i] = Answer{Success: flag == 1, Data: r.bytes(size)}
		if flag > 1 {
			r.fail(errors.New("success is neither true nor false"))
		}
		at += 3*word + padded(size)
		if r.err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, r.err)
		}
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("%d bytes that belong to nothing", len(r.rest))
	}
	return out, nil
}

// reader takes words; it keeps the first error and then yields zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) take(n int) []byte {
	if r.err == nil && len(r.rest) < n {
		r.fail(errShort)
	}
	if r.err != nil {
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// number reads a length or an offset, which is never greater than an answer can
// be.
func (r *reader) number(name string) int {
	w := r.take(word)
	if w == nil {
		return 0
	}
	v := binary.BigEndian.Uint64(w[word-8:])
	if len(bytes.TrimLeft(w[:word-8], "\x00")) > 0 || v > 1<<31-1 {
		r.fail(fmt.Errorf("%s: 0x%x", name, w))
		return 0
	}
	return int(v)
}

func (r *reader) exactly(want int, name string) {
	if got := r.number(name); r.err == nil && got != want {
		r.fail(fmt.Errorf("%s: expected %d, got %d", name, want, got))
	}
}

// bytes reads n bytes and the zeros that fill up their last word.
func (r *reader) bytes(n int) []byte {
	b := r.take(padded(n))
	if b == nil {
		return nil
	}
	if len(bytes.TrimLeft(b[n:], "\x00")) > 0 {
		r.fail(errors.New("padding is not zero"))
	}
	return b[:n:n]
}
