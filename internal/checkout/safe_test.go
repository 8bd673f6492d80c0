package checkout_test

import (
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

func TestASafePays(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p, proves, bySigned).announce()
	if a.Kind != "safe_tx" || a.Payer != box.String() || !a.Decides || a.Chain != base || !a.Until.Equal(p.Terms.ExpiresAt) {
		t.Errorf("announced %+v", a)
	}
	if x := a.Safe; *x.Nonce != 7 || x.Threshold != 2 || !slices.Equal(x.Signed, []string{keyOne.String()}) || len(x.Owners) != 2 || *x.Current != 7 {
		t.Errorf("announced %+v", x)
	}
	jobs, err := w.store.Claim(t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(t, err)
	if len(jobs) != 1 || jobs[0].Kind != checkout.SafeTrackKind || jobs[0].Args != args {
		t.Fatalf("jobs %+v, want one that follows %q", jobs, args)
	}
	w.stands(p, payment.Open, true)
	if again := w.trackSafe(args); !again.Equal(w.now().Add(time.Second)) {
		t.Errorf("looked at again at %v", again)
	}
	tx := w.vault.executes(base, box, a.Handle, 7, true, 1010)
	w.trackSafe(args)
	w.stands(p, payment.Open, true) // its block may go away
	if a := w.ends(p, payment.Announced, ""); a.Safe.ExecutedBy != tx {
		t.Errorf("executed by %q in a block that is not final, want %s", a.Safe.ExecutedBy, tx)
	}
	w.scan(1010, w.pays(p, box, tx, 100, 1010))
	w.stands(p, payment.Seen, true)
	w.until(1015)
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("followed after its end, at %v", again)
	}
	if a := w.ends(p, payment.Executed, ""); a.Safe.ExecutedBy != tx || !a.Safe.Ended.IsZero() {
		t.Errorf("ended as %+v", a.Safe)
	}
	w.settle(1010)
	w.stands(p, payment.Paid, false)
	if x := w.load(p.ID).Transfers[0]; x.Evidence.Payer != box.String() {
		t.Errorf("paid by %s", x.Evidence.Payer)
	}
	w.told(p, "announced", "seen", "paid")
}

