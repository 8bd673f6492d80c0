package gasless

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/userop"
)

const (
	// lookPatience is how long a look may take, all of its round trips together.
	lookPatience = 25 * time.Second
	// maxStretches bounds the questions for events of one look.
	maxStretches = 40
	// maxBack is how many stretches before the first block are searched for the
	// operation's own event: whoever announces one may have had it executed already.
	maxBack = 4
)

// look is one search for the outcome of an operation.
type look struct {
	c       *sponsoredChain
	account asset.Address
	hash    official.Hash
	nonce   *big.Int

	head chain.Block
	next *big.Int // the account's next nonce at the head, under the operation's key
	// found is what the EntryPoint says of all of the account's operations.
	found  []userop.Outcome
	blocks *chain.Search
}

// Look implements checkout.Gasless. Blocks count as final once the chain's scanner
// has searched them for payments.
//
// While the account's nonce is not past the operation's, nothing can have happened,
// and no block is searched at all.
func (g *Service) Look(ctx context.Context, id asset.ChainID, account asset.Address, hash string, nonce *big.Int, from uint64) (checkout.GaslessSight, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	c, known := g.chains[id]
	h, err := official.ParseHash(hash)
	if err != nil || !known || nonce == nil {
		return checkout.GaslessSight{}, fmt.Errorf("look for operation %q on chain %d: there is nobody to ask, or nothing to ask for", hash, id)
	}
	l := &look{c: c, account: account, hash: h, nonce: nonce, blocks: c.strides.Search(maxStretches)}
	if err := l.see(ctx); err != nil {
		return checkout.GaslessSight{}, err
	}
	final := min(g.final(id), l.head.Number)
	sight := checkout.GaslessSight{Fate: checkout.OpExecutable, Next: from}
	if l.next.Cmp(nonce) <= 0 {
		return l.calm(ctx, sight, final)
	}
	whole, err := l.search(ctx, &sight, final)
	if err != nil {
		return checkout.GaslessSight{}, err
	}
	return l.judge(ctx, sight, from, final, whole)
}

// see reads the head, and the account's nonce there.
func (l *look) see(ctx context.Context) error {
	rs, err := l.c.node.Batch(ctx, []chain.Call{chain.HeaderCall(chain.Latest), userop.NonceCall(l.account, l.nonce, chain.Latest)})
	if err != nil {
		return fmt.Errorf("read a smart account's nonce: %w", err)
	}
	if len(rs) != 2 {
		return fmt.Errorf("chain %d: %d answers to 2 questions", l.c.id, len(rs))
	}
	head, err1 := rs[0].Header()
	next, err2 := official.ReadAmount(rs[1])
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("read a smart account's nonce: %w", err)
	}
	if head == nil {
		return fmt.Errorf("chain %d has no head", l.c.id)
	}
	l.head, l.next = head.Block, next
	return nil
}

// calm goes on without a search. Its time is that of final blocks.
func (l *look) calm(ctx context.Context, sight checkout.GaslessSight, final uint64) (checkout.GaslessSight, error) {
	at, err := l.time(ctx, final)
	if err != nil {
		return checkout.GaslessSight{}, err
	}
	sight.Next, sight.Time, sight.Final = max(sight.Next, final+1), at, true
	return sight, nil
}

func (l *look) time(ctx context.Context, number uint64) (time.Time, error) {
	header, err := chain.Ask(ctx, l.c.node, chain.HeaderCall(chain.AtBlock(number)), chain.Result.Header)
	if err != nil {
		return time.Time{}, fmt.Errorf("read block %d: %w", number, err)
	}
	if header == nil || header.Number != number {
		return time.Time{}, fmt.Errorf("the node has no block %d", number)
	}
	return header.Time, nil
}

// search reads the account's events of all final blocks from where one left off, and
// then those of the blocks above them. It reports whether it came to the head. That
// the last blocks could not be read is no reason to forget the others.
func (l *look) search(ctx context.Context, sight *checkout.GaslessSight, final uint64) (bool, error) {
	for sight.Next <= final {
		if l.blocks.Spent() {
			return false, nil
		}
		to, err := l.stretch(ctx, sight.Next, final)
		if err != nil {
			if len(l.found) > 0 {
				return false, nil
			}
			return false, err
		}
		sight.Next = to + 1
	}
	for next := max(sight.Next, final+1); next <= l.head.Number; {
		to, err := l.stretch(ctx, next, l.head.Number)
		if err != nil {
			return false, nil
		}
		next = to + 1
	}
	return true, nil
}

// stretch searches as many blocks as the node answers for, from one on, and returns
// the last.
func (l *look) stretch(ctx context.Context, from, last uint64) (uint64, error) {
	return l.blocks.Stretch(ctx, from, last, func(from, to uint64) error {
		logs, err := chain.Ask(ctx, l.c.node, userop.LogsCall(l.account, from, to), chain.Result.Logs)
		if err != nil {
			return err
		}
		for _, o := range userop.Outcomes(logs) {
			if o.Sender == l.account && o.Block.Number >= from && o.Block.Number <= to {
				l.found = append(l.found, o)
			}
		}
		return nil
	})
}

