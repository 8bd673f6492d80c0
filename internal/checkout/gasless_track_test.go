package checkout_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// reaches moves on by seconds, which are blocks.
func (w *world) later(d time.Duration) { w.reach(w.relay.head + int(d/time.Second)) }

func TestAnOperationPays(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	a := b.is(payment.OpWaiting, payment.Open, true)
	if a.Kind != "user_op" || a.Key != fmt.Sprintf("op:%d:%s", base, b.hash()) || a.Chain != base || a.Payer != accountOf(saver).String() ||
		a.Until.Unix() != b.op.Permit || a.Op.Owner != saver.String() || a.Op.Nonce != "0" || a.Op.Token != "USDC-base" || a.Op.Amount.Int64() != 100 {
		t.Errorf("announced as %+v, %+v", a, a.Op)
	}
	jobs, err := w.store.Claim(t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(t, err)
	if len(jobs) != 1 || jobs[0].Kind != checkout.GaslessTrackKind || jobs[0].Args != b.args() {
		t.Fatalf("jobs %+v, want one that follows %q", jobs, b.args())
	}
	if again := b.looks(); again.IsZero() {
		t.Error("not followed")
	}
	tx := b.executes(true, 1010)
	b.looks()
	if a := b.is(payment.OpExecuted, payment.Open, true); a.Stage != payment.Announced || a.Op.ExecutedBy != tx {
		t.Errorf("before it is final: %s by %s", a.Stage, a.Op.ExecutedBy)
	}
	w.scan(1010, b.arrives(tx, 100, 1010))
	b.is(payment.OpExecuted, payment.Seen, true)
	w.reach(1020)
	if again := b.looks(); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
	w.settle(1010)
	if a := b.is(payment.OpExecuted, payment.Paid, false); a.Stage != payment.Executed {
		t.Errorf("at its end: %s", a.Stage)
	}
	w.told(p, "announced", "seen", "paid")
	if s := w.spent(p); s.Payment.Int64() != gasPaid || s.Grants != 1 {
		t.Errorf("it has cost %+v", s)
	}
	if x := w.load(p.ID).Transfers[0]; w.load(p.ID).Holder(x) != saver.String() {
		t.Errorf("the holder behind %s is %s", x.Evidence.Payer, w.load(p.ID).Holder(x))
	}
	if _, err := b.asks(checkout.GaslessSend); code(err) != "op_over" {
		t.Errorf("sent again: %v", err)
	}
}

// What was executed holds the payment until its money is seen: a scanner may be slower.
func TestExecutedAndNotSeenYet(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	tx := b.executes(true, 1010)
	w.reach(1020)
	b.looks()
	b.is(payment.OpExecuted, payment.Open, true)
	w.later(30 * time.Minute)
	b.is(payment.OpExecuted, payment.Open, true)
	w.scan(1010, b.arrives(tx, 100, 1010))
	b.is(payment.OpExecuted, payment.Seen, false)
}

func TestOperationsThatComeToNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*paysBy)
		ends   func(*paysBy)
		stage  payment.OpStage
		reason string
		why    string
		cost   int64
	}{
		"its calls failed": {ends: func(b *paysBy) { b.executes(false, 1010) }, stage: payment.OpFailed, reason: "op_failed", why: "no money", cost: gasPaid},
		"another used its nonce": {
			ends: func(b *paysBy) { b.relay.executes(base, saver, hash(666), 0, true, 1010) }, stage: payment.OpReplaced, reason: "op_replaced",
		},
		"its permit's deadline passed": {
			ends: func(b *paysBy) { b.later(7*time.Minute + time.Second) }, stage: payment.OpExpired, reason: "op_expired",
			cost: opCost, // it may still be executed, and fail
		},
		"it failed without a permit": {
			change: []func(*paysBy){approved}, ends: func(b *paysBy) { b.executes(false, 1010) }, stage: payment.OpFailed, reason: "op_failed", why: "no money", cost: gasPaid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := gasWorld(t)
			p := w.create(100)
			b := w.saves(p, c.change...).sends()
			c.ends(b)
			b.looks()
			if c.stage != payment.OpExpired { // what is not final is told, and decides nothing
				if a := b.is(c.stage, payment.Open, true); a.Stage != payment.Announced || a.Op.Why != c.why {
					t.Errorf("before it is final: %s, why %q", a.Stage, a.Op.Why)
				}
				w.told(p, "announced")
				w.later(time.Minute)
				b.looks()
			}
			a := b.is(c.stage, payment.Open, false)
			if a.Stage != payment.Abandoned || a.Reason != c.reason || a.Op.Why != c.why {
				t.Errorf("ended as %s %q, why %q", a.Stage, a.Reason, a.Op.Why)
			}
			w.told(p, "announced", "broken")
			e := w.last(p)
			if e.Request != -1 || e.Fields[payment.FieldReason] != c.reason || e.Fields[payment.FieldTx] != b.hash() || !e.Kind.Announced() {
				t.Errorf("told as %+v", e)
			}
			if s := w.spent(p); s.Payment.Int64() != c.cost {
				t.Errorf("it has cost %s", s.Payment)
			}
			if again := b.looks(); !again.IsZero() {
				t.Errorf("followed on at %v", again)
			}
			// The payment can be made again, in either way.
			if _, err := w.prepares(p, "one", rail.Payer{Wallet: saver}); err != nil {
				t.Error(err)
			}
			w.saves(p).sends()
		})
	}
}

