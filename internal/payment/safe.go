package payment

import (
	"cmp"
	"slices"
	"time"

	"quittance/internal/asset"
)

// vagueFor is how long a Safe transaction may hold a payment if only somebody
// with the link says that it was proposed. Nobody has to own a Safe to say so.
const vagueFor = 24 * time.Hour

// SafeLock returns the newest Safe transaction that keeps the payment from being
// paid otherwise: its owners may execute it at any time, and paying as well would
// pay twice. One that the payment depends on, or that is proven to pay, holds it until
// its end is known, for in the last blocks before the deadline it may have been
// executed; others until their deadline. What neither the merchant nor an owner's
// signature vouches for does so for a day at most. One that was executed holds it on
// until what it sent is seen.
func (p *Payment) SafeLock(now time.Time) (Attempt, bool) {
	var newest Attempt
	for _, a := range p.Attempts {
		if a.Safe == nil || newest.Key != "" && inTurn(a, newest) < 0 {
			continue
		}
		if (a.Stage == Announced || p.unseen(a)) && p.MayHold(a) && now.Before(p.heldUntil(a)) {
			newest = a
		}
	}
	return newest, newest.Key != ""
}

// unseen reports whether a Safe transaction or a user operation was executed and what
// it sent is not seen yet: the transfer over a bridge that it began is not proven, or
// no transfer came of calls that are proven to make one.
func (p *Payment) unseen(a Attempt) bool {
	tx, done, proven := "", a.Stage == Executed, true
	switch {
	case a.Op != nil: // its bundler may have said that it would not be
		tx, done = a.Op.ExecutedBy, done || a.Op.Fate == FateSucceeded
	case a.Safe != nil:
		tx, proven = a.Safe.ExecutedBy, a.Safe.Tx != nil
	}
	if !done || tx == "" {
		return false
	}
	over := false
	for _, b := range p.Attempts { // one that was given up may be looked at again
		if b.Route != nil && b.Chain == a.Chain && b.Handle == tx {
			if over = true; b.Stage == Announced {
				return true
			}
		}
	}
	return !over && proven && !slices.ContainsFunc(p.Transfers, func(x Transfer) bool {
		return x.Evidence.Tx == tx || x.Evidence.Source.Tx == tx
	})
}

// MayHold reports whether a Safe transaction is one of the few, over a payment's
// life, that can hold it or fail it: the first that the merchant has announced, and
// the first that others have. Those cost nothing, and must not use up the merchant's.
// One that is not the payment's yet would be the newest.
func (p *Payment) MayHold(a Attempt) bool {
	before := 0
	for _, b := range p.Attempts {
		if b.Safe != nil && b.Safe.Vouched == a.Safe.Vouched && inTurn(b, a) < 0 {
			before++
		}
	}
	return before < maxHolds
}

// inTurn compares by when attempts were announced.
func inTurn(a, b Attempt) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key)) }

// HeldUntil is how long a Safe transaction that is pending holds the payment at the
// most, zero for one that may not.
func (p *Payment) HeldUntil(a Attempt) time.Time {
	if !p.MayHold(a) {
		return time.Time{}
	}
	return p.heldUntil(a)
}

func (p *Payment) heldUntil(a Attempt) time.Time {
	end := p.Terms.ExpiresAt
	// A hash that the merchant gave as a transaction's may be of one that is never mined.
	guess := a.Safe.Guessed && a.Safe.Tx == nil && len(a.Safe.Signed) == 0
	if a.Decides && !guess || a.Safe.Tx != nil && len(a.Safe.Signed) > 0 {
		return end
	}
	if a.Safe.Tx == nil && a.Until.Before(end) {
		end = a.Until
	}
	if vague := a.At.Add(vagueFor); len(a.Safe.Signed) == 0 && vague.Before(end) {
		end = vague
	}
	return end
}

// Late reports whether value came after the payment was over: after the terms'
// deadline, or after a Safe transaction that the payment depended on had come to
// nothing.
func (p *Payment) Late(x Transfer) bool { return lateness(p.Terms, p.Attempts)(x) }

// lateness is the one rule for what is late. A Safe transaction's own deadline is
// as good as its end while that is not known yet, so that it does not matter who
// is seen first, the money or the end. It binds what comes on the chain where the
// Safe signs; across chains, money is under way when it passes.
func lateness(t Terms, attempts []Attempt) func(Transfer) bool {
	end := t.Deadline()
	soon, on := time.Time{}, asset.ChainID(0)
	if a, ok := deciding(attempts); ok && a.Safe != nil && a.Stage == Announced {
		soon, on = a.Safe.Deadline, a.Chain
	}
	for _, a := range attempts {
		if a.Decides && a.Stage == Abandoned && a.Safe != nil && !a.Safe.Ended.IsZero() && a.Safe.Ended.Before(end) {
			end = a.Safe.Ended
		}
	}
	return func(x Transfer) bool {
		return x.At.After(end) || !soon.IsZero() && x.Evidence.Chain == on && x.At.After(soon)
	}
}
