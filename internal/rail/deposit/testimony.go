package deposit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/chain"
)

// Kept is what was written down of an address' native currency in one block.
type Kept struct {
	Address asset.Address
	Wei     *big.Int // after the block
	// Money is what counts of what came in the block, by the sightings' keys.
	Money map[string]*big.Int
	// Before is the balance that was written down last before that, after the block with the
	// hash Block; nil if none was: then the address had nothing.
	Before *big.Int
	Block  string
	Sure   bool // others have that balance, too
	// Early tells that it was written down by a version that asked nobody else: once its state
	// is forgotten, nobody can be asked any more, and it counts as it did then.
	Early bool
}

// Testify asks a node whether it has all the native currency that is kept of a block, or as
// much and more: that money was left out is for the turns to find. A node that has another
// block there, or knows its state no longer, is silent.
//
// An error means that the node did not answer, or with nonsense.
func (w *Watcher) Testify(ctx context.Context, by chain.Batcher, b chain.Block, kept []Kept) (chain.Testimony, error) {
	ear := *w
	ear.node = by
	r := &reading{Watcher: &ear, headers: map[uint64]chain.Block{}, wei: map[place]*big.Int{}}
	full, err := r.full(ctx, []uint64{b.Number})
	if errors.Is(err, errMoved) {
		return notYet("it has no block %d", b.Number), nil
	}
	if err != nil {
		return chain.Testimony{}, err
	}
	if full[0].Hash != b.Hash {
		return notYet("its block %d is %s", b.Number, full[0].Hash), nil
	}
	changes := make([]change, len(kept))
	var places []place
	for i, k := range kept {
		changes[i] = change{address: k.Address, block: b, traces: straight(full[0], k.Address)}
		places = append(places, place{b.Hash, k.Address}, place{full[0].Parent, k.Address})
		if k.Before != nil {
			places = append(places, place{k.Block, k.Address})
		}
	}
	of, err := r.outcomes(ctx, changes)
	if errors.Is(err, errMoved) {
		return notYet("it has no receipts of block %d", b.Number), nil
	}
	if err != nil {
		return chain.Testimony{}, err
	}
	if err := r.ask(ctx, places, func(string) bool { return true }); err != nil {
		return chain.Testimony{}, err
	}
	out := chain.Testimony{Word: chain.Affirms}
	for i, k := range kept {
		t, sound := r.weigh(k, changes[i], of, full[0].Parent)
		switch t.Word {
		case chain.Denies:
			return t, nil
		case chain.Silent:
			out.Word, out.Detail = t.Word, t.Detail
		case chain.Affirms:
		}
		if sound {
			out.Balances = append(out.Balances, k.Address)
		}
	}
	return out, nil
}

func silent(format string, args ...any) chain.Testimony {
	return chain.Testimony{Word: chain.Silent, Detail: fmt.Sprintf(format, args...)}
}

// notYet is silent for now.
func notYet(format string, args ...any) chain.Testimony {
	t := silent(format, args...)
	t.Later = true
	return t
}

// straight are the transactions of a block from an address, and straight to it.
func straight(b *chain.FullBlock, a asset.Address) *traces {
	t := &traces{}
	for _, tx := range b.Txs {
		if tx.From == a {
			t.out = append(t.out, tx)
		}
		if tx.To == a {
			t.in = append(t.in, tx)
		}
	}
	return t
}

// weigh holds what counts of one address' money against a node's block and balances. sound
// tells that what comes later may count from the kept balance on: that no less than what
// counted was there or was spent.
func (r *reading) weigh(k Kept, c change, of map[string]outcome, parent string) (t chain.Testimony, sound bool) {
	in, got, spent := c.own(of)
	sent := map[string]*big.Int{}
	for _, tx := range in {
		sent[tx.Hash] = tx.Value
	}
	all, rest := new(big.Int), new(big.Int) // of rest, contracts sent it
	for name, amount := range k.Money {
		from, native := nativeOf(name)
		if !native {
			continue
		}
		all.Add(all, amount)
		if from == c.block.Hash {
			rest.Add(rest, amount)
		} else if value, known := sent[from]; !known || value.Cmp(amount) != 0 {
			return chain.Testimony{Word: chain.Denies, Detail: fmt.Sprintf("no transaction %s of block %d sent %s wei to %s", from, c.block.Number, amount, k.Address)}, false
		}
	}
	after := r.wei[place{c.block.Hash, k.Address}]
	there := after != nil && after.Cmp(k.Wei) >= 0
	// By what is kept, if that is sound so far: all that counts is in the kept balance, or spent.
	base, sure := new(big.Int), true
	if k.Before != nil {
		base, sure = k.Before, k.Sure
	}
	adds := sure && new(big.Int).Sub(new(big.Int).Add(k.Wei, spent), base).Cmp(all) >= 0
	// By the node's own balances: what counts came since the last block that brought something.
	rose := r.rose(k, after, parent)
	came := rose != nil && rose.Add(rose, spent).Sub(rose, got).Cmp(rest) >= 0
	exact := after != nil && after.Cmp(k.Wei) == 0
	switch {
	case rest.Sign() == 0:
		return chain.Testimony{Word: chain.Affirms}, adds || exact
	case adds && there, came:
		return chain.Testimony{Word: chain.Affirms}, adds && there || exact
	case after == nil && k.Early:
		return chain.Testimony{Word: chain.Affirms}, false
	case after == nil:
		return silent("it no longer knows the balances of block %d", c.block.Number), false
	case !there || sure:
		return chain.Testimony{Word: chain.Denies, Detail: fmt.Sprintf("by its balances contracts did not send %s wei to %s in block %d", rest, k.Address, c.block.Number)}, false
	}
	return silent("nobody vouches for what %s had before block %d", k.Address, c.block.Number), false
}

// rose is by how much the node's balance of an address rose in the block, or since the last
// one that brought something if that is more; nil if it cannot tell.
func (r *reading) rose(k Kept, after *big.Int, parent string) (most *big.Int) {
	if after == nil {
		return nil
	}
	if k.Before == nil {
		return new(big.Int).Set(after)
	}
	for _, block := range []string{k.Block, parent} {
		if v, told := r.wei[place{block, k.Address}]; told {
			if by := new(big.Int).Sub(after, v); most == nil || by.Cmp(most) > 0 {
				most = by
			}
		}
	}
	return most
}

// nativeOf is which transaction or block a key of native currency names: see key. Whoever keeps
// it may have added to it.
func nativeOf(name string) (hash string, native bool) {
	parts := strings.SplitN(name, ":", 5)
	if len(parts) < 4 || parts[0] != string(ID) {
		return "", false
	}
	return parts[2], parts[3] == "native" || parts[3] == "rest"
}