// The end that a page-announced operation comes to fails no payment, whatever it was.
func TestNothingIsToldOfAPaymentThatIsMade(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	b.executes(false, 1010)
	w.scan(1011, w.pays(p, payee, hash(5), 100, 1011))
	w.settle(1011)
	w.reach(1020)
	b.looks()
	b.is(payment.OpFailed, payment.Paid, false)
	w.told(p, "announced", "seen", "paid")
}

// A chain that stands still while the clock goes on may execute it later: the permit's
// deadline is the chain's.
func TestADeadlineIsTheChains(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	w.pass(20 * time.Minute)
	b.looks()
	b.is(payment.OpWaiting, payment.Open, true)
	w.relay.set(func() { w.relay.head = 1300 + 120 }) // the permit's end is at 1300
	b.looks()
	b.is(payment.OpWaiting, payment.Open, true)
	w.relay.set(func() { w.relay.head++ })
	b.looks()
	b.is(payment.OpExpired, payment.Open, false)

	// If nobody ever tells, an hour is enough.
	q := w.create(100)
	b = w.saves(q).sends()
	w.relay.set(func() { w.relay.dead = errSilent })
	w.pass(65*time.Minute - time.Second)
	if again := b.looks(); again.Before(w.now().Add(30 * time.Second)) {
		t.Errorf("a chain in trouble is asked again at %v", again)
	}
	if _, locked := w.load(q.ID).OpLock(w.now()); !locked {
		t.Error("let go before")
	}
	w.pass(time.Second)
	if _, locked := w.load(q.ID).OpLock(w.now()); locked {
		t.Error("held for ever")
	}
}

func TestAReorganisationTakesAnOperationAway(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	tx := b.executes(true, 1010)
	w.ahead(1012)
	b.looks()
	w.scan(1010, b.arrives(tx, 100, 1010))
	b.is(payment.OpExecuted, payment.Seen, true)
	w.relay.set(func() { w.relay.done = nil })
	must(t, w.Rewind(t.Context(), base, block(noBlock, 0)))
	b.looks()
	if a := b.is(payment.OpWaiting, payment.Open, true); a.Op.ExecutedBy != "" {
		t.Errorf("executed by %s", a.Op.ExecutedBy)
	}
	// It comes again, and fails; another time that goes away, and it succeeds.
	b.executes(false, 1013)
	b.looks()
	b.is(payment.OpFailed, payment.Open, true)
	w.relay.set(func() { w.relay.done = nil })
	b.looks()
	b.is(payment.OpWaiting, payment.Open, true)
	tx = b.executes(true, 1014)
	w.reach(1020)
	b.looks()
	w.scan(1014, b.arrives(tx, 100, 1014))
	w.settle(1014)
	b.is(payment.OpExecuted, payment.Paid, false)
	w.told(p, "announced", "seen", "reorged", "seen", "paid")
}

