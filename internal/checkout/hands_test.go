package checkout_test

import (
	"errors"
	"sync"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

// Two servers do everything at once to the same payments: sweeps, finality,
// announcements, expiry, cancellation. Nothing is lost, said twice or stuck.
func TestManyHands(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			w := worldOn(t, dsn(t))
			other := &world{t: t, dsn: w.dsn, at: begin, tag: 1000}
			other.open()
			defer func() { must(t, other.store.Close()) }()
			manyHands(t, w, other)
		})
	}
}

func manyHands(t *testing.T, w, other *world) {
	var pays []*payment.Payment
	for range 8 {
		pays = append(pays, w.create(100))
	}
	const blocks = 12
	var sweeps []checkout.Sweep
	for n := 1; n <= blocks; n++ {
		b := block(n, 0)
		sw := checkout.Sweep{Chain: base, From: uint64(n), To: b}
		for i, p := range pays {
			if (n+i)%3 == 0 { // four parts of 30 each
				sw.Sightings = append(sw.Sightings, w.sighting(p, 100*n+i, uint(i), 30, b))
			}
		}
		sweeps = append(sweeps, sw)
	}
	// Two processes on one file do not queue: one may be told that the database is busy, which
	// asks to try again, as scanners and callers do.
	may := func(do func() error) {
		err := do()
		for n := 0; n < 10 && fault.Is(err, fault.Unavailable); n++ {
			err = do()
		}
		if err != nil && !errors.Is(err, checkout.ErrStale) && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Conflict) {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for i, node := range []*world{w, other} {
		wg.Go(func() {
			for n, sw := range sweeps {
				may(func() error { return node.RecordSweep(t.Context(), sw) })
				if n > 2 {
					may(func() error {
						return node.Finalize(t.Context(), base, []checkout.Block{block(n-2, 0), block(n-1, 0)})
					})
				}
			}
		})
		wg.Go(func() {
			for n := range 40 {
				may(func() error {
					_, err := node.Report(t.Context(), pays[(n+i)%len(pays)].ID, base, hash(100*(n%12)+n%8), rail.Payer{})
					return err
				})
				may(func() error { return node.Refused(t.Context(), pays[n%len(pays)].ID, "code_pinned", "server", "") })
			}
		})
		wg.Go(func() {
			for range 10 {
				may(func() error {
					_, err := node.ExpireOverdue(t.Context())
					return err
				})
				may(func() error { return node.Cancel(t.Context(), owner, pays[0].ID) })
			}
		})
	}
	wg.Wait()
	c, err := w.Cursor(t.Context(), base)
	must(t, err)
	if c.Blocks[0].Number != blocks {
		t.Fatalf("read up to %d of %d: both gave up", c.Blocks[0].Number, blocks)
	}
	for n := range blocks {
		must(t, w.Finalize(t.Context(), base, []checkout.Block{block(n+1, 0)}))
	}
	for i, p := range pays {
		s := other.load(p.ID).Standing
		if s.State != payment.Paid || s.Requests[0].Settled.Int64() != 120 {
			t.Errorf("payment %d: %s with %s", i, s.State, s.Requests[0].Settled)
		}
		kinds := map[payment.EventKind]int{}
		for _, e := range w.events(p.ID) {
			kinds[e.Kind]++
		}
		if kinds[payment.EventPartial] != 3 || kinds[payment.EventPaid] != 1 || kinds[payment.EventUnsafe] != 1 || kinds[payment.EventSeen] != 4 {
			t.Errorf("payment %d: log %v", i, kinds)
		}
	}
}

// A watcher has read a block, with what lies beside its logs. Before it records that, another
// goes back and comes forward again over another block of the same height: the cursor stands
// where it stood, and what was read is of a chain that is gone.
func TestWhatWasReadBeforeAnotherWentBackIsStale(t *testing.T) {
	w := newWorld(t)
	must(t, w.RecordSweep(t.Context(), checkout.Sweep{Chain: base, From: 1, To: block(1, 0)}))
	read, err := w.Cursor(t.Context(), base)
	must(t, err)
	must(t, w.Rewind(t.Context(), base, block(0, 0)))
	must(t, w.RecordSweep(t.Context(), checkout.Sweep{Chain: base, From: 1, To: block(1, 1)}))

	late := checkout.Sweep{Chain: base, From: 2, To: block(2, 0), Rewound: read.Rewound}
	if err := w.Service.RecordSweep(t.Context(), late); !errors.Is(err, checkout.ErrStale) {
		t.Errorf("got %v, want ErrStale", err)
	}
	now, err := w.Cursor(t.Context(), base)
	must(t, err)
	if len(now.Blocks) == 0 || now.Blocks[0].Number != 1 {
		t.Errorf("the cursor moved to %v", now.Blocks)
	}
	if err := w.Service.Rewind(t.Context(), base, block(0, 0), read.Rewound); !errors.Is(err, checkout.ErrStale) {
		t.Errorf("going back from there: got %v, want ErrStale", err)
	}
	late.Rewound = now.Rewound
	must(t, w.Service.RecordSweep(t.Context(), late))
}
