package checkout_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/webhook"
)

// Money that comes to the address of a payment that was archived long ago is seen, counted
// and told as if the payment had never been moved.
func TestLateMoneyOfAnArchivedPayment(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	w.pass(time.Hour + time.Second)
	_, err := w.ExpireOverdue(t.Context())
	must(t, err)
	for _, j := range w.jobs() { // all is told
		must(t, w.store.Done(t.Context(), j.ID))
	}
	w.pass(10 * 366 * 24 * time.Hour)
	if a, err := w.store.Archive(t.Context(), "", w.now().AddDate(0, 0, -90)); err != nil || a.Moved != 1 {
		t.Fatalf("%d payments were archived, %v", a.Moved, err)
	}
	b := w.blockNow(1)
	x := w.drop(p, usdcBase, 1, big.NewInt(1_000_000), b)
	if mine, err := w.Mine(t.Context(), []rail.Sighting{x}); err != nil || len(mine) != 1 {
		t.Errorf("%d sightings are ours, %v", len(mine), err)
	}
	for n := range 2 { // and once more, which changes nothing
		w.restart()
		must(t, w.sweep(n+1, w.blockNow(n+1), x))
	}
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	if kinds := w.kinds(p.ID); !slices.Equal(kinds, []payment.EventKind{"created", "expired", "seen", "late"}) {
		t.Errorf("what happened is %v", kinds)
	}
	if got := w.load(p.ID); got.Standing.State != payment.Expired || got.Standing.Oddity != payment.Late || len(got.Transfers) != 1 {
		t.Errorf("the payment is %s, %s", got.Standing.State, got.Standing.Oddity)
	}
	late := false
	for _, j := range w.jobs() {
		if j.Kind == webhook.RelayKind {
			e, _, err := w.store.Event(t.Context(), j.Args)
			must(t, err)
			late = late || e.Kind == payment.EventLate
		}
	}
	if !late {
		t.Error("nobody is told of the late money")
	}
}

// jobs takes all that are due.
func (w *world) jobs() []job.Job {
	w.t.Helper()
	jobs, err := w.store.Claim(w.t.Context(), w.now(), time.Minute, job.Room{Free: 99, Laned: 99, PerLane: 99})
	must(w.t, err)
	return jobs
}
