package checkout_test

import (
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// dying makes the contracts refuse the calls from a time on.
func dying(at time.Time) func(*proposal) {
	return func(r *proposal) { r.note = paying(r.p, 7, at) }
}

// Who has the link can tell a deadline of anybody's hash: it neither fails a payment
// nor lets it be paid twice.
func TestAStrangersDeadline(t *testing.T) {
	soon, late := by(block(1100, 0).Time), by(block(1900, 0).Time)
	for name, c := range map[string]struct {
		first, then []func(*proposal)
		want        time.Time
	}{
		"of what the merchant has announced":       {nil, []func(*proposal){anonymous, soon}, time.Time{}},
		"before the merchant announced it":         {[]func(*proposal){anonymous, soon}, nil, time.Time{}},
		"before the merchant said another":         {[]func(*proposal){anonymous, soon}, []func(*proposal){late}, block(1900, 0).Time},
		"of what is known":                         {[]func(*proposal){anonymous, proves, bySigned}, []func(*proposal){anonymous, soon}, time.Time{}},
		"with what is known":                       {[]func(*proposal){anonymous}, []func(*proposal){anonymous, proves, bySigned, soon}, time.Time{}},
		"before it was known":                      {[]func(*proposal){anonymous, soon}, []func(*proposal){anonymous, proves, bySigned}, time.Time{}},
		"of a hash alone":                          {[]func(*proposal){anonymous}, []func(*proposal){anonymous, soon}, time.Time{}},
		"the merchant's own, of what was known":    {[]func(*proposal){anonymous, proves}, []func(*proposal){soon}, block(1100, 0).Time},
		"the contracts', of what the merchant has": {[]func(*proposal){dying(block(1100, 0).Time)}, []func(*proposal){anonymous, proves, dying(block(1100, 0).Time)}, block(1100, 0).Time},
	} {
		t.Run(name, func(t *testing.T) {
			w := safeWorld(t)
			p := w.create(100)
			w.proposes(p, c.first...).announce()
			a, args := w.proposes(p, c.then...).announce()
			until := p.Terms.ExpiresAt
			if !c.want.IsZero() {
				until = c.want
			}
			if !a.Safe.Deadline.Equal(c.want) || !a.Until.Equal(until) {
				t.Errorf("deadline %v, until %v", a.Safe.Deadline, a.Until)
			}
			w.until(1200)
			w.trackSafe(args)
			if waits := c.want.IsZero() || c.want.After(w.now()); waits {
				w.stands(p, payment.Open, true)
			}
		})
	}
}

// Nobody has a payment's Safe transactions followed long after it, or more often than
// there is a reason to.
func TestSafeTransactionsAreNotFollowedWithoutEnd(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	_, args := w.proposes(p, anonymous, across, by(begin.Add(300*24*time.Hour))).announce()
	last := p.Terms.ExpiresAt.Add(grace)
	for range 2 * 60 * 60 {
		again := w.trackSafe(args)
		if again.IsZero() {
			break
		}
		if w.now().Sub(p.Terms.CreatedAt) > time.Hour && again.Sub(w.now()) < time.Minute {
			t.Fatalf("at %v it is looked at again in %v", w.now(), again.Sub(w.now()))
		}
		w.until(int(again.Sub(begin) / time.Second))
	}
	if w.now().After(last.Add(10 * time.Minute)) {
		t.Errorf("followed until %v, the payment was over at %v", w.now(), last)
	}
	w.ends(p, payment.Abandoned, "safe_deadline_passed")
}

// What was over before it was announced fails no payment: nobody could rely on it.
func TestARouteThatIsOverAlready(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	w.until(1200)
	_, args := w.proposes(p, across, proves, dying(block(1100, 0).Time)).announce()
	w.stands(p, payment.Open, true) // it may have been executed
	w.trackSafe(args)
	w.stands(p, payment.Open, false)
	w.ends(p, payment.Abandoned, "safe_deadline_passed")
}

// Who says first whose a hash is may be a stranger: the merchant's word counts more.
func TestWhoseHashItIsAfterAll(t *testing.T) {
	other := func(r *proposal) { r.Safe = boxTwo }
	for name, first := range map[string]func(*world, *payment.Payment){
		"a stranger named another": func(w *world, p *payment.Payment) { w.proposes(p, anonymous, other).announce() },
		"others have the calls": func(w *world, p *payment.Payment) {
			w.asks(p, boxTwo, "one")
			w.proposes(p, nameless).announce()
		},
		"several have the calls": func(w *world, p *payment.Payment) {
			w.asks(p, boxTwo, "one")
			w.asks(p, box, "one")
			w.proposes(p, nameless).announce()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := safeWorld(t)
			p := w.create(100)
			first(w, p)
			a, args := w.proposes(p).announce()
			if name == "others have the calls" {
				// Both are the merchant's own word: the first stands.
				if a.Payer != boxTwo.String() {
					t.Errorf("of %q", a.Payer)
				}
				return
			}
			if a.Payer != box.String() || len(a.Safe.Among) != 1 || len(a.Safe.Owners) != 2 {
				t.Errorf("of %q, %+v", a.Payer, a.Safe)
			}
			w.vault.executes(base, box, a.Handle, 7, true, 1010)
			w.until(1010)
			w.trackSafe(args)
			w.ends(p, payment.Executed, "")
		})
	}
}

