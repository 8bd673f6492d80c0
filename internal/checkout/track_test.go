package checkout_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

const (
	arbitrum = asset.ChainID(900042161)
	sent     = 7000 // the number of the source transaction
	arrives  = 8000
)

var (
	signer   = asset.Address{19: 0x51}
	fallback = asset.Address{19: 0x52}
)

func TestAnnouncedBridgeTransferArrives(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	args := w.announce(p)
	jobs, err := w.store.Claim(t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(t, err)
	if len(jobs) != 1 || jobs[0].Kind != checkout.TrackKind || jobs[0].Args != args {
		t.Fatalf("jobs %+v, want one that follows %q", jobs, args)
	}
	w.wants(p, payment.Announced, payment.Sent, false)
	if a := w.attempt(p); a.Kind != "bridge" || a.Chain != arbitrum || a.Route.To != base || a.Decides {
		t.Errorf("announced %+v", a)
	}
	if again := w.track(args); !again.Equal(begin.Add(time.Second)) {
		t.Errorf("looked at again at %v", again)
	}
	w.span.shows(proven(100))
	w.span.says(payment.Bridging)
	w.track(args)
	w.wants(p, payment.Proven, payment.Bridging, true)
	a := w.attempt(p)
	if a.Payer != signer.String() || !a.Until.Equal(begin.Add(2*time.Hour)) || a.Route.ID != hash(0xabc) || a.Route.Amount.Int64() != 103 {
		t.Errorf("proven %+v, %+v", a, a.Route)
	}
	w.span.says(payment.Arrived, hash(arrives))
	w.track(args)
	w.wants(p, payment.Proven, payment.Arrived, true) // the bridge's word pays nothing
	must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
	w.wants(p, payment.Executed, payment.Arrived, false)
	x := w.load(p.ID).Transfers[0]
	want := payment.Source{Route: hash(0xabc), Chain: arbitrum, Tx: hash(sent), Asset: "USDT-arbitrum-one", Amount: big.NewInt(103)}
	if s := x.Evidence.Source; x.Evidence.Payer != signer.String() || s.Route != want.Route || s.Chain != want.Chain || s.Tx != want.Tx || s.Asset != want.Asset || s.Amount.Cmp(want.Amount) != 0 {
		t.Errorf("the transfer came from %s, %+v", x.Evidence.Payer, s)
	}
	if again := w.track(args); again.IsZero() {
		t.Error("not followed any more before the arrival is final")
	}
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
	if again := w.track(args); !again.IsZero() {
		t.Errorf("followed after its end, at %v", again)
	}
	w.told(p, "announced", "bridging", "seen", "paid")
	if e := w.last(p); e.Transfer.Evidence.Payer != signer.String() || e.Transfer.Evidence.Source.Tx != hash(sent) {
		t.Errorf("announced with %+v", e.Transfer.Evidence)
	}
}

func TestTheSameChainNeedsNoFollowing(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	a, err := w.Report(t.Context(), p.ID, base, hash(sent), rail.Payer{})
	must(t, err)
	if a.Kind != "tx" || a.Route != nil {
		t.Errorf("announced %+v", a)
	}
	jobs, err := w.store.Claim(t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(t, err)
	if len(jobs) != 0 {
		t.Errorf("jobs %+v", jobs)
	}
	w.span = nil // no bridges are known
	w.restart()
	q := w.create(100)
	if a, err = w.Report(t.Context(), q.ID, arbitrum, hash(sent), rail.Payer{}); err != nil || a.Kind != "tx" || a.Route != nil {
		t.Errorf("announced %+v, %v", a, err)
	}
}

// Whoever sees a payer's hash first cannot have it looked for on another chain
// instead.
func TestAHashOnTheWrongChain(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	_, err := w.Report(t.Context(), p.ID, base, hash(sent), rail.Payer{})
	must(t, err)
	args := w.announce(p)
	if again := w.announce(p); again != args {
		t.Errorf("announced again as %q, was %q", again, args)
	}
	w.span.shows(proven(100))
	w.span.says(payment.Bridging)
	w.track(args)
	if a, held := w.load(p.ID).UnderWay(w.now()); !held || a.Chain != arbitrum {
		t.Errorf("held: %t, by chain %d", held, a.Chain)
	}
}

// Everything that can end a transfer, and what is told of it.
func TestEndsOfTransfers(t *testing.T) {
	broken := seeing(payment.Broken)
	broken.Route.ID, broken.Route.Final = hash(0xabc), true
	foreign := broken
	foreign.Route.ID = ""
	pending := seeing(payment.Sent)
	pending.Route.ID = hash(0xabc)
	for name, c := range map[string]struct {
		proof  rail.Proof
		after  time.Duration
		stage  payment.AttemptStage
		how    payment.Progress
		over   bool
		told   []payment.EventKind
		reason string
	}{
		"not seen yet":         {proof: seeing(payment.Sent), after: 10 * time.Minute, stage: payment.Announced, how: payment.Sent},
		"never seen":           {proof: seeing(payment.Sent), after: 10*time.Minute + 1, stage: payment.Abandoned, how: payment.Unknown, over: true},
		"waiting for a block":  {proof: pending, after: 23 * time.Hour, stage: payment.Announced, how: payment.Sent},
		"waiting for ever":     {proof: pending, after: 24*time.Hour + 1, stage: payment.Abandoned, how: payment.Unknown, over: true, told: []payment.EventKind{"expired"}},
		"another's":            {proof: seeing(payment.Unknown), stage: payment.Abandoned, how: payment.Unknown, over: true},
		"failed":               {proof: broken, stage: payment.Abandoned, how: payment.Broken, over: true, told: []payment.EventKind{"broken"}, reason: "source_transaction_failed"},
		"failed, of another":   {proof: foreign, stage: payment.Abandoned, how: payment.Broken, over: true},
		"failed, maybe not":    {proof: unsure(broken), after: time.Minute, stage: payment.Announced, how: payment.Sent},
		"failed for some time": {proof: unsure(broken), after: 2 * time.Minute, stage: payment.Abandoned, how: payment.Broken, over: true, told: []payment.EventKind{"broken"}, reason: "source_transaction_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := bridgeWorld(t)
			p := w.create(100)
			args := w.announce(p)
			w.span.shows(c.proof)
			w.pass(c.after)
			for range 3 {
				if again := w.track(args); again.IsZero() != c.over {
					t.Errorf("again at %v", again)
				}
			}
			w.wants(p, c.stage, c.how, false)
			w.told(p, append([]payment.EventKind{"announced"}, c.told...)...)
			if e := w.last(p); c.reason != "" && (e.Fields[payment.FieldReason] != c.reason || e.Fields[payment.FieldTx] != hash(sent)) {
				t.Errorf("told %+v", e.Fields)
			}
			if w.span.asked.news != 0 {
				t.Error("the bridge was asked of what is not proven")
			}
		})
	}
}

func unsure(p rail.Proof) rail.Proof {
	p.Route.Final = false
	return p
}

// What the bridge says, and what is made of it.
func TestTheBridgesWord(t *testing.T) {
	for how, c := range map[payment.Progress]struct {
		stage  payment.AttemptStage
		shown  payment.Progress
		held   bool
		told   payment.EventKind
		reason string
	}{
		payment.Sent:      {payment.Proven, payment.Bridging, true, "", ""},
		payment.Unknown:   {payment.Proven, payment.Bridging, true, "", ""},
		payment.Bridging:  {payment.Proven, payment.Bridging, true, "", ""},
		payment.Arrived:   {payment.Proven, payment.Arrived, true, "", ""},
		payment.Refunding: {payment.Proven, payment.Refunding, true, "", ""},
		payment.Refunded:  {payment.Abandoned, payment.Refunded, false, "refunded", "bridge_refunded"},
		payment.Recovered: {payment.Abandoned, payment.Recovered, false, "broken", "destination_call_failed"},
		payment.Broken:    {payment.Abandoned, payment.Broken, false, "broken", "source_transaction_failed"},
	} {
		t.Run(string(how), func(t *testing.T) {
			w, p, args := bridged(t, 100)
			w.span.says(how, hash(9))
			for range 3 {
				w.track(args)
			}
			w.wants(p, c.stage, c.shown, c.held)
			want := []payment.EventKind{"announced", "bridging"}
			if c.told == "" {
				w.told(p, want...)
				return
			}
			w.told(p, append(want, c.told)...)
			if e := w.last(p); e.Fields[payment.FieldReason] != c.reason || e.Request != 0 || w.attempt(p).Reason != c.reason {
				t.Errorf("told %+v", e)
			}
			// The payer may pay again, and that is another story.
			must(t, w.sweep(2, block(2, 0), w.sighting(p, 5, 0, 100, block(2, 0))))
			w.wants(p, c.stage, c.shown, false)
		})
	}
}

func TestWhatABridgeGaveBack(t *testing.T) {
	for name, c := range map[string]struct {
		news          rail.News
		asset, amount string
		tx            string
	}{
		"all it says":  {rail.News{Progress: payment.Refunded, Tx: hash(9), Asset: "USDC-arbitrum-one", Amount: big.NewInt(90)}, "USDC-arbitrum-one", "90", hash(9)},
		"nothing more": {rail.News{Progress: payment.Refunded}, "USDT-arbitrum-one", "103", hash(sent)},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, args := bridged(t, 100)
			w.span.set(func(s *span) { s.news = c.news })
			w.track(args)
			f := w.last(p).Fields
			if f[payment.FieldWallet] != signer.String() || f[payment.FieldAsset] != c.asset || f[payment.FieldAmount] != c.amount || f[payment.FieldTx] != c.tx {
				t.Errorf("told %v", f)
			}
			// It is no refund of what arrives later.
			must(t, w.sweep(2, block(2, 0), w.sighting(p, 5, 0, 100, block(2, 0))))
			must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
			recorded, err := w.Refunded(t.Context(), owner, checkout.Refund{Payment: p.ID, Tx: hash(77), To: signer, Amount: big.NewInt(100)})
			if err != nil || !recorded {
				t.Errorf("the merchant's own refund: %t, %v", recorded, err)
			}
		})
	}
}

