package checkout_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// A contract can pay one reference in one block and another reference when a
// reorganisation mines the same transaction again: the same place then holds
// another payment's money, and the watcher must not stop for it.
func TestSamePlacePaysAnotherPaymentAfterAReorg(t *testing.T) {
	w := newWorld(t)
	a, b := w.create(100), w.create(100)
	must(t, w.sweep(1, block(1, 0)))
	must(t, w.sweep(2, block(2, 0), w.sighting(a, 7, 0, 100, block(2, 0))))
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	must(t, w.sweep(2, block(2, 1), w.sighting(b, 7, 0, 100, block(2, 1))))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0), block(2, 1)}))
	if got := w.load(a.ID).Standing.State; got != payment.Open {
		t.Errorf("the first payment is %s, its money went away", got)
	}
	if got := w.load(b.ID).Standing.State; got != payment.Paid {
		t.Errorf("the second payment is %s, its money is there", got)
	}
}

func TestReorgMovesATransferToAnotherIndexAndAmount(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	must(t, w.sweep(1, block(1, 0)))
	must(t, w.sweep(2, block(2, 0), w.sighting(p, 7, 0, 100, block(2, 0))))
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	if s := w.load(p.ID).Standing; s.State != payment.Open || s.Requests[0].Received.Sign() != 0 {
		t.Errorf("after the reorg: %s, received %s", s.State, s.Requests[0].Received)
	}
	must(t, w.sweep(2, block(2, 1), w.sighting(p, 7, 4, 60, block(2, 1))))
	if s := w.load(p.ID).Standing; s.State != payment.Open || s.Requests[0].Received.Int64() != 60 {
		t.Errorf("mined again elsewhere: %s, received %s", s.State, s.Requests[0].Received)
	}
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	must(t, w.sweep(2, block(2, 2), w.sighting(p, 7, 0, 100, block(2, 2))))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 2)}))
	if s := w.load(p.ID).Standing; s.State != payment.Paid || s.Oddity != payment.None {
		t.Errorf("mined at the first place again: %s/%s", s.State, s.Oddity)
	}
	want := []payment.EventKind{"created", "seen", "reorged", "seen", "reorged", "seen", "paid"}
	if got := w.kinds(p.ID); !slices.Equal(got, want) {
		t.Errorf("log: %v, want %v", got, want)
	}
}

// A block is made final by what is there when it happens, not by what was
// there when the caller looked.
func TestStaleFinalityDoesNotReviveWhatWasDropped(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	must(t, w.sweep(1, block(1, 0)))
	must(t, w.sweep(2, block(2, 0), w.sighting(p, 7, 0, 100, block(2, 0))))
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
	if s := w.load(p.ID).Standing; s.State != payment.Open {
		t.Errorf("got %s", s.State)
	}
}

