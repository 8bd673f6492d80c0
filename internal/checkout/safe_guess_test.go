package checkout_test

import (
	"slices"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// A hash that was announced as a transaction's may be a Safe's.
func TestATransactionsHashThatIsASafes(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	report := func(wallet asset.Address, tx string) payment.Attempt {
		t.Helper()
		a, err := w.Report(t.Context(), p.ID, base, tx, rail.Payer{Wallet: wallet})
		must(t, err)
		return a
	}
	w.vault.set(func() { w.vault.sent[hash(1)] = true })
	if a := report(box, hash(1)); a.Kind != "tx" {
		t.Errorf("a transaction of a Safe's that is known: %+v", a)
	}
	if a := report(payee, hash(2)); a.Kind != "tx" {
		t.Errorf("a plain wallet's: %+v", a)
	}
	if a := report(asset.Address{}, hash(3)); a.Kind != "tx" {
		t.Errorf("nobody's: %+v", a)
	}
	w.vault.set(func() { w.vault.dead = errSilent })
	if a := report(box, hash(4)); a.Kind != "tx" {
		t.Errorf("while nobody answers: %+v", a)
	}
	w.vault.set(func() { w.vault.dead = nil })
	w.stands(p, payment.Open, false)
	a := report(box, hash(5))
	if a.Kind != "safe_tx" || !a.Safe.Guessed || a.Payer != box.String() {
		t.Fatalf("a Safe's: %+v", a)
	}
	if again := report(box, hash(5)); again.Key != a.Key {
		t.Errorf("again: %+v", again)
	}
	w.stands(p, payment.Open, true)
	// The merchant, who says that it is, is not taken back.
	q := w.create(100)
	for i, in := range []checkout.SafeIntent{checkout.GuessSafe(base, hash(6), box, true), {Chain: base, Hash: hash(6), Safe: box}, {Chain: base, Hash: hash(6), Safe: box, Vouched: true}} {
		b, err := w.CheckSafe(t.Context(), q, in)
		must(t, err)
		b, err = w.AnnounceSafe(t.Context(), q.ID, b)
		must(t, err)
		if b.Safe.Guessed != (i < 2) {
			t.Errorf("guessed: %t, after %+v", b.Safe.Guessed, in)
		}
	}
	args := checkout.Follow{Payment: p.ID, Key: a.Key}.Args()
	if again := w.trackSafe(args); again.IsZero() {
		t.Error("not followed")
	}
	// The node had only not heard of it.
	w.vault.set(func() { w.vault.sent[hash(5)] = true })
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
	w.stands(p, payment.Open, false)
	as := w.load(p.ID).Attempts
	if b := as[len(as)-1]; b.Kind != "tx" || b.Handle != hash(5) || b.Payer != box.String() || b.Stage != payment.Announced {
		t.Errorf("then %+v", b)
	}
	if slices.ContainsFunc(as, func(a payment.Attempt) bool { return a.Safe != nil }) {
		t.Error("it is a Safe's still")
	}
}
