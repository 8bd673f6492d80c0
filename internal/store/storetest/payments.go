package storetest

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/store"
)

// exact compares everything that is exported, amounts and times by value.
func exact(t testing.TB, what string, got, want any) {
	t.Helper()
	g, err := json.MarshalIndent(got, "", " ")
	must(t, err)
	w, err := json.MarshalIndent(want, "", " ")
	must(t, err)
	if string(g) != string(w) {
		t.Errorf("%s: got %s\nwant %s", what, g, w)
	}
}

// sameStored compares a loaded payment with the one that was stored: everything
// but the requests' numbers, which are not kept, and their handles, which are not read.
func sameStored(t testing.TB, what string, got, want *payment.Payment) {
	t.Helper()
	w := *want
	w.Standing.Requests = nil
	w.Terms.Requests = slices.Clone(w.Terms.Requests)
	for i := range w.Terms.Requests {
		w.Terms.Requests[i].Handles = nil
	}
	exact(t, what, got, &w)
}

var payments = map[string]func(*testing.T, *fixture){
	"what goes in comes out": func(t *testing.T, f *fixture) {
		for _, n := range []int{1, 3, 200} {
			p := f.payment(t, n)
			sameStored(t, "from the cache", f.load(t, p.ID), p)
			last := p.Terms.Requests[n-1]
			got, err := f.PaymentByRequest(t.Context(), last.ID)
			must(t, err)
			sameStored(t, "by its last request", got, p)
		}
	},

	"a request without fee, topic and reference": func(t *testing.T, f *fixture) {
		p := f.draw(f.merchant(t).ID, 2)
		for i := range p.Terms.Requests {
			r := &p.Terms.Requests[i]
			r.Fee, r.Topic, r.Reference, r.Salt, r.Handles = nil, "", "", "", nil
		}
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		sameStored(t, "loaded", f.load(t, p.ID), p)
	},

	"a payout, and who may pay": func(t *testing.T, f *fixture) {
		p := f.draw(f.merchant(t).ID, 1)
		p.Terms.Flow, p.Terms.RecipientIdentifier, p.Terms.Creator = payment.PayOut, "supplier ☕", address(77)
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		sameStored(t, "a payout from the cache", f.load(t, p.ID), p)
		sameStored(t, "a payout from the database", f.node(t).load(t, p.ID), p)
		for what, access := range map[string]payment.Access{
			"everybody":   {},
			"two wallets": {Allowed: []payment.Address20{address(1), address(2)}},
			"all of it": {
				Allowed: []payment.Address20{address(3)}, Screen: true, Provider: "hypernative", HideUntilApproved: true, HidePayee: true,
			},
		} {
			q := f.draw(p.Terms.Merchant, 1)
			q.Terms.Access = access
			f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), q) })
			sameStored(t, what+" from the cache", f.load(t, q.ID), q)
			sameStored(t, what+" from the database", f.node(t).load(t, q.ID), q)
		}
	},

	"what is not there": func(t *testing.T, f *fixture) {
		_, err := f.Payment(t.Context(), "01KE0000000000000000000000")
		refused(t, "an unknown payment", err, fault.NotFound, "payment_not_found")
		_, err = f.PaymentByRequest(t.Context(), "01"+hash(1)[2:])
		refused(t, "an unknown request", err, fault.NotFound, "request_not_found")
		for _, text := range []string{"\x00", "\xff", "01" + hash(1)[2:] + "\x00"} {
			_, err = f.PaymentByRequest(t.Context(), text)
			refused(t, "a request's id that no database takes", err, fault.NotFound, "request_not_found")
		}
		err = f.Write(t.Context(), func(tx checkout.Tx) error {
			_, err := tx.Payment(t.Context(), "01KE0000000000000000000000")
			return err
		})
		refused(t, "an unknown payment in a transaction", err, fault.NotFound, "payment_not_found")
		stranger := f.draw("01KE0000000000000000000009", 1)
		err = f.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), stranger) })
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("a payment of an unknown merchant: got %v, want NotFound", err)
		}
	},

	"names are taken once": func(t *testing.T, f *fixture) {
		p := f.payment(t, 2)
		for what, spoil := range map[string]func(*payment.Payment){
			"id":         func(q *payment.Payment) { q.ID = p.ID },
			"request id": func(q *payment.Payment) { q.Terms.Requests[1].ID = p.Terms.Requests[0].ID },
			"handle":     func(q *payment.Payment) { q.Terms.Requests[1].Handles = p.Terms.Requests[0].Handles },
		} {
			q := f.draw(p.Terms.Merchant, 2)
			kept := q.ID
			spoil(q)
			err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), q) })
			refused(t, "the same "+what, err, fault.Conflict, "payment_exists")
			if _, err := f.Payment(t.Context(), kept); !fault.Is(err, fault.NotFound) {
				t.Errorf("after a refused %s: got %v, want NotFound", what, err)
			}
			if _, err := f.PaymentByRequest(t.Context(), q.Terms.Requests[0].ID); q.ID != p.ID && !fault.Is(err, fault.NotFound) {
				t.Errorf("after a refused %s the first request: got %v, want NotFound", what, err)
			}
		}
		sameStored(t, "the first", f.load(t, p.ID), p)
	},

	"a payment is seen inside its own transaction and not outside before the commit": func(t *testing.T, f *fixture) {
		p := f.draw(f.merchant(t).ID, 2)
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			if err := tx.InsertPayment(t.Context(), p); err != nil {
				return err
			}
			got, err := tx.Payment(t.Context(), p.ID)
			if err != nil {
				return err
			}
			sameStored(t, "inside", got, p)
			if _, err := f.Payment(t.Context(), p.ID); !fault.Is(err, fault.NotFound) {
				t.Errorf("outside: got %v, want NotFound", err)
			}
			return errRollback
		})
		if !errors.Is(err, errRollback) {
			t.Fatalf("got %v, want the function's own error", err)
		}
		if _, err := f.Payment(t.Context(), p.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("after the rollback: got %v, want NotFound", err)
		}
	},

	"a saved standing comes out, and counts the version up": func(t *testing.T, f *fixture) {
		for i, state := range payment.States() {
			p := f.payment(t, 1)
			for _, oddity := range payment.Oddities() {
				p.Standing = payment.Standing{State: state, Oddity: oddity, SettledAt: start.Add(time.Duration(i) * time.Minute)}
				p.Terms.CanceledAt = start.Add(time.Duration(i+1) * time.Second)
				p.Terms.CanceledBy = []payment.Canceler{payment.ByMerchant, payment.ByPayer, payment.ByDeletion}[i%3]
				before := p.Version
				f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
				if p.Version != before+1 {
					t.Errorf("version %d became %d", before, p.Version)
				}
				sameStored(t, string(state)+" "+string(oddity), f.load(t, p.ID), p)
			}
		}
	},

	"of 16 who save the same version one wins": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		for range 5 {
			loaded := f.load(t, p.ID)
			var won, stale atomic.Int32
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					mine := *loaded
					switch err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), &mine) }); {
					case err == nil:
						won.Add(1)
					case errors.Is(err, checkout.ErrStale):
						stale.Add(1)
					default:
						t.Errorf("got %v", err)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 || stale.Load() != 15 {
				t.Errorf("%d won and %d were stale, want 1 and 15", won.Load(), stale.Load())
			}
			if got := f.load(t, p.ID).Version; got != loaded.Version+1 {
				t.Errorf("version %d became %d", loaded.Version, got)
			}
		}
	},

	"who loads inside the transaction loses no change": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		const each, workers = 20, 8
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				for i := range each {
					err := f.Write(t.Context(), func(tx checkout.Tx) error {
						mine, err := tx.Payment(t.Context(), p.ID)
						if err != nil {
							return err
						}
						if _, err := tx.PutTransfer(t.Context(), p.ID, transfer(string(rune('a'+w))+hash(i), 1)); err != nil {
							return err
						}
						return tx.SaveStanding(t.Context(), mine)
					})
					if err != nil {
						t.Errorf("got %v", err)
					}
				}
			})
		}
		group.Wait()
		got := f.load(t, p.ID)
		if got.Version != p.Version+each*workers || len(got.Transfers) != each*workers {
			t.Errorf("version %d with %d transfers, want %d more than %d", got.Version, len(got.Transfers), each*workers, p.Version)
		}
	},

	"overdue payments come oldest first": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		add := func(expires time.Time, state payment.State) payment.ID {
			p := f.draw(m, 1)
			p.Terms.ExpiresAt, p.Standing.State = expires, state
			f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
			return p.ID
		}
		second := add(start.Add(-time.Minute), payment.Open)
		atTheEdge := add(start, payment.Open)
		first := add(start.Add(-time.Hour), payment.Open)
		add(start.Add(time.Microsecond), payment.Open)
		for _, s := range payment.States() {
			if s != payment.Open {
				add(start.Add(-time.Hour), s)
			}
		}
		got, err := f.Overdue(t.Context(), start, 10)
		must(t, err)
		if want := []payment.ID{first, second, atTheEdge}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		got, err = f.Overdue(t.Context(), start, 2)
		must(t, err)
		if want := []payment.ID{first, second}; !slices.Equal(got, want) {
			t.Errorf("two: got %v, want %v", got, want)
		}
	},

	"a mark is another one after every change": func(t *testing.T, f *fixture) {
		other := f.node(t)
		var ids []payment.ID
		for range 20 { // more than one question's worth
			ids = append(ids, f.payment(t, 1).ID)
		}
		p := f.insert(t, f.dollars(f.merchant(t).ID, 1000))
		ids = append(ids, p.ID, "nobody")
		marks := func() map[payment.ID]int64 {
			t.Helper()
			got, err := other.Marks(t.Context(), ids)
			must(t, err)
			if _, ok := got["nobody"]; ok || len(got) != len(ids)-1 {
				t.Errorf("%d marks of %d payments", len(got), len(ids)-1)
			}
			if now := store.MarkOf(f.load(t, p.ID)); got[p.ID] != now {
				t.Errorf("the mark is %d, of the payment as it is read %d", got[p.ID], now)
			}
			return got
		}
		before := marks()
		for what, do := range map[string]func(checkout.Tx) error{
			"a new standing": func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), f.load(t, p.ID)) },
			"a quote": func(tx checkout.Tx) error {
				return tx.InsertQuote(t.Context(), p.ID, quote(f.id(), 0))
			},
		} {
			f.write(t, do)
			after := marks()
			if after[p.ID] == before[p.ID] {
				t.Errorf("%s left the mark at %d", what, after[p.ID])
			}
			before[p.ID] = after[p.ID]
			if !maps.Equal(after, before) {
				t.Errorf("%s moved marks of others", what)
			}
		}
	},

	"owners of handles": func(t *testing.T, f *fixture) {
		p := f.payment(t, 200)
		q := f.payment(t, 1)
		for _, n := range []int{0, 1, 2, 16, 17, 128, 129, 200} {
			var handles []string
			want := map[string]checkout.Owner{}
			for i, r := range p.Terms.Requests[:n] {
				handles = append(handles, r.Topic, hash(1_000_000+i))
				want[r.Topic] = checkout.Owner{Payment: p.ID, Request: i}
			}
			handles = append(handles, q.Terms.Requests[0].Topic)
			want[q.Terms.Requests[0].Topic] = checkout.Owner{Payment: q.ID}
			got, err := f.Owners(t.Context(), "evmref", handles)
			must(t, err)
			exact(t, "outside", got, want)
			f.write(t, func(tx checkout.Tx) error {
				got, err := tx.Owners(t.Context(), "evmref", handles)
				exact(t, "inside", got, want)
				return err
			})
			got, err = f.Owners(t.Context(), "deposit", handles)
			must(t, err)
			exact(t, "of another rail", got, map[string]checkout.Owner{})
		}
	},

	"answers do not depend on what is cached": func(t *testing.T, f *fixture) {
		p := f.payment(t, 2)
		f.load(t, p.ID).Terms.CanceledAt = start // a caller's copy
		sameStored(t, "after a caller changed its copy", f.load(t, p.ID), p)
		p.Terms.CanceledAt, p.Terms.CanceledBy = start.Add(time.Second), payment.ByPayer
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
		sameStored(t, "after the cancellation", f.load(t, p.ID), p)
		sameStored(t, "on another node", f.node(t).load(t, p.ID), p)
		f.node(t).write(t, func(tx checkout.Tx) error {
			got, err := tx.Payment(t.Context(), p.ID)
			sameStored(t, "from the transaction", got, p)
			return err
		})
	},
}