// A hash whose Safe a stranger has named, and had say that it is over, is announced
// anew by who knows more.
func TestAHashThatAStrangerHasEnded(t *testing.T) {
	for name, ok := range map[string]bool{"failed": false, "executed": true} {
		for who, says := range map[string][]func(*proposal){"the merchant": nil, "who shows it": {anonymous, proves}} {
			t.Run(name+", "+who, func(t *testing.T) {
				w := safeWorld(t)
				p := w.create(100)
				r := w.proposes(p, anonymous, func(r *proposal) { r.Safe = boxTwo })
				r.Hash = paying(p, 7, time.Time{}).hash(base, box)
				a, args := r.announce()
				w.vault.executes(base, boxTwo, a.Handle, 7, ok, 1010)
				w.until(1010)
				w.trackSafe(args)
				w.stands(p, payment.Open, false)
				if again, _ := w.proposes(p, anonymous).announce(); again.Key != a.Key {
					t.Errorf("who knows no more has announced %s", again.Key)
				}
				w.stands(p, payment.Open, false)

				b, more := w.proposes(p, says...).announce()
				if b.Key == a.Key || b.Handle != a.Handle || b.Payer != box.String() || b.Stage != payment.Announced {
					t.Errorf("announced anew: %+v", b)
				}
				w.stands(p, payment.Open, true)
				if again, _ := w.proposes(p, says...).announce(); again.Key != b.Key || len(w.load(p.ID).Attempts) != 2 {
					t.Errorf("once more: %s", again.Key)
				}
				w.vault.executes(base, box, a.Handle, 7, true, 1020)
				w.until(1020)
				w.trackSafe(more)
				if got := w.load(p.ID).Attempts[1]; got.Stage != payment.Executed || got.Safe.Among[0] != box.String() {
					t.Errorf("then %+v", got)
				}
			})
		}
	}
}

// A hash that turned out to be a transaction's is no Safe's, however often it is said.
func TestAHashThatIsNoSafes(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	early, err := w.CheckSafe(t.Context(), p, w.proposes(p, func(r *proposal) { r.Hash = hash(5) }).SafeIntent)
	must(t, err)
	a, err := w.Report(t.Context(), p.ID, base, hash(5), rail.Payer{Wallet: box})
	must(t, err)
	args := checkout.Follow{Payment: p.ID, Key: a.Key}.Args()
	w.vault.set(func() { w.vault.sent[hash(5)] = true })
	w.trackSafe(args)
	told := len(w.kinds(p.ID))
	for range 2 {
		_, err := w.proposes(p, func(r *proposal) { r.Hash = hash(5) }).try()
		coded(t, err, "safeTxHash", "not_a_safe_tx")
		_, err = w.AnnounceSafe(t.Context(), p.ID, early)
		coded(t, err, "safeTxHash", "not_a_safe_tx")
	}
	if n := len(w.kinds(p.ID)); n != told {
		t.Errorf("%d events more", n-told)
	}
}

