// Package deposittest plays a chain for tests of what watches deposit addresses. It knows
// what a watcher asks a node and what the truth is, and nothing of watchers or of stores.
// It is test support: only _test.go files may import it.
package deposittest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// Sim is a chain that exists only as balances, transactions and logs, and a node that
// shows it. It does what it is told at the moments where that hurts.
type Sim struct {
	Blocks []*Block
	Keep   int    // how many of the newest blocks the node has the state of, 0 for all
	Mid    func() // called once, between two questions
	token  asset.Address
	salt   int
	asked  int // round trips
}

// Block is a block and what it changed.
type Block struct {
	Number       uint64
	Hash, parent string
	Txs          []Tx
	Wei          map[asset.Address]int64 // after the block
	got          map[asset.Address]int64 // what came in, from others
	tokens       map[asset.Address]int64 // likewise, of the token
	Logs         []chain.Log
}

// Tx is a transaction.
type Tx struct {
	Hash     string
	From, To asset.Address
	Value    int64
	Data     []byte
	Failed   bool
	Fee      int64
	Inner    []Inner // transfers of contracts that it calls
}

// Inner is a transfer to somebody.
type Inner struct {
	To     asset.Address
	Amount int64
}

// Sender has as much as it needs, of everything.
var Sender = asset.Address{0: 0x5e, 19: 0x5e}

// Digest makes something like a hash.
func Digest(parts ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return "0x" + hex.EncodeToString(sum[:])
}

// New returns a chain with one block, on which one token is.
func New(token asset.Address) *Sim {
	s := &Sim{token: token}
	s.Mine(nil, nil)
	return s
}

// Head is the newest block.
func (s *Sim) Head() *Block { return s.Blocks[len(s.Blocks)-1] }

// Mine adds a block with transactions and transfers of the token.
func (s *Sim) Mine(txs []Tx, transfers []Inner) {
	n, parent := uint64(len(s.Blocks)), Digest("none")
	b := &Block{Number: n, Txs: txs, Wei: map[asset.Address]int64{}, got: map[asset.Address]int64{}, tokens: map[asset.Address]int64{}}
	if n > 0 {
		parent, b.Wei = s.Head().Hash, maps.Clone(s.Head().Wei)
	}
	s.salt++
	b.Hash, b.parent = Digest("block", parent, s.salt), parent
	for _, tx := range txs {
		b.Wei[tx.From] -= tx.Fee
		if !tx.Failed {
			b.Wei[tx.From] -= tx.Value
			b.Wei[tx.To] += tx.Value
			if tx.From != tx.To {
				b.got[tx.To] += tx.Value
			}
			for _, i := range tx.Inner {
				b.Wei[i.To] += i.Amount
				b.got[i.To] += i.Amount
			}
		}
	}
	for i, x := range transfers {
		b.tokens[x.To] += x.Amount
		b.Logs = append(b.Logs, transferLog(s.token, Sender, x.To, x.Amount, b, uint(i)))
	}
	s.Blocks = append(s.Blocks, b)
}

func transferLog(of, from, to asset.Address, amount int64, b *Block, index uint) chain.Log {
	topic := func(a asset.Address) string { return "0x000000000000000000000000" + a.Lower()[2:] }
	data := make([]byte, 32)
	binary.BigEndian.PutUint64(data[24:], uint64(amount))
	return chain.Log{
		Address: of, Topics: []string{official.TopicTransfer, topic(from), topic(to)}, Data: data, Block: b.Block(),
		Tx: Digest("token", b.Hash, index), Index: index,
	}
}

// Block is the block's identity.
func (b *Block) Block() chain.Block {
	return chain.Block{Number: b.Number, Hash: b.Hash, Time: time.Unix(1_700_000_000+12*int64(b.Number), 0).UTC()}
}

// Reorg drops the last blocks and returns their transactions.
func (s *Sim) Reorg(depth int) (dropped []Tx) {
	for _, b := range s.Blocks[len(s.Blocks)-depth:] {
		dropped = append(dropped, b.Txs...)
	}
	s.Blocks = s.Blocks[:len(s.Blocks)-depth]
	return dropped
}

// Truth is what an address got on the chain as it is, of native currency and of the token.
func (s *Sim) Truth(a asset.Address) (wei, tokens int64) { return s.TruthFrom(a, time.Time{}) }

// TruthFrom is Truth of blocks that are not before a time.
func (s *Sim) TruthFrom(a asset.Address, from time.Time) (wei, tokens int64) {
	for _, b := range s.Blocks {
		if b.Block().Time.Before(from) {
			continue
		}
		wei += b.got[a]
		tokens += b.tokens[a]
	}
	return wei, tokens
}

