package checkout_test

import (
	"math/big"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// refused sends the operation to a bundler that does not take it.
func (b *paysBy) refused() {
	b.t.Helper()
	b.relay.set(func() { b.relay.send = func(sentOp) error { return fault.New(fault.Invalid, "op_refused", "No.") } })
	if _, err := b.asks(checkout.GaslessSend); code(err) != "op_refused" {
		b.t.Fatalf("got %v", err)
	}
	b.relay.set(func() { b.relay.send = nil })
}

// TestBundlers tries the moods of bundlers, and what they make of a payment.
func TestBundlers(t *testing.T) {
	refuses := func(kind fault.Kind, code string) func(*relay) {
		return func(r *relay) { r.send = func(sentOp) error { return fault.New(kind, code, "No.") } }
	}
	for name, c := range map[string]struct {
		mood   func(*relay)
		code   string
		stage  payment.OpStage
		locked bool
	}{
		"takes it":                {func(*relay) {}, "", payment.OpWaiting, true},
		"refuses it":              {refuses(fault.Invalid, "op_refused"), "op_refused", payment.OpRefused, false},
		"says its nonce was used": {refuses(fault.Conflict, "op_nonce"), "op_nonce", payment.OpRefused, false},
		"says it is there":        {refuses(fault.Conflict, "op_deployed"), "op_deployed", payment.OpRefused, false},
		"says nobody pays":        {refuses(fault.Forbidden, "sponsor_refused"), "sponsor_refused", payment.OpRefused, false},
		"does not answer":         {refuses(fault.Unavailable, "bundler_unavailable"), "bundler_unavailable", payment.OpWaiting, true},
		"has enough":              {refuses(fault.Unavailable, "bundler_limited"), "bundler_limited", payment.OpWaiting, true},
		"breaks off":              {func(r *relay) { r.send = func(sentOp) error { return errSilent } }, "internal", payment.OpWaiting, true},
		"refuses, and is offline": {func(r *relay) {
			r.send = func(sentOp) error { r.dead = errSilent; return fault.New(fault.Invalid, "op_refused", "No.") }
		}, "op_refused", payment.OpWaiting, true},
		"refuses what is done": {func(r *relay) {
			r.send = func(o sentOp) error {
				r.head++
				r.done = append(r.done, carried{base, accountOf(saver), o.hash, 0, true, r.head, hash(1234)})
				return fault.New(fault.Conflict, "op_nonce", "No.")
			}
		}, "op_nonce", payment.OpExecuted, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := gasWorld(t)
			p := w.create(100)
			b := w.saves(p)
			must(t, b.sponsored())
			w.relay.set(func() { c.mood(w.relay) })
			if _, err := b.asks(checkout.GaslessSend); code(err) != c.code {
				t.Errorf("got %v, want %q", err, c.code)
			}
			b.is(c.stage, payment.Open, c.locked)
			if again := b.looks(); again.IsZero() {
				t.Error("not followed: a bundler's word is no evidence")
			}
			b.is(c.stage, payment.Open, c.locked)
			kinds := []payment.EventKind{"announced"}
			if c.stage == payment.OpRefused {
				kinds = append(kinds, "broken")
			}
			w.told(p, kinds...)
			if s := w.spent(p); s.Payment.Int64() != opCost {
				t.Errorf("%s wei count", s.Payment)
			}
		})
	}
}

