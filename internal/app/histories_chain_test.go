package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail/deposit/deposittest"
)

// proxyEvent is one payment through a fee proxy.
type proxyEvent struct {
	topic  string
	token  asset.Address // zero for native currency
	to     asset.Address
	amount int64
}

// payTx is a transaction with payments, several if it is of the batch contract.
type payTx struct {
	hash   string
	events []proxyEvent
	op     *playedOp // that it executes, nil for none
}

// placed is where the chain, as it is, has an event.
type placed struct {
	proxyEvent
	tx    string
	index uint
	block chain.Block
}

// courseChain plays a chain and its node: deposittest's accounts and balances, with the fee
// proxies' events on top. It answers JSON-RPC questions, those of a scanner and those of a
// watcher of addresses, at any time: also while it is reorganised.
type courseChain struct {
	mu       sync.Mutex
	sim      *deposittest.Sim
	token    asset.Address
	erc20    asset.Address // the proxies
	native   asset.Address
	paid     map[string][]payTx // by the block's hash
	clock    time.Time          // never earlier than any block was
	top      uint64             // the highest head there was
	refusals int                // questions that are answered with an error, in turn
}

func newCourseChain(book *asset.Book) *courseChain {
	token, _ := book.Token(historyUSDC)
	erc20, _ := official.Default().Contract(historyChain, official.ERC20FeeProxy)
	native, _ := official.Default().Contract(historyChain, official.EthereumFeeProxy)
	c := &courseChain{sim: deposittest.New(token.Address), token: token.Address, erc20: erc20.Address, native: native.Address, paid: map[string][]payTx{}}
	c.tick()
	return c
}

func (c *courseChain) tick() {
	if at := c.sim.Head().Block().Time.Add(time.Second); at.After(c.clock) {
		c.clock = at
	}
	c.top = max(c.top, c.sim.Head().Number)
}

func (c *courseChain) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock
}

// head is the newest block.
func (c *courseChain) head() chain.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sim.Head().Block()
}

// minedBlock is what a block is made of: transactions of all kinds.
type minedBlock struct {
	paid  []payTx
	plain []deposittest.Tx
	moved []deposittest.Inner
}

func (c *courseChain) mine(bs ...minedBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(bs)
}

func (c *courseChain) add(bs []minedBlock) {
	for _, b := range bs {
		c.sim.Mine(b.plain, b.moved)
		head := c.sim.Head()
		for i, tx := range b.paid {
			if !c.takes(tx) {
				continue
			}
			c.paid[head.Hash] = append(c.paid[head.Hash], tx)
			for _, e := range tx.events {
				if !e.token.IsZero() {
					head.Logs = append(head.Logs, c.log(head, tx.hash, uint(i), e.token, []string{official.TopicTransfer, topicOfAddress(deposittest.Sender), topicOfAddress(e.to)}, word(e.amount)))
				}
				at, kind, data := c.native, official.TopicEthPaid, slices.Concat(pad(e.to), word(e.amount), word(0), pad(asset.Address{}))
				if !e.token.IsZero() {
					at, kind, data = c.erc20, official.TopicERC20Paid, slices.Concat(pad(e.token), data)
				}
				head.Logs = append(head.Logs, c.log(head, tx.hash, uint(i), at, []string{kind, e.topic}, data))
			}
			if tx.op != nil {
				head.Logs = append(head.Logs, c.ended(head, tx, uint(i)))
			}
		}
		c.tick()
	}
}

func (c *courseChain) log(b *deposittest.Block, tx string, txIndex uint, at asset.Address, topics []string, data []byte) chain.Log {
	return chain.Log{Address: at, Topics: topics, Data: data, Block: b.Block(), Tx: tx, TxIndex: txIndex, Index: uint(len(b.Logs))}
}

// reorg replaces the last blocks at one stroke, with what make says of what was in them.
func (c *courseChain) reorg(depth int, make func(gone []payTx, plain []deposittest.Tx) []minedBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var gone []payTx
	for _, b := range c.sim.Blocks[len(c.sim.Blocks)-depth:] {
		gone = append(gone, c.paid[b.Hash]...)
	}
	c.add(make(gone, c.sim.Reorg(depth)))
}