// judge says what the events mean: the operation's own decides, else one of the same
// account that came at its nonce or behind it.
func (l *look) judge(ctx context.Context, sight checkout.GaslessSight, from, final uint64, whole bool) (checkout.GaslessSight, error) {
	own, other := l.deciding()
	if own == nil && whole {
		if err := l.back(ctx, from); err != nil {
			return checkout.GaslessSight{}, err
		}
		own, other = l.deciding()
	}
	switch {
	case own != nil:
		return l.outcome(ctx, sight, *own, final)
	case !whole:
		return l.timed(ctx, sight, final) // the rest of the blocks may have its event
	case other != nil:
		at, err := l.confirm(ctx, *other)
		if err != nil {
			return l.later(ctx, sight, other.Block.Number, final, err)
		}
		sight.Fate, sight.At, sight.Final = checkout.OpReplaced, at, other.Block.Number <= final
		if other.Nonce.Cmp(l.nonce) == 0 {
			sight.Tx = other.Tx
		}
		return l.timed(ctx, sight, final)
	}
	// Its nonce was used without an operation: owners can have the EntryPoint count on.
	sight.Fate = checkout.OpReplaced
	next, err := chain.Ask(ctx, l.c.node, userop.NonceCall(l.account, l.nonce, chain.AtBlock(final)), official.ReadAmount)
	sight.Final = err == nil && next.Cmp(l.nonce) > 0
	return l.timed(ctx, sight, final)
}

// deciding picks the operation's own event, or the earliest of another that cannot
// have come before it.
func (l *look) deciding() (own, other *userop.Outcome) {
	key := func(n *big.Int) *big.Int { return new(big.Int).Rsh(n, 64) }
	for i, o := range l.found {
		switch {
		case o.Hash == l.hash:
			return &l.found[i], nil
		case key(o.Nonce).Cmp(key(l.nonce)) == 0 && o.Nonce.Cmp(l.nonce) >= 0 && (other == nil || o.Block.Number < other.Block.Number):
			other = &l.found[i]
		}
	}
	return nil, other
}

// back searches before the first block: whoever announces an operation may have had
// it executed already.
func (l *look) back(ctx context.Context, from uint64) error {
	for range maxBack {
		if from == 0 || l.blocks.Spent() {
			return nil
		}
		if own, _ := l.deciding(); own != nil {
			return nil
		}
		first := from - min(from, l.blocks.Width())
		for next := first; next < from; {
			to, err := l.stretch(ctx, next, from-1)
			if errors.Is(err, chain.ErrSpent) {
				return nil
			}
			if err != nil {
				return err
			}
			next = to + 1
		}
		from = first
	}
	return nil
}

// outcome confirms what decided and puts it into the checkout's words.
func (l *look) outcome(ctx context.Context, sight checkout.GaslessSight, o userop.Outcome, final uint64) (checkout.GaslessSight, error) {
	at, err := l.confirm(ctx, o)
	if err != nil {
		return l.later(ctx, sight, o.Block.Number, final, err)
	}
	sight.Fate, sight.Tx, sight.At, sight.Final, sight.Cost = checkout.OpSucceeded, o.Tx, at, o.Block.Number <= final, o.GasCost
	if !o.Success {
		sight.Fate, sight.Why = checkout.OpFailed, o.Why()
	}
	return l.timed(ctx, sight, final)
}

// later is what is seen if an event could not be confirmed: above the final blocks it
// will be told again, and then for good.
func (l *look) later(ctx context.Context, sight checkout.GaslessSight, block, final uint64, err error) (checkout.GaslessSight, error) {
	if block > final {
		return l.timed(ctx, sight, final)
	}
	return checkout.GaslessSight{}, err
}

// timed fills in how far time has come in the final blocks that were searched.
func (l *look) timed(ctx context.Context, sight checkout.GaslessSight, final uint64) (checkout.GaslessSight, error) {
	searched := final
	if sight.Next > 0 {
		searched = min(final, sight.Next-1)
	}
	at, err := l.time(ctx, searched)
	if err != nil {
		return checkout.GaslessSight{}, err
	}
	sight.Time = at
	return sight, nil
}

// confirm looks whether an event stands in the receipt of its transaction, and that in
// its block, and returns the block's time.
func (l *look) confirm(ctx context.Context, o userop.Outcome) (time.Time, error) {
	rs, err := l.c.node.Batch(ctx, []chain.Call{chain.HeaderCall(chain.AtBlock(o.Block.Number)), chain.ReceiptCall(o.Tx)})
	if err != nil {
		return time.Time{}, fmt.Errorf("confirm an operation's event: %w", err)
	}
	if len(rs) != 2 {
		return time.Time{}, fmt.Errorf("chain %d: %d answers to 2 questions", l.c.id, len(rs))
	}
	header, err1 := rs[0].Header()
	receipt, err2 := rs[1].Receipt()
	if err := errors.Join(err1, err2); err != nil {
		return time.Time{}, fmt.Errorf("confirm an operation's event: %w", err)
	}
	if header == nil || header.Hash != o.Block.Hash || receipt == nil || receipt.Tx != o.Tx || !receipt.Succeeded || receipt.Block.Hash != o.Block.Hash {
		return time.Time{}, fmt.Errorf("the event of %s is not where it was", o.Tx)
	}
	for _, x := range userop.Outcomes(receipt.Logs) {
		if x.Hash == o.Hash && x.Index == o.Index && x.Success == o.Success {
			return header.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("the receipt of %s does not have the event", o.Tx)
}