// The payment's event wins over whatever was said of the transfer.
func TestTheEventWins(t *testing.T) {
	for _, how := range []payment.Progress{payment.Refunded, payment.Recovered, payment.Broken, payment.Refunding, payment.Arrived} {
		t.Run(string(how), func(t *testing.T) {
			w, p, args := bridged(t, 100)
			w.span.says(how, hash(9))
			w.track(args)
			must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
			must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
			w.wants(p, payment.Executed, payment.Arrived, false)
			if a := w.attempt(p); a.Reason != "" || a.Route.Tx != hash(arrives) {
				t.Errorf("the attempt says %q, %s", a.Reason, a.Route.Tx)
			}
			got := w.load(p.ID)
			if got.Standing.State != payment.Paid || got.Transfers[0].Evidence.Payer != signer.String() {
				t.Errorf("%s by %s", got.Standing.State, got.Transfers[0].Evidence.Payer)
			}
			before := w.span.asked.news
			if again := w.track(args); !again.IsZero() || w.span.asked.news != before {
				t.Errorf("followed on at %v", again)
			}
		})
	}
}

// A transfer whose arrival is taken back ends again as the bridge had said, which the
// merchant knows.
func TestAnEndIsToldOnce(t *testing.T) {
	for how, told := range map[payment.Progress]payment.EventKind{payment.Refunded: "refunded", payment.Recovered: "broken", payment.Broken: "broken"} {
		t.Run(string(how), func(t *testing.T) {
			w, p, args := bridged(t, 100)
			w.span.says(how, hash(9))
			w.track(args)
			must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
			w.wants(p, payment.Executed, payment.Arrived, false)
			must(t, w.Rewind(t.Context(), base, block(1, 0)))
			w.track(args)
			w.wants(p, payment.Abandoned, how, false)
			w.told(p, "announced", "bridging", told, "seen", "reorged")
		})
	}
}

