package deposit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/multicall"
)

// The limits of asking for balances. A call of 1000 takes some six million gas; nodes
// allow fifty. It is half a megabyte of calldata in hex.
const (
	balancesPerCall = 1000
	callsAtOnce     = 4
)

// errNoState is a node that no longer has the balances of a block.
var errNoState = errors.New("the node does not have the block's state")

// ask fills in the balances of places, each block's in as few calls as can be. Places
// that are known are not asked for again. Blocks for which may returns true may be
// missing from what nodes keep; their places then stay unknown.
func (r *reading) ask(ctx context.Context, places []place, may func(block string) bool) error {
	byBlock := map[string][]asset.Address{}
	var order []string
	for _, p := range places {
		if _, known := r.wei[p]; known {
			continue
		}
		if byBlock[p.block] == nil {
			order = append(order, p.block)
		}
		byBlock[p.block] = append(byBlock[p.block], p.address)
	}
	var questions []question
	for _, block := range order {
		for some := range slices.Chunk(byBlock[block], balancesPerCall) {
			questions = append(questions, r.question(block, some))
		}
	}
	for some := range slices.Chunk(questions, callsAtOnce) {
		calls := make([]chain.Call, len(some))
		for i, q := range some {
			calls[i] = q.call
		}
		rs, err := r.node.Batch(ctx, calls)
		if err != nil {
			return fmt.Errorf("asking for balances: %w", err)
		}
		for i, q := range some {
			err := r.take(q, rs[i])
			if errors.Is(err, errNoState) && may(q.block) {
				continue
			}
			if err != nil {
				return fmt.Errorf("asking for balances at block %s: %w", q.block, err)
			}
		}
	}
	return nil
}

// question asks for the balances of some addresses at one block.
type question struct {
	block  string
	of     []asset.Address
	places []int // of each address' answer
	n      int
	call   chain.Call
}

func (r *reading) question(block string, of []asset.Address) question {
	q := question{block: block, of: of, places: make([]int, len(of))}
	var b multicall.Bundle
	for i, a := range of {
		q.places[i] = b.Add(r.multicall, multicall.EthBalance(a))
	}
	q.n = b.Len()
	q.call = chain.ContractCallIn(chain.Msg{To: r.multicall, Data: b.Encode()}, block)
	return q
}

func (r *reading) take(q question, answer chain.Result) error {
	data, err := answer.Bytes()
	if _, refused := chain.AsRPC(err); refused {
		return fmt.Errorf("%w: %w", errNoState, err)
	}
	if err != nil {
		return err
	}
	answers, err := multicall.Decode(data, q.n)
	if err != nil {
		return err
	}
	wei := make([]*big.Int, len(q.of))
	for i, at := range q.places {
		if wei[i] = answers[at].Amount(); wei[i] == nil {
			return fmt.Errorf("no balance of %s", q.of[i])
		}
	}
	for i, a := range q.of {
		r.wei[place{q.block, a}] = wei[i]
	}
	return nil
}

// header returns blocks of the chain by their numbers.
func (r *reading) header(ctx context.Context, numbers []uint64) error {
	slices.Sort(numbers)
	numbers = slices.DeleteFunc(slices.Compact(numbers), func(n uint64) bool {
		_, known := r.headers[n]
		return known
	})
	for some := range slices.Chunk(numbers, headersAtOnce) {
		calls := make([]chain.Call, len(some))
		for i, n := range some {
			calls[i] = chain.HeaderCall(chain.AtBlock(n))
		}
		rs, err := r.node.Batch(ctx, calls)
		if err != nil {
			return fmt.Errorf("reading headers: %w", err)
		}
		for i, n := range some {
			h, err := rs[i].Header()
			switch {
			case err != nil:
				return fmt.Errorf("reading block %d: %w", n, err)
			case h == nil || h.Number != n:
				return fmt.Errorf("%w: there is no block %d", errMoved, n)
			}
			r.headers[n] = h.Block
		}
	}
	return nil
}

const headersAtOnce = 32
