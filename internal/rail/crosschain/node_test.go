package crosschain_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/lifi"
	"quittance/internal/official"
)

// node stands in for a chain's node: one wallet's funds, and trial runs that do
// what the calldata says.
type node struct {
	network lifi.Network

	mu        sync.Mutex
	native    *big.Int
	balance   *big.Int                   // of every token
	allowed   map[asset.Address]*big.Int // by spender, of every token
	code      []byte                     // of the wallet
	holder    asset.Address              // who alone has anything, and whose alone the code is; anybody if zero
	dead      error
	stall     bool
	refuse    map[string]error // by method
	short     bool             // one answer too few
	lie       func(outcomes []outcome) []outcome
	batches   int
	questions []string // methods of the last batch
}

func newNode(table *lifi.Table, id asset.ChainID) *node {
	network, _ := table.Network(id)
	return &node{
		network: network, native: big.NewInt(1e18), balance: new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil),
		allowed: map[asset.Address]*big.Int{}, refuse: map[string]error{},
	}
}

func (n *node) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.batches++
	n.questions = nil
	if n.stall {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if n.dead != nil {
		return nil, n.dead
	}
	var out []chain.Result
	for _, c := range calls {
		n.questions = append(n.questions, c.Method)
		r := chain.Result{Err: n.refuse[c.Method]}
		if r.Err == nil {
			r.Raw, r.Err = json.Marshal(n.answer(c))
		}
		out = append(out, r)
	}
	if n.short {
		out = out[1:]
	}
	return out, nil
}

func (n *node) answer(c chain.Call) any {
	switch c.Method {
	case "eth_getBalance":
		if n.others(c.Params[0].(string)) {
			return "0x0"
		}
		return "0x" + n.native.Text(16)
	case "eth_gasPrice":
		return "0x3b9aca00" // 1 gwei
	case "eth_getCode":
		if n.others(c.Params[0].(string)) {
			return "0x"
		}
		return "0x" + hex.EncodeToString(n.code)
	case "eth_call":
		_, data := target(c.Params[0].(map[string]any))
		if n.others("0x" + hex.EncodeToString(data[16:36])) {
			return word(new(big.Int))
		}
		if len(data) == 4+2*32 { // allowance(owner, spender)
			v := n.allowed[asset.Address(data[4+32+12:])]
			if v == nil {
				v = new(big.Int)
			}
			return word(v)
		}
		return word(n.balance)
	case "eth_simulateV1":
		return n.simulate(c.Params[0].(map[string]any))
	}
	return nil
}

func (n *node) others(who string) bool { return !n.holder.IsZero() && who != n.holder.Lower() }

func word(v *big.Int) string { return fmt.Sprintf("0x%064x", v) }

func topic(a asset.Address) string { return "0x" + strings.Repeat("00", 12) + a.Lower()[2:] }

func target(msg map[string]any) (to asset.Address, data []byte) {
	to, _ = asset.ParseAddress(msg["to"].(string))
	data, _ = hex.DecodeString(msg["input"].(string)[2:])
	return to, data
}

// outcome and event are one call of a trial run, as JSON.
type outcome struct {
	Status  string  `json:"status"`
	Return  string  `json:"returnData"`
	GasUsed string  `json:"gasUsed"`
	Logs    []event `json:"logs"`
}

type event struct {
	Address string   `json:"address"`
	Topics  []string `json:"topics"`
	Data    string   `json:"data"`
}

const (
	topicApproval       = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"
	topicApprovalForAll = "0x17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31"
	topicSingle         = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
)

func moved(token, from, to asset.Address, amount *big.Int) event {
	return event{token.Lower(), []string{official.TopicTransfer, topic(from), topic(to)}, word(amount)}
}

func (n *node) simulate(params map[string]any) any {
	block := params["blockStateCalls"].([]any)[0].(map[string]any)
	var outcomes []outcome
	for _, c := range block["calls"].([]any) {
		msg := c.(map[string]any)
		from, _ := asset.ParseAddress(msg["from"].(string))
		to, data := target(msg)
		o := outcome{Status: "0x1", Return: "0x", GasUsed: "0x10000", Logs: []event{}}
		if v, ok := msg["value"].(string); ok {
			value, _ := new(big.Int).SetString(v[2:], 16)
			o.Logs = append(o.Logs, moved(official.NativeTracer, from, to, value))
		}
		o.Logs = append(o.Logs, n.effects(from, to, data)...)
		outcomes = append(outcomes, o)
	}
	if n.lie != nil {
		outcomes = n.lie(outcomes)
	}
	return []any{map[string]any{"calls": outcomes}}
}

// effects are what the contracts would do.
func (n *node) effects(from, to asset.Address, data []byte) []event {
	if a, err := official.DecodeApproval(data); err == nil {
		return []event{{to.Lower(), []string{topicApproval, topic(from), topic(a.Spender)}, word(a.Amount)}}
	}
	if p, err := official.DecodePull(data); err == nil {
		return []event{moved(to, p.Owner, p.Account, p.Amount)}
	}
	if p, err := official.DecodeERC20Payment(data); err == nil {
		paid := topic(p.Token)
		paid += topic(p.Payee)[2:] + word(p.Amount)[2:] + word(p.Fee)[2:] + topic(p.FeePayee)[2:]
		return []event{
			moved(p.Token, from, p.Payee, p.Amount), moved(p.Token, from, p.FeePayee, p.Fee),
			{to.Lower(), []string{official.TopicERC20Paid, p.Reference.Topic().String()}, paid},
		}
	}
	call, err := lifi.DecodeCall(data)
	if err != nil {
		return nil
	}
	source := call.Swaps
	var token asset.Address
	if len(source) > 0 {
		token = source[0].SendingAsset
	} else {
		token = call.Bridge.SendingAsset
	}
	events := []event{moved(token, from, to, call.Deposit())}
	if call.Swap != nil {
		events = append(events, moved(source[len(source)-1].ReceivingAsset, to, call.Swap.Receiver, call.Swap.MinAmountOut))
	}
	return events
}
