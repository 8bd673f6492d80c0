package storetest

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

func balance(a asset.Address, block uint64, before, wei int64) checkout.Balance {
	return checkout.Balance{Address: a, Block: block, BlockHash: hash(int(block)), Before: big.NewInt(before), Wei: big.NewInt(wei)}
}

func (f *fixture) putBalances(t testing.TB, on asset.ChainID, bs ...checkout.Balance) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) error { return tx.PutBalances(t.Context(), on, bs) })
}

// known is what the ledger says of some addresses.
func (f *fixture) known(t testing.TB, what string, on asset.ChainID, from uint64, of []asset.Address, want map[asset.Address][]checkout.Balance) {
	t.Helper()
	got, err := f.Balances(t.Context(), on, from, of)
	must(t, err)
	exact(t, what, byText(got), byText(want))
}

func byText(l ledger) map[string][]checkout.Balance {
	all := map[string][]checkout.Balance{}
	for a, bs := range l {
		all[a.Lower()] = bs
	}
	return all
}

type ledger = map[asset.Address][]checkout.Balance

var balances = map[string]func(*testing.T, *fixture){
	"the newest below a block, and those from there on": func(t *testing.T, f *fixture) {
		a, b, c := address(1), address(2), address(3)
		early, late := balance(a, 5, 0, 10), balance(a, 8, 10, 30)
		other := balance(b, 8, 0, 1)
		huge := balance(a, 12, 30, 0)
		huge.Wei = big256()
		f.putBalances(t, chain, huge, early, late, other)
		f.putBalances(t, 1, balance(a, 6, 0, 77))
		asked := []asset.Address{a, c, b, a}
		f.known(t, "before all", chain, 0, asked, ledger{a: {early, late, huge}, b: {other}})
		f.known(t, "from the first on", chain, 5, asked, ledger{a: {early, late, huge}, b: {other}})
		f.known(t, "above the first", chain, 6, asked, ledger{a: {early, late, huge}, b: {other}})
		f.known(t, "from the second on", chain, 8, asked, ledger{a: {early, late, huge}, b: {other}})
		f.known(t, "above the second", chain, 9, asked, ledger{a: {late, huge}, b: {other}})
		f.known(t, "above all", chain, 1_000, asked, ledger{a: {huge}, b: {other}})
		f.known(t, "on another chain", 1, 9, asked, ledger{a: {balance(a, 6, 0, 77)}})
		f.known(t, "of nobody", chain, 9, nil, ledger{})
		f.known(t, "of a stranger", chain, 9, []asset.Address{c}, ledger{})
		if _, err := f.Balances(t.Context(), chain, 1<<63, asked); err == nil {
			t.Error("a block's number that is too large was taken")
		}
	},

	"of very many addresses at once": func(t *testing.T, f *fixture) {
		var asked []asset.Address
		var bs []checkout.Balance
		want := ledger{}
		for i := range 2_500 {
			a := address(i)
			asked = append(asked, a)
			if i%3 == 0 {
				bs = append(bs, balance(a, 4, 0, int64(i)), balance(a, 7, int64(i), 1))
				want[a] = bs[len(bs)-2:]
			}
		}
		f.putBalances(t, chain, bs...)
		f.known(t, "many", chain, 5, asked, want)
	},

	"what is read again takes the place of what was known": func(t *testing.T, f *fixture) {
		a := address(1)
		first, better := balance(a, 5, 0, 10), balance(a, 5, 0, 12)
		for range 2 {
			f.putBalances(t, chain, first)
			f.known(t, "once", chain, 9, []asset.Address{a}, ledger{a: {first}})
		}
		f.putBalances(t, chain, first, better)
		f.known(t, "twice in one", chain, 9, []asset.Address{a}, ledger{a: {better}})
		final := first
		final.Final = true
		f.putBalances(t, chain, final)
		f.known(t, "final", chain, 9, []asset.Address{a}, ledger{a: {final}})
		f.putBalances(t, chain, better) // final stays
		better.Final = true
		f.known(t, "better, and final", chain, 9, []asset.Address{a}, ledger{a: {better}})
	},

	"a rewind keeps what is final": func(t *testing.T, f *fixture) {
		a, b := address(1), address(2)
		low, settled, open, above := balance(a, 5, 0, 10), balance(a, 8, 10, 30), balance(b, 8, 0, 1), balance(a, 9, 30, 31)
		open.BlockHash = hash(88) // of a fork at the same height
		elsewhere := balance(a, 9, 0, 5)
		f.putBalances(t, chain, low, settled, open, above)
		f.putBalances(t, 1, elsewhere)
		f.write(t, func(tx checkout.Tx) error {
			must(t, tx.SettleBalances(t.Context(), chain, checkout.Block{Number: 8, Hash: hash(8)}))
			must(t, tx.SettleBalances(t.Context(), chain, checkout.Block{Number: 9, Hash: hash(8)}))
			return tx.SettleBalances(t.Context(), 1, checkout.Block{Number: 8, Hash: hash(8)})
		})
		settled.Final = true
		asked := []asset.Address{a, b}
		f.known(t, "settled", chain, 0, asked, ledger{a: {low, settled, above}, b: {open}})
		f.write(t, func(tx checkout.Tx) error { return tx.DropBalances(t.Context(), chain, 8) })
		f.known(t, "back to 8", chain, 0, asked, ledger{a: {low, settled}, b: {open}})
		f.write(t, func(tx checkout.Tx) error { return tx.DropBalances(t.Context(), chain, 4) })
		f.known(t, "back to 4", chain, 0, asked, ledger{a: {settled}})
		f.known(t, "on the other chain", 1, 0, asked, ledger{a: {elsewhere}})
	},

	"others vouch for what is kept, as it is kept": func(t *testing.T, f *fixture) {
		a, b := address(1), address(2)
		p := f.payment(t, 1)
		x := transfer("a", 10)
		x.Evidence.Chain, x.Evidence.Block, x.Evidence.BlockHash = chain, 8, hash(8)
		f.put(t, p.ID, x)
		f.putBalances(t, chain, balance(a, 5, 0, 10), balance(a, 8, 10, 30), balance(b, 8, 0, 1), balance(b, 9, 1, 2))
		f.putBalances(t, 1, balance(b, 8, 0, 1))
		eight := checkout.Block{Number: 8, Hash: hash(8)}
		open := func(what string, want ...checkout.Block) {
			t.Helper()
			got, err := f.Unvouched(t.Context(), chain)
			must(t, err)
			exact(t, what, got, want)
		}
		held := func(what string, want ...checkout.Held) {
			t.Helper()
			got, err := f.Held(t.Context(), chain, eight)
			must(t, err)
			exact(t, what, got, want)
		}
		first := balance(a, 5, 0, 10)
		inA, inB := checkout.Held{Balance: balance(a, 8, 10, 30), Previous: &first}, checkout.Held{Balance: balance(b, 8, 0, 1)}
		open("blocks with money that counts", eight)
		held("of the block", inA, inB)

		must(t, f.Vouch(t.Context(), chain, checkout.Block{Number: 5, Hash: hash(5)}, []checkout.Vouched{{Address: a, Wei: big.NewInt(10), Balance: true}}))
		must(t, f.Vouch(t.Context(), chain, eight, []checkout.Vouched{{Address: a, Wei: big.NewInt(29), Balance: true}, {Address: b, Wei: big.NewInt(1)}}))
		inA.Sure, inB.Vouched = true, true
		open("of another balance nobody vouched", eight)
		held("with what is sure before", inA, inB)

		must(t, f.Vouch(t.Context(), chain, eight, []checkout.Vouched{{Address: a, Wei: big.NewInt(30), Balance: true}}))
		inA.Vouched = true
		open("after all was vouched for")
		held("vouched for", inA, inB)

		f.putBalances(t, chain, balance(a, 8, 10, 31))
		inA.Vouched, inA.Wei = false, big.NewInt(31)
		open("with more than was vouched for", eight)
		held("with more", inA, inB)

		final := x
		final.Stage = payment.Final
		f.put(t, p.ID, final)
		open("when it is final")
	},
}