// An operation without a permit can be executed for ever. Who owns its account and then
// pays plainly takes back first what it could take.
func TestTakenBackBeforePayingPlainly(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p, approved).sends()
	w.later(10*time.Minute - time.Second)
	b.looks()
	b.is(payment.OpWaiting, payment.Open, true)
	if _, err := w.prepares(p, "one", rail.Payer{Wallet: saver}); code(err) != checkout.CodeOpPending {
		t.Errorf("while it holds: %v", err)
	}
	w.later(time.Second)
	b.looks()
	b.is(payment.OpWaiting, payment.Open, false)

	plain := rail.Payer{Wallet: saver}
	calls, err := w.prepares(p, "one", plain)
	must(t, err)
	account := accountOf(saver)
	if len(calls.Steps) != 2 || calls.Steps[0].Kind != rail.Revoke || calls.Steps[0].To != w.usdc.Address || calls.Steps[0].Asset != "USDC-base" ||
		!slices.Equal(calls.Steps[0].Data, account[:]) || calls.Steps[0].Gas == 0 || calls.Steps[1].Kind != rail.Pay {
		t.Errorf("steps %+v", calls.Steps)
	}
	if want := int64(1000 + 60_000*4*5/4); calls.Funds.NativeNeeded.Int64() != want {
		t.Errorf("%s wei are needed, want %d", calls.Funds.NativeNeeded, want)
	}
	again, err := w.prepares(p, "one", plain)
	must(t, err)
	if len(again.Steps) != 2 {
		t.Errorf("prepared again: %+v", again.Steps)
	}
	for name, c := range map[string]struct {
		payer rail.Payer
		steps int
	}{"by another": {rail.Payer{Wallet: payee}, 1}, "by nobody known": {rail.Payer{}, 1}, "by the account again": {rail.Payer{Wallet: account, Owner: saver}, 1}} {
		if calls, err := w.prepares(p, "one", c.payer); err != nil || len(calls.Steps) != c.steps {
			t.Errorf("%s: %+v, %v", name, calls, err)
		}
	}
	if _, err := w.prepares(p, "over", plain); code(err) != checkout.CodeOpPending {
		t.Errorf("from another network: %v", err)
	}
	w.relay.set(func() { w.relay.dead = errSilent }) // who cannot tell takes it back
	if calls, err := w.prepares(p, "one", plain); err != nil || len(calls.Steps) != 2 {
		t.Errorf("the chain is silent: %+v, %v", calls, err)
	}
	w.relay.set(func() { w.relay.dead, w.relay.allows[saver] = nil, 99 })
	for _, option := range []string{"one", "over"} {
		if calls, err := w.prepares(p, option, plain); err != nil || len(calls.Steps) != 1 {
			t.Errorf("it cannot take enough any more: %+v, %v", calls, err)
		}
	}
	// Whatever is done about it: what arrives twice is too much.
	w.scan(1700, w.pays(p, saver, hash(77), 100, 1700))
	tx := b.executes(true, 1710)
	w.reach(1720)
	b.looks()
	w.scan(1710, b.arrives(tx, 100, 1710))
	w.settle(1700)
	w.settle(1710)
	b.is(payment.OpExecuted, payment.Paid, false)
	if s := w.load(p.ID).Standing; s.Oddity != payment.Over || s.Requests[0].Excess(big.NewInt(100)).Int64() != 100 {
		t.Errorf("it stands as %+v", s)
	}
	w.told(p, "announced", "seen", "seen", "paid", "surplus")
}

