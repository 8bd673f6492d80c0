package multisig

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/safe"
)

// look is one search for the outcome of a Safe transaction.
type look struct {
	safes *Safes
	id    asset.ChainID
	node  chain.Batcher
	among []asset.Address
	hash  official.Hash
	nonce *uint64

	head    chain.Block
	account *safe.Account // of the only one; nil if there are several or it could not be read
	found   []safe.Execution
	blocks  *chain.Search
}

const (
	// maxStretches bounds the questions for events of one look.
	maxStretches = 40
	// maxBack is how many stretches before the first block are searched for what
	// used a nonce up, if it is none of the events since: whoever announces a
	// transaction may have executed it already.
	maxBack = 4
)

// Look implements checkout.Safes. Blocks count as final once the chain's scanner
// has searched them for payments.
//
// While the Safe's nonce is not past the transaction's, nothing can have
// happened, and no block is searched at all.
func (s *Safes) Look(ctx context.Context, id asset.ChainID, among []asset.Address, hash string, nonce *uint64, from uint64) (checkout.SafeSight, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	l, err := s.look(id, among, hash)
	if err != nil {
		return checkout.SafeSight{}, err
	}
	l.nonce = nonce
	if err := l.see(ctx); err != nil {
		return checkout.SafeSight{}, err
	}
	sight := checkout.SafeSight{SafeOutcome: checkout.SafeOutcome{Fate: checkout.SafeWaiting}, Next: from}
	if l.account != nil {
		sight.Nonce, sight.Owners, sight.Threshold = &l.account.Nonce, l.account.Owners, l.account.Threshold
	}
	final := min(s.final(id), l.head.Number)
	if l.account != nil && nonce != nil && l.account.Nonce <= *nonce {
		return l.calm(ctx, sight, final)
	}
	if err := l.search(ctx, &sight, final); err != nil {
		return checkout.SafeSight{}, err
	}
	return l.judge(ctx, sight, from, final)
}

func (s *Safes) look(id asset.ChainID, among []asset.Address, hash string) (*look, error) {
	h, err := official.ParseHash(hash)
	if err != nil {
		return nil, fmt.Errorf("look for a Safe transaction: %w", err)
	}
	node, known := s.nodes[id]
	if !known || len(among) == 0 {
		return nil, fmt.Errorf("look for a Safe transaction of %d accounts on chain %d: there is nobody to ask", len(among), id)
	}
	return &look{safes: s, id: id, node: node, among: among, hash: h, blocks: s.strides[id].Search(maxStretches)}, nil
}

