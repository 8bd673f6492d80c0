//go:build linux

package chaostest

import (
	"encoding/hex"
	"math/big"
	"strings"
	"sync"
)

// plan is what a payer does about a payment.
type plan int

const (
	nothing plan = iota
	exact
	partThenRest
	double
	late        // pays what was called off
	byBank      // the shop confirms transfers
	byStatement // the shop imports what its bank says
)

// sent is one transfer that a payer has sent.
type sent struct {
	tx     string // lower case; "" of a bank
	amount *big.Int
}

// order is a payment as its shop and its payer know it. Once it is in the book, whoever
// changes it holds the book.
type order struct {
	shop  *shop
	key   string // idempotency key, and the shop's own reference
	cents int64
	plan  plan

	answer  []byte
	id      string   // token, payment id or link id
	address string   // that was made for it
	due     *big.Int // base units that the payer was told; nil while unknown
	to      string   // what the payer signs
	data    []byte
	sent    []sent
	cents2  int64 // that the shop has confirmed or imported, of a bank
}

// book is what shops and payers know: what the oracle compares the server with.
type book struct {
	mu     sync.Mutex
	orders []*order
}

func newBook() *book { return &book{} }

func (b *book) add(o *order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders = append(b.orders, o)
}

// paid notes what a payer has sent.
func (b *book) paid(o *order, tx string, amount *big.Int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.sent = append(o.sent, sent{strings.ToLower(tx), amount})
}

// confirmed notes what a shop has said came by bank.
func (b *book) confirmed(o *order, cents int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o.cents2 += cents
}

func (b *book) all() []*order {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*order(nil), b.orders...)
}

func integer(text string) *big.Int {
	v, ok := new(big.Int).SetString(text, 0)
	if !ok {
		return nil
	}
	return v
}

func unhex(text string) ([]byte, error) { return hex.DecodeString(strings.TrimPrefix(text, "0x")) }

// counts are how many payments and transfers on chain there are.
func (b *book) counts() (payments, transfers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.orders {
		transfers += len(o.sent)
	}
	return len(b.orders), transfers
}
