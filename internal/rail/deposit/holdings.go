package deposit

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/multicall"
	"quittance/internal/official"
)

// Holding is what sits on an address at a chain's head.
type Holding struct {
	Address asset.Address
	Nonce   uint64 // transactions it has sent
	Native  *big.Int
	Tokens  []*big.Int // in the order of the question; nil for one that does not answer
}

// Untouched reports whether nobody has ever used the address, as far as the chain's head
// tells: it has sent nothing and holds nothing. Only such an address is given out: its
// merchant's key may be a wallet's that is in use.
func (h Holding) Untouched() bool {
	return h.Nonce == 0 && h.Native.Sign() == 0 && !slices.ContainsFunc(h.Tokens, func(v *big.Int) bool { return v == nil || v.Sign() > 0 })
}

// heldAtOnce bounds the addresses of one round trip: their nonces are a question each.
const heldAtOnce = 50

// Holdings reads what sits on addresses, native currency and tokens: fifty addresses in
// each round trip. It is for giving addresses out and for sweeping them.
//
// Faults: Unavailable "chain_unavailable" if the chain does not answer.
func Holdings(ctx context.Context, node chain.Batcher, contract asset.Address, tokens, addresses []asset.Address) ([]Holding, error) {
	var out []Holding
	for some := range slices.Chunk(addresses, heldAtOnce) {
		held, err := holdings(ctx, node, contract, tokens, some)
		if err != nil {
			return nil, err
		}
		out = append(out, held...)
	}
	return out, nil
}

func holdings(ctx context.Context, node chain.Batcher, contract asset.Address, tokens, addresses []asset.Address) ([]Holding, error) {
	var b multicall.Bundle
	places := make([][]int, len(addresses))
	for i, a := range addresses {
		places[i] = append(places[i], b.Add(contract, multicall.EthBalance(a)))
		for _, t := range tokens {
			places[i] = append(places[i], b.Add(t, official.BalanceOf(a)))
		}
	}
	calls := []chain.Call{chain.ContractCall(chain.Msg{To: contract, Data: b.Encode()}, chain.Latest)}
	for _, a := range addresses {
		calls = append(calls, chain.Call{Method: "eth_getTransactionCount", Params: []any{a.Lower(), chain.Latest}})
	}
	rs, err := node.Batch(ctx, calls)
	if err != nil {
		return nil, err
	}
	data, err := rs[0].Bytes()
	if err != nil {
		return nil, fmt.Errorf("asking what addresses hold: %w", err)
	}
	answers, err := multicall.Decode(data, b.Len())
	if err != nil {
		return nil, fmt.Errorf("what addresses hold: %w", err)
	}
	out := make([]Holding, len(addresses))
	for i, a := range addresses {
		h := Holding{Address: a, Native: answers[places[i][0]].Amount(), Tokens: make([]*big.Int, len(tokens))}
		if h.Nonce, err = rs[i+1].Uint(); err != nil {
			return nil, fmt.Errorf("asking how much %s has sent: %w", a, err)
		}
		if h.Native == nil {
			return nil, fmt.Errorf("no balance of %s", a)
		}
		for j := range tokens {
			h.Tokens[j] = answers[places[i][j+1]].Amount()
		}
		out[i] = h
	}
	return out, nil
}
