package checkout_test

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

func TestRecoveryOnThePaymentsChain(t *testing.T) {
	foreign := func(change func(*rail.Recovery)) func(*world) rail.Recovery {
		return func(w *world) rail.Recovery {
			r := w.recovery(100)
			change(&r)
			return r
		}
	}
	t.Run("ends the transfer", func(t *testing.T) {
		w, p, args := bridged(t, 100)
		w.recovers(2, block(2, 0), w.recovery(101)) // relayers may give more
		w.recovers(3, block(3, 0), w.recovery(101))
		w.wants(p, payment.Abandoned, payment.Recovered, false)
		w.told(p, "announced", "bridging", "broken")
		if e := w.last(p); e.Fields[payment.FieldReason] != "destination_call_failed" || w.attempt(p).Route.Tx != hash(9000) {
			t.Errorf("told %+v", e.Fields)
		}
		if again := w.track(args); !again.IsZero() {
			t.Errorf("followed on at %v", again)
		}
		// A reorganisation, and the call does not fail this time.
		must(t, w.Rewind(t.Context(), base, block(1, 0)))
		must(t, w.sweep(2, block(2, 1), w.arrival(p, 100, block(2, 1))))
		w.wants(p, payment.Executed, payment.Arrived, false)
	})
	t.Run("before the proof", func(t *testing.T) {
		w := bridgeWorld(t)
		p := w.create(100)
		w.recovers(2, block(2, 0), w.recovery(100))
		args := w.announce(p)
		w.span.shows(proven(100))
		w.track(args)
		w.track(args)
		w.wants(p, payment.Abandoned, payment.Recovered, false)
		w.told(p, "announced", "bridging", "broken")
	})
	t.Run("while a payment of it arrives", func(t *testing.T) {
		w, p, _ := bridged(t, 100)
		must(t, w.RecordSweep(t.Context(), checkout.Sweep{
			Chain: base, From: 2, To: block(2, 0), Recoveries: []rail.Recovery{w.recovery(100)}, Sightings: []rail.Sighting{w.arrival(p, 100, block(2, 0))},
		}))
		w.wants(p, payment.Executed, payment.Arrived, false)
	})
	for name, r := range map[string]func(*world) rail.Recovery{
		"of another transfer": foreign(func(r *rail.Recovery) { r.Route = hash(0xabd) }),
		"on another chain":    foreign(func(r *rail.Recovery) { r.Chain = arbitrum }),
		"of another asset":    foreign(func(r *rail.Recovery) { r.Token = asset.Address{19: 9} }),
		"of too little":       foreign(func(r *rail.Recovery) { r.Amount = big.NewInt(99) }),
		"to another account":  foreign(func(r *rail.Recovery) { r.To = asset.Address{19: 9} }),
	} {
		t.Run(name, func(t *testing.T) {
			w, p, args := bridged(t, 100)
			w.recovers(2, block(2, 0), r(w))
			w.track(args)
			w.wants(p, payment.Proven, payment.Bridging, true)
			w.told(p, "announced", "bridging")
		})
	}
}

// Somebody has the executor name a transfer that is not theirs.
func TestAStrangersMoneyIsNotTheRoutes(t *testing.T) {
	w, p, _ := bridged(t, 100)
	must(t, w.sweep(2, block(2, 0), w.arrival(p, 1, block(2, 0))))
	w.wants(p, payment.Proven, payment.Bridging, true)
	if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != "" || x.Evidence.Source.Tx != "" {
		t.Errorf("a stranger's money has a payer: %+v", x.Evidence)
	}
}

// Whoever sends a copy of a route after its money has come does not become who
// paid: nobody announced the one that did.
func TestACopyOfARouteIsNotWhoPaid(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
	copied := proven(100)
	copied.Route.SentAt, copied.Payer = begin.Add(10*time.Minute), asset.Address{19: 0x66}.String()
	w.span.shows(copied)
	w.span.says(payment.Bridging)
	w.track(w.announce(p))
	w.wants(p, payment.Proven, payment.Bridging, true)
	if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != "" || x.Evidence.Source.Tx != "" {
		t.Errorf("the money is said to be from %+v", x.Evidence)
	}
}

