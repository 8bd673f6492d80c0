package checkout_test

import (
	"sync"
	"testing"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

// sameAtOnce announces one hash from many hands: there is one attempt, one job,
// and nobody is refused.
func sameAtOnce(t *testing.T, w *world) {
	p := w.create(100)
	var announcing sync.WaitGroup
	for i := range 12 {
		announcing.Go(func() {
			more := proves
			if i%2 == 0 {
				more = bySigned
			}
			if _, err := w.proposes(p, proves, more).try(); err != nil {
				t.Error(err)
			}
		})
	}
	announcing.Wait()
	if a := w.ends(p, payment.Announced, ""); len(a.Safe.Signed) != 1 {
		t.Errorf("signed by %v", a.Safe.Signed)
	}
	w.told(p, "announced")
}

// manyAtOnce announces different hashes: one is first.
func manyAtOnce(t *testing.T, w *world) {
	p := w.create(100)
	var announcing sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for i := range 12 {
		announcing.Go(func() {
			r := w.proposes(p, func(r *proposal) { r.note.Nonce = uint64(100 + i) }, proves)
			_, err := r.try()
			mu.Lock()
			defer mu.Unlock()
			if f := fault.From(err); err == nil {
				taken++
			} else if f.Code != "safe_pending" {
				t.Error(err)
			}
		})
	}
	announcing.Wait()
	if taken != 1 || len(w.load(p.ID).Attempts) != 1 {
		t.Errorf("%d were taken, %d are there", taken, len(w.load(p.ID).Attempts))
	}
	w.stands(p, payment.Open, true)
}

// looksAtOnce has many nodes see an end: it is told once.
func looksAtOnce(t *testing.T, w *world) {
	p := w.create(100)
	a, args := w.proposes(p, proves).announce()
	n := w.vault.head + 1
	w.vault.executes(base, box, a.Handle, 7, false, n)
	w.until(n)
	var looking sync.WaitGroup
	for range 12 {
		looking.Go(func() {
			if _, err := w.TrackSafe(t.Context(), args); err != nil {
				t.Error(err)
			}
		})
	}
	looking.Wait()
	w.ends(p, payment.Abandoned, "safe_execution_failed")
	w.told(p, "announced", "failed")
}