// Arrival first, proof later: the payer is filled in, and nothing is told twice.
func TestArrivalBeforeProofAndBeforeAnnouncement(t *testing.T) {
	for _, final := range []bool{false, true} {
		w := bridgeWorld(t)
		p := w.create(100)
		must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
		if final {
			must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
		}
		if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != "" || x.Evidence.Source.Route == "" {
			t.Fatalf("evidence %+v", x.Evidence)
		}
		before := w.kinds(p.ID)
		args := w.announce(p)
		w.span.shows(proven(100))
		w.track(args)
		w.track(args)
		w.wants(p, payment.Executed, payment.Arrived, false)
		if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != signer.String() || x.Evidence.Source.Tx != hash(sent) {
			t.Errorf("final %t: from %+v", final, x.Evidence)
		}
		if got := w.kinds(p.ID)[len(before):]; !slices.Equal(got, []payment.EventKind{"announced", "bridging"}) {
			t.Errorf("final %t: then %v", final, got)
		}
		if w.span.asked.news != 0 {
			t.Error("the bridge was asked of what had arrived")
		}
		// The scanner comes by once more, and knows less than is known.
		must(t, w.Rewind(t.Context(), base, block(1, 0)))
		must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
		if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != signer.String() {
			t.Errorf("final %t: the payer was forgotten: %+v", final, x.Evidence)
		}
	}
}