// A reorganisation of the source chain takes a proven transaction away.
func TestSourceReorg(t *testing.T) {
	start := func(t *testing.T) (*world, *payment.Payment, string) {
		w := bridgeWorld(t)
		p := w.create(100)
		args := w.announce(p)
		w.span.shows(unsure(proven(100)))
		w.span.says(payment.Refunding)
		w.track(args)
		w.wants(p, payment.Proven, payment.Refunding, true)
		w.span.shows(seeing(payment.Sent))
		w.track(args)
		w.wants(p, payment.Proven, payment.Refunding, true) // one node may lag behind
		return w, p, args
	}
	t.Run("for good", func(t *testing.T) {
		w, p, args := start(t)
		w.span.says(payment.Sent)
		w.pass(2*time.Minute + 1)
		w.track(args)
		w.wants(p, payment.Proven, payment.Sent, false)
		w.pass(8 * time.Minute)
		if again := w.track(args); !again.IsZero() {
			t.Errorf("followed on at %v", again)
		}
		w.wants(p, payment.Abandoned, payment.Unknown, false)
		w.told(p, "announced", "bridging")
	})
	t.Run("and it is mined again", func(t *testing.T) {
		w, p, args := start(t)
		w.span.says(payment.Sent)
		w.pass(3 * time.Minute)
		w.track(args)
		moved := proven(100)
		moved.Route.SentAt = begin.Add(4 * time.Minute)
		w.span.shows(moved)
		w.track(args)
		w.wants(p, payment.Proven, payment.Bridging, true)
		if a := w.attempt(p); !a.Route.SentAt.Equal(moved.Route.SentAt) || !a.Route.Missed.IsZero() || !a.Route.Final {
			t.Errorf("proven again as %+v", a.Route)
		}
		before := w.span.asked.proofs
		w.track(args)
		if w.span.asked.proofs != before {
			t.Error("what is there for good was proven once more")
		}
		w.told(p, "announced", "bridging")
	})
	t.Run("and it fails this time", func(t *testing.T) {
		w, p, args := start(t)
		failed := proven(100)
		failed.Route.Progress = payment.Broken
		w.span.shows(failed)
		w.track(args)
		w.wants(p, payment.Abandoned, payment.Broken, false)
		w.told(p, "announced", "bridging", "broken")
	})
}

// The arrival is reorganised away: the money is on its way again.
func TestDestinationReorg(t *testing.T) {
	w, p, args := bridged(t, 100)
	must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
	w.wants(p, payment.Executed, payment.Arrived, false)
	must(t, w.Rewind(t.Context(), base, block(1, 0)))
	w.wants(p, payment.Executed, payment.Arrived, true)
	before := w.span.asked.news
	w.track(args)
	if w.span.asked.news == before {
		t.Error("the bridge was not asked again")
	}
	w.recovers(2, block(2, 1), w.recovery(100)) // mined again, and the call fails
	w.wants(p, payment.Abandoned, payment.Recovered, false)
}

func TestHowLongAPaymentIsHeld(t *testing.T) {
	t.Run("until its time", func(t *testing.T) {
		w, p, args := bridged(t, 100)
		w.pass(time.Hour - 1)
		w.wants(p, payment.Proven, payment.Bridging, true)
		w.pass(time.Hour)
		w.wants(p, payment.Proven, payment.Bridging, true)
		w.pass(1)
		w.wants(p, payment.Proven, payment.Bridging, false)
		if again := w.track(args); again.IsZero() {
			t.Error("not followed any more")
		}
		w.pass(24*time.Hour + 1)
		if again := w.track(args); !again.IsZero() {
			t.Errorf("followed for ever: %v", again)
		}
	})
	t.Run("not by a part", func(t *testing.T) {
		w := bridgeWorld(t)
		p := w.create(100)
		args := w.announce(p)
		w.span.shows(proven(60))
		w.track(args)
		w.wants(p, payment.Proven, payment.Bridging, false)
		must(t, w.sweep(2, block(2, 0), w.sighting(p, 5, 0, 40, block(2, 0))))
		if _, held := w.load(p.ID).UnderWay(w.now()); !held {
			t.Error("not held although nothing will be missing")
		}
		must(t, w.Rewind(t.Context(), base, block(1, 0)))
		if _, held := w.load(p.ID).UnderWay(w.now()); held {
			t.Error("held although the other part is gone")
		}
	})
	t.Run("by the first three only", func(t *testing.T) {
		w := bridgeWorld(t)
		p := w.create(100)
		for i := range 5 {
			w.pass(time.Second)
			a, err := w.Report(t.Context(), p.ID, arbitrum, hash(sent+i), rail.Payer{})
			must(t, err)
			proof := proven(100)
			proof.Route.ID = hash(0xf00 + i)
			w.span.shows(proof)
			w.span.says(payment.Bridging)
			args := checkout.Follow{Payment: p.ID, Key: a.Key}.Args()
			w.track(args)
			if _, held := w.load(p.ID).UnderWay(w.now()); held != (i < 3) {
				t.Errorf("route %d: held %t", i, held)
			}
			w.span.says(payment.Refunded)
			w.track(args)
		}
	})
}

