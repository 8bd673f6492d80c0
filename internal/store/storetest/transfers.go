package storetest

import (
	"math/big"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// onlyTransfer loads a payment's only transfer.
func (f *fixture) onlyTransfer(t testing.TB, id payment.ID) payment.Transfer {
	t.Helper()
	xs := f.load(t, id).Transfers
	if len(xs) != 1 {
		t.Fatalf("%d transfers, want 1", len(xs))
	}
	return xs[0]
}

func keys(owned []checkout.Owned) []string {
	var ks []string
	for _, o := range owned {
		ks = append(ks, string(o.Payment)+" "+o.Transfer.Key)
	}
	return ks
}

var transfers = map[string]func(*testing.T, *fixture){
	"what goes in comes out, in time's order": func(t *testing.T, f *fixture) {
		p := f.payment(t, 2)
		later, sooner := transfer("a", 20), transfer("b", 10)
		later.Request, later.Amount, later.Credit, later.Fee, later.Stage = 1, big256(), new(big.Int), nil, payment.Final
		for _, x := range []payment.Transfer{later, sooner} {
			if !f.put(t, p.ID, x) {
				t.Errorf("a new transfer %s is no change", x.Key)
			}
		}
		exact(t, "transfers", f.load(t, p.ID).Transfers, []payment.Transfer{sooner, later})
		exact(t, "on another node", f.node(t).load(t, p.ID).Transfers, []payment.Transfer{sooner, later})
	},

	"a transfer without a chain": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := payment.Transfer{Key: "sepa/1", Rail: "sepa", Asset: "EUR", Amount: big.NewInt(1), Credit: big.NewInt(2), Stage: payment.Final, At: start}
		f.put(t, p.ID, x)
		exact(t, "loaded", f.onlyTransfer(t, p.ID), x)
	},

	"a replay is no change": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := transfer("a", 10)
		f.put(t, p.ID, x)
		for range 3 {
			if f.put(t, p.ID, x) {
				t.Error("the same transfer once more is a change")
			}
		}
		exact(t, "stored", f.onlyTransfer(t, p.ID), x)
	},

	"stages and evidence move on, and final never goes back": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := transfer("a", 10)
		moved := transfer("a", 12) // mined again elsewhere
		dropped := x
		dropped.Stage = payment.Dropped
		final := moved
		final.Stage = payment.Final
		elsewhere := transfer("a", 14)
		elsewhere.Stage = payment.Final
		finalDropped := final
		finalDropped.Stage = payment.Dropped
		for i, step := range []struct {
			put     payment.Transfer
			changed bool
			want    payment.Transfer
		}{
			{x, true, x},
			{dropped, true, dropped},
			{dropped, false, dropped},
			{moved, true, moved},
			{final, true, final},
			{final, false, final},
			{moved, false, final},
			{finalDropped, false, final},
			{elsewhere, false, final},
		} {
			if got := f.put(t, p.ID, step.put); got != step.changed {
				t.Errorf("step %d (%s): changed is %v", i, step.put.Stage, got)
			}
			exact(t, string(step.put.Stage), f.onlyTransfer(t, p.ID), step.want)
		}
	},

	"credit is fixed once, unless another amount took the transfer's place": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := transfer("a", 10)
		f.put(t, p.ID, x)
		again := transfer("a", 11)
		again.Credit = big.NewInt(777)
		f.put(t, p.ID, again)
		if got := f.onlyTransfer(t, p.ID).Credit; got.Cmp(x.Credit) != 0 {
			t.Errorf("a later rate changed the credit from %s to %s", x.Credit, got)
		}
		other := transfer("a", 12)
		other.Amount, other.Credit = big.NewInt(3), big.NewInt(4)
		f.put(t, p.ID, other)
		exact(t, "after another amount", f.onlyTransfer(t, p.ID), other)
	},

	"a transfer belongs to one payment": func(t *testing.T, f *fixture) {
		p, q := f.payment(t, 1), f.payment(t, 1)
		f.put(t, p.ID, transfer("a", 10))
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			_, err := tx.PutTransfer(t.Context(), q.ID, transfer("a", 10))
			return err
		})
		refused(t, "another payment's transfer", err, fault.Conflict, "transfer_taken")
		if n := len(f.load(t, q.ID).Transfers); n != 0 {
			t.Errorf("the other payment has %d transfers", n)
		}
	},

	"found by block": func(t *testing.T, f *fixture) {
		p, q := f.payment(t, 1), f.payment(t, 1)
		put := func(id payment.ID, key string, block uint64, stage payment.Stage) {
			x := transfer(key, block)
			x.Stage = stage
			f.put(t, id, x)
		}
		put(p.ID, "a10", 10, payment.Pending)
		put(q.ID, "b10", 10, payment.Pending)
		put(p.ID, "c11", 11, payment.Final)
		put(p.ID, "d12", 12, payment.Dropped)
		put(q.ID, "e13", 13, payment.Pending)
		other := transfer("f10", 10) // the same height in a fork
		other.Evidence.BlockHash = hash(77)
		f.put(t, p.ID, other)
		foreign := transfer("g13", 13)
		foreign.Evidence.Chain = 1
		f.put(t, p.ID, foreign)

		f.write(t, func(tx checkout.Tx) error {
			above, err := tx.TransfersAbove(t.Context(), chain, 10)
			exact(t, "above 10", keys(above), []string{string(p.ID) + " c11", string(q.ID) + " e13"})
			must(t, err)
			above, err = tx.TransfersAbove(t.Context(), chain, 13)
			exact(t, "above 13", keys(above), []string(nil))
			must(t, err)
			in, err := tx.TransfersIn(t.Context(), chain, checkout.Block{Number: 10, Hash: hash(10)})
			exact(t, "in 10", keys(in), []string{string(p.ID) + " a10", string(q.ID) + " b10"})
			exact(t, "complete", in[0].Transfer, transfer("a10", 10))
			must(t, err)
			in, err = tx.TransfersIn(t.Context(), chain, checkout.Block{Number: 11, Hash: hash(11)})
			exact(t, "final ones in 11", keys(in), []string(nil))
			return err
		})
		got, err := f.Unsettled(t.Context(), chain, 12)
		must(t, err)
		at10 := start.Add(10 * time.Second)
		exact(t, "unsettled up to 12", got, []checkout.Block{{Number: 10, Hash: hash(10), Time: at10}, {Number: 10, Hash: hash(77), Time: at10}})
		got, err = f.Unsettled(t.Context(), chain, 9)
		must(t, err)
		exact(t, "unsettled up to 9", got, []checkout.Block(nil))
		some, err := f.Unconfirmed(t.Context(), chain, 10, 12)
		must(t, err)
		exact(t, "unconfirmed in 10 to 12", keys(some), []string{string(p.ID) + " a10", string(q.ID) + " b10", string(p.ID) + " f10"})
	},

	"numbers that do not fit are refused": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := transfer("a", 1)
		x.Evidence.Block = 1 << 63
		if err := f.Write(t.Context(), func(tx checkout.Tx) error {
			_, err := tx.PutTransfer(t.Context(), p.ID, x)
			return err
		}); err == nil {
			t.Error("a block number above 2^63 was taken")
		}
	},

	"attempts": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		a := payment.Attempt{
			Key: "tx:1", Rail: "evmref", Kind: "tx", Chain: chain, Handle: hash(1), Payer: address(3).String(),
			Stage: payment.Announced, Until: start.Add(time.Hour), At: start,
		}
		put := func(a payment.Attempt) (changed bool) {
			f.write(t, func(tx checkout.Tx) (err error) {
				changed, err = tx.PutAttempt(t.Context(), p.ID, a)
				return err
			})
			return changed
		}
		check := func(what string, changed, want bool, stored ...payment.Attempt) {
			t.Helper()
			if changed != want {
				t.Errorf("%s: changed is %v", what, changed)
			}
			exact(t, what, f.load(t, p.ID).Attempts, stored)
		}
		check("new", put(a), true, a)
		later := a
		later.At = start.Add(time.Minute)
		check("reported again", put(later), false, a)
		failed := later
		failed.Stage, failed.Decides, failed.Reason = payment.Abandoned, true, "reverted"
		check("failed", put(failed), true, failed)
		check("announced after that", put(later), false, failed)
		done := failed
		done.Stage, done.Reason = payment.Executed, ""
		check("executed after all", put(done), true, done)
		second := a
		second.Key, second.At = "tx:2", start.Add(-time.Minute)
		check("a second", put(second), true, second, done)
		q := f.payment(t, 1)
		f.write(t, func(tx checkout.Tx) error {
			changed, err := tx.PutAttempt(t.Context(), q.ID, a)
			if !changed {
				t.Error("the same key at another payment is no change")
			}
			return err
		})
	},

	"orphans come newest first, and once": func(t *testing.T, f *fixture) {
		var want []checkout.Orphan
		for i := range 4 {
			o := checkout.Orphan{
				Key: "k" + hash(i), Rail: "evmref", Handle: hash(i), Reason: "wrong_asset", Asset: address(1).String(), Amount: big256().String(),
				To: address(2).String(), Evidence: transfer("", uint64(i)).Evidence, At: start.Add(time.Duration(i) * time.Second),
			}
			want = append([]checkout.Orphan{o}, want...)
			for range 2 {
				f.write(t, func(tx checkout.Tx) error { return tx.PutOrphan(t.Context(), o) })
			}
		}
		got, err := f.Orphans(t.Context(), 3)
		must(t, err)
		exact(t, "three", got, want[:3])
	},
}