// A payer without a permit tries once more without gas: the same nonce is used, so only
// one of both can pay.
func TestOnceMoreWithoutGas(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	first := w.saves(p, approved).sends()
	w.later(10 * time.Minute)
	second := w.saves(p).sends()
	first.is(payment.OpWaiting, payment.Open, true)
	if first.op.Nonce != second.op.Nonce || first.hash() == second.hash() {
		t.Fatalf("nonces %d and %d", first.op.Nonce, second.op.Nonce)
	}
	tx := first.executes(true, w.relay.head+1)
	w.reach(w.relay.head)
	first.looks()
	second.looks()
	n := w.relay.head
	w.scan(n, first.arrives(tx, 100, n))
	w.settle(n)
	first.is(payment.OpExecuted, payment.Paid, false)
	second.is(payment.OpReplaced, payment.Paid, false)
}

// Nonces are those of one chain: an operation that can still be executed elsewhere would
// pay beside a new one, so there is no other from another network until it cannot.
func TestOnceMoreWithoutGasElsewhere(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	first := w.saves(p, approved).sends()
	w.later(10 * time.Minute)
	second := w.saves(p, overThere)
	own := rail.Payer{Wallet: accountOf(saver), Owner: saver}
	if err := second.sponsored(); code(err) != checkout.CodeOpPending {
		t.Errorf("sponsored elsewhere: %v", err)
	}
	if _, err := w.GaslessView(t.Context(), p, "over", saver); code(err) != checkout.CodeOpPending {
		t.Errorf("offered elsewhere: %v", err)
	}
	if _, err := w.prepares(p, "over", own); code(err) != checkout.CodeOpPending {
		t.Errorf("prepared elsewhere: %v", err)
	}
	if _, err := w.prepares(p, "one", own); err != nil {
		t.Errorf("where its nonce is: %v", err)
	}
	w.relay.set(func() { w.relay.allows[saver] = 0 }) // taken back
	if err := second.sponsored(); err != nil {
		t.Errorf("once it can take nothing: %v", err)
	}
	first.is(payment.OpWaiting, payment.Open, false)
}

// Executed for a payment on another chain, it goes on as a transfer over a bridge.
func TestAnOperationPaysFromAnotherChain(t *testing.T) {
	for _, final := range []bool{true, false} {
		t.Run(fmt.Sprintf("final %t", final), func(t *testing.T) {
			w := gasWorld(t)
			p := w.create(100)
			b := w.saves(p, overThere).sends()
			tx := b.executes(true, 1010)
			if final {
				w.reach(1020)
			}
			for range 2 {
				b.looks()
			}
			b.is(payment.OpExecuted, payment.Open, true)
			as := w.load(p.ID).Attempts
			i := slices.IndexFunc(as, func(a payment.Attempt) bool { return a.Route != nil })
			if len(as) != 2 || i < 0 || as[i].Kind != "bridge" || as[i].Handle != tx || as[i].Chain != arbitrum || as[i].Payer != accountOf(saver).String() || as[i].Route.To != base {
				t.Fatalf("handed over as %+v", as)
			}
			follow := checkout.Follow{Payment: p.ID, Key: as[i].Key}.Args()
			proof := proven(100)
			proof.Payer, proof.Route.SentAt, proof.Until = accountOf(saver).String(), block(1010, 0).Time, block(9000, 0).Time
			w.span.shows(proof)
			w.span.says(payment.Bridging)
			w.track(follow)
			if err := w.Payable(w.load(p.ID)); code(err) != "bridging" {
				t.Errorf("payable: %v", err)
			}
			w.reach(1100)
			b.looks()
			w.scan(1100, w.arrival(p, 100, block(1100, 0)))
			w.settle(1100)
			b.is(payment.OpExecuted, payment.Paid, false)
			got := w.load(p.ID)
			if x := got.Transfers[0]; got.Holder(x) != saver.String() || x.Evidence.Source.Tx != tx {
				t.Errorf("paid by %s from %+v", got.Holder(x), x.Evidence)
			}
			w.told(p, "announced", "announced", "bridging", "seen", "paid")
		})
	}
}