// A Safe that pays this and something else at once may execute it all the same: then
// nothing is proven of it, and the payment is held as for any hash.
func TestASafeThatPaysMore(t *testing.T) {
	w := safeWorld(t)
	p, other := w.create(100), w.create(100)
	both := func(r *proposal) { r.note.Does = paying(other, 7, time.Time{}).Does + "; " + r.note.Does }
	_, err := w.proposes(p, proves, both).try()
	coded(t, err, "safeTx", "safe_tx_foreign") // who shows it hears what is wrong
	r := w.proposes(p, both)
	news := &checkout.SafeNews{Account: box, Tx: r.note.json()}
	a, args := r.announce()
	w.vault.set(func() { w.vault.service[r.Hash] = news })
	w.until(1100)
	if again := w.trackSafe(args); again.IsZero() {
		t.Error("it is not followed any more")
	}
	w.stands(p, payment.Open, true)
	if a = w.ends(p, payment.Announced, ""); a.Safe.Tx != nil {
		t.Errorf("proven: %s", a.Safe.Tx)
	}
	// As the service tells at once.
	q := w.create(100)
	r = w.proposes(q, nameless, both)
	w.vault.set(func() { w.vault.service[r.Hash] = &checkout.SafeNews{Account: box, Tx: r.note.json()} })
	if a, _ = r.announce(); a.Safe.Tx != nil || a.Payer != box.String() {
		t.Errorf("from the service: %+v", a)
	}
	w.stands(q, payment.Open, true)
}

// Hashes that strangers make up, and end within seconds, use up nothing that the
// merchant's own word needs.
func TestStrangersUseUpNoHoldOfTheMerchants(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	for i := range 3 {
		_, args := w.proposes(p, anonymous, func(r *proposal) { r.Hash = hash(i) }, by(w.now().Add(2*time.Second))).announce()
		w.until(1010 + 10*i)
		w.trackSafe(args)
		w.stands(p, payment.Open, false)
	}
	w.proposes(p, anonymous, func(r *proposal) { r.Hash = hash(4) }).announce()
	w.stands(p, payment.Open, false) // theirs are used up
	deadline := block(1100, 0).Time
	a, args := w.proposes(p, proves, by(deadline)).announce()
	w.stands(p, payment.Open, true)
	if !a.Decides {
		t.Error("the payment does not depend on it")
	}
	w.until(1101)
	w.trackSafe(args)
	w.stands(p, payment.Failed, false)

	// One of theirs that the merchant vouches for is the merchant's.
	q := w.create(100)
	for i := range 3 {
		_, args := w.proposes(q, anonymous, func(r *proposal) { r.Hash = hash(i) }, by(w.now().Add(2*time.Second))).announce()
		w.until(1110 + 10*i)
		w.trackSafe(args)
	}
	w.proposes(q, anonymous).announce()
	w.stands(q, payment.Open, false)
	if a, _ = w.proposes(q).announce(); !a.Decides {
		t.Error("the payment does not depend on what the merchant vouches for")
	}
	w.stands(q, payment.Open, true)
}

// Transactions that anybody can put together for anybody's Safe crowd out neither
// the merchant's nor routes.
func TestShownTransactionsAreLimited(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	for i := range 20 {
		_, err := w.Announce(t.Context(), p.ID, base, hash(i), rail.Payer{})
		must(t, err)
	}
	nonce := uint64(7)
	next := func(r *proposal) { r.note.Nonce = nonce }
	for range 5 {
		a, args := w.proposes(p, anonymous, proves, next).announce()
		w.vault.executes(base, box, a.Handle, nonce, true, 1010)
		w.until(1010)
		w.trackSafe(args)
		must(t, w.store.Write(t.Context(), func(tx checkout.Tx) error { // nothing is known of what it sent
			a.Stage = payment.Abandoned
			_, err := tx.PutAttempt(t.Context(), p.ID, a)
			return err
		}))
		nonce++
	}
	if _, err := w.proposes(p, anonymous, proves, next).try(); !fault.Is(err, fault.Limited) {
		t.Errorf("one more: %v, want Limited", err)
	}
	w.proposes(p, next).announce()
}