// What becomes of a Safe transaction, of the payment and what is told, by what
// was announced of it.
func TestEndsOfSafeTransactions(t *testing.T) {
	deadline := block(1100, 0).Time
	executes := func(ok bool, n int) func(*world, string) {
		return func(w *world, hash string) { w.vault.executes(base, box, hash, 7, ok, n) }
	}
	replaces := func(n int) func(*world, string) {
		return func(w *world, _ string) { w.vault.executes(base, box, hash(666), 7, true, n) }
	}
	for name, c := range map[string]struct {
		says   []func(*proposal)
		then   func(*world, string)
		until  int
		stage  payment.AttemptStage
		reason string
		state  payment.State
		locked bool
		told   []payment.EventKind
		ended  time.Time
	}{
		"nothing yet":                        {until: 1050, stage: payment.Announced, state: payment.Open, locked: true},
		"executed":                           {then: executes(true, 1010), until: 1010, stage: payment.Executed, state: payment.Open},
		"executed at the deadline":           {says: []func(*proposal){by(deadline)}, then: executes(true, 1100), until: 1200, stage: payment.Executed, state: payment.Open},
		"executed a second late":             {says: []func(*proposal){by(deadline)}, then: executes(true, 1101), until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Failed, told: []payment.EventKind{"failed"}, ended: deadline},
		"a second late, by a stranger":       {says: []func(*proposal){by(deadline), anonymous}, then: executes(true, 1101), until: 1101, stage: payment.Executed, state: payment.Open},
		"the deadline is reached":            {says: []func(*proposal){by(deadline)}, until: 1100, stage: payment.Announced, state: payment.Open, locked: true},
		"the deadline has passed":            {says: []func(*proposal){by(deadline)}, until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Failed, told: []payment.EventKind{"failed"}, ended: deadline},
		"passed, signed by an owner":         {says: []func(*proposal){dying(deadline), anonymous, proves, bySigned}, until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Open, told: []payment.EventKind{"broken"}, ended: deadline},
		"passed, nobody meant it":            {says: []func(*proposal){dying(deadline), anonymous, proves}, until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Open, ended: deadline},
		"passed, a signature of who knows":   {says: []func(*proposal){by(deadline), anonymous, bySigned}, until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Open, ended: deadline},
		"failed":                             {then: executes(false, 1010), until: 1010, stage: payment.Abandoned, reason: "safe_execution_failed", state: payment.Failed, told: []payment.EventKind{"failed"}, ended: block(1010, 0).Time},
		"failed, as the Safe itself shows":   {says: []func(*proposal){anonymous, proves}, then: executes(false, 1010), until: 1010, stage: payment.Abandoned, reason: "safe_execution_failed", state: payment.Open, told: []payment.EventKind{"broken"}, ended: block(1010, 0).Time},
		"failed, whatever it was":            {says: []func(*proposal){anonymous}, then: executes(false, 1010), until: 1010, stage: payment.Abandoned, reason: "safe_execution_failed", state: payment.Open, ended: block(1010, 0).Time},
		"failed after its deadline":          {says: []func(*proposal){by(deadline)}, then: executes(false, 1101), until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Failed, told: []payment.EventKind{"failed"}, ended: deadline},
		"failed, and not for good yet":       {then: executes(false, 1010), until: 1009, stage: payment.Announced, state: payment.Open, locked: true},
		"replaced":                           {says: []func(*proposal){proves}, then: replaces(1010), until: 1010, stage: payment.Abandoned, reason: "safe_transaction_replaced", state: payment.Open, told: []payment.EventKind{"broken"}, ended: block(1010, 0).Time},
		"replaced after its deadline":        {says: []func(*proposal){proves, by(deadline)}, then: replaces(1101), until: 1101, stage: payment.Abandoned, reason: "safe_deadline_passed", state: payment.Failed, told: []payment.EventKind{"failed"}, ended: deadline},
		"replaced, and not for good yet":     {says: []func(*proposal){proves}, then: replaces(1010), until: 1009, stage: payment.Announced, state: payment.Open, locked: true},
		"replaced, of which nobody can tell": {then: replaces(1010), until: 1010, stage: payment.Announced, state: payment.Open, locked: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := safeWorld(t)
			p := w.create(100)
			a, args := w.proposes(p, c.says...).announce()
			if c.then != nil {
				c.then(w, a.Handle)
			}
			w.until(c.until)
			for range 3 {
				if again := w.trackSafe(args); again.IsZero() != (c.stage != payment.Announced) {
					t.Errorf("again at %v", again)
				}
			}
			w.restart()
			w.trackSafe(args)
			w.stands(p, c.state, c.locked)
			a = w.ends(p, c.stage, c.reason)
			if !a.Safe.Ended.Equal(c.ended) || a.Decides && c.stage == payment.Abandoned != (c.state == payment.Failed) {
				t.Errorf("ended at %v, deciding: %t", a.Safe.Ended, a.Decides)
			}
			w.told(p, append([]payment.EventKind{"announced"}, c.told...)...)
			if e := w.last(p); len(c.told) > 0 && e.Detail != c.reason {
				t.Errorf("told %q, want %q", e.Detail, c.reason)
			} else if e.Kind == payment.EventBroken && (e.Fields[payment.FieldReason] != c.reason || e.Fields[payment.FieldTx] != a.Handle) {
				t.Errorf("told %v", e.Fields)
			}
		})
	}
}

// A transfer is late from the deadline on, whoever is seen first: the money, or
// that the Safe transaction came to nothing.
func TestMoneyAfterTheDeadline(t *testing.T) {
	deadline := block(1100, 0).Time
	for _, moneyFirst := range []bool{true, false} {
		for name, c := range map[string]struct {
			block int
			state payment.State
			told  []payment.EventKind
		}{
			"in the last second": {1100, payment.Paid, []payment.EventKind{"announced", "paid", "seen"}},
			"a second too late":  {1101, payment.Failed, []payment.EventKind{"announced", "failed", "late", "seen"}},
		} {
			t.Run(name, func(t *testing.T) {
				w := safeWorld(t)
				p := w.create(100)
				a, args := w.proposes(p, by(deadline)).announce()
				w.trackSafe(args)
				tx := w.vault.executes(base, box, a.Handle, 7, true, c.block)
				w.until(1200)
				if !moneyFirst {
					w.trackSafe(args)
				}
				w.scan(c.block, w.pays(p, box, tx, 100, c.block))
				w.settle(c.block)
				w.trackSafe(args)
				got := w.load(p.ID)
				if got.Standing.State != c.state || (got.Standing.Oddity == payment.Late) != (c.state == payment.Failed) {
					t.Errorf("money first %t: %s/%s", moneyFirst, got.Standing.State, got.Standing.Oddity)
				}
				kinds := w.kinds(p.ID)[1:]
				slices.Sort(kinds)
				if !slices.Equal(kinds, c.told) {
					t.Errorf("money first %t: told %v", moneyFirst, kinds)
				}
			})
		}
	}
}

