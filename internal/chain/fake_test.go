package chain

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/asset"
)

const testChain asset.ChainID = 900000001

var (
	proxy   = asset.Address{19: 0xaa}
	foreign = asset.Address{19: 0xbb}
	topic   = "0x" + hex.EncodeToString(bytesOf(0x11))
	topic2  = "0x" + hex.EncodeToString(bytesOf(0x22))
	wanted  = Filter{Addresses: []asset.Address{proxy}, Topics0: []string{topic}}
)

func bytesOf(b byte) []byte {
	out := make([]byte, 32)
	for i := range out {
		out[i] = b
	}
	return out
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// ledger is a chain that exists only as headers and logs. Several nodes may
// show the same ledger, or different ones.
type ledger struct {
	mu        sync.Mutex
	id        uint64
	blocks    []ledgerBlock
	finalized int // -1: the tag names no block
	salt      int
	clock     func() time.Time // of the blocks' times; nil for one that follows from their numbers
	stamped   time.Time        // of the next block, the clock's if zero
}

// stamp sets the next block's time.
func (l *ledger) stamp(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stamped = at
}

type ledgerBlock struct {
	header map[string]any
	hash   string
	logs   []map[string]any
}

func newLedger() *ledger {
	l := &ledger{id: uint64(testChain), finalized: -1}
	l.mine()
	return l
}

func digest(parts ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return "0x" + hex.EncodeToString(sum[:])
}

// mine adds a block with one payment for each name.
func (l *ledger) mine(names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.extend(names)
}

func (l *ledger) extend(names []string) {
	n := len(l.blocks)
	parent := "0x" + hex.EncodeToString(make([]byte, 32))
	if n > 0 {
		parent = l.blocks[n-1].hash
	}
	b := ledgerBlock{hash: digest("block", parent, n, l.salt)}
	b.header = map[string]any{
		"number": quantity(uint64(n)), "hash": b.hash, "parentHash": parent,
		"timestamp": quantity(uint64(1_700_000_000 + 12*n)), "baseFeePerGas": "0x7",
	}
	if l.clock != nil {
		at := l.clock()
		if !l.stamped.IsZero() {
			at = l.stamped
		}
		b.header["timestamp"] = quantity(uint64(at.Unix()))
	}
	for i, name := range names {
		b.logs = append(b.logs, payLog(n, b.hash, i, name))
	}
	l.blocks = append(l.blocks, b)
}

func payLog(n int, hash string, index int, name string) map[string]any {
	return map[string]any{
		"address": proxy.Lower(), "topics": []string{topic, digest("ref", name)}, "data": "0x" + hex.EncodeToString([]byte(name)),
		"blockNumber": quantity(uint64(n)), "blockHash": hash, "transactionHash": digest("tx", hash, name),
		"transactionIndex": quantity(uint64(index)), "logIndex": quantity(uint64(index)), "removed": false,
	}
}

// reorg replaces the last depth blocks by as many as there are lists of names.
func (l *ledger) reorg(depth int, names ...[]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.salt++
	l.blocks = l.blocks[:len(l.blocks)-depth]
	for _, ns := range names {
		l.extend(ns)
	}
}

func (l *ledger) finalize(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finalized = n
}

func (l *ledger) head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.blocks) - 1)
}

// clone is a copy that goes its own way from here.
func (l *ledger) clone() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &ledger{id: l.id, blocks: slices.Clone(l.blocks), finalized: l.finalized, salt: l.salt + 1000}
}

// payments is what a fresh and honest reader finds in the whole ledger.
func (l *ledger) payments() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, b := range l.blocks {
		for _, g := range b.logs {
			out = append(out, evidenceKey(b.hash, g["logIndex"].(string)))
		}
	}
	slices.Sort(out)
	return out
}

func evidenceKey(hash, index string) string { return hash + "/" + index }

// node is one endpoint on a ledger. Its hooks make it misbehave.
type node struct {
	t testing.TB

	mu     sync.Mutex
	ledger *ledger
	lag    int                                                  // blocks it is behind
	before func(method string) error                            // may change the ledger, or fail the whole batch
	most   int                                                  // questions of a batch that it answers, 0 for any
	lie    func(method string, args []any, honest any) any      // what it says instead
	refuse func(method string, args []any) (code int, m string) // 0: does not
	counts map[string]int
	trips  int
}

func newNode(t testing.TB, l *ledger) *node { return &node{t: t, ledger: l, counts: map[string]int{}} }