// Each event tells the numbers of its own moment, also when several transfers
// become final at once.
func TestPartsFinalTogetherTellTheirOwnTotals(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	must(t, w.sweep(1, block(1, 0)))
	must(t, w.sweep(2, block(2, 0), w.sighting(p, 7, 0, 40, block(2, 0)), w.sighting(p, 8, 1, 60, block(2, 0)), w.sighting(p, 9, 2, 5, block(2, 0))))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
	var got []string
	for _, e := range w.events(p.ID) {
		if e.Kind.Announced() {
			got = append(got, fmt.Sprintf("%s %s %s", e.Kind, e.Standing.State, e.Standing.Settled))
		}
	}
	want := []string{"partial seen 40", "paid paid 100", "surplus paid 105"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A page that many people look at refuses many times; the merchant hears once
// for each check, also of checks whose names begin alike.
func TestOneAlarmForEachCheck(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			if err := w.Refused(t.Context(), p.ID, "code_pinned", "server", "The code differs."); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, w.Refused(t.Context(), p.ID, "code", "server", "Shorter name."))
	must(t, w.Refused(t.Context(), p.ID, "code_pinned", "page", "The page says so too."))
	n := map[string]int{}
	for _, e := range w.events(p.ID) {
		if e.Kind == payment.EventUnsafe {
			n[strings.Join(strings.SplitN(e.Detail, ": ", 3)[:2], ": ")]++
		}
	}
	if len(n) != 3 || n["server: code_pinned"] != 1 || n["server: code"] != 1 || n["page: code_pinned"] != 1 {
		t.Errorf("alarms: %v", n)
	}
}

// Anybody can send a reference's payee next to nothing, very often, for very
// little: that must not make a payment too heavy to load, and never keeps real
// money out.
func TestDustDoesNotPileUp(t *testing.T) {
	w := newWorld(t)
	p := w.create(1_000_000)
	must(t, w.sweep(1, block(1, 0)))
	n, tx := 2, 100
	for range 4 {
		b := block(n, 0)
		sweep := checkout.Sweep{Chain: base, From: uint64(n), To: b}
		for range 100 {
			sweep.Sightings = append(sweep.Sightings, w.sighting(p, tx, 0, 1, b))
			tx++
		}
		must(t, w.RecordSweep(t.Context(), sweep))
		must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
		n++
	}
	b := block(n, 0)
	must(t, w.sweep(n, b, w.sighting(p, 7, 0, 1_000_000, b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	got := w.load(p.ID)
	if got.Standing.State != payment.Paid {
		t.Errorf("dust kept a payment from being paid: %s", got.Standing.State)
	}
	if len(got.Transfers) > 210 {
		t.Errorf("%d transfers are kept for one payment", len(got.Transfers))
	}
	orphans, err := w.store.Orphans(t.Context(), 1000)
	must(t, err)
	if len(orphans)+len(got.Transfers) != 401 {
		t.Errorf("%d transfers and %d orphans, want 401 in all: no money is forgotten", len(got.Transfers), len(orphans))
	}
	// What is known is known: the same sweep again changes nothing.
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	if again := w.load(p.ID); len(again.Transfers) != len(got.Transfers) || again.Standing.State != payment.Paid {
		t.Errorf("after a rewind below final blocks: %s with %d transfers", again.Standing.State, len(again.Transfers))
	}
}

func TestExpiryEdges(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	w.pass(window)
	if n, err := w.ExpireOverdue(t.Context()); err != nil || n != 0 {
		t.Errorf("at the last instant: %d closed, %v", n, err)
	}
	w.pass(time.Microsecond)
	n, err := w.ExpireOverdue(t.Context())
	if err != nil || n != 1 {
		t.Errorf("just after it: %d closed, %v", n, err)
	}
	if n, err := w.ExpireOverdue(t.Context()); err != nil || n != 0 {
		t.Errorf("again: %d closed, %v", n, err)
	}
	// Money of the grace reopens it, a reorg closes it again.
	must(t, w.sweep(1, block(1, 0)))
	x := w.sighting(p, 7, 0, 100, block(2, 0))
	x.At = begin.Add(window + grace)
	must(t, w.sweep(2, block(2, 0), x))
	if got := w.load(p.ID).Standing.State; got != payment.Seen {
		t.Errorf("money in the grace: %s", got)
	}
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	if got := w.load(p.ID).Standing.State; got != payment.Expired {
		t.Errorf("after the reorg: %s", got)
	}
	x.At = begin.Add(window + grace + time.Microsecond)
	must(t, w.sweep(2, block(2, 0), x))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
	if s := w.load(p.ID).Standing; s.State != payment.Expired || s.Oddity != payment.Late {
		t.Errorf("money after the grace: %s/%s", s.State, s.Oddity)
	}
	want := []payment.EventKind{"created", "expired", "seen", "reorged", "expired", "seen", "late"}
	if got := w.kinds(p.ID); !slices.Equal(got, want) {
		t.Errorf("log: %v, want %v", got, want)
	}
}