func TestExecutedAfterThePaymentFailed(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	deadline := block(1100, 0).Time
	a, args := w.proposes(p, by(deadline)).announce()
	w.until(1150)
	w.trackSafe(args)
	w.stands(p, payment.Failed, false)
	if err := w.Payable(w.load(p.ID)); !fault.Is(err, fault.Forbidden) {
		t.Errorf("payable: %v", err)
	}
	tx := w.vault.executes(base, box, a.Handle, 7, true, 1160)
	w.until(1170)
	w.scan(1160, w.pays(p, box, tx, 100, 1160))
	w.settle(1160)
	w.stands(p, payment.Failed, false)
	if s := w.load(p.ID).Standing; s.Oddity != payment.Late || s.Requests[0].Late.Int64() != 100 {
		t.Errorf("%+v", s)
	}
	w.told(p, "announced", "failed", "seen", "late")
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
}

// Whoever pays otherwise while a Safe transaction is pending has paid: what
// becomes of that fails nothing any more.
func TestPaidOtherwise(t *testing.T) {
	for _, final := range []bool{true, false} {
		w := safeWorld(t)
		p := w.create(100)
		a, args := w.proposes(p, by(block(1100, 0).Time)).announce()
		w.scan(1010, w.sighting(p, 9, 0, 100, block(1010, 0)))
		if final {
			w.settle(1010)
		}
		w.vault.executes(base, box, a.Handle, 7, false, 1005)
		w.until(1200)
		if again := w.trackSafe(args); !again.IsZero() {
			t.Errorf("again at %v", again)
		}
		w.settle(1010)
		w.stands(p, payment.Paid, false)
		w.ends(p, payment.Abandoned, "safe_execution_failed")
		w.told(p, "announced", "seen", "paid")
	}
}

// A payment that expires or is called off is not failed by what comes then.
func TestSafeTransactionsOfPaymentsThatAreOver(t *testing.T) {
	end := int(begin.Add(window).Sub(begin)/time.Second) + noBlock // its number, of a payment made at noBlock
	for name, c := range map[string]struct {
		says   []func(*proposal)
		cancel bool
		until  int
		state  payment.State
		told   []payment.EventKind
		over   bool
	}{
		"the end of the payment ends the watching": {until: end + 601, state: payment.Expired, told: []payment.EventKind{"announced", "expired"}, over: true},
		"not before the grace":                     {until: end + 600, state: payment.Expired, told: []payment.EventKind{"announced", "expired"}},
		"a deadline beyond":                        {says: []func(*proposal){by(block(end+900, 0).Time)}, until: end + 901, state: payment.Expired, told: []payment.EventKind{"announced", "expired"}, over: true},
		"a deadline before, seen after":            {says: []func(*proposal){by(block(end-5, 0).Time)}, until: end + 100, state: payment.Failed, told: []payment.EventKind{"announced", "expired", "failed"}, over: true},
		"called off":                               {says: []func(*proposal){by(block(1100, 0).Time)}, cancel: true, until: 1101, state: payment.Canceled, told: []payment.EventKind{"announced", "canceled"}, over: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := safeWorld(t)
			p := w.create(100)
			_, args := w.proposes(p, c.says...).announce()
			if c.cancel {
				must(t, w.Cancel(t.Context(), owner, p.ID))
			}
			w.until(c.until)
			_, err := w.ExpireOverdue(t.Context())
			must(t, err)
			if again := w.trackSafe(args); again.IsZero() != c.over {
				t.Errorf("again at %v", again)
			}
			w.stands(p, c.state, false)
			w.told(p, c.told...)
		})
	}
}

func TestAnotherSafeTransaction(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	first, args := w.proposes(p, proves).announce()
	again := w.proposes(p, proves, func(r *proposal) { r.note.Nonce = 8 })
	refused := func(err error) {
		t.Helper()
		if f := fault.From(err); f == nil || f.Kind != fault.Conflict || f.Code != "safe_pending" {
			t.Errorf("got %v, want safe_pending", err)
		}
	}
	_, err := again.try()
	refused(err)
	// One that was checked before the first was announced is refused as well.
	q := w.create(100)
	early, err := w.CheckSafe(t.Context(), q, w.proposes(q, proves, func(r *proposal) { r.note.Nonce = 8 }).SafeIntent)
	must(t, err)
	w.proposes(q, proves).announce()
	_, err = w.AnnounceSafe(t.Context(), q.ID, early)
	refused(err)

	w.vault.executes(base, box, hash(666), 7, true, 1010) // in the first one's place
	_, err = again.try()
	refused(err) // its block may go away
	w.until(1010)
	second, _ := again.announce() // nobody has looked since
	w.stands(p, payment.Open, true)
	if as := w.load(p.ID).Attempts; len(as) != 2 || as[0].Key != first.Key || as[0].Reason != "safe_transaction_replaced" || as[1].Key != second.Key {
		t.Errorf("attempts %+v", as)
	}
	w.told(p, "announced", "broken", "announced")
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("the first is followed on at %v", again)
	}
	// The first is announced once more by somebody who has not heard.
	if a, err := w.proposes(p, proves).try(); err != nil || a.Stage != payment.Abandoned {
		t.Errorf("announced once more: %+v, %v", a, err)
	}
	w.told(p, "announced", "broken", "announced")
}

