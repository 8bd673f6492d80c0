package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// patience bounds how long a test waits for another goroutine.
const patience = time.Minute

func wait(t testing.TB, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		t.Fatalf("waited too long for %s", what)
	}
}

// together holds one write back until all the others were started, so that on
// SQLite they share the next commits, and waits for all.
func (f *fixture) together(t testing.TB, do ...func()) {
	t.Helper()
	inside, free := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		if err := f.Write(context.Background(), func(checkout.Tx) error {
			close(inside)
			<-free
			return nil
		}); err != nil {
			t.Errorf("the write that holds the others back: %v", err)
		}
	})
	wait(t, "the first write", inside)
	var running atomic.Int32
	for _, d := range do {
		group.Go(func() {
			running.Add(1)
			d()
		})
	}
	for running.Load() < int32(len(do)) {
		runtime.Gosched()
	}
	close(free)
	group.Wait()
}

// stored checks which payments are there.
func (f *fixture) stored(t testing.TB, what string, id payment.ID, want bool) {
	t.Helper()
	_, err := f.Payment(context.Background(), id)
	if want != (err == nil) || (!want && !fault.Is(err, fault.NotFound)) {
		t.Errorf("%s: stored should be %v, loading it says %v", what, want, err)
	}
}

var writes = map[string]func(*testing.T, *fixture){
	"one that fails, panics, ends or is cancelled does not touch the others": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		bad := map[string]func(*payment.Payment){
			"error": func(p *payment.Payment) {
				if err := f.Write(t.Context(), func(tx checkout.Tx) error {
					return errors.Join(tx.InsertPayment(t.Context(), p), errRollback)
				}); !errors.Is(err, errRollback) {
					t.Errorf("error: got %v", err)
				}
			},
			"panic": func(p *payment.Payment) {
				defer func() {
					if v := recover(); v != "boom" {
						t.Errorf("recovered %v, want the panic's own value", v)
					}
				}()
				err := f.Write(t.Context(), func(tx checkout.Tx) error {
					must(t, tx.InsertPayment(t.Context(), p))
					panic("boom")
				})
				t.Errorf("panic: got %v", err)
			},
			"goexit": func(p *payment.Payment) {
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					err := f.Write(t.Context(), func(tx checkout.Tx) error {
						_ = tx.InsertPayment(t.Context(), p)
						runtime.Goexit()
						return nil
					})
					t.Errorf("goexit: got %v", err)
				}()
				<-ended
			},
			"cancelled inside": func(p *payment.Payment) {
				ctx, cancel := context.WithCancel(t.Context())
				if err := f.Write(ctx, func(tx checkout.Tx) error {
					if err := tx.InsertPayment(ctx, p); err != nil {
						return err
					}
					cancel()
					return tx.SaveStanding(ctx, p)
				}); !errors.Is(err, context.Canceled) {
					t.Errorf("cancelled inside: got %v, want context.Canceled", err)
				}
			},
			"refused": func(p *payment.Payment) {
				if err := f.Write(t.Context(), func(tx checkout.Tx) error {
					if err := tx.InsertPayment(t.Context(), p); err != nil {
						return err
					}
					return tx.InsertPayment(t.Context(), p)
				}); !fault.Is(err, fault.Conflict) {
					t.Errorf("refused: got %v, want Conflict", err)
				}
			},
		}
		var good, spoilt []*payment.Payment
		var all []func()
		for range 8 {
			for _, fail := range bad {
				p, q := f.draw(m, 2), f.draw(m, 1)
				good, spoilt = append(good, p), append(spoilt, q)
				all = append(all, func() { fail(q) }, func() {
					if err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) }); err != nil {
						t.Errorf("a neighbour: got %v", err)
					}
				})
			}
		}
		f.together(t, all...)
		other := f.node(t)
		for i := range good {
			f.stored(t, "a neighbour", good[i].ID, true)
			other.stored(t, "a neighbour, seen from elsewhere", good[i].ID, true)
			f.stored(t, "a failed one", spoilt[i].ID, false)
			other.stored(t, "a failed one, seen from elsewhere", spoilt[i].ID, false)
		}
		sameStored(t, "complete", f.load(t, good[0].ID), good[0])
	},

	"who gives up while waiting has written nothing": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		var all []func()
		for range 50 {
			p := f.draw(m, 1)
			all = append(all, func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go cancel()
				ran := false
				err := f.Write(ctx, func(tx checkout.Tx) error { ran = true; return tx.InsertPayment(ctx, p) })
				switch {
				case err == nil:
					f.stored(t, "a confirmed write", p.ID, true)
				case !errors.Is(err, context.Canceled):
					t.Errorf("got %v, want context.Canceled", err)
				case !ran:
					f.stored(t, "a write given up before its turn", p.ID, false)
				}
			})
		}
		f.together(t, all...)
	},

	"a swallowed failure does not commit": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		q := f.draw(p.Terms.Merchant, 1)
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			must(t, tx.InsertPayment(t.Context(), q))
			if err := tx.InsertPayment(t.Context(), p); !fault.Is(err, fault.Conflict) {
				t.Errorf("got %v, want Conflict", err)
			}
			if _, err := tx.Payment(t.Context(), p.ID); err == nil {
				t.Error("the transaction goes on after a failed statement")
			}
			return nil
		})
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("got %v, want Conflict", err)
		}
		f.stored(t, "beside a swallowed failure", q.ID, false)
	},

	"a transaction that is over cannot be used": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		var kept checkout.Tx
		f.write(t, func(tx checkout.Tx) error { kept = tx; return nil })
		if _, err := kept.Payment(t.Context(), p.ID); err == nil {
			t.Error("it still answers")
		}
		if err := kept.SaveStanding(t.Context(), p); err == nil {
			t.Error("it still writes")
		}
	},

	"no write is lost under contention": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		const workers, each = 32, 15
		made := make([][]*payment.Payment, workers)
		for w := range workers {
			for range each {
				made[w] = append(made[w], f.draw(m, 1))
			}
		}
		var group sync.WaitGroup
		for _, mine := range made {
			group.Go(func() {
				for _, p := range mine {
					if err := f.Write(t.Context(), func(tx checkout.Tx) error {
						if err := tx.InsertPayment(t.Context(), p); err != nil {
							return err
						}
						return tx.AppendEvent(t.Context(), payment.Event{ID: "e" + string(p.ID), Payment: p.ID, Kind: payment.EventCreated, At: start})
					}); err != nil {
						t.Errorf("got %v", err)
						continue
					}
					// What Write confirmed is there for everybody at once.
					if _, err := f.Payment(t.Context(), p.ID); err != nil {
						t.Errorf("right after the commit: %v", err)
					}
				}
			})
		}
		group.Wait()
		other := f.node(t)
		for _, mine := range made {
			for _, p := range mine {
				other.stored(t, "a confirmed write", p.ID, true)
				if es, err := other.Events(t.Context(), p.ID); err != nil || len(es) != 1 {
					t.Errorf("its event: %d, %v", len(es), err)
				}
			}
		}
	},

	"who locks two payments in opposite orders gets both in the end": func(t *testing.T, f *fixture) {
		p, q := f.payment(t, 1), f.payment(t, 1)
		var group sync.WaitGroup
		for _, order := range [][]payment.ID{{p.ID, q.ID}, {q.ID, p.ID}} {
			group.Go(func() {
				for range 4 {
					if err := f.Write(t.Context(), func(tx checkout.Tx) error {
						for _, id := range order {
							one, err := tx.Payment(t.Context(), id)
							if err != nil {
								return err
							}
							if err := tx.SaveStanding(t.Context(), one); err != nil {
								return err
							}
						}
						return nil
					}); err != nil {
						t.Errorf("got %v", err)
					}
				}
			})
		}
		group.Wait()
		for _, x := range []*payment.Payment{p, q} {
			if got := f.load(t, x.ID).Version; got != x.Version+8 {
				t.Errorf("version %d became %d, want 8 more", x.Version, got)
			}
		}
	},

	"two nodes write at once": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nodes := []*fixture{f, f.node(t)}
		var made []*payment.Payment
		for range 60 {
			made = append(made, f.draw(m, 1))
		}
		var group sync.WaitGroup
		for i, p := range made {
			group.Go(func() {
				if err := nodes[i%2].Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) }); err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		for i, p := range made {
			sameStored(t, "seen from the other", nodes[1-i%2].load(t, p.ID), p)
		}
	},

	"a closed store refuses": func(t *testing.T, f *fixture) {
		s := Open(t, f.dsn)
		must(t, s.Close())
		if err := s.Write(t.Context(), func(checkout.Tx) error { return nil }); !fault.Is(err, fault.Unavailable) {
			t.Errorf("write: got %v, want Unavailable", err)
		}
		if err := s.Ping(t.Context()); err == nil {
			t.Error("a closed store answers")
		}
		must(t, f.Ping(t.Context()))
	},

	"a read whose context is over": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.Payment(ctx, p.ID); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	},
}