func (n *node) set(f func(n *node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

func (n *node) count(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts[method]
}

func (n *node) tripCount() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.trips
}

type refusal struct {
	code int
	text string
}

func (r refusal) Error() string  { return r.text }
func (r refusal) ErrorCode() int { return r.code }

func (n *node) BatchCallContext(ctx context.Context, batch []rpc.BatchElem) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trips++
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.most > 0 && len(batch) > n.most {
		return errors.New("too much at once")
	}
	for i := range batch {
		b := &batch[i]
		n.counts[b.Method]++
		if n.before != nil {
			if err := n.before(b.Method); err != nil {
				return err
			}
		}
		if n.refuse != nil {
			if code, text := n.refuse(b.Method, b.Args); code != 0 {
				b.Error = refusal{code, text}
				continue
			}
		}
		answer := n.answer(b.Method, b.Args)
		if n.lie != nil {
			answer = n.lie(b.Method, b.Args, answer)
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		*b.Result.(*json.RawMessage) = raw
	}
	return nil
}

func (n *node) answer(method string, args []any) any {
	l := n.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	shown := l.blocks[:max(len(l.blocks)-n.lag, 1)]
	switch method {
	case "eth_chainId":
		return quantity(l.id)
	case "eth_getBlockByNumber":
		var at int
		switch tag := args[0].(At); tag {
		case Latest:
			at = len(shown) - 1
		case Finalized:
			if at = min(l.finalized, len(shown)-1); at < 0 {
				return nil
			}
		default:
			number, err := parseUint(string(tag))
			if err != nil {
				n.t.Errorf("block %q is neither a tag nor a number", tag)
			}
			at = int(number)
		}
		if at >= len(shown) {
			return nil
		}
		return shown[at].header
	case "eth_getLogs":
		p := args[0].(map[string]any)
		if !slices.Equal(p["address"].([]string), []string{proxy.Lower()}) {
			n.t.Errorf("eth_getLogs for addresses %v", p["address"])
		}
		from, _ := parseUint(p["fromBlock"].(string))
		to, _ := parseUint(p["toBlock"].(string))
		if from > to {
			n.t.Errorf("eth_getLogs from %d to %d", from, to)
		}
		out := []map[string]any{}
		for i := from; i <= to && i < uint64(len(shown)); i++ {
			out = append(out, shown[i].logs...)
		}
		return out
	}
	n.t.Errorf("the node was asked %s, which it does not know", method)
	return nil
}

// memory is a Sink that checks the Scanner's side of the contract.
type memory struct {
	t testing.TB

	mu       sync.Mutex
	blocks   []Block // oldest first
	final    uint64
	evidence map[string]found
	sweeps   []Sweep
	rewinds  []Block
	small    int // payments with names of at most so many bytes need no second opinion
	// fail is asked before (after=false) and after every call took effect.
	fail func(call string, after bool) error
}

type found struct {
	log   Log
	final bool
}

func newMemory(t testing.TB) *memory { return &memory{t: t, evidence: map[string]found{}} }

var errStale = errors.New("someone else moved the cursor")

func (m *memory) guard(call string, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(call, false); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if m.fail != nil {
		return m.fail(call, true)
	}
	return nil
}

func (m *memory) Cursor(_ context.Context, chain asset.ChainID) (c Cursor, err error) {
	err = m.guard("cursor", func() error {
		if chain != testChain {
			m.t.Errorf("cursor of chain %d", chain)
		}
		c = Cursor{Blocks: slices.Clone(m.blocks), Final: m.final}
		slices.Reverse(c.Blocks)
		return nil
	})
	return c, err
}

func (m *memory) Apply(_ context.Context, s Sweep) error {
	return m.guard("apply", func() error {
		if n := len(m.blocks); n > 0 && m.blocks[n-1].Number+1 != s.From {
			return errStale
		}
		m.checkSweep(s)
		m.sweeps = append(m.sweeps, s)
		m.blocks = append(m.blocks, s.To)
		m.final = max(m.final, s.Final)
		for len(m.blocks) > 1 && m.blocks[1].Number <= m.final {
			m.blocks = m.blocks[1:]
		}
		for _, l := range s.Logs {
			k := evidenceKey(l.Block.Hash, quantity(uint64(l.Index)))
			if _, again := m.evidence[k]; !again {
				m.evidence[k] = found{log: l}
			}
		}
		return nil
	})
}

func (m *memory) checkSweep(s Sweep) {
	if s.From > s.To.Number || s.To.Number > s.Head.Number || s.Final > s.To.Number || s.Chain != testChain {
		m.t.Errorf("sweep from %d to %d, head %d, final %d, chain %d", s.From, s.To.Number, s.Head.Number, s.Final, s.Chain)
	}
	if !slices.IsSortedFunc(s.Logs, func(a, b Log) int {
		return cmp.Or(cmp.Compare(a.Block.Number, b.Block.Number), cmp.Compare(a.Index, b.Index))
	}) {
		m.t.Errorf("logs of blocks %d to %d are not in the chain's order", s.From, s.To.Number)
	}
	for _, l := range s.Logs {
		if l.Block.Number < s.From || l.Block.Number > s.To.Number {
			m.t.Errorf("foreign log %+v in blocks %d to %d", l, s.From, s.To.Number)
		}
		if l.Address != proxy {
			continue // of a real chain
		}
		if want := time.Unix(1_700_000_000+12*int64(l.Block.Number), 0).UTC(); l.Block.Time != want {
			m.t.Errorf("log of block %d has time %v, want %v", l.Block.Number, l.Block.Time, want)
		}
	}
}

func (m *memory) Rewind(_ context.Context, _ asset.ChainID, to Block, _ int64) error {
	return m.guard("rewind", func() error {
		m.rewinds = append(m.rewinds, to)
		m.blocks = slices.DeleteFunc(m.blocks, func(b Block) bool { return b.Number >= to.Number })
		m.blocks = append(m.blocks, to)
		maps.DeleteFunc(m.evidence, func(_ string, f found) bool { return !f.final && f.log.Block.Number > to.Number })
		return nil
	})
}

func (m *memory) Pending(_ context.Context, _ asset.ChainID, upTo uint64) (out []Block, err error) {
	err = m.guard("pending", func() error {
		set := map[Block]bool{}
		for _, f := range m.evidence {
			if !f.final && f.log.Block.Number <= upTo {
				set[Block{Number: f.log.Block.Number, Hash: f.log.Block.Hash}] = true
			}
		}
		out = slices.Collect(maps.Keys(set))
		return nil
	})
	return out, err
}

func (m *memory) Finalize(_ context.Context, _ asset.ChainID, blocks []Block) error {
	return m.guard("finalize", func() error {
		for k, f := range m.evidence {
			if slices.ContainsFunc(blocks, func(b Block) bool { return b.Number == f.log.Block.Number && b.Hash == f.log.Block.Hash }) {
				f.final = true
				m.evidence[k] = f
			}
		}
		return nil
	})
}

// state is the evidence, each with whether it is final.
func (m *memory) state() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]bool{}
	for k, f := range m.evidence {
		out[k] = f.final
	}
	return out
}