func TestAnnouncedAgainAndAgain(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	late := dying(block(1900, 0).Time)
	a, args := w.proposes(p, anonymous, late).announce()
	if a.Safe.Tx != nil || a.Safe.Nonce != nil || a.Decides {
		t.Errorf("from a hash alone: %+v", a.Safe)
	}
	w.until(1500)
	w.trackSafe(args) // the search goes on from here
	again, _ := w.proposes(p, anonymous, late).announce()
	if again.Key != a.Key || len(w.load(p.ID).Attempts) != 1 {
		t.Errorf("announced again as %+v", again)
	}
	w.vault.executes(base, box, hash(666), 7, true, 1200) // was replaced before that was known
	more, _ := w.proposes(p, anonymous, proves, bySigned, late).announce()
	if x := more.Safe; x.Tx == nil || *x.Nonce != 7 || len(x.Signed) != 1 || more.Decides || !more.Until.Equal(block(1900, 0).Time) {
		t.Errorf("more was learnt: %+v", more)
	}
	w.proposes(p, anonymous, late, by(block(1950, 0).Time)).announce()
	two := w.proposes(p, anonymous, late)
	two.Signatures = [][]byte{sign(keyTwo, two.Hash), sign(keyTwo, two.Hash), []byte("junk"), sign(payee, two.Hash)}
	got, _ := two.announce()
	if !slices.Equal(got.Safe.Signed, []string{keyOne.String(), keyTwo.String()}) || !got.Until.Equal(block(1900, 0).Time) || got.Safe.Tx == nil {
		t.Errorf("merged %+v", got.Safe)
	}
	w.told(p, "announced")
	w.trackSafe(args)
	w.ends(p, payment.Abandoned, "safe_transaction_replaced")
}

// A payment is held by three Safe transactions over its life, and a day by what
// nobody vouches for.
func TestLocksAreBounded(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	for i := range 4 {
		nonce := uint64(7 + i)
		a, args := w.proposes(p, proves, func(r *proposal) { r.note.Nonce = nonce }).announce()
		w.stands(p, payment.Open, i < 3)
		if a.Decides != (i < 3) {
			t.Errorf("the %d. decides: %t", i+1, a.Decides)
		}
		if i == 3 {
			break
		}
		w.vault.executes(base, box, hash(600+i), nonce, true, 1010+i)
		w.until(1010 + i)
		w.trackSafe(args)
	}
	// What cannot hold the payment cannot fail it.
	fourth := w.load(p.ID).Attempts[3]
	w.vault.executes(base, box, fourth.Handle, 10, false, 1020)
	w.until(1020)
	w.trackSafe(checkout.Follow{Payment: p.ID, Key: fourth.Key}.Args())
	w.stands(p, payment.Open, false)
	if e := w.last(p); e.Kind != payment.EventBroken || e.Detail != "safe_execution_failed" {
		t.Errorf("told %+v", e)
	}
}

func TestAnnouncementsAreLimited(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	for i := range 20 {
		_, err := w.Announce(t.Context(), p.ID, base, hash(i), rail.Payer{})
		must(t, err)
	}
	if _, err := w.proposes(p, anonymous).try(); !fault.Is(err, fault.Limited) {
		t.Errorf("a stranger's: %v, want Limited", err)
	}
	w.proposes(p, anonymous, proves).announce() // junk does not crowd it out
	w.stands(p, payment.Open, true)
}

func TestOnBothDatabases(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			w := safeWorldOn(t, dsn(t))
			sameAtOnce(t, w)
			manyAtOnce(t, w)
			looksAtOnce(t, w)
			manyAsk(t, w)
		})
	}
}

func manyAsk(t *testing.T, w *world) {
	p := w.create(100)
	for i := range 8 {
		at := asset.Address{0: 0xaa, 19: byte(i)}
		w.vault.set(func() {
			w.vault.safes[base][at] = &rail.Multisig{Chain: base, Address: at, Owners: []asset.Address{keyOne}, Threshold: 1}
		})
		w.pass(time.Second)
		for range 2 {
			_, _, err := w.Prepare(t.Context(), p.ID, "one", rail.Payer{Wallet: at, Safe: true})
			must(t, err)
		}
	}
	asked, err := w.store.SafesAsked(t.Context(), p.ID, base)
	must(t, err)
	if len(asked) != 5 || asked[0].Safe != (asset.Address{0: 0xaa, 19: 7}) || asked[0].Block != uint64(w.vault.head) {
		t.Errorf("remembered %+v", asked)
	}
}
