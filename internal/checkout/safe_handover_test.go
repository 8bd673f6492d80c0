package checkout_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Executed for a payment on another chain, it goes on as a transfer over a bridge.
func TestASafePaysFromAnotherChain(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p, across, proves, by(block(1100, 0).Time)).announce()
	w.trackSafe(args)
	tx := w.vault.executes(arbitrum, box, a.Handle, 7, true, 1099)
	w.until(1150)
	w.stands(p, payment.Open, true) // its deadline has passed, and nobody has looked
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
	w.ends(p, payment.Executed, "")
	as := w.load(p.ID).Attempts
	b := as[slices.IndexFunc(as, func(a payment.Attempt) bool { return a.Route != nil })]
	if len(as) != 2 || b.Kind != "bridge" || b.Handle != tx || b.Chain != arbitrum || b.Payer != box.String() || b.Decides || b.Route.To != base {
		t.Fatalf("handed over as %+v of %d", b, len(as))
	}
	jobs, err := w.store.Claim(t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(t, err)
	follow := checkout.Follow{Payment: p.ID, Key: b.Key}.Args()
	if !slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Kind == checkout.TrackKind && j.Args == follow }) {
		t.Errorf("jobs %+v", jobs)
	}
	proof := proven(100)
	proof.Payer, proof.Route.SentAt, proof.Until = box.String(), block(1099, 0).Time, block(9000, 0).Time
	w.span.shows(proof)
	w.span.says(payment.Bridging)
	w.track(follow)
	if _, moving := w.load(p.ID).UnderWay(w.now()); !moving {
		t.Error("the money is not on its way")
	}
	// It arrives after the deadline, which the source has kept.
	w.scan(1200, w.arrival(p, 100, block(1200, 0)))
	w.settle(1200)
	w.stands(p, payment.Paid, false)
	if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != box.String() || x.Evidence.Source.Tx != tx {
		t.Errorf("paid from %+v", x.Evidence)
	}
	w.told(p, "announced", "announced", "bridging", "seen", "paid")
}

// The real transaction may have been announced by somebody who saw it.
func TestHandedOverToWhatIsThere(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p, across, proves).announce()
	tx := w.vault.executes(arbitrum, box, a.Handle, 7, true, 1010)
	_, err := w.Announce(t.Context(), p.ID, arbitrum, tx, rail.Payer{})
	must(t, err)
	w.until(1010)
	w.trackSafe(args)
	w.ends(p, payment.Executed, "")
	if n := len(w.load(p.ID).Attempts); n != 2 {
		t.Errorf("%d attempts", n)
	}
	w.told(p, "announced", "announced")
}

// A transaction whose calls nobody could read before it was known what it executed,
// because somebody else's contract executed it, is followed all the same; and so is
// one that a reorganisation took away for a while.
func TestHandedOverToWhatWasGivenUp(t *testing.T) {
	proof := proven(100)
	proof.Payer, proof.Route.SentAt, proof.Until = box.String(), block(1010, 0).Time, block(9000, 0).Time
	before := proof
	before.Route.Final = false
	for name, looks := range map[string][]rail.Proof{"unproven": {seeing(payment.Unknown)}, "proven, and gone": {before, seeing(payment.Unknown)}} {
		t.Run(name, func(t *testing.T) {
			w := safeWorld(t)
			p := w.create(100)
			a, args := w.proposes(p, across, proves).announce()
			tx := w.vault.executes(arbitrum, box, a.Handle, 7, true, 1010)
			early, err := w.Announce(t.Context(), p.ID, arbitrum, tx, rail.Payer{})
			must(t, err)
			for _, look := range looks {
				w.span.shows(look)
				w.track(checkout.Follow{Payment: p.ID, Key: early.Key}.Args())
			}
			w.until(1010)
			w.trackSafe(args)
			w.stands(p, payment.Open, true) // until it is known what it sent
			as := w.load(p.ID).Attempts
			b := as[len(as)-1]
			if b.Route == nil || b.Handle != tx || b.Key == early.Key || b.Stage != payment.Announced {
				t.Fatalf("handed over as %+v", b)
			}
			w.span.shows(proof)
			w.track(checkout.Follow{Payment: p.ID, Key: b.Key}.Args())
			if _, moving := w.load(p.ID).UnderWay(w.now()); !moving {
				t.Error("the money is not on its way")
			}
		})
	}
}

// A bridge may be quicker than the Safe's chain is final, and money that arrives
// after the Safe's deadline is in time if the Safe was. Who paid is known then.
func TestArrivalBeforeTheSafeIsFinal(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p, across, proves, by(block(1100, 0).Time)).announce()
	tx := w.vault.executes(arbitrum, box, a.Handle, 7, true, 1099)
	for range 2 {
		w.trackSafe(args)
	}
	w.ends(p, payment.Announced, "")
	proof := proven(100)
	proof.Payer, proof.Route.SentAt, proof.Until = box.String(), block(1099, 0).Time, block(9000, 0).Time
	w.span.shows(proof)
	w.track(checkout.Follow{Payment: p.ID, Key: fmt.Sprintf("tx:%d:%s", arbitrum, tx)}.Args())
	w.scan(1110, w.arrival(p, 100, block(1110, 0)))
	w.settle(1110)
	w.stands(p, payment.Paid, true) // which does not matter any more
	if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != box.String() || x.Evidence.Source.Tx != tx {
		t.Errorf("paid from %+v", x.Evidence)
	}
	w.until(1200)
	w.trackSafe(args)
	w.ends(p, payment.Executed, "")
	w.told(p, "announced", "announced", "bridging", "seen", "paid")
	if n := len(w.load(p.ID).Attempts); n != 2 {
		t.Errorf("%d attempts", n)
	}
}