func TestLostIntent(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	must(t, w.sweep(2, block(2, 0), w.arrival(p, 100, block(2, 0))))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(2, 0)}))
	got := w.load(p.ID)
	if x := got.Transfers[0]; got.Standing.State != payment.Paid || x.Evidence.Payer != "" || x.Evidence.Source.Route != hash(0xabc) {
		t.Errorf("%s by %+v", got.Standing.State, x.Evidence)
	}
	w.told(p, "seen", "paid")
}

func TestTroubleIsNoNews(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	args := w.announce(p)
	w.span.set(func(s *span) { s.fail = errors.New("no answer") })
	w.pass(time.Hour)
	if again := w.track(args); again.Before(w.now().Add(30 * time.Second)) {
		t.Errorf("hurried on at %v", again)
	}
	w.wants(p, payment.Announced, payment.Sent, false)
	w.span.set(func(s *span) { s.fail = nil })
	w.span.shows(unsure(proven(100)))
	w.track(args)
	w.span.set(func(s *span) { s.fail = errors.New("no answer") })
	w.track(args)
	w.wants(p, payment.Proven, payment.Bridging, true)
	w.pass(48 * time.Hour)
	if again := w.track(args); !again.IsZero() {
		t.Errorf("followed for ever: %v", again)
	}
}

func TestPausesGrow(t *testing.T) {
	w, _, args := bridged(t, 100)
	var pauses []time.Duration
	for again := w.track(args); !again.IsZero(); again = w.track(args) {
		pause := again.Sub(w.now())
		pauses = append(pauses, pause)
		w.pass(pause)
	}
	if !slices.IsSorted(pauses) || pauses[0] != 5*time.Second || pauses[len(pauses)-1] != 30*time.Minute || len(pauses) > 220 {
		t.Errorf("%d pauses: %v", len(pauses), pauses)
	}
}

func TestTrackNothing(t *testing.T) {
	w := bridgeWorld(t)
	p := w.create(100)
	for args, kind := range map[string]fault.Kind{"": fault.Invalid, "x": fault.Invalid, "x tx:1": fault.NotFound} {
		if _, err := w.Track(t.Context(), args); !fault.Is(err, kind) {
			t.Errorf("%q: %v, want %s", args, err, kind)
		}
	}
	if again := w.track(checkout.Follow{Payment: p.ID, Key: "tx:" + hash(1)}.Args()); !again.IsZero() {
		t.Errorf("an attempt that is not there is followed on at %v", again)
	}
	args := w.announce(p)
	w.span = nil
	w.restart()
	if again := w.track(args); !again.Equal(w.now().Add(time.Hour)) {
		t.Errorf("without bridges: again at %v", again)
	}
}
