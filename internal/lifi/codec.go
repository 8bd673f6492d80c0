package lifi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// The ABI leaves freedom that a verifier must not: offsets may point anywhere,
// two values may share bytes, and bytes may follow that nothing reads. frame
// reads the one encoding in which every dynamic part follows the one before it,
// so that reading costs no more than the bytes there are and every byte is
// accounted for.

const (
	word = 32

	// maxCalldata bounds what is read at all: real routes have 2 to 6 kB.
	maxCalldata = 64 << 10
)

var errAmount = errors.New("amount does not fit its word")

// mistake keeps the first thing that is wrong.
type mistake struct{ err error }

func (m *mistake) set(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// frame reads one tuple: its words, and the dynamic parts behind them.
type frame struct {
	bad  *mistake
	data []byte // from the tuple's first word to the end of everything
	next int    // where the next word of the head is
	tail int    // where the next dynamic part must begin
}

func newFrame(data []byte, words int) *frame {
	return &frame{bad: &mistake{}, data: data, tail: words * word}
}

// end reports the first mistake, bytes that nothing read among them.
func (f *frame) end() error {
	if f.bad.err == nil && f.tail != len(f.data) {
		f.bad.set("%d bytes that belong to nothing", len(f.data)-f.tail)
	}
	return f.bad.err
}

var zeroWord [word]byte

func (f *frame) at(offset int, name string) []byte {
	if f.bad.err == nil && offset+word > len(f.data) {
		f.bad.set("%s: the data ends early", name)
	}
	if f.bad.err != nil {
		return zeroWord[:]
	}
	return f.data[offset : offset+word]
}

func (f *frame) word(name string) []byte {
	w := f.at(f.next, name)
	f.next += word
	return w
}

func (f *frame) bytes32(name string) [32]byte { return [32]byte(f.word(name)) }

func (f *frame) address(name string) asset.Address {
	w := f.word(name)
	if !bytes.Equal(w[:12], zeroWord[:12]) {
		f.bad.set("%s: bits set above the address", name)
	}
	return asset.Address(w[12:])
}

func (f *frame) uint(bits int, name string) *big.Int {
	v := new(big.Int).SetBytes(f.word(name))
	if v.BitLen() > bits {
		f.bad.set("%s: more than %d bits", name, bits)
	}
	return v
}

// small reads a number of at most 64 bits.
func (f *frame) small(bits int, name string) uint64 {
	v := f.uint(bits, name)
	if !v.IsUint64() {
		return 0 // the mistake is noted
	}
	return v.Uint64()
}

func (f *frame) flag(name string) bool {
	v := f.small(64, name)
	if v > 1 {
		f.bad.set("%s: neither true nor false", name)
	}
	return v == 1
}

// part reads the offset of a dynamic part, which must be where the last one
// ended, and returns that place.
func (f *frame) part(name string) int {
	f.exactly(f.word(name), f.tail, name)
	return f.tail
}

func (f *frame) exactly(w []byte, want int, name string) {
	if f.bad.err == nil && (!bytes.Equal(w[:word-8], zeroWord[:word-8]) || binary.BigEndian.Uint64(w[word-8:]) != uint64(want)) {
		f.bad.set("%s: its offset is 0x%x, not %d", name, bytes.TrimLeft(w, "\x00"), want)
	}
}

// length reads a length of at most limit.
func (f *frame) length(at, limit int, name string) int {
	w := f.at(at, name)
	n := binary.BigEndian.Uint64(w[word-8:])
	if !bytes.Equal(w[:word-8], zeroWord[:word-8]) || n > uint64(limit) {
		f.bad.set("%s: its length is 0x%x, more than %d", name, bytes.TrimLeft(w, "\x00"), limit)
		return 0
	}
	return int(n)
}

// bytes reads a dynamic byte string.
func (f *frame) bytes(name string) []byte {
	start := f.part(name)
	n := f.length(start, max(0, len(f.data)-start-word), name)
	padded := (n + word - 1) / word * word
	if f.bad.err == nil && start+word+padded > len(f.data) {
		f.bad.set("%s: the data ends early", name)
	}
	if f.bad.err != nil {
		return nil
	}
	body := f.data[start+word : start+word+padded]
	if !bytes.Equal(body[n:], zeroWord[:padded-n]) {
		f.bad.set("%s: its padding is not zero", name)
	}
	f.tail = start + word + padded
	return body[:n:n]
}

func (f *frame) text(name string) string { return string(f.bytes(name)) }

// tuple reads a dynamic tuple of so many words.
func (f *frame) tuple(words int, name string, read func(*frame)) {
	start := f.part(name)
	if f.bad.err != nil || start > len(f.data) {
		f.bad.set("%s: the data ends early", name)
		return
	}
	inner := &frame{bad: f.bad, data: f.data[start:], tail: words * word}
	read(inner)
	f.tail = start + inner.tail
}

// list reads a dynamic array of at most limit dynamic tuples.
func (f *frame) list(words, limit int, name string, read func(*frame)) {
	start := f.part(name)
	n := f.length(start, limit, name)
	if f.bad.err != nil {
		return
	}
	items := &frame{bad: f.bad, data: f.data[start+word:], tail: n * word}
	for i := range n {
		items.tuple(words, fmt.Sprintf("%s[%d]", name, i), read)
	}
	f.tail = start + word + items.tail
}

// row reads a dynamic array of at most limit static tuples.
func (f *frame) row(words, limit int, name string, read func(*frame)) {
	start := f.part(name)
	n := f.length(start, limit, name)
	if f.bad.err != nil {
		return
	}
	items := &frame{bad: f.bad, data: f.data[start+word:]}
	for range n {
		read(items)
	}
	f.tail = start + word + n*words*word
}

// tuple writes what frame reads.
type tuple struct {
	size       int // of the head
	head, tail []byte
	err        error
}

func newTuple(words int) *tuple { return &tuple{size: words * word} }

func (t *tuple) bytes32(b [32]byte) { t.head = append(t.head, b[:]...) }

func (t *tuple) address(a asset.Address) {
	t.head = append(t.head, zeroWord[:12]...)
	t.head = append(t.head, a[:]...)
}

func (t *tuple) uint(bits int, v *big.Int) {
	var w [word]byte
	if v == nil || v.Sign() < 0 || v.BitLen() > bits {
		t.err = errAmount
	} else {
		v.FillBytes(w[:])
	}
	t.bytes32(w)
}

func (t *tuple) small(v uint64) {
	var w [word]byte
	binary.BigEndian.PutUint64(w[word-8:], v)
	t.bytes32(w)
}

func (t *tuple) flag(v bool) {
	if v {
		t.small(1)
	} else {
		t.small(0)
	}
}

// part writes a dynamic part's offset, and the part behind the head.
func (t *tuple) part(body []byte) {
	t.small(uint64(t.size + len(t.tail)))
	t.tail = append(t.tail, body...)
}

func (t *tuple) bytes(b []byte) { t.part(encodeBytes(b)) }

func (t *tuple) inner(body []byte, err error) {
	if err != nil {
		t.err = err
	}
	t.part(body)
}

func (t *tuple) end() ([]byte, error) {
	if t.err != nil {
		return nil, t.err
	}
	return append(t.head, t.tail...), nil
}

func encodeBytes(b []byte) []byte {
	n := newTuple(1)
	n.small(uint64(len(b)))
	out := append(n.head, b...)
	return append(out, zeroWord[:(word-len(b)%word)%word]...)
}

// encodeList writes a dynamic array of dynamic tuples.
func encodeList[T any](items []T, encode func(T) ([]byte, error)) ([]byte, error) {
	n := newTuple(1)
	n.small(uint64(len(items)))
	list := newTuple(len(items))
	for _, item := range items {
		list.inner(encode(item))
	}
	body, err := list.end()
	return append(n.head, body...), err
}
