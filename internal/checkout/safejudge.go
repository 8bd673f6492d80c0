package checkout

import (
	"slices"
	"time"

	"quittance/internal/payment"
)

// Reasons why a Safe transaction came to nothing. They go over wires.
const (
	ReasonSafeFailed   = "safe_execution_failed"     // it was executed, and its calls failed
	ReasonSafeLate     = "safe_deadline_passed"      // it was not executed in time
	ReasonSafeReplaced = "safe_transaction_replaced" // another transaction of the Safe used its nonce
	ReasonSafeForeign  = "safe_tx_foreign"           // what is behind the hash does not pay this
)

// searchedStep is by how many blocks a search has to get further before that is
// written down: searching some again costs nothing, and a write wakes every page.
const searchedStep = 500

// judgeSafe is what a look at its chain makes of a pending Safe transaction. What
// happens after a deadline that the payment depends on is too late, however soon
// it is seen.
func (s *Service) judgeSafe(p *payment.Payment, a payment.Attempt, sight SafeSight) turn {
	now, x, out := s.now().UTC(), a.Safe, sight.SafeOutcome
	late := !x.Deadline.IsZero() && out.At.After(x.Deadline)
	switch out.Fate {
	case SafeExecuted:
		if late && a.Decides && !made(p) {
			return failSafe(p, a, ReasonSafeLate, x.Deadline, out.Tx, true, now)
		}
		a.Stage, a.Payer = payment.Executed, out.Account.String()
		x.Among, x.ExecutedBy = []string{a.Payer}, out.Tx
		return turn{attempt: a}
	case SafeFailed:
		if late {
			return failSafe(p, a, ReasonSafeLate, x.Deadline, out.Tx, a.Decides, now)
		}
		return failSafe(p, a, ReasonSafeFailed, out.At, out.Tx, len(x.Among) == 1 && a.Decides, now)
	case SafeReplaced:
		if late {
			return failSafe(p, a, ReasonSafeLate, x.Deadline, out.Tx, a.Decides, now)
		}
		return failSafe(p, a, ReasonSafeReplaced, out.At, out.Tx, false, now)
	case SafeWaiting:
	}
	switch over := p.Terms.Deadline(); {
	case !x.Deadline.IsZero() && !x.Deadline.After(over) && sight.Time.After(x.Deadline):
		return failSafe(p, a, ReasonSafeLate, x.Deadline, "", a.Decides, now)
	case sight.Time.After(over):
		return failSafe(p, a, ReasonSafeLate, over, "", false, now)
	}
	return turn{attempt: progressed(a, sight)}
}

// progressed writes down what a look shows of a transaction that is still pending.
func progressed(a payment.Attempt, sight SafeSight) payment.Attempt {
	x := a.Safe
	if sight.More || sight.Next >= x.Next+searchedStep {
		x.Next = max(x.Next, sight.Next)
	}
	if len(x.Among) == 1 && len(sight.Owners) > 0 {
		x.Owners, x.Threshold = texts(sight.Owners), sight.Threshold
		x.Signed = signedBy(x.Owners, x.Signed)
	}
	if len(x.Among) == 1 && sight.Nonce != nil {
		x.Current = sight.Nonce
	}
	if !sight.More {
		x.ExecutedBy = ""
		if sight.Ahead != nil && sight.Ahead.Fate == SafeExecuted {
			x.ExecutedBy = sight.Ahead.Tx
		}
	}
	return a
}

// failSafe ends a Safe transaction that came to nothing at a time by its chain. The
// payment fails with it if it depended on it, was open then, and nothing else is
// under way. Otherwise it can be paid again, and the merchant is told so, unless a
// stranger only said that some Safe would pay.
func failSafe(p *payment.Payment, a payment.Attempt, reason string, at time.Time, tx string, depended bool, now time.Time) turn {
	x, tell := *a.Safe, a.Decides || meant(a.Safe, tx)
	x.Ended, x.ExecutedBy = at, tx
	a.Stage, a.Reason, a.Safe = payment.Abandoned, reason, &x
	a.Decides = depended && fails(p, a, now)
	t := turn{attempt: a}
	if tell && !a.Decides && p.Standing.State == payment.Open {
		t.events = []payment.Event{cameToNothing(-1, reason, a.Handle)}
	}
	return t
}

// meant reports whether a Safe has shown that it was about to pay: by an owner's
// signature under a transaction that does, or by what it executed in the end.
func meant(x *payment.Safe, executed string) bool {
	return x.Tx != nil && (len(x.Signed) > 0 || executed != "")
}

// fails reports whether a payment fails with an attempt that has ended.
func fails(p *payment.Payment, a payment.Attempt, now time.Time) bool {
	if _, moving := p.UnderWay(now); moving || made(p) || !p.MayHold(a) || a.Safe.Ended.After(p.Terms.ExpiresAt) {
		return false
	}
	a.Decides = true
	after := payment.Assess(p.Terms, p.Transfers, replaceAttempt(slices.Clone(p.Attempts), a), now)
	return after.State == payment.Failed
}

// counted tells of requests that are paid now because money counts that was late
// before: it came after the deadline of a Safe transaction which the payment turned
// out not to depend on.
func counted(p *payment.Payment, before payment.Standing, events []payment.Event) (more []payment.Event) {
	for i, r := range p.Standing.Requests {
		told := slices.ContainsFunc(events, func(e payment.Event) bool { return e.Kind == payment.EventPaid && e.Request == i })
		if r.State != payment.Paid || before.Requests[i].State == payment.Paid || told {
			continue
		}
		if x, ok := p.Telling(i); ok {
			more = append(more, payment.Event{Kind: payment.EventPaid, Request: i, Transfer: &x, Standing: r})
		}
	}
	return more
}
