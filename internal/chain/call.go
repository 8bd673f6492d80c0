package chain

import (
	"context"
	"encoding/hex"
	"fmt"

	"quittance/internal/asset"
)

// Call is one JSON-RPC question. The builders below make the ones whose answers
// a Result can decode; any other method may be asked, but a batch that holds a
// method which is not known to be a read is sent once, to one endpoint, and
// never again.
type Call struct {
	Method string
	Params []any
}

// reads are the methods that change nothing and may be asked again elsewhere.
var reads = map[string]bool{
	"eth_blockNumber": true, "eth_call": true, "eth_chainId": true, "eth_estimateGas": true,
	"eth_feeHistory": true, "eth_gasPrice": true, "eth_getBalance": true, "eth_getBlockByHash": true,
	"eth_getBlockByNumber": true, "eth_getCode": true, "eth_getLogs": true, "eth_getStorageAt": true,
	"eth_getTransactionByHash": true, "eth_getTransactionCount": true, "eth_getTransactionReceipt": true,
	"eth_maxPriorityFeePerGas": true, "eth_simulateV1": true,
}

func allReads(calls []Call) bool {
	for _, c := range calls {
		if !reads[c.Method] {
			return false
		}
	}
	return true
}

// ChainIDCall asks which chain the node is on. Decode with Result.Uint.
func ChainIDCall() Call { return Call{Method: "eth_chainId", Params: []any{}} }

// BalanceCall asks for an account's native currency, in wei. Decode with Result.Big.
func BalanceCall(a asset.Address, at At) Call {
	return Call{Method: "eth_getBalance", Params: []any{a.Lower(), at}}
}

// CodeCall asks for the code deployed at an address. Decode with Result.Bytes;
// no code is an empty slice.
func CodeCall(a asset.Address, at At) Call {
	return Call{Method: "eth_getCode", Params: []any{a.Lower(), at}}
}

// Codes reads the code deployed at addresses at a chain's head, in their order, in one
// round trip; no code is an empty slice.
//
// Errors: what the node's Batch returns, and a node's refusal of one question.
func Codes(ctx context.Context, node Batcher, at ...asset.Address) ([][]byte, error) {
	calls := make([]Call, len(at))
	for i, a := range at {
		calls[i] = CodeCall(a, Latest)
	}
	results, err := node.Batch(ctx, calls)
	if err != nil {
		return nil, err
	}
	codes := make([][]byte, len(results))
	for i, r := range results {
		if codes[i], err = r.Bytes(); err != nil {
			return nil, fmt.Errorf("code of %s: %w", at[i], err)
		}
	}
	return codes, nil
}

// ContractCall executes m and asks for what it returns. Decode with
// Result.Bytes; a revert is an *RPCError with its data.
func ContractCall(m Msg, at At) Call {
	return Call{Method: "eth_call", Params: []any{m.params(), at}}
}

// EstimateGasCall asks how much gas m needs. Decode with Result.Uint.
func EstimateGasCall(m Msg) Call {
	return Call{Method: "eth_estimateGas", Params: []any{m.params()}}
}

// GasPriceCall asks for the going price of gas, base fee and tip together, in
// wei. Decode with Result.Big.
func GasPriceCall() Call { return Call{Method: "eth_gasPrice", Params: []any{}} }

// HeaderCall asks for a block's header. Decode with Result.Header, nil if the
// node has no such block.
func HeaderCall(at At) Call {
	return Call{Method: "eth_getBlockByNumber", Params: []any{at, false}}
}

// LogsCall asks for the logs of the blocks from..to, both included. Decode with
// Result.Logs. A filter without addresses asks for every contract's logs.
func LogsCall(f Filter, from, to uint64) Call {
	p := map[string]any{"fromBlock": quantity(from), "toBlock": quantity(to)}
	if len(f.Addresses) > 0 {
		list := make([]string, len(f.Addresses))
		for i, a := range f.Addresses {
			list[i] = a.Lower()
		}
		p["address"] = list
	}
	if len(f.Topics0) > 0 {
		p["topics"] = []any{f.Topics0}
	}
	return Call{Method: "eth_getLogs", Params: []any{p}}
}

// ReceiptCall asks for a transaction's outcome. Decode with Result.Receipt, nil
// if it is not mined.
func ReceiptCall(tx string) Call {
	return Call{Method: "eth_getTransactionReceipt", Params: []any{tx}}
}

// TransactionCall asks for a transaction. Decode with Result.Transaction, nil
// if the node does not know it.
func TransactionCall(tx string) Call {
	return Call{Method: "eth_getTransactionByHash", Params: []any{tx}}
}

// SimulateCall executes msgs one after the other in one block on top of at,
// each seeing what the ones before did, and asks what would happen, transfers
// of native currency included (eth_simulateV1, traceTransfers). Decode with
// Result.Simulated: one outcome for each msg. Nodes without the method answer
// with an *RPCError that has Unsupported.
func SimulateCall(msgs []Msg, at At) Call {
	calls := make([]any, len(msgs))
	for i, m := range msgs {
		calls[i] = m.params()
	}
	return Call{Method: "eth_simulateV1", Params: []any{
		map[string]any{
			"blockStateCalls": []any{map[string]any{"calls": calls}},
			"traceTransfers":  true,
		}, at,
	}}
}

func (m Msg) params() map[string]any {
	p := map[string]any{"from": m.From.Lower(), "to": m.To.Lower(), "input": "0x" + hex.EncodeToString(m.Data)}
	if m.Value != nil && m.Value.Sign() > 0 {
		p["value"] = "0x" + m.Value.Text(16)
	}
	if m.Gas > 0 {
		p["gas"] = quantity(m.Gas)
	}
	return p
}