// One that a bundler did not answer for is sent again: there is one attempt, and one
// grant, and what is refused the second time may have been taken the first time.
func TestTheSameIsSentAgain(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p)
	must(t, b.sponsored())
	w.relay.set(func() {
		w.relay.send = func(sentOp) error { return fault.New(fault.Unavailable, "bundler_unavailable", "No.") }
	})
	for range 2 {
		if _, err := b.asks(checkout.GaslessSend); code(err) != "bundler_unavailable" {
			t.Errorf("got %v", err)
		}
	}
	w.relay.set(func() { w.relay.send = func(sentOp) error { return fault.New(fault.Invalid, "op_refused", "No.") } })
	if _, err := b.asks(checkout.GaslessSend); code(err) != "op_refused" {
		t.Errorf("got %v", err)
	}
	b.is(payment.OpWaiting, payment.Open, true)
	w.restart()
	w.relay.set(func() { w.relay.send = nil })
	if _, err := b.asks(checkout.GaslessSend); err != nil {
		t.Errorf("at last: %v", err)
	}
	if n := len(w.load(p.ID).Attempts); n != 1 || len(w.relay.taken) != 1 {
		t.Errorf("%d attempts, the bundler has %v", n, w.relay.taken)
	}
	w.told(p, "announced")
	// Another one waits for its end, and so does everybody else.
	for _, kind := range []checkout.GaslessKind{checkout.GaslessSponsor, checkout.GaslessEstimate, checkout.GaslessFees} {
		if _, err := w.saves(p).asks(kind); code(err) != checkout.CodeOpPending {
			t.Errorf("%s for another: %v", kind, err)
		}
	}
	if _, err := w.prepares(p, "one", rail.Payer{Wallet: payee}); code(err) != checkout.CodeOpPending {
		t.Errorf("paid plainly: %v", err)
	}
	if _, err := w.CheckSafe(t.Context(), p, checkout.SafeIntent{Chain: base, Hash: hash(9)}); err == nil {
		t.Error("a Safe may pay")
	}
}

// Two that were sponsored before either was sent: one pays.
func TestTwoWereSponsored(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	first, second := w.saves(p), w.saves(p, approved)
	must(t, first.sponsored())
	must(t, second.sponsored())
	if _, err := second.asks(checkout.GaslessSend); err != nil {
		t.Error(err)
	}
	if _, err := first.asks(checkout.GaslessSend); code(err) != checkout.CodeOpPending {
		t.Errorf("the other: %v", err)
	}
	if len(w.relay.taken) != 1 {
		t.Errorf("the bundler has %v", w.relay.taken)
	}
}

// A bundler that has refused it and executes it all the same: what arrived counts, and
// the attempt says so.
func TestRefusedAndExecuted(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p)
	must(t, b.sponsored())
	b.refused()
	b.is(payment.OpRefused, payment.Open, false)
	tx := b.executes(true, 1010)
	b.looks()
	b.is(payment.OpExecuted, payment.Open, true)
	w.reach(1020)
	if again := b.looks(); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
	w.scan(1010, b.arrives(tx, 100, 1010))
	w.settle(1010)
	if a := b.is(payment.OpExecuted, payment.Paid, false); a.Stage != payment.Executed || a.Reason != "" {
		t.Errorf("ended as %s %q", a.Stage, a.Reason)
	}
	if s := w.spent(p); s.Payment.Int64() != gasPaid {
		t.Errorf("it has cost %s", s.Payment)
	}
	w.told(p, "announced", "broken", "seen", "paid")
}

// Three operations may hold a payment, however they end; those that the bundler did
// not take hold nothing.
func TestThreeOperations(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	w.relay.set(func() { w.relay.budget.Grants, w.relay.budget.Payment = 99, big.NewInt(1_000_000) })
	for i := range 3 {
		b := w.saves(p, func(b *paysBy) { b.op.Permit += int64(i) + 1 })
		must(t, b.sponsored())
		b.refused()
		if _, err := b.asks(checkout.GaslessSend); code(err) != "op_over" {
			t.Errorf("sent again: %v", err)
		}
		b = w.saves(p).sends()
		b.executes(false, w.relay.head+1)
		w.reach(w.relay.head)
		b.looks()
	}
	if err := w.saves(p).sponsored(); code(err) != "gas_budget" {
		t.Errorf("a fourth: %v", err)
	}
	if _, err := w.GaslessView(t.Context(), w.load(p.ID), "one", saver); code(err) != "gas_budget" {
		t.Errorf("the page is shown a fourth: %v", err)
	}
	if _, err := w.prepares(p, "one", rail.Payer{Wallet: saver}); err != nil {
		t.Errorf("paid plainly: %v", err)
	}
}