// events are those that the chain has now, by topic.
func (c *courseChain) events() map[string][]placed {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]placed{}
	for _, b := range c.sim.Blocks {
		at := 0
		for _, tx := range c.paid[b.Hash] {
			for _, e := range tx.events {
				for b.Logs[at].Tx != tx.hash || b.Logs[at].Topics[0] != official.TopicEthPaid && b.Logs[at].Topics[0] != official.TopicERC20Paid {
					at++
				}
				out[e.topic] = append(out[e.topic], placed{proxyEvent: e, tx: tx.hash, index: b.Logs[at].Index, block: b.Block()})
				at++
			}
		}
	}
	return out
}

func (c *courseChain) truth(a asset.Address, from time.Time) (wei, tokens int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sim.TruthFrom(a, from)
}

// ask answers as a deposittest.Node does.
func (c *courseChain) ask(ctx context.Context, calls []chain.Call) ([]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.refusals > 0 {
		c.refusals--
		return nil, fmt.Errorf("the node is away")
	}
	out := make([]any, len(calls))
	for i, q := range calls {
		var err error
		if out[i], err = c.answer(ctx, q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *courseChain) answer(ctx context.Context, q chain.Call) (any, error) {
	args := slices.Clone(q.Params)
	switch q.Method {
	case "eth_chainId":
		return hexNumber(uint64(historyChain)), nil
	case "eth_getBlockByNumber":
		if at := fmt.Sprint(args[0]); at == string(chain.Latest) {
			args[0] = hexNumber(c.sim.Head().Number)
		}
	case "eth_getLogs":
		return c.logs(args)
	case "eth_call":
		if said, ours, err := c.nonceAt(args); ours {
			return said, err
		}
	case "eth_getTransactionReceipt":
		if r := c.receipt(fmt.Sprint(args[0])); r != nil {
			return r, nil
		}
	}
	rs, err := c.sim.Batch(ctx, []chain.Call{{Method: q.Method, Params: args}})
	if err != nil {
		return nil, err
	}
	if rs[0].Err != nil {
		return nil, rs[0].Err
	}
	return rs[0].Raw, nil
}

func (c *courseChain) logs(args []any) (any, error) {
	raw, err := json.Marshal(args[0])
	if err != nil {
		return nil, err
	}
	var q asked
	if err := json.Unmarshal(raw, &q); err != nil {
		return nil, err
	}
	from, err := strconv.ParseUint(q.FromBlock[2:], 16, 64)
	if err != nil {
		return nil, err
	}
	to, err := strconv.ParseUint(q.ToBlock[2:], 16, 64)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for n := from; n <= to && n < uint64(len(c.sim.Blocks)); n++ {
		for _, l := range c.sim.Blocks[n].Logs {
			if q.wants(l) {
				out = append(out, wireOf(l))
			}
		}
	}
	return out, nil
}

// receipt is of a transaction with payments, nil for others.
func (c *courseChain) receipt(tx string) map[string]any {
	for _, b := range c.sim.Blocks {
		if !slices.ContainsFunc(c.paid[b.Hash], func(x payTx) bool { return x.hash == tx }) {
			continue
		}
		logs := []map[string]any{}
		for _, l := range b.Logs {
			if l.Tx == tx {
				logs = append(logs, wireOf(l))
			}
		}
		return map[string]any{
			"transactionHash": tx, "blockNumber": hexNumber(b.Number), "blockHash": b.Hash, "status": "0x1", "from": deposittest.Sender.Lower(),
			"to": c.erc20.Lower(), "gasUsed": "0x1", "effectiveGasPrice": "0x1", "logs": logs,
		}
	}
	return nil
}

func wireOf(l chain.Log) map[string]any {
	return map[string]any{
		"address": l.Address.Lower(), "topics": l.Topics, "data": "0x" + hex.EncodeToString(l.Data), "blockNumber": hexNumber(l.Block.Number),
		"blockHash": l.Block.Hash, "transactionHash": l.Tx, "transactionIndex": hexNumber(uint64(l.TxIndex)), "logIndex": hexNumber(uint64(l.Index)), "removed": false,
	}
}

func hexNumber(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

func topicOfAddress(a asset.Address) string { return "0x000000000000000000000000" + a.Lower()[2:] }

func pad(a asset.Address) []byte { return append(make([]byte, 12), a[:]...) }

func word(v int64) []byte { return big.NewInt(v).FillBytes(make([]byte, 32)) }

// final is the greatest height that was ever final.
func (c *courseChain) final(confirmations uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.top+1, confirmations) - confirmations
}

// behind is how much shorter the chain is than it once was.
func (c *courseChain) behind() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.top - c.sim.Head().Number)
}

// refuse has the next questions fail.
func (c *courseChain) refuse(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = n
}