// A transaction that only its sender's own node knew is given up, and taken again
// when it is announced again.
func TestGivenUpAndSentAfterAll(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	args := w.announce(p)
	w.pass(10*time.Minute + 1)
	if again := w.track(args); !again.IsZero() {
		t.Fatalf("looked for again at %v", again)
	}
	w.wants(p, payment.Abandoned, payment.Unknown, false)
	w.span.shows(proven(100))
	w.span.says(payment.Bridging)
	later := w.announce(p)
	if w.announce(p) != later {
		t.Error("announced twice more")
	}
	w.track(later)
	if a, held := w.load(p.ID).UnderWay(w.now()); !held || a.Handle != hash(sent) {
		t.Errorf("held: %t", held)
	}
	w.told(p, "announced", "announced", "bridging")
}

// Junk costs nothing: it must not crowd out the transfer that pays, without which
// the payer could pay twice and would never hear of its end.
func TestJunkLeavesRoomForRoutes(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	report := func(on asset.ChainID, n int) (payment.Attempt, error) {
		return w.Report(t.Context(), p.ID, on, hash(n), rail.Payer{})
	}
	for i := range 20 {
		_, err := report([]asset.ChainID{base, arbitrum}[i%2], 100+i)
		must(t, err)
	}
	limited := func(what string, on asset.ChainID, n int) {
		t.Helper()
		if _, err := report(on, n); !fault.Is(err, fault.Limited) {
			t.Errorf("%s: %v", what, err)
		}
	}
	limited("one that nobody knows", arbitrum, 300)
	w.span.set(func(s *span) { s.fail = errors.New("down") })
	limited("one that nobody can look for", arbitrum, 300)
	w.span.set(func(s *span) { s.fail = nil })
	w.span.shows(seeing(payment.Unknown))
	limited("somebody else's", arbitrum, 300)

	w.span.shows(proven(100))
	w.span.says(payment.Bridging)
	limited("one on the payment's own chain", base, 300)
	w.track(w.announce(p))
	if _, held := w.load(p.ID).UnderWay(w.now()); !held {
		t.Error("the payer's transfer holds nothing")
	}
	for i := range 19 {
		_, err := report(arbitrum, 400+i)
		must(t, err)
	}
	asked := w.span.asked.proofs
	limited("one too many of those that pay", arbitrum, 500)
	if w.span.asked.proofs != asked {
		t.Error("the chain was asked for what is not kept anyway")
	}
}

// Merchant and clock do what they like meanwhile; the money counts as late money.
func TestOverMeanwhile(t *testing.T) {
	for name, end := range map[string]func(*world, *payment.Payment){
		"expired": func(w *world, _ *payment.Payment) {
			w.pass(window + time.Second)
			_, err := w.ExpireOverdue(w.t.Context())
			must(w.t, err)
		},
		"cancelled": func(w *world, p *payment.Payment) { must(w.t, w.Cancel(w.t.Context(), owner, p.ID)) },
	} {
		t.Run(name, func(t *testing.T) {
			w, p, args := bridged(t, 100)
			end(w, p)
			w.span.says(payment.Refunding)
			if again := w.track(args); again.IsZero() {
				t.Error("not followed any more")
			}
			b := block(9, 0)
			b.Time = begin.Add(window + grace + time.Minute)
			must(t, w.sweep(2, b, w.arrival(p, 100, b)))
			must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
			w.wants(p, payment.Executed, payment.Arrived, false)
			if e := w.last(p); e.Kind != payment.EventLate || e.Transfer.Evidence.Payer != signer.String() {
				t.Errorf("told %s of %+v", e.Kind, e.Transfer)
			}
		})
	}
}

// A route that fails after the payment was made in another way is nobody's
// business: the merchant would take it for the payment's own failure.
func TestFailureOfASecondWay(t *testing.T) {
	for _, how := range []payment.Progress{payment.Refunded, payment.Recovered, payment.Broken} {
		w, p, args := bridged(t, 100)
		must(t, w.sweep(2, block(2, 0), w.sighting(p, 5, 0, 100, block(2, 0))))
		w.span.says(how)
		w.track(args)
		w.wants(p, payment.Abandoned, how, false)
		w.told(p, "announced", "bridging", "seen")
	}
}
