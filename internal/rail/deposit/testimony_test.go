package deposit_test

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/rail/deposit"
	"quittance/internal/rail/deposit/deposittest"
)

// row is what was told of one address' native money in one block.
type row struct {
	block chain.Block
	wei   *big.Int
	money map[string]*big.Int
}

// told is what the books have of an address, on the chain as it is.
func (w *world) told(a asset.Address) (rows []row) {
	for _, n := range slices.Sorted(maps.Keys(w.books.balances[a])) {
		b := w.books.balances[a][n]
		if n >= uint64(len(w.sim.Blocks)) || w.sim.Blocks[n].Hash != b.BlockHash {
			continue
		}
		r := row{w.sim.Blocks[n].Block(), b.Wei, map[string]*big.Int{}}
		for _, x := range w.books.sightings {
			if x.To == a && x.Evidence.BlockHash == b.BlockHash && x.Token.IsZero() {
				r.money[x.Key+":"+x.Handle] = x.Amount
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// affirmed is what counts of what was told of an address by the word of an honest node.
func (w *world) affirmed(a asset.Address, rows []row, spoken func(row, chain.Testimony)) (wei int64) {
	var before *row
	sure := true
	for _, r := range rows {
		k := deposit.Kept{Address: a, Wei: r.wei, Money: r.money, Sure: sure}
		if before != nil {
			k.Before, k.Block = before.wei, before.block.Hash
		}
		said, err := w.watcher.Testify(context.Background(), w.sim, r.block, []deposit.Kept{k})
		if err != nil {
			w.t.Fatalf("asking about block %d: %v", r.block.Number, err)
		}
		spoken(r, said)
		if said.Word == chain.Affirms {
			for _, amount := range r.money {
				wei += amount.Int64()
			}
		}
		before, sure = &r, said.Word == chain.Affirms && slices.Contains(said.Balances, a)
	}
	return wei
}

// testify asks an honest node about all that was told and is not final: nobody is asked about
// that any more, and going back has dropped what it was told on. The node never denies what is
// so, and affirms all of it if it knows every state.
func (w *world) testify() {
	w.follow()
	for _, a := range w.addresses {
		w.affirmed(a, w.told(a), func(r row, said chain.Testimony) {
			if w.books.final[r.block.Hash] {
				return
			}
			if said.Word == chain.Denies || w.sim.Keep == 0 && said.Word != chain.Affirms {
				w.t.Fatalf("an honest node does not affirm what is kept of %s in block %d: %s, %+v", a, r.block.Number, said.Detail, r)
			}
		})
	}
}

// lie alters what was told, as whoever told it may have. An honest node never affirms more
// than ever came, whatever balances the lie goes with.
func (w *world) lie() {
	w.follow()
	for _, a := range w.addresses {
		rows := slices.DeleteFunc(w.told(a), func(row) bool { return rapid.IntRange(0, 9).Draw(w.t, "leaves out") == 0 })
		var lies []string
		for i := range rows {
			if rapid.Bool().Draw(w.t, "lies of a balance") {
				rows[i].wei = big.NewInt(max(0, rows[i].wei.Int64()+rapid.Int64Range(-1000, 1000).Draw(w.t, "wei")))
				lies = append(lies, "balance")
			}
			for _, name := range slices.Sorted(maps.Keys(rows[i].money)) {
				if rapid.Bool().Draw(w.t, "lies of money") && !strings.Contains(name, ":rest:") {
					more := big.NewInt(rapid.Int64Range(1, 1000).Draw(w.t, "more"))
					rows[i].money[name] = more.Add(more, rows[i].money[name])
					lies = append(lies, name)
				}
			}
		}
		came, _ := w.sim.Truth(a)
		if got := w.affirmed(a, rows, func(row, chain.Testimony) {}); got > came {
			w.t.Fatalf("an honest node affirms %d wei of %s, and %d came: %v, %+v", got, a, came, lies, rows)
		}
	}
}

// What was kept before anybody else was asked, and cannot be asked about any more, counts as it
// did then; where it can be, it is held against what others have like all else.
func TestWhatWasKeptEarlyIsNotHeldForEver(t *testing.T) {
	a := asset.Address{19: 1}
	sim := deposittest.New(token)
	sim.Mine([]deposittest.Tx{{Hash: deposittest.Digest("pays"), From: deposittest.Sender, To: asset.Address{19: 2}, Inner: []deposittest.Inner{{To: a, Amount: 5}}}}, nil)
	paid := sim.Head()
	for range 5 {
		sim.Mine(nil, nil)
	}
	w, err := deposit.New(deposit.Config{Chain: testChain, Node: sim, Multicall: asset.Address{19: 0xca}, Index: deposit.NewIndex(), Ledger: newBooks()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keep  int
		early bool
		wei   int64
		want  chain.Word
		sound bool
	}{
		{0, false, 5, chain.Affirms, true}, {0, true, 5, chain.Affirms, true}, {0, false, 6, chain.Denies, false}, {0, true, 6, chain.Denies, false},
		{2, false, 5, chain.Silent, false}, {2, true, 5, chain.Affirms, false},
	} {
		sim.Keep = c.keep
		name := fmt.Sprintf("deposit:%d:%s:native", testChain, paid.Hash)
		k := deposit.Kept{Address: a, Wei: big.NewInt(c.wei), Money: map[string]*big.Int{name: big.NewInt(c.wei)}, Early: c.early}
		said, err := w.Testify(t.Context(), sim, paid.Block(), []deposit.Kept{k})
		if err != nil || said.Word != c.want || said.Later || slices.Contains(said.Balances, a) != c.sound {
			t.Errorf("%+v: %+v, %v", c, said, err)
		}
	}
	elsewhere := paid.Block()
	elsewhere.Hash = deposittest.Digest("elsewhere")
	if said, err := w.Testify(t.Context(), sim, elsewhere, []deposit.Kept{{Address: a, Wei: big.NewInt(5)}}); err != nil || said.Word != chain.Silent || !said.Later {
		t.Errorf("of another fork's block: %+v, %v", said, err)
	}
}
