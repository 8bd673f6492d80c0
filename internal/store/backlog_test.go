package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/seal"
	"quittance/internal/store"
	"quittance/internal/store/storetest"
	"quittance/internal/webhook"
)

func TestWhatWaitsIsCounted(t *testing.T) {
	for engine, databases := range map[string]func(testing.TB) func(testing.TB) string{
		"sqlite":   func(testing.TB) func(testing.TB) string { return file },
		"postgres": schemas,
	} {
		t.Run(engine, func(t *testing.T) {
			s := storetest.Open(t, databases(t)(t))
			now := time.Now().UTC().Truncate(time.Microsecond)
			b, err := s.Backlog(t.Context(), now)
			if err != nil || b.Due != 0 || !b.OldestDue.IsZero() || !b.Oldest.IsZero() || b.Buried != 0 {
				t.Fatalf("an empty database: %+v, %v", b, err)
			}
			m := payment.MerchantID(payment.NewULID(now))
			ok(t, s.InsertMerchant(t.Context(), merchant.Merchant{ID: m, Name: "m", CreatedAt: now}))
			for i, at := range []time.Duration{-3, -2, -1, 60} {
				ok(t, s.Enqueue(t.Context(), job.Job{ID: fmt.Sprintf("01KE%022d", i), Kind: "kind", RunAt: now.Add(at * time.Minute)}))
			}
			claimed, err := s.Claim(t.Context(), now, time.Minute, job.Room{Free: 1})
			ok(t, err)
			ok(t, s.Enqueue(t.Context(), job.Job{ID: "B", Kind: "other", RunAt: now}))
			ok(t, s.Bury(t.Context(), "B", "no use"))
			ok(t, s.SaveDeliveries(t.Context(), nil, []webhook.Delivery{
				{ID: "D1", Merchant: m, Endpoint: "E", State: webhook.Queued, NextAt: now.Add(time.Hour), CreatedAt: now.Add(-time.Hour)},
				{ID: "D2", Merchant: m, Endpoint: "E", State: webhook.Queued, NextAt: now.Add(time.Hour), CreatedAt: now},
			}))
			b, err = s.Backlog(t.Context(), now)
			ok(t, err)
			if len(claimed) != 1 || b.Due != 3 || b.Kinds["kind"] != 4 || b.Kinds[webhook.DeliverKind] != 2 || b.Buried != 1 || b.Undelivered != 2 ||
				!b.OldestDue.Equal(now.Add(-2*time.Minute)) || !b.Oldest.Equal(now.Add(-time.Hour)) {
				t.Errorf("counted %+v", b)
			}
			if p := s.Pool(); p.Open == 0 || p.Writes != 0 {
				t.Errorf("connections: %+v", p)
			}
		})
	}
}

// unpaid is a payment of a new merchant.
func unpaid(t *testing.T, s *store.Store, now time.Time) *payment.Payment {
	t.Helper()
	m := payment.MerchantID(payment.NewULID(now))
	ok(t, s.InsertMerchant(t.Context(), merchant.Merchant{ID: m, Name: "m", CreatedAt: now}))
	p := &payment.Payment{ID: payment.ID(payment.NewULID(now)), Terms: payment.Terms{
		Merchant: m, Dialect: "request", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		Requests: []payment.Request{{ID: payment.NewULID(now), Asset: "USDC-base", Due: big.NewInt(1), Topic: "0x01"}},
	}}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	return p
}

func TestGasOfTheDayIsAddedUp(t *testing.T) {
	s := storetest.Open(t, file(t))
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	p := unpaid(t, s, now)
	ok(t, s.Write(t.Context(), func(tx checkout.Tx) error {
		if err := tx.InsertPayment(t.Context(), p); err != nil {
			return err
		}
		for i, g := range []checkout.Grant{{At: now, Chain: 1}, {At: now.Add(-2 * time.Hour), Chain: 1}, {At: now.Add(-2 * time.Hour), Sent: true, Chain: 1},
			{At: now, Chain: 2}, {At: now.Add(-24 * time.Hour), Sent: true, Chain: 1}} {
			g.ID, g.Payment, g.Owner, g.Wei = fmt.Sprint(i), p.ID, asset.Address{1}, big.NewInt(5_000_000_000)
			if err := tx.PutGrant(t.Context(), g); err != nil {
				return err
			}
		}
		return nil
	}))
	got, err := s.GasOfDay(t.Context(), 1, now, now.Add(-checkout.GrantFor))
	if ok(t, err); got.Int64() != 10_000_000_000 {
		t.Errorf("%s wei", got)
	}
}

func TestOnlyWhatWasCommittedIsTold(t *testing.T) {
	dsn := file(t)
	storetest.Open(t, dsn)
	var told []store.Told
	box, err := seal.New([]byte("a test key of exactly 32 bytes.."))
	ok(t, err)
	s, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box, Committed: func(x []store.Told) { told = append(told, x...) }})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	now := time.Now().UTC()
	p := unpaid(t, s, now)
	made := payment.Event{ID: payment.NewULID(now), Payment: p.ID, Merchant: p.Terms.Merchant, Dialect: "request", Kind: payment.EventCreated, Request: -1, At: now}
	paid := made
	paid.ID, paid.Kind = payment.NewULID(now), payment.EventPaid
	refuse := errors.New("no")
	for _, outcome := range []error{refuse, nil} {
		err := s.Write(t.Context(), func(tx checkout.Tx) error {
			return errors.Join(tx.InsertPayment(t.Context(), p), tx.AppendEvent(t.Context(), made), outcome)
		})
		if !errors.Is(err, outcome) || len(told) != 0 && outcome != nil {
			t.Fatalf("%v, told %v", err, told)
		}
	}
	if len(told) != 1 || told[0].Created != p || told[0].Event.ID != made.ID {
		t.Fatalf("told %+v", told)
	}
	// What a part of an effect did and took back is not told with the rest.
	_, _, err = s.Once(t.Context(), nil, now, func(ctx context.Context) (checkout.Answer, error) {
		lost := made
		lost.ID = payment.NewULID(now)
		if err := s.Write(ctx, func(tx checkout.Tx) error { return errors.Join(tx.AppendEvent(ctx, lost), refuse) }); !errors.Is(err, refuse) {
			t.Errorf("the part: %v", err)
		}
		return checkout.Answer{}, s.Write(ctx, func(tx checkout.Tx) error {
			p.Standing.Oddity = payment.Over
			return errors.Join(tx.SaveStanding(ctx, p), tx.AppendEvent(ctx, paid))
		})
	})
	ok(t, err)
	if len(told) != 2 || told[1].Event.ID != paid.ID || told[1].Oddity != payment.Over || told[1].Created != nil {
		t.Errorf("told %+v", told)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