// Looks that make no sense change nothing.
func TestSightsThatMakeNoSense(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	for _, lie := range []func(*checkout.GaslessSight){
		func(s *checkout.GaslessSight) { s.Fate = "lost" },
		func(s *checkout.GaslessSight) { s.Fate, s.Final = checkout.OpSucceeded, true },
		func(s *checkout.GaslessSight) { s.Fate, s.Final, s.Tx = checkout.OpFailed, true, "0x1" },
		func(s *checkout.GaslessSight) { s.Fate, s.Final, s.Tx = checkout.OpReplaced, true, "somewhere" },
	} {
		w.relay.set(func() { w.relay.lie = lie })
		if again := b.looks(); again.IsZero() {
			t.Error("not followed on")
		}
		b.is(payment.OpWaiting, payment.Open, true)
	}
	// What it says of the cost is not believed beyond what was promised.
	w.relay.set(func() {
		w.relay.lie = func(s *checkout.GaslessSight) { s.Cost = new(big.Int).Lsh(big.NewInt(1), 200) }
	})
	b.executes(true, 1010)
	w.reach(1020)
	b.looks()
	if s := w.spent(p); s.Payment.Int64() != opCost {
		t.Errorf("it has cost %s", s.Payment)
	}
	for _, args := range []string{"", "x", "x y", string(p.ID) + " tx:1"} {
		if again, err := w.TrackGasless(t.Context(), args); err == nil && !again.IsZero() || args == "" && err == nil {
			t.Errorf("%q: %v, %v", args, again, err)
		}
	}
}

// While nobody knows of operations any more they are kept, and followed later.
func TestSwitchedOff(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p).sends()
	args, r := b.args(), w.relay
	w.relay = nil
	w.restart()
	if again, err := w.TrackGasless(t.Context(), args); err != nil || !again.Equal(w.now().Add(time.Hour)) {
		t.Errorf("followed on at %v, %v", again, err)
	}
	for name, err := range map[string]error{
		"view": second(w.GaslessView(t.Context(), p, "one", saver)),
		"fees": second(w.AnswerGasless(t.Context(), p, b.by, checkout.GaslessQuestion{Kind: checkout.GaslessFees})),
	} {
		if code(err) != "gasless_unavailable" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.relay = r
	w.restart()
	b.executes(false, 1010)
	w.reach(1020)
	b.looks()
	b.is(payment.OpFailed, payment.Open, false)
}

func second[T any](_ T, err error) error { return err }

// The search goes on where it was, and that is not written down for every block.
func TestWhatWasSearched(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	b := w.saves(p, approved).sends()
	if a := b.is(payment.OpWaiting, payment.Open, true); a.Op.Next != 0 {
		t.Errorf("searched from %d: the account was read at %d", a.Op.Next, noBlock)
	}
	b.looks()
	version := w.load(p.ID).Version
	if a := b.is(payment.OpWaiting, payment.Open, true); a.Op.Next != uint64(noBlock)+1 {
		t.Errorf("searched from %d", a.Op.Next)
	}
	w.later(499 * time.Second)
	b.looks()
	if w.load(p.ID).Version != version {
		t.Error("written down for some blocks")
	}
	w.later(time.Second)
	b.looks()
	if a := b.is(payment.OpWaiting, payment.Open, true); a.Op.Next != uint64(noBlock)+501 || w.load(p.ID).Version == version {
		t.Errorf("searched from %d", a.Op.Next)
	}
	w.reach(noBlock + 30*60*60) // nobody pays it any more
	if again := b.looks(); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
}