// see reads the head, and the account as it stands there.
func (l *look) see(ctx context.Context) error {
	if len(l.among) == 1 {
		a, err := l.safes.table.Read(ctx, l.node, l.id, l.among[0])
		if err == nil {
			l.account, l.head = a, a.Block
			return nil
		}
		// A Safe that its owners changed to other code still has its events.
		if !errors.Is(err, safe.ErrNoContract) && !errors.Is(err, safe.ErrNotSafe) && !errors.Is(err, safe.ErrVersion) {
			return err
		}
	}
	head, err := chain.Ask(ctx, l.node, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err != nil {
		return fmt.Errorf("read the head of chain %d: %w", l.id, err)
	}
	if head == nil {
		return fmt.Errorf("chain %d has no head", l.id)
	}
	l.head = head.Block
	return nil
}

// calm goes on without a search.
func (l *look) calm(ctx context.Context, sight checkout.SafeSight, final uint64) (checkout.SafeSight, error) {
	if final < sight.Next {
		return sight, nil
	}
	header, err := chain.Ask(ctx, l.node, chain.HeaderCall(chain.AtBlock(final)), chain.Result.Header)
	if err != nil {
		return sight, fmt.Errorf("read block %d: %w", final, err)
	}
	if header == nil || header.Number != final {
		return sight, fmt.Errorf("the node has no block %d", final)
	}
	sight.Next, sight.Time = final+1, header.Time
	return sight, nil
}

// search reads the events of all final blocks from where one left off, and then
// those of the blocks above them. That the latter could not be read is no reason
// to forget the former.
func (l *look) search(ctx context.Context, sight *checkout.SafeSight, final uint64) error {
	for sight.Next <= final && !l.blocks.Spent() {
		block, found, err := l.stretch(ctx, sight.Next, final)
		if err != nil {
			if len(l.found) > 0 || !sight.Time.IsZero() {
				break
			}
			return err
		}
		l.found = append(l.found, found...)
		sight.Next, sight.Time = block.Number+1, block.Time
	}
	sight.More = sight.Next <= final
	if sight.More {
		l.account = nil // its nonce says nothing of a part of its events
		return nil
	}
	for next := max(sight.Next, final+1); next <= l.head.Number; {
		block, found, err := l.stretch(ctx, next, l.head.Number)
		if err != nil || block.Number == l.head.Number && block.Hash != l.head.Hash {
			l.account = nil
			return nil
		}
		l.found = append(l.found, found...)
		next = block.Number + 1
	}
	return nil
}

// stretch searches as many blocks as the node answers for, from one on.
func (l *look) stretch(ctx context.Context, from, last uint64) (block chain.Block, found []safe.Execution, err error) {
	_, err = l.blocks.Stretch(ctx, from, last, func(from, to uint64) error {
		block, found, err = safe.Search(ctx, l.node, from, to, l.among...)
		return err
	})
	return block, found, err
}

// judge says what the events mean.
func (l *look) judge(ctx context.Context, sight checkout.SafeSight, from, final uint64) (checkout.SafeSight, error) {
	if err := l.doubt(ctx); err != nil {
		return checkout.SafeSight{}, err
	}
	view, nonce := safe.View{Executions: l.found}, l.nonce
	if l.account == nil {
		nonce = nil
	}
	if nonce != nil {
		var err error
		if view.Nonce, err = safe.Nonce(ctx, l.node, l.account.Address, l.head); err != nil {
			nonce = nil // then only its own event is an outcome
		}
	}
	verdict := safe.Judge(l.hash, nonce, view)
	if verdict.Fate == safe.Untold && nonce != nil {
		var err error
		if verdict, err = l.back(ctx, from, view); err != nil {
			return checkout.SafeSight{}, err
		}
	}
	if verdict.Event == nil {
		return sight, nil
	}
	out, err := l.outcome(ctx, verdict, final)
	switch {
	case err != nil && verdict.Event.Block.Number > final:
		return sight, nil // it will be told again, and then for good
	case err != nil:
		return checkout.SafeSight{}, err
	case out.Final:
		sight.SafeOutcome = out
	default:
		sight.Ahead = &out
	}
	return sight, nil
}

// back searches before the first block for what used the nonce up.
func (l *look) back(ctx context.Context, from uint64, view safe.View) (safe.Outlook, error) {
	verdict := safe.Outlook{Fate: safe.Untold}
	for range maxBack {
		if from == 0 || verdict.Fate != safe.Untold {
			break
		}
		first := from - min(from, l.blocks.Width())
		var earlier []safe.Execution
		for next := first; next < from; {
			block, found, err := l.stretch(ctx, next, from-1)
			if errors.Is(err, chain.ErrSpent) {
				return verdict, nil
			}
			if err != nil {
				return verdict, err
			}
			earlier, next = append(earlier, found...), block.Number+1
		}
		from, view.Executions = first, slices.Concat(earlier, view.Executions)
		verdict = safe.Judge(l.hash, l.nonce, view)
	}
	return verdict, nil
}

// outcome confirms what decided and puts it into the checkout's words.
func (l *look) outcome(ctx context.Context, v safe.Outlook, final uint64) (checkout.SafeOutcome, error) {
	at, err := safe.Confirm(ctx, l.node, *v.Event)
	if err != nil {
		return checkout.SafeOutcome{}, err
	}
	fates := map[safe.Fate]checkout.SafeFate{safe.Succeeded: checkout.SafeExecuted, safe.Failed: checkout.SafeFailed, safe.Replaced: checkout.SafeReplaced}
	return checkout.SafeOutcome{Fate: fates[v.Fate], Account: v.Event.Safe, Tx: v.Event.Tx, At: at, Final: v.Event.Block.Number <= final}, nil
}

// maxDoubts is how many transactions of one look are asked for a proof.
const maxDoubts = 20

// doubt drops outcomes that only one of several accounts says and cannot prove. A
// hash belongs to one Safe, and the owners of another can have theirs say anything: a
// success that is none would have the payment made again while the Safe that is meant
// can still execute it.
func (l *look) doubt(ctx context.Context) error {
	if len(l.among) == 1 {
		return nil
	}
	type said struct {
		safe asset.Address
		tx   string
	}
	known := map[said]bool{} // by a delegatecall one transaction says it any number of times
	kept := l.found[:0]
	for _, e := range l.found {
		if e.Hash == l.hash {
			by := said{e.Safe, e.Tx}
			if _, asked := known[by]; !asked && len(known) < maxDoubts {
				proven, err := l.proves(ctx, e)
				if err != nil {
					return err
				}
				known[by] = proven
			}
			if !known[by] {
				continue
			}
		}
		kept = append(kept, e)
	}
	l.found = kept
	return nil
}

// maxNonces is how many of a Safe's transactions may have come since.
const maxNonces = 100

// proves computes the hash of what a transaction has a Safe execute. The nonce is
// not part of it, so those that it may have had are tried.
func (l *look) proves(ctx context.Context, e safe.Execution) (bool, error) {
	sent, err := chain.Ask(ctx, l.node, chain.TransactionCall(e.Tx), chain.Result.Transaction)
	if err != nil {
		return false, fmt.Errorf("read the transaction of a Safe's event: %w", err)
	}
	if sent == nil || sent.Hash != e.Tx || sent.To != e.Safe {
		return false, nil
	}
	tx, _, err := safe.DecodeExec(sent.Data)
	if err != nil {
		return false, nil
	}
	account, err := l.safes.table.Read(ctx, l.node, l.id, e.Safe)
	if err != nil {
		return false, err
	}
	hashes, err := tx.PastHashes(l.id, e.Safe, account.Nonce, maxNonces)
	return err == nil && hashes[l.hash], nil
}

// Outcome implements checkout.Safes.
func (s *Safes) Outcome(ctx context.Context, id asset.ChainID, among []asset.Address, hash, tx string) (*checkout.SafeOutcome, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	l, err := s.look(id, among, hash)
	if err != nil {
		return nil, err
	}
	receipt, err := chain.Ask(ctx, l.node, chain.ReceiptCall(tx), chain.Result.Receipt)
	if err != nil {
		return nil, fmt.Errorf("read the receipt of a Safe transaction: %w", err)
	}
	if receipt == nil {
		return nil, nil
	}
	for _, a := range among {
		l.found = append(l.found, safe.Executions(a, receipt.Logs)...)
	}
	if err := l.doubt(ctx); err != nil {
		return nil, err
	}
	verdict := safe.Judge(l.hash, nil, safe.View{Executions: l.found})
	if verdict.Event == nil {
		return nil, nil
	}
	if verdict.Event.Tx != receipt.Tx || receipt.Tx != tx {
		return nil, errors.New("the node answered with another transaction")
	}
	out, err := l.outcome(ctx, verdict, s.final(id))
	if err != nil {
		return nil, err
	}
	return &out, nil
}
