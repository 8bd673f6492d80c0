package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/seal"
	"quittance/internal/store"
)

func onceFor(m payment.MerchantID, key string, request int) *checkout.Once {
	return &checkout.Once{Key: checkout.IdempotencyKey{Merchant: m, Route: "POST /v1/x", Key: key}, RequestHash: hash(request)}
}

func (f *fixture) receiver(m payment.MerchantID, url string) merchant.Endpoint {
	return merchant.Endpoint{ID: f.id(), Merchant: m, URL: url, Secret: "whsec", Active: true, CreatedAt: start}
}

var once = map[string]func(*testing.T, *fixture){
	"an effect happens once, and its answer is given again": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		ran := 0
		do := func(key string, request int) (checkout.Answer, bool, error) {
			return f.Once(t.Context(), onceFor(m, key, request), start, func(ctx context.Context) (checkout.Answer, error) {
				ran++
				if err := f.InsertEndpoint(ctx, f.receiver(m, fmt.Sprint("https://example.com/", ran))); err != nil {
					return checkout.Answer{}, err
				}
				inside, err := f.Endpoints(ctx, m)
				if len(inside) != ran {
					t.Errorf("the effect sees %d endpoints, want %d", len(inside), ran)
				}
				outside, oerr := f.Endpoints(t.Context(), m)
				if len(outside) != ran-1 {
					t.Errorf("others see %d endpoints before the commit, want %d", len(outside), ran-1)
				}
				return checkout.Answer{Status: 201, Body: fmt.Appendf(nil, `{"n":%d}`, ran)}, errors.Join(err, oerr)
			})
		}
		first, replayed, err := do("k", 1)
		must(t, err)
		want := checkout.Answer{RequestHash: hash(1), Status: 201, Body: []byte(`{"n":1}`), At: start}
		exact(t, "the first", first, want)
		if replayed {
			t.Error("the first is said to be a repeat")
		}
		for range 3 {
			again, replayed, err := do("k", 1)
			must(t, err)
			exact(t, "the repeat", again, want)
			if !replayed {
				t.Error("a repeat is not said to be one")
			}
		}
		_, _, err = do("k", 2)
		refused(t, "another request", err, fault.Mismatch, "idempotency_key_reused")
		if _, replayed, err := do("other", 1); err != nil || replayed {
			t.Errorf("another key: %t, %v", replayed, err)
		}
		if ran != 2 {
			t.Errorf("ran %d times, want 2", ran)
		}
	},

	"an effect that fails leaves nothing, and its key is free": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		fail := func(ctx context.Context) (checkout.Answer, error) {
			must(t, f.InsertEndpoint(ctx, f.receiver(m, "https://example.com/")))
			return checkout.Answer{Status: 201}, errRollback
		}
		for _, o := range []*checkout.Once{onceFor(m, "k", 1), nil} {
			if _, _, err := f.Once(t.Context(), o, start, fail); !errors.Is(err, errRollback) {
				t.Errorf("got %v", err)
			}
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic was swallowed")
				}
			}()
			_, _, _ = f.Once(t.Context(), onceFor(m, "k", 1), start, func(ctx context.Context) (checkout.Answer, error) {
				must(t, f.InsertEndpoint(ctx, f.receiver(m, "https://example.com/")))
				panic("on purpose")
			})
		}()
		all, err := f.Endpoints(t.Context(), m)
		must(t, err)
		a, err := f.Answer(t.Context(), onceFor(m, "k", 1).Key)
		must(t, err)
		if len(all) != 0 || a != nil {
			t.Errorf("left behind: %d endpoints, answer %v", len(all), a)
		}
		if _, _, err := f.Once(t.Context(), onceFor(m, "k", 2), start, func(context.Context) (checkout.Answer, error) {
			return checkout.Answer{Status: 204}, nil
		}); err != nil {
			t.Errorf("the key is not free: %v", err)
		}
	},

	"a write that fails within an effect is undone alone": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		must(t, f.InsertEndpoint(t.Context(), f.receiver(m, "https://example.com/taken")))
		p := f.draw(m, 1)
		_, _, err := f.Once(t.Context(), nil, start, func(ctx context.Context) (checkout.Answer, error) {
			refused(t, "the same URL", f.InsertEndpoint(ctx, f.receiver(m, "https://example.com/taken")), fault.Conflict, "webhook_exists")
			if err := f.Write(ctx, func(tx checkout.Tx) error {
				must(t, tx.InsertPayment(ctx, p))
				return errRollback
			}); !errors.Is(err, errRollback) {
				t.Errorf("a write that gives up: %v", err)
			}
			return checkout.Answer{Status: 201}, f.InsertEndpoint(ctx, f.receiver(m, "https://example.com/free"))
		})
		must(t, err)
		all, err := f.Endpoints(t.Context(), m)
		must(t, err)
		if len(all) != 2 {
			t.Errorf("%d endpoints, want 2", len(all))
		}
		_, err = f.Payment(t.Context(), p.ID)
		refused(t, "the payment that was given up", err, fault.NotFound, "payment_not_found")
	},

	"a context whose transaction is over writes nothing": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		var kept context.Context
		_, _, err := f.Once(t.Context(), nil, start, func(ctx context.Context) (checkout.Answer, error) {
			kept = ctx
			return checkout.Answer{}, nil
		})
		must(t, err)
		if err := f.InsertEndpoint(kept, f.receiver(m, "https://example.com/")); err == nil {
			t.Error("written after the end")
		}
		if _, err := f.Endpoints(kept, m); err == nil {
			t.Error("read after the end")
		}
	},

	"answers are sealed": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		_, _, err := f.Once(t.Context(), onceFor(m, "k", 1), start, func(context.Context) (checkout.Answer, error) {
			return checkout.Answer{Status: 201, Body: []byte(`{"secret":"whsec_of_somebody"}`)}, nil
		})
		must(t, err)
		wrong, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
		must(t, err)
		s, err := store.Open(t.Context(), store.Config{DSN: f.dsn, Seal: wrong})
		must(t, err)
		defer s.Close()
		if a, err := s.Answer(t.Context(), onceFor(m, "k", 1).Key); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("with another key: got %v, %v, want ErrUnknownKey", a, err)
		}
	},

	"of 200 with one key on two nodes one has an effect": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nodes := []*fixture{f, f.node(t)}
		for round := range 3 {
			o := onceFor(m, fmt.Sprint(round), 1)
			var fresh, repeats atomic.Int32
			var group sync.WaitGroup
			for i := range 200 {
				on, e := nodes[i%len(nodes)], f.receiver(m, fmt.Sprint("https://example.com/", round, "/", i))
				group.Go(func() {
					a, replayed, err := on.Once(t.Context(), o, start, func(ctx context.Context) (checkout.Answer, error) {
						return checkout.Answer{Status: 201, Body: []byte("same")}, on.InsertEndpoint(ctx, e)
					})
					switch {
					case err != nil || string(a.Body) != "same" || a.Status != 201:
						t.Errorf("got %+v, %v", a, err)
					case replayed:
						repeats.Add(1)
					default:
						fresh.Add(1)
					}
				})
			}
			group.Wait()
			all, err := f.Endpoints(t.Context(), m)
			must(t, err)
			if fresh.Load() != 1 || repeats.Load() != 199 || len(all) != round+1 {
				t.Errorf("round %d: %d effects, %d repeats, %d endpoints in all", round, fresh.Load(), repeats.Load(), len(all))
			}
		}
	},

	"an effect's jobs wake the worker after the commit": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		changes, stop := f.Subscribe(p.ID)
		defer stop()
		_, _, err := f.Once(ctx, nil, start, func(ctx context.Context) (checkout.Answer, error) {
			err := f.Write(ctx, func(tx checkout.Tx) error {
				_, err := tx.PutTransfer(ctx, p.ID, transfer("t", 5))
				return err
			})
			select {
			case <-changes:
				t.Error("told before the commit")
			default:
			}
			return checkout.Answer{}, err
		})
		must(t, err)
		select {
		case <-changes:
		case <-ctx.Done():
			t.Error("nobody was told")
		}
	},
}