func (m *memory) keys() []string { return slices.Sorted(maps.Keys(m.state())) }

func (m *memory) finals() (n int) {
	for _, final := range m.state() {
		if final {
			n++
		}
	}
	return n
}

func (m *memory) cursor() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.blocks) == 0 {
		return 0
	}
	return m.blocks[len(m.blocks)-1].Number
}

// Compare implements Records: all logs are evidence.
func (m *memory) Compare(_ context.Context, s Sweep) (out []Difference, err error) {
	err = m.guard("compare", func() error {
		told := map[string]Log{}
		for _, l := range s.Logs {
			told[logKey(l)] = l
		}
		for k, f := range m.evidence {
			n, t := f.log.Block.Number, told[k]
			d := Difference{Key: k, Block: Block{Number: n, Hash: f.log.Block.Hash}, Tx: f.log.Tx, Index: f.log.Index}
			if n < s.From || n > s.To.Number || f.final {
				continue
			}
			switch {
			case t.Tx == "":
				d.Kind = Missing
			case t.Address != f.log.Address || !slices.Equal(t.Topics, f.log.Topics) || !slices.Equal(t.Data, f.log.Data):
				d.Kind = Altered
			default:
				continue
			}
			out = append(out, d)
		}
		for k, l := range told {
			if _, kept := m.evidence[k]; !kept {
				out = append(out, Difference{Kind: Invented, Key: k, Block: Block{Number: l.Block.Number, Hash: l.Block.Hash}, Tx: l.Tx, Index: l.Index})
			}
		}
		return nil
	})
	return out, err
}

func logKey(l Log) string { return evidenceKey(l.Block.Hash, quantity(uint64(l.Index))) }

// Learn implements Records.
func (m *memory) Learn(_ context.Context, _ asset.ChainID, logs []Log) error {
	return m.guard("learn", func() error {
		for _, l := range logs {
			if l.Block.Time.IsZero() {
				m.t.Errorf("log of block %d was learned without its time", l.Block.Number)
			}
			if !m.evidence[logKey(l)].final {
				m.evidence[logKey(l)] = found{log: l}
			}
		}
		return nil
	})
}

// Forget implements Records.
func (m *memory) Forget(_ context.Context, _ asset.ChainID, gone []Difference) error {
	return m.guard("forget", func() error {
		for _, d := range gone {
			if m.evidence[d.Key].final {
				m.t.Errorf("final evidence %s was to be forgotten", d.Key)
			}
			delete(m.evidence, d.Key)
		}
		return nil
	})
}

// Small implements Records.
func (m *memory) Small(_ context.Context, _ asset.ChainID, b Block) (small bool, err error) {
	err = m.guard("small", func() error {
		small = m.small > 0
		for _, f := range m.evidence {
			if f.log.Block.Hash == b.Hash && len(f.log.Data) > m.small {
				small = false
			}
		}
		return nil
	})
	return small, err
}
