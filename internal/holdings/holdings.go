// Package holdings reads what wallets hold: native currency, balances and
// allowances of one chain in one question to Multicall3. It implements
// checkout.Wallets. It knows the contract's calldata and no payment, and keeps
// nothing: what a wallet held a moment ago is not what it holds.
package holdings

import (
	"context"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/multicall"
	"quittance/internal/official"
)

// Reader reads wallets over the chains' nodes. It is safe for concurrent use.
type Reader struct {
	nodes    map[asset.ChainID]chain.Batcher
	registry *official.Registry
}

var _ checkout.Wallets = (*Reader)(nil)

// New returns a Reader for the chains of these nodes, through the Multicall3
// that the registry names. It asks nobody; nodes must not change afterwards.
func New(nodes map[asset.ChainID]chain.Batcher, registry *official.Registry) *Reader {
	return &Reader{nodes: nodes, registry: registry}
}

// Holdings asks a chain once: one eth_call of aggregate3 at its head. A token
// that refuses, or says something that is no amount, holds nil; equal questions
// are asked once and share their answer.
//
// Faults: Unavailable "chain_unavailable" if the chain does not answer. Other
// errors: a chain that is not configured or has no Multicall3, a token of another
// chain, and an answer that is not one.
func (r *Reader) Holdings(ctx context.Context, wallet asset.Address, id asset.ChainID, questions []checkout.HoldingQuestion) (checkout.Holdings, error) {
	node, ok := r.nodes[id]
	if !ok {
		return checkout.Holdings{}, fmt.Errorf("chain %d is not configured", id)
	}
	contract, ok := r.registry.Contract(id, official.Multicall3)
	if !ok {
		return checkout.Holdings{}, fmt.Errorf("chain %d has no Multicall3", id)
	}
	var b multicall.Bundle
	native := b.Add(contract.Address, multicall.EthBalance(wallet))
	type places struct{ balance, allowance int }
	at := make([]places, len(questions))
	for i, q := range questions {
		if q.Token.Chain != id || q.Token.Native {
			return checkout.Holdings{}, fmt.Errorf("%s is no token contract of chain %d", q.Token.ID, id)
		}
		at[i] = places{b.Add(q.Token.Address, official.BalanceOf(wallet)), -1}
		if !q.Spender.IsZero() {
			at[i].allowance = b.Add(q.Token.Address, official.Allowance(wallet, q.Spender))
		}
	}
	call := chain.ContractCall(chain.Msg{To: contract.Address, Data: b.Encode()}, chain.Latest)
	data, err := chain.Ask(ctx, node, call, chain.Result.Bytes)
	if err != nil {
		return checkout.Holdings{}, fmt.Errorf("asking chain %d what a wallet holds: %w", id, err)
	}
	answers, err := multicall.Decode(data, b.Len())
	if err != nil {
		return checkout.Holdings{}, fmt.Errorf("what chain %d says of a wallet: %w", id, err)
	}
	held := checkout.Holdings{Native: answers[native].Amount(), Tokens: make([]checkout.TokenHolding, len(questions))}
	if held.Native == nil {
		return checkout.Holdings{}, fmt.Errorf("what chain %d says of a wallet: no native balance", id)
	}
	for i, p := range at {
		held.Tokens[i].Balance = answers[p.balance].Amount()
		if p.allowance >= 0 {
			held.Tokens[i].Allowance = answers[p.allowance].Amount()
		}
	}
	return held, nil
}