// Batch implements chain.Batcher.
func (s *Sim) Batch(_ context.Context, calls []chain.Call) ([]chain.Result, error) {
	s.asked++
	if s.Mid != nil && s.asked%3 == 0 {
		mid := s.Mid
		s.Mid = nil
		mid()
	}
	out := make([]chain.Result, len(calls))
	for i, c := range calls {
		v, err := s.answer(c)
		if err != nil {
			out[i] = chain.Result{Err: &chain.RPCError{Code: -32000, Message: err.Error()}}
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[i] = chain.Result{Raw: raw}
	}
	return out, nil
}

func (s *Sim) answer(c chain.Call) (any, error) {
	switch c.Method {
	case "eth_getBlockByNumber":
		n, err := strconv.ParseUint(fmt.Sprint(c.Params[0])[2:], 16, 64)
		if err != nil || n >= uint64(len(s.Blocks)) {
			return nil, err
		}
		return s.Blocks[n].wire(), nil
	case "eth_getTransactionReceipt":
		for _, b := range s.Blocks {
			for _, tx := range b.Txs {
				if tx.Hash == c.Params[0] {
					return tx.receipt(b), nil
				}
			}
		}
		return nil, nil
	case "eth_call":
		at, ok := c.Params[1].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("a call that names no block by its hash")
		}
		i := slices.IndexFunc(s.Blocks, func(b *Block) bool { return b.Hash == at["blockHash"] })
		if i < 0 {
			return nil, fmt.Errorf("hash is not currently canonical")
		}
		if s.Keep > 0 && i < len(s.Blocks)-s.Keep {
			return nil, fmt.Errorf("missing trie node")
		}
		msg, _ := c.Params[0].(map[string]any)
		return s.Blocks[i].balances(msg["input"])
	}
	return nil, fmt.Errorf("a question that nobody should ask: %s", c.Method)
}

func (b *Block) wire() map[string]any {
	txs := []map[string]any{}
	for _, tx := range b.Txs {
		txs = append(txs, map[string]any{
			"hash": tx.Hash, "blockHash": b.Hash, "from": tx.From.Lower(), "to": tx.To.Lower(),
			"input": "0x" + hex.EncodeToString(tx.Data), "value": hexOf(tx.Value),
		})
	}
	return map[string]any{
		"number": hexOf(int64(b.Number)), "hash": b.Hash, "parentHash": b.parent,
		"timestamp": hexOf(b.Block().Time.Unix()), "transactions": txs,
	}
}

func (tx Tx) receipt(b *Block) map[string]any {
	status := "0x1"
	if tx.Failed {
		status = "0x0"
	}
	return map[string]any{
		"transactionHash": tx.Hash, "blockNumber": hexOf(int64(b.Number)), "blockHash": b.Hash, "status": status,
		"from": tx.From.Lower(), "to": tx.To.Lower(), "gasUsed": "0x1", "effectiveGasPrice": hexOf(tx.Fee), "logs": []any{},
	}
}

func hexOf(v int64) string { return "0x" + strconv.FormatInt(v, 16) }

const word = 32

// balances answers Multicall3's aggregate3 of getEthBalance.
func (b *Block) balances(input any) (any, error) {
	text, _ := input.(string)
	data, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(data) < 4+2*word || hex.EncodeToString(data[:4]) != "82ad56cb" {
		return nil, fmt.Errorf("not aggregate3: %v", err)
	}
	body := data[4+2*word:]
	n := int(binary.BigEndian.Uint64(data[4+2*word-8:]))
	number := func(v int) []byte { return binary.BigEndian.AppendUint64(make([]byte, word-8), uint64(v)) }
	out := append(number(word), number(n)...)
	for i := range n {
		out = append(out, number(n*word+i*4*word)...)
	}
	for i := range n {
		at := int(binary.BigEndian.Uint64(body[i*word+word-8:]))
		call := body[at+4*word:]
		if hex.EncodeToString(call[:4]) != "4d2301cc" {
			return nil, fmt.Errorf("not getEthBalance")
		}
		held := b.Wei[asset.Address(call[4+12:4+word])]
		out = append(append(append(out, number(1)...), number(2*word)...), number(word)...)
		out = append(out, big.NewInt(held).FillBytes(make([]byte, word))...)
	}
	return "0x" + hex.EncodeToString(out), nil
}
