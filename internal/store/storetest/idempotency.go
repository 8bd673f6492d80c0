package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/store"
)

var idempotency = map[string]func(*testing.T, *fixture){
	"an answer is kept under merchant, route and key": func(t *testing.T, f *fixture) {
		key := checkout.IdempotencyKey{Merchant: "01KE0000000000000000000001", Route: "POST /v2/x", Key: "ключ 1"}
		a := checkout.Answer{RequestHash: hash(1), Status: 201, Body: []byte("{\"a\":\x00\xff}"), At: start}
		f.write(t, func(tx checkout.Tx) error {
			if err := tx.PutAnswer(t.Context(), key, a); err != nil {
				return err
			}
			got, err := tx.Answer(t.Context(), key)
			exact(t, "inside", got, &a)
			return err
		})
		got, err := f.Answer(t.Context(), key)
		must(t, err)
		exact(t, "outside", got, &a)
		for _, other := range []checkout.IdempotencyKey{
			{Merchant: "01KE0000000000000000000002", Route: key.Route, Key: key.Key},
			{Merchant: key.Merchant, Route: "POST /v2/y", Key: key.Key},
			{Merchant: key.Merchant, Route: key.Route, Key: "ключ 2"},
		} {
			got, err := f.Answer(t.Context(), other)
			must(t, err)
			if got != nil {
				t.Errorf("%+v has an answer", other)
			}
		}
		err = f.Write(t.Context(), func(tx checkout.Tx) error { return tx.PutAnswer(t.Context(), key, a) })
		refused(t, "the key once more", err, fault.Conflict, "idempotency_key_taken")
		empty := checkout.IdempotencyKey{Merchant: "m", Route: "r", Key: "empty"}
		f.write(t, func(tx checkout.Tx) error {
			return tx.PutAnswer(t.Context(), empty, checkout.Answer{Status: 204, At: start})
		})
		if got, err := f.Answer(t.Context(), empty); err != nil || got == nil || got.Status != 204 || len(got.Body) != 0 {
			t.Errorf("an answer without a body: got %+v, %v", got, err)
		}
	},

	"of 16 who use a key at once one creates": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		for round := range 5 {
			key := checkout.IdempotencyKey{Merchant: m, Route: "r", Key: fmt.Sprint(round)}
			var won, lost atomic.Int32
			var group sync.WaitGroup
			for i := range 16 {
				p := f.draw(m, 1)
				group.Go(func() {
					err := f.Write(t.Context(), func(tx checkout.Tx) error {
						if err := tx.InsertPayment(t.Context(), p); err != nil {
							return err
						}
						return tx.PutAnswer(t.Context(), key, checkout.Answer{RequestHash: hash(i), Body: []byte(p.ID), At: start})
					})
					_, loaded := f.Payment(t.Context(), p.ID)
					switch {
					case err == nil && loaded == nil:
						won.Add(1)
					case fault.Is(err, fault.Conflict) && fault.Is(loaded, fault.NotFound):
						lost.Add(1)
					default:
						t.Errorf("write %v, payment %v", err, loaded)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 || lost.Load() != 15 {
				t.Errorf("%d won and %d lost, want 1 and 15", won.Load(), lost.Load())
			}
		}
	},

	"of two nodes that create under the same keys at once one has each": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nodes := []*fixture{f, f}
		if f.Shared() {
			nodes[1] = f.node(t)
		}
		const keys = 40
		var won [keys]atomic.Int32
		var group sync.WaitGroup
		for n, node := range nodes {
			for i := range keys {
				if n == 1 { // the other way round
					i = keys - 1 - i
				}
				key, p := checkout.IdempotencyKey{Merchant: m, Route: "r", Key: fmt.Sprint(i)}, node.draw(m, 1)
				group.Go(func() {
					late := false
					err := node.Write(t.Context(), func(tx checkout.Tx) error {
						if late = false; !tx.Postpone() {
							if first, err := tx.Answer(t.Context(), key); first != nil || err != nil {
								late = err == nil
								return err
							}
						}
						if err := tx.PutAnswer(t.Context(), key, checkout.Answer{Status: 201, Body: []byte(p.ID), At: start}); err != nil {
							return err
						}
						if err := tx.InsertPayment(t.Context(), p); err != nil {
							return err
						}
						return tx.AppendEvent(t.Context(), payment.Event{ID: "e" + string(p.ID), Payment: p.ID, Merchant: m, Kind: payment.EventCreated, Request: -1, At: start})
					})
					first, aerr := node.Answer(t.Context(), key)
					switch {
					case aerr != nil || first == nil:
						t.Errorf("key %d: write %v, then the answer %v, %v", i, err, first, aerr)
					case err == nil && !late && string(first.Body) == string(p.ID):
						won[i].Add(1)
						f.stored(t, "who was first", p.ID, true)
					case (late || fault.CodeOf(err) == "idempotency_key_taken") && string(first.Body) != string(p.ID):
						f.stored(t, "who was late", p.ID, false)
					default:
						t.Errorf("key %d: write %v, and the answer is of %s", i, err, first.Body)
					}
				})
			}
		}
		group.Wait()
		for i := range won {
			if n := won[i].Load(); n != 1 {
				t.Errorf("key %d: %d were first", i, n)
			}
		}
	},

	"what was postponed is there for what the transaction asks, and fails with it": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		p, q := f.draw(m, 2), f.draw(m, 1)
		f.write(t, func(tx checkout.Tx) error {
			tx.Postpone()
			if err := tx.InsertPayment(t.Context(), p); err != nil {
				return err
			}
			for i := range 3 {
				if err := tx.AppendEvent(t.Context(), payment.Event{ID: fmt.Sprint("e", i, p.ID), Payment: p.ID, Merchant: m, Kind: payment.EventCreated, Request: -1, At: start}); err != nil {
					return err
				}
			}
			_, err := tx.Payment(t.Context(), p.ID)
			return err
		})
		sameStored(t, "postponed", f.load(t, p.ID), p)
		if es, err := f.Events(t.Context(), p.ID); err != nil || len(es) != 3 || es[2].Seq != 3 {
			t.Errorf("its log: %+v, %v", es, err)
		}
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			tx.Postpone()
			if err := tx.InsertPayment(t.Context(), q); err != nil {
				return err
			}
			if err := tx.InsertPayment(t.Context(), p); err != nil {
				return err
			}
			_, err := tx.Events(t.Context(), q.ID)
			return err
		})
		refused(t, "a payment that is there", err, fault.Conflict, "payment_exists")
		f.stored(t, "beside a postponed failure", q.ID, false)
	},

	"old answers are forgotten": func(t *testing.T, f *fixture) {
		put := func(key string, at time.Time) checkout.IdempotencyKey {
			k := checkout.IdempotencyKey{Merchant: "m", Route: "r", Key: key}
			f.write(t, func(tx checkout.Tx) error { return tx.PutAnswer(t.Context(), k, checkout.Answer{At: at}) })
			return k
		}
		kept := put("kept", start.Add(-store.AnswersKept))
		f.write(t, func(tx checkout.Tx) error {
			for i := range 1100 { // more than one batch
				k := checkout.IdempotencyKey{Merchant: "m", Route: "r", Key: fmt.Sprint("old", i)}
				if err := tx.PutAnswer(t.Context(), k, checkout.Answer{At: start.Add(-store.AnswersKept - time.Second)}); err != nil {
					return err
				}
			}
			return nil
		})
		if n, err := f.PruneAnswers(t.Context(), start); err != nil || n != 1100 {
			t.Errorf("forgot %d, %v, want 1100", n, err)
		}
		if a, err := f.Answer(t.Context(), kept); err != nil || a == nil {
			t.Errorf("the one of 30 days is gone: %v, %v", a, err)
		}
		if n, err := f.PruneAnswers(t.Context(), start); err != nil || n != 0 {
			t.Errorf("a second time forgot %d, %v", n, err)
		}
	},
}
