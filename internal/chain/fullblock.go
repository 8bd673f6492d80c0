package chain

import (
	"encoding/json"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// FullBlock is a block with its transactions.
type FullBlock struct {
	Header
	Txs []BlockTx // in the order of the block
	// Named are accounts that the block's own fields name: who gets its fees, and the
	// receivers of withdrawals (EIP-4895).
	Named []asset.Address
}

// BlockTx is what this package reads of a transaction in a block. It is less than a
// Transaction: chains have kinds of their own, which leave fields out.
type BlockTx struct {
	Hash  string
	From  asset.Address
	To    asset.Address // zero if it creates a contract
	Data  []byte
	Value *big.Int // wei; that it was moved, the receipt tells
}

// FullBlockCall asks for a block with its transactions. Decode with Result.FullBlock,
// nil if the node has no such block.
func FullBlockCall(at At) Call {
	return Call{Method: "eth_getBlockByNumber", Params: []any{at, true}}
}

// ContractCallIn is ContractCall on top of one certain block, named by its hash, which
// must be on the node's chain (EIP-1898): what it answers is of no other block. Decode
// with Result.Bytes.
func ContractCallIn(m Msg, hash string) Call {
	return Call{Method: "eth_call", Params: []any{m.params(), map[string]any{"blockHash": hash, "requireCanonical": true}}}
}

type wireFullBlock struct {
	wireHeader
	Miner       *string       `json:"miner"`
	Txs         []wireBlockTx `json:"transactions"`
	Withdrawals []struct {
		Address string `json:"address"`
	} `json:"withdrawals"`
}

type wireBlockTx struct {
	Hash      string  `json:"hash"`
	BlockHash string  `json:"blockHash"`
	From      string  `json:"from"`
	To        *string `json:"to"`
	Input     string  `json:"input"`
	Value     string  `json:"value"`
}

// FullBlock decodes a block with its transactions, nil if the node has no such block.
func (r Result) FullBlock() (*FullBlock, error) {
	if null, err := r.null(); null || err != nil {
		return nil, err
	}
	var w wireFullBlock
	if err := json.Unmarshal(r.Raw, &w); err != nil {
		return nil, fmt.Errorf("block: %w", errHex)
	}
	if w.Txs == nil {
		return nil, fmt.Errorf("block: transactions: %w", errNull) // not there is not "there are none"
	}
	h, err := r.Header()
	if err != nil {
		return nil, err
	}
	var d decoder
	b := &FullBlock{Header: *h, Txs: make([]BlockTx, len(w.Txs))}
	for i, t := range w.Txs {
		b.Txs[i] = BlockTx{
			Hash: d.hash("hash", t.Hash), From: d.address("from", t.From), To: d.optional("to", t.To),
			Data: d.bytes("input", t.Input), Value: d.big("value", t.Value),
		}
		if d.hash("blockHash", t.BlockHash) != h.Hash {
			d.fail("blockHash", errHex)
		}
	}
	if w.Miner != nil {
		b.Named = append(b.Named, d.address("miner", *w.Miner))
	}
	for _, x := range w.Withdrawals {
		b.Named = append(b.Named, d.address("withdrawals", x.Address))
	}
	if d.err != nil {
		return nil, fmt.Errorf("block: %w", d.err)
	}
	return b, nil
}

type wireFee struct {
	GasUsed      string  `json:"gasUsed"`
	GasPrice     *string `json:"effectiveGasPrice"`
	BlobGasUsed  *string `json:"blobGasUsed"`
	BlobGasPrice *string `json:"blobGasPrice"`
	L1Fee        *string `json:"l1Fee"`
}

// Fee decodes, from the answer to ReceiptCall, what the sender paid for the
// transaction beside its value, in wei: gas, blobs (EIP-4844) and what rollups of the
// OP Stack take for the chain below. It is never too much; a chain may take more, by
// rules of its own. An answer of null is an error.
func (r Result) Fee() (*big.Int, error) {
	if null, err := r.null(); null || err != nil {
		if err == nil {
			err = errNull
		}
		return nil, fmt.Errorf("receipt: %w", err)
	}
	var w wireFee
	if err := json.Unmarshal(r.Raw, &w); err != nil {
		return nil, fmt.Errorf("receipt: %w", errHex)
	}
	var d decoder
	product := func(name string, a, b *string) *big.Int {
		if a == nil || b == nil {
			return new(big.Int)
		}
		x, y := d.big(name, *a), d.big(name, *b)
		if d.err != nil {
			return new(big.Int)
		}
		return x.Mul(x, y)
	}
	fee := product("effectiveGasPrice", &w.GasUsed, w.GasPrice)
	fee.Add(fee, product("blobGasPrice", w.BlobGasUsed, w.BlobGasPrice))
	if w.L1Fee != nil {
		if v := d.big("l1Fee", *w.L1Fee); v != nil {
			fee.Add(fee, v)
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("receipt: %w", d.err)
	}
	return fee, nil
}
