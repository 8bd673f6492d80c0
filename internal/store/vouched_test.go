package store

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

// What a node of the version does that asked nobody else about balances, word for word.
const oldPutBalance = `INSERT INTO deposit_balances (chain, address, block, block_hash, before, wei, final)
 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (chain, address, block) DO UPDATE SET
 final = excluded.final OR (deposit_balances.final AND deposit_balances.block_hash = excluded.block_hash),
 block_hash = excluded.block_hash, before = excluded.before, wei = excluded.wei
 WHERE deposit_balances.block_hash <> excluded.block_hash OR deposit_balances.before <> excluded.before
 OR deposit_balances.wei <> excluded.wei OR (excluded.final AND NOT deposit_balances.final)`

// What was kept before others were asked is known as such, and so is what a node of that
// version adds later on; what a new node writes over it is not.
func TestBalancesFromBeforeOthersVouched(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readMigrations(migrationFiles)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		var a asset.Address
		a[19] = 7
		old := func(block, before, wei int64, final bool) {
			t.Helper()
			if err := s.change(ctx, oldPutBalance, 1, a.Lower(), block, "0xb", units(big.NewInt(before)), units(big.NewInt(wei)), final); err != nil {
				t.Fatal(err)
			}
		}
		held := func(block uint64) checkout.Held {
			t.Helper()
			hs, err := s.Held(ctx, 1, checkout.Block{Number: block, Hash: "0xb"})
			if err != nil || len(hs) != 1 {
				t.Fatalf("%+v, %v", hs, err)
			}
			return hs[0]
		}
		if err := s.migrate(ctx, all[:10]); err != nil {
			t.Fatal(err)
		}
		old(1, 0, 5, true)
		if err := s.migrate(ctx, all); err != nil {
			t.Fatal(err)
		}
		old(2, 5, 6, false) // the old node goes on
		if h := held(1); !h.Early || h.Vouched || h.Previous != nil {
			t.Errorf("before: %+v", h)
		}
		if h := held(2); !h.Early || h.Vouched || !h.Sure || h.Previous.Wei.Int64() != 5 {
			t.Errorf("by an old node: %+v", h)
		}
		if err := s.Vouch(ctx, 1, checkout.Block{Number: 2, Hash: "0xb"}, []checkout.Vouched{{Address: a, Wei: big.NewInt(6), Balance: true}}); err != nil {
			t.Fatal(err)
		}
		if h := held(2); h.Early || !h.Vouched {
			t.Errorf("vouched for: %+v", h)
		}
		old(2, 5, 8, false) // it read the block again, by another word
		if h := held(2); h.Early || h.Vouched || h.Wei.Int64() != 8 {
			t.Errorf("read again by an old node: %+v", h)
		}
		put := func(block uint64, before, wei int64) {
			t.Helper()
			b := checkout.Balance{Address: a, Block: block, BlockHash: "0xb", Before: big.NewInt(before), Wei: big.NewInt(wei)}
			if err := s.write(ctx, func(t *tx) error { return t.PutBalances(ctx, 1, []checkout.Balance{b}) }); err != nil {
				t.Fatal(err)
			}
		}
		old(3, 8, 9, false)
		put(3, 8, 10)
		put(4, 10, 11)
		if h := held(3); h.Early || h.Vouched || h.Sure {
			t.Errorf("read again by a new node: %+v", h)
		}
		if h := held(4); h.Early || h.Vouched || h.Sure {
			t.Errorf("by a new node: %+v", h)
		}
	})
}
