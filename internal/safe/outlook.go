package safe

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// View is what a chain shows of a Safe at one block.
type View struct {
	Safe       asset.Address
	From       uint64      // the first block that was searched
	Block      chain.Block // the last, and the one Nonce is of
	Nonce      uint64
	Executions []Execution // oldest first
}

// Join returns the view of this view's blocks and the next one's, which must
// begin where this one ends: nodes bound how many blocks they search at once.
func (v View) Join(next View) (View, error) {
	if next.Safe != v.Safe || next.From != v.Block.Number+1 || next.Nonce < v.Nonce {
		return View{}, fmt.Errorf("blocks %d..%d and %d..%d of a Safe: %w", v.From, v.Block.Number, next.From, next.Block.Number, errAnswers)
	}
	v.Block, v.Nonce, v.Executions = next.Block, next.Nonce, slices.Concat(v.Executions, next.Executions)
	return v, nil
}

// Fate says what will become, or became, of a Safe transaction.
type Fate string

// The fates.
const (
	Executable Fate = "executable" // it can still be executed
	Succeeded  Fate = "succeeded"
	Failed     Fate = "failed"   // its call failed and its nonce is used up
	Replaced   Fate = "replaced" // another one used its nonce
	Untold     Fate = "untold"   // it was not seen, and the view does not show all that it would have to
)

// Outlook is a fate and the event that decided it.
type Outlook struct {
	Fate  Fate
	Event *Execution // its own, or for Replaced the one that took its place; nil for the others
}

// Judge says what a view means for a transaction. nonce is nil if only the hash
// is known: replacement cannot be told then.
//
// Each execution uses one nonce and emits one event. So a Safe that is k nonces
// further must have emitted k events since, ours or another first among them;
// a view that has fewer misses some, and proves nothing. All this is as sure as
// the view's block, and only while the Safe's owners do not rewrite its storage
// or its events by a delegatecall: see the package's comment.
func Judge(hash official.Hash, nonce *uint64, v View) Outlook {
	var own *Execution
	for i := range v.Executions {
		// What forges an event cannot undo a success that was there.
		if e := &v.Executions[i]; e.Hash == hash && (own == nil || e.Success && !own.Success) {
			own = e
		}
	}
	switch {
	case own != nil && own.Success:
		return Outlook{Succeeded, own}
	case own != nil:
		return Outlook{Failed, own}
	case nonce == nil:
		return Outlook{Untold, nil}
	case v.Nonce <= *nonce:
		return Outlook{Executable, nil}
	}
	since := v.Nonce - *nonce
	if since > uint64(len(v.Executions)) {
		return Outlook{Untold, nil}
	}
	return Outlook{Replaced, &v.Executions[uint64(len(v.Executions))-since]}
}

// Look reads a view of the blocks from..to in one round trip. For a verdict that
// stands, to must be final, and from no later than when the transaction was
// made; View.Join puts longer views together. Whoever follows a chain with Filter
// and Executions anyway needs none of this but the nonce.
//
// Errors: what the node's Batch returns; a node's refusal of one question; and
// others if the answers make no sense.
func Look(ctx context.Context, node chain.Batcher, safe asset.Address, from, to uint64) (View, error) {
	at := chain.AtBlock(to)
	rs, err := node.Batch(ctx, []chain.Call{
		chain.HeaderCall(at),
		chain.ContractCall(chain.Msg{To: safe, Data: askNonce}, at),
		chain.LogsCall(Filter(safe), from, to),
	})
	if err != nil {
		return View{}, fmt.Errorf("looking at a Safe: %w", err)
	}
	if len(rs) != 3 || from > to {
		return View{}, errAnswers
	}
	header, err := rs[0].Header()
	nonce, nonceErr := number(rs[1])
	logs, logsErr := rs[2].Logs()
	if err = errors.Join(err, nonceErr, logsErr); err != nil {
		return View{}, fmt.Errorf("looking at a Safe: %w", err)
	}
	if header == nil || header.Number != to {
		return View{}, fmt.Errorf("no block %d: %w", to, errAnswers)
	}
	for _, l := range logs {
		n := l.Block.Number
		if l.Address != safe || n < from || n > to || n == to && l.Block.Hash != header.Hash {
			return View{}, fmt.Errorf("a log that was not asked for: %w", errAnswers)
		}
	}
	return View{Safe: safe, From: from, Block: header.Block, Nonce: nonce, Executions: Executions(safe, logs)}, nil
}
