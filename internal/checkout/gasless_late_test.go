package checkout_test

import (
	"fmt"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
)

// settlesLate runs the job that an hour old grant has.
func (b *paysBy) settlesLate() (again time.Time) {
	b.t.Helper()
	again, err := b.TrackGasless(b.t.Context(), b.late())
	must(b.t, err)
	return again
}

func (b *paysBy) late() string {
	return checkout.Follow{Payment: b.p.ID, Key: fmt.Sprintf("grant:%d:%s", base, b.hash())}.Args()
}

// What was granted and did not come to us may have been executed without us, and costs
// all the same.
func TestGrantsAreSettledLate(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*paysBy)
		cost   int64
	}{
		"never sent":                 {func(*paysBy) {}, 0},
		"executed without us":        {func(b *paysBy) { b.executes(true, 1010) }, gasPaid},
		"made to fail without us":    {func(b *paysBy) { b.executes(false, 1010) }, gasPaid},
		"replaced":                   {func(b *paysBy) { b.relay.executes(base, saver, hash(666), 0, true, 1010) }, 0},
		"refused, and never carried": {func(b *paysBy) { b.refused() }, 0},
		"refused, and carried":       {func(b *paysBy) { b.refused(); b.executes(false, 1010) }, gasPaid},
		"expired": {func(b *paysBy) {
			second(b.asks(checkout.GaslessSend))
			b.later(8 * time.Minute)
			b.looks()
		}, 0},
		"expired, and made to fail": {func(b *paysBy) {
			second(b.asks(checkout.GaslessSend))
			b.later(8 * time.Minute)
			b.looks()
			b.executes(false, b.relay.head+1)
		}, gasPaid},
		"settled before": {func(b *paysBy) {
			second(b.asks(checkout.GaslessSend))
			b.executes(true, 1010)
			b.reach(1020)
			b.looks()
			b.relay.done = nil // what is said later of it does not matter
		}, gasPaid},
		"pending": {func(b *paysBy) { second(b.asks(checkout.GaslessSend)) }, opCost},
	} {
		t.Run(name, func(t *testing.T) {
			w := gasWorld(t)
			p := w.create(100)
			b := w.saves(p)
			must(t, b.sponsored())
			c.before(b)
			w.reach(1000 + 3600)
			w.relay.set(func() { w.relay.dead = errSilent })
			if again := b.settlesLate(); !again.IsZero() && !again.Equal(w.now().Add(5*time.Minute)) {
				t.Errorf("tried again at %v", again)
			}
			w.relay.set(func() { w.relay.dead = nil })
			for range 2 {
				if again := b.settlesLate(); !again.IsZero() {
					t.Errorf("tried again at %v", again)
				}
			}
			if s := w.spent(p); s.Payment.Int64() != c.cost {
				t.Errorf("it has cost %s, want %d", s.Payment, c.cost)
			}
		})
	}
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p)
	must(t, b.sponsored())
	w.pass(time.Hour)
	if n := w.followed(checkout.GaslessTrackKind); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if _, err := w.TrackGasless(t.Context(), string(p.ID)+" grant:x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("no grant: %v", err)
	}
	w.relay.set(func() { w.relay.dead = errSilent })
	w.pass(25 * time.Hour)
	if again := b.settlesLate(); !again.IsZero() {
		t.Errorf("tried for ever: %v", again)
	}
}
