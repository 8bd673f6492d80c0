package checkout_test

import (
	"context"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// judge is a screening provider that says what the test tells it to.
type judge struct {
	mu     sync.Mutex
	says   map[asset.Address]checkout.Verdict // Approved if not there
	listed map[asset.Address]bool
	asked  map[asset.Address]int
}

func newJudge() *judge {
	return &judge{says: map[asset.Address]checkout.Verdict{}, listed: map[asset.Address]bool{}, asked: map[asset.Address]int{}}
}

func (j *judge) Known(provider string) bool { return provider == "" || provider == "acme" }

func (j *judge) Listed(wallet asset.Address) (checkout.Screening, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return checkout.Screening{Wallet: wallet, Verdict: checkout.Rejected, Reason: "sanctioned", Provider: "list"}, j.listed[wallet]
}

func (j *judge) Screen(_ context.Context, _ string, chain asset.ChainID, wallet asset.Address) (checkout.Screening, error) {
	if x, listed := j.Listed(wallet); listed {
		return x, nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked[wallet]++
	if chain != base {
		return checkout.Screening{}, fmt.Errorf("asked about chain %d", chain)
	}
	x := checkout.Screening{Wallet: wallet, Verdict: checkout.Approved, Provider: "acme", Reference: "r"}
	if v, ok := j.says[wallet]; ok {
		x.Verdict, x.Reason = v, "because"
	}
	return x, nil
}

func (j *judge) say(wallet asset.Address, v checkout.Verdict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.says[wallet] = v
}

func (j *judge) times(wallet asset.Address) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.asked[wallet]
}

// judged gives the world's service a screener, nil for none.
func (w *world) judged(s checkout.Screener) {
	w.t.Helper()
	w.Service = checkout.New(checkout.Config{
		Store: troubled{w.store, w}, Book: w.Book(), Rails: []rail.Rail{labels{w}}, Window: window, Grace: grace, Now: w.now, Screener: s,
	})
}

// restricted makes a payment with a policy.
func (w *world) restricted(a payment.Access, flow payment.Flow, payees ...asset.Address) *payment.Payment {
	w.t.Helper()
	if len(payees) == 0 {
		payees = []asset.Address{payee}
	}
	d := checkout.Draft{Merchant: owner, Dialect: "request", Access: a, Flow: flow}
	for _, to := range payees {
		d.Requests = append(d.Requests, checkout.DraftRequest{Payee: to, Token: w.usdc, Amount: big.NewInt(100)})
	}
	var p *payment.Payment
	_, _, err := w.Create(w.t.Context(), d, nil, func(made *payment.Payment) (checkout.Answer, error) {
		p = made
		return checkout.Answer{Status: 201}, nil
	})
	must(w.t, err)
	return w.load(p.ID)
}

func (w *world) admit(p *payment.Payment, wallet asset.Address) checkout.Admission {
	w.t.Helper()
	a, err := w.Admit(w.t.Context(), p, wallet)
	must(w.t, err)
	return a
}

// count counts a payment's events of a kind.
func (w *world) count(id payment.ID, kind payment.EventKind) int {
	w.t.Helper()
	n := 0
	for _, k := range w.kinds(id) {
		if k == kind {
			n++
		}
	}
	return n
}

func refusedAs(t *testing.T, what string, err error, kind fault.Kind, code string) {
	t.Helper()
	if f := fault.From(err); err == nil || f.Kind != kind || f.Code != code {
		t.Errorf("%s: got %v, want %s %q", what, err, kind, code)
	}
}

var (
	friend   = asset.Address{19: 0xf1}
	stranger = asset.Address{19: 0x5a}
)

func TestAdmitWithoutRestriction(t *testing.T) {
	w := newWorld(t)
	for _, p := range []*payment.Payment{
		w.create(100),
		w.restricted(payment.Access{HideUntilApproved: true, HidePayee: true}, ""),
		w.restricted(payment.Access{Allowed: []asset.Address{friend}}, payment.PayOut),
	} {
		for _, wallet := range []asset.Address{{}, stranger} {
			if a := w.admit(p, wallet); !a.Admitted() || a.Reason != "" || a.Refusal() != nil {
				t.Errorf("got %+v", a)
			}
		}
	}
}

func TestAdmitByList(t *testing.T) {
	w := newWorld(t)
	p := w.restricted(payment.Access{Allowed: []asset.Address{friend}}, payment.GetPaid)
	if a := w.admit(p, asset.Address{}); a.Verdict != "" || a.Reason != checkout.ReasonWalletRequired || a.Admitted() {
		t.Errorf("nobody: %+v", a)
	}
	if a := w.admit(p, friend); !a.Admitted() {
		t.Errorf("a friend: %+v", a)
	}
	a := w.admit(p, stranger)
	if a.Verdict != checkout.Rejected || a.Reason != checkout.ReasonNotAllowed {
		t.Errorf("a stranger: %+v", a)
	}
	ctx, hint := t.Context(), hash(7)
	_, _, err := w.Prepare(ctx, p.ID, "", rail.Payer{})
	refusedAs(t, "calldata for nobody", err, fault.Forbidden, "wallet_required")
	_, _, err = w.Prepare(ctx, p.ID, "", rail.Payer{Wallet: stranger})
	refusedAs(t, "calldata for a stranger", err, fault.Forbidden, "wallet_not_allowed")
	_, err = w.Report(ctx, p.ID, base, hint, rail.Payer{})
	refusedAs(t, "an intent of nobody", err, fault.Forbidden, "wallet_required")
	_, err = w.Report(ctx, p.ID, base, hint, rail.Payer{Wallet: stranger})
	refusedAs(t, "an intent of a stranger", err, fault.Forbidden, "wallet_not_allowed")
	if len(w.load(p.ID).Attempts) != 0 {
		t.Error("a refused intent was kept")
	}
	_, _, err = w.Prepare(ctx, p.ID, "", rail.Payer{Wallet: friend})
	must(t, err)
	_, err = w.Report(ctx, p.ID, base, hint, rail.Payer{Wallet: friend})
	must(t, err)

	// The list is about what we hand out. Money that came is money that came.
	must(t, w.sweep(1, block(1, 0), w.sighting(p, 9, 0, 100, block(1, 0))))
	if got := w.load(p.ID); got.Standing.State != payment.Seen {
		t.Errorf("paid by a stranger: %s", got.Standing.State)
	}
}

func TestRejectionsAreToldOnce(t *testing.T) {
	w := newWorld(t)
	p := w.restricted(payment.Access{Allowed: []asset.Address{friend}}, payment.GetPaid)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := w.Admit(t.Context(), p, stranger); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	w.pass(9 * time.Minute)
	w.admit(p, stranger)
	if n := w.count(p.ID, payment.EventRejected); n != 1 {
		t.Fatalf("told %d times within ten minutes", n)
	}
	for _, e := range w.events(p.ID) {
		if e.Kind == payment.EventRejected && (e.Fields[payment.FieldWallet] != stranger.String() || e.Fields[payment.FieldReason] != "wallet_not_allowed") {
			t.Errorf("event: %+v", e)
		}
	}
	w.pass(2 * time.Minute)
	w.admit(p, stranger)
	if n := w.count(p.ID, payment.EventRejected); n != 2 {
		t.Fatalf("told %d times, want once more after ten minutes", n)
	}
	for i := range 150 {
		w.admit(p, asset.Address{18: 9, 19: byte(i)})
	}
	if n := w.count(p.ID, payment.EventRejected); n != 100 {
		t.Errorf("%d rejections are kept, want 100", n)
	}
}

func TestScreening(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	screened := payment.Access{Screen: true, Provider: "acme"}
	p := w.restricted(screened, payment.GetPaid)
	if a := w.admit(p, asset.Address{}); a.Admitted() || a.Reason != checkout.ReasonWalletRequired {
		t.Errorf("nobody: %+v", a)
	}
	for range 3 {
		if a := w.admit(p, friend); !a.Admitted() || a.Provider != "acme" || len(a.Wallets) != 2 {
			t.Errorf("approved: %+v", a)
		}
	}
	if j.times(friend) != 1 || j.times(payee) != 1 {
		t.Errorf("asked %d and %d times, want once", j.times(friend), j.times(payee))
	}
	// A refused payer is told, and the link goes on working for others.
	j.say(stranger, checkout.Rejected)
	for range 2 {
		if a := w.admit(p, stranger); a.Verdict != checkout.Rejected || a.Reason != checkout.ReasonScreening {
			t.Errorf("refused: %+v", a)
		}
	}
	_, _, err := w.Prepare(t.Context(), p.ID, "", rail.Payer{Wallet: stranger})
	refusedAs(t, "calldata for the refused", err, fault.Forbidden, "screening_rejected")
	if n := w.count(p.ID, payment.EventRejected); n != 1 || w.load(p.ID).Standing.State != payment.Open {
		t.Errorf("told %d times, the payment is %s", n, w.load(p.ID).Standing.State)
	}
	if a := w.admit(p, friend); !a.Admitted() {
		t.Errorf("after another's refusal: %+v", a)
	}
	// Both answers are asked for again in time.
	j.say(stranger, checkout.Approved)
	w.pass(59 * time.Minute)
	if w.admit(p, stranger).Admitted() {
		t.Error("a refusal was forgotten within the hour")
	}
	w.pass(2 * time.Minute)
	p = w.restricted(screened, payment.GetPaid)
	if !w.admit(p, stranger).Admitted() {
		t.Error("another payment has another payment's answer")
	}
	stored, err := w.Screenings(t.Context(), p)
	must(t, err)
	if len(stored) != 2 || stored[0].At != w.now() {
		t.Errorf("kept: %+v", stored)
	}
}

func TestScreeningAnswersAge(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	var p *payment.Payment
	for what, c := range map[string]struct {
		says   checkout.Verdict
		within time.Duration
		after  time.Duration
	}{
		"approved": {checkout.Approved, 24*time.Hour - time.Second, 24 * time.Hour},
		"rejected": {checkout.Rejected, time.Hour - time.Second, time.Hour},
		"error":    {checkout.Unknown, 9 * time.Second, 10 * time.Second},
	} {
		wallet := asset.Address{0: 1, 19: what[0]}
		j.say(wallet, c.says)
		p = w.restricted(payment.Access{Screen: true}, payment.GetPaid)
		began := w.now()
		ask := func(at time.Duration, times int) {
			t.Helper()
			w.pass(began.Add(at).Sub(w.now()))
			if a := w.admit(p, wallet); a.Verdict != c.says {
				t.Errorf("%s after %s: %+v", what, at, a)
			}
			if n := j.times(wallet); n != times {
				t.Errorf("%s after %s: asked %d times, want %d", what, at, n, times)
			}
		}
		ask(0, 1)
		ask(c.within, 1)
		ask(c.after, 2)
	}
}

// A wallet that a local list names is refused at once, whatever was said before.
func TestListedMeanwhile(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	p := w.restricted(payment.Access{Screen: true}, payment.GetPaid)
	if !w.admit(p, friend).Admitted() {
		t.Fatal("not approved")
	}
	j.listed[friend] = true
	if a := w.admit(p, friend); a.Reason != checkout.ReasonScreening || a.Provider != "list" {
		t.Errorf("got %+v", a)
	}
	j.listed[payee] = true
	if a := w.admit(p, stranger); a.Reason != checkout.ReasonPayee || p.Standing.State != payment.Failed {
		t.Errorf("a listed payee: %+v, the payment is %s", a, p.Standing.State)
	}
}

func TestNobodyCouldTell(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	p := w.restricted(payment.Access{Screen: true}, payment.GetPaid)
	j.say(friend, checkout.Unknown)
	closed := func(what string) {
		t.Helper()
		if a := w.admit(p, friend); a.Verdict != checkout.Unknown || a.Reason != checkout.ReasonUnavailable || a.Admitted() {
			t.Errorf("%s: %+v", what, a)
		}
		_, in, err := w.Prepare(t.Context(), p.ID, "", rail.Payer{Wallet: friend})
		refusedAs(t, what, err, fault.Unavailable, "screening_unavailable")
		if in != nil {
			t.Errorf("%s: calldata %v", what, in)
		}
		if n := w.count(p.ID, payment.EventRejected); n != 0 {
			t.Errorf("%s: told %d rejections", what, n)
		}
	}
	closed("the payer")
	j.say(friend, checkout.Approved)
	j.say(payee, checkout.Unknown)
	w.pass(25 * time.Hour)
	p = w.restricted(payment.Access{Screen: true}, payment.GetPaid)
	closed("the payee")
	p = w.restricted(payment.Access{Screen: true, Provider: "acme"}, payment.GetPaid)
	w.judged(nil) // started again without a provider
	closed("no provider any more")
	_, _, err := w.Create(t.Context(), checkout.Draft{
		Merchant: owner, Access: payment.Access{Screen: true}, Requests: []checkout.DraftRequest{{Payee: payee, Token: w.usdc, Amount: big.NewInt(1)}},
	}, nil, nil)
	refusedAs(t, "a payment to be screened by nobody", err, fault.Invalid, "unknown_provider")
}

func TestRefusedPayeeFailsThePayment(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	bad := asset.Address{19: 0xbd}
	j.say(bad, checkout.Rejected)
	p := w.restricted(payment.Access{Screen: true}, payment.PayOut, payee, bad, payee)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			mine := *p
			a, err := w.Admit(t.Context(), &mine, friend)
			if err != nil || a.Reason != checkout.ReasonPayee || mine.Standing.State != payment.Failed {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	group.Wait()
	failed := w.load(p.ID)
	why, ok := failed.Failure()
	if failed.Standing.State != payment.Failed || !ok || why.Reason != checkout.ComplianceFailed {
		t.Fatalf("the payment is %s for %q", failed.Standing.State, why.Reason)
	}
	if n := w.count(p.ID, payment.EventFailed); n != 1 || w.count(p.ID, payment.EventRejected) != 0 {
		t.Errorf("failing was told %d times: %v", n, w.kinds(p.ID))
	}
	for _, e := range w.events(p.ID) {
		if e.Kind == payment.EventFailed && e.Detail != checkout.ComplianceFailed {
			t.Errorf("the event says %q", e.Detail)
		}
	}
	_, _, err := w.Prepare(t.Context(), p.ID, "", rail.Payer{Wallet: friend})
	refusedAs(t, "calldata", err, fault.Forbidden, "failed")
	// Money that comes all the same is counted.
	for i := range failed.Terms.Requests {
		x := w.sighting(failed, 20+i, 0, 100, block(1, 0))
		x.Handle, x.To = failed.Terms.Requests[i].Topic, failed.Terms.Requests[i].Payee
		must(t, w.sweep(1+i, block(1+i, 0), x))
	}
	if got := w.load(p.ID).Standing.State; got != payment.Seen {
		t.Errorf("all paid, and %s", got)
	}
}

// Strangers cannot have the operator pay for questions without end, and those
// who are known are not kept out by them.
func TestManyWallets(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	p := w.restricted(payment.Access{Screen: true}, payment.GetPaid)
	if !w.admit(p, friend).Admitted() {
		t.Fatal("not approved")
	}
	limited := 0
	for i := range 80 {
		if _, err := w.Admit(t.Context(), p, asset.Address{18: 7, 19: byte(i)}); fault.Is(err, fault.Limited) {
			limited++
		}
	}
	if limited != 80-49 {
		t.Errorf("%d of 80 were turned away, want 31", limited)
	}
	if !w.admit(p, friend).Admitted() {
		t.Error("a known payer is kept out")
	}
	w.pass(time.Hour)
	if a := w.admit(p, stranger); !a.Admitted() {
		t.Errorf("an hour later: %+v", a)
	}
}

// What strangers can make us load with a payment is bounded for good.
func TestManyWalletsForGood(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	p := w.restricted(payment.Access{Screen: true}, payment.GetPaid)
	must(t, w.store.Write(t.Context(), func(tx checkout.Tx) error {
		for i := range 1000 {
			wallet := asset.Address{17: 1, 18: byte(i >> 8), 19: byte(i)}
			x := checkout.Screening{Role: checkout.PayerRole, Wallet: wallet, Verdict: checkout.Approved, At: begin.Add(-2 * time.Hour)}
			if err := tx.PutScreening(t.Context(), p.ID, x); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := w.Admit(t.Context(), p, stranger)
	refusedAs(t, "one more", err, fault.Limited, "too_many_wallets")
	if !w.admit(p, asset.Address{17: 1}).Admitted() {
		t.Error("a known payer is kept out")
	}
}

// Strangers who have wallets looked at do not keep out who was let in before,
// also once that answer is old.
func TestManyWalletsKeepNoPayerOut(t *testing.T) {
	w, j := newWorld(t), newJudge()
	w.judged(j)
	p := w.restricted(payment.Access{Screen: true}, payment.GetPaid)
	if !w.admit(p, friend).Admitted() {
		t.Fatal("not approved")
	}
	w.pass(24 * time.Hour)
	for i := range 50 {
		w.admit(p, asset.Address{18: 7, 19: byte(i)})
	}
	_, err := w.Admit(t.Context(), p, stranger)
	refusedAs(t, "one more", err, fault.Limited, "too_many_wallets")
	if a, err := w.Admit(t.Context(), p, friend); err != nil || !a.Admitted() || j.times(friend) != 2 {
		t.Errorf("got %+v, %v, asked %d times", a, err, j.times(friend))
	}
}
