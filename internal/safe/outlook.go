package safe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// View is what a chain shows of a Safe at one block.
type View struct {
	Nonce      uint64
	Executions []Execution // up to that block, oldest first; as far back as one has searched
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

// Search reads what Safes said of their transactions in the blocks from..to,
// oldest first, in one round trip, and the last of these blocks. For a verdict
// that stands, to must be final, and from no later than when the transaction was
// made. One event is as good as the node's word: see Confirm.
//
// Errors: what the node's Batch returns; a node's refusal of one question, an
// *chain.RPCError; and others if the answers make no sense.
func Search(ctx context.Context, node chain.Batcher, from, to uint64, safes ...asset.Address) (chain.Block, []Execution, error) {
	if from > to || len(safes) == 0 {
		return chain.Block{}, nil, fmt.Errorf("blocks %d..%d of %d Safes: %w", from, to, len(safes), errAnswers)
	}
	rs, err := node.Batch(ctx, []chain.Call{chain.HeaderCall(chain.AtBlock(to)), chain.LogsCall(Filter(safes...), from, to)})
	if err != nil {
		return chain.Block{}, nil, fmt.Errorf("searching for a Safe's events: %w", err)
	}
	if len(rs) != 2 {
		return chain.Block{}, nil, errAnswers
	}
	header, err := rs[0].Header()
	logs, logsErr := rs[1].Logs()
	if err = errors.Join(err, logsErr); err != nil {
		return chain.Block{}, nil, fmt.Errorf("searching for a Safe's events: %w", err)
	}
	if header == nil || header.Number != to {
		return chain.Block{}, nil, fmt.Errorf("no block %d: %w", to, errAnswers)
	}
	hashes := map[uint64]string{to: header.Hash}
	for _, l := range logs {
		n := l.Block.Number
		if hash, seen := hashes[n]; !slices.Contains(safes, l.Address) || n < from || n > to || seen && hash != l.Block.Hash {
			return chain.Block{}, nil, fmt.Errorf("a log that was not asked for: %w", errAnswers)
		}
		hashes[n] = l.Block.Hash
	}
	found, err := distinct(logs)
	return header.Block, found, err
}

// distinct decodes logs and brings them into the chain's order: one for a place.
func distinct(logs []chain.Log) ([]Execution, error) {
	var out []Execution
	for _, l := range logs {
		if e, err := DecodeExecution(l); err == nil {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, order)
	out = slices.CompactFunc(out, func(a, b Execution) bool { // nodes repeat themselves
		return order(a, b) == 0 && a.Safe == b.Safe && a.Hash == b.Hash && a.Success == b.Success && a.Tx == b.Tx
	})
	for i := 1; i < len(out); i++ {
		if order(out[i-1], out[i]) == 0 {
			return nil, fmt.Errorf("two logs for one place: %w", errAnswers)
		}
	}
	return out, nil
}

// Nonce asks for a Safe's nonce as of a block, which must be recent: nodes forget.
// What Table.Read returns may be a block newer than it says, which is no matter
// for a page, and one event too few for Judge.
//
// Errors: as Search's; a chain that does not have the block any more is one.
func Nonce(ctx context.Context, node chain.Batcher, safe asset.Address, at chain.Block) (uint64, error) {
	n := chain.AtBlock(at.Number)
	rs, err := node.Batch(ctx, []chain.Call{chain.ContractCall(chain.Msg{To: safe, Data: askNonce}, n), chain.HeaderCall(n)})
	if err != nil {
		return 0, fmt.Errorf("asking for a Safe's nonce: %w", err)
	}
	if len(rs) != 2 {
		return 0, errAnswers
	}
	nonce, err := number(rs[0])
	header, headerErr := rs[1].Header()
	if err = errors.Join(err, headerErr); err != nil {
		return 0, fmt.Errorf("asking for a Safe's nonce: %w", err)
	}
	if header == nil || header.Number != at.Number || header.Hash != at.Hash {
		return 0, fmt.Errorf("block %d is another one: %w", at.Number, errAnswers)
	}
	return nonce, nil
}

// Confirm asks a chain once more for an event that decides something, by its
// block and by the receipt of its transaction, and returns the block's time.
//
// Errors: as Search's; a chain that moved meanwhile is one.
func Confirm(ctx context.Context, node chain.Batcher, e Execution) (time.Time, error) {
	rs, err := node.Batch(ctx, []chain.Call{chain.HeaderCall(chain.AtBlock(e.Block.Number)), chain.ReceiptCall(e.Tx)})
	if err != nil {
		return time.Time{}, fmt.Errorf("confirming a Safe's event: %w", err)
	}
	if len(rs) != 2 {
		return time.Time{}, errAnswers
	}
	header, err := rs[0].Header()
	receipt, receiptErr := rs[1].Receipt()
	if err = errors.Join(err, receiptErr); err != nil {
		return time.Time{}, fmt.Errorf("confirming a Safe's event: %w", err)
	}
	if header == nil || header.Number != e.Block.Number || header.Hash != e.Block.Hash || receipt == nil || receipt.Tx != e.Tx || !receipt.Succeeded || receipt.Block.Hash != e.Block.Hash {
		return time.Time{}, fmt.Errorf("the event of %s is not where it was: %w", e.Tx, errAnswers)
	}
	for _, x := range Executions(e.Safe, receipt.Logs) {
		if x.Index == e.Index && x.Hash == e.Hash && x.Success == e.Success {
			return header.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("the receipt of %s does not have the event: %w", e.Tx, errAnswers)
}
