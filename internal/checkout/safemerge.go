package checkout

import (
	"cmp"
	"slices"
	"time"

	"quittance/internal/payment"
)

// merge adds to a pending attempt what another word of the same hash knows more.
func (s *Service) merge(p *payment.Payment, known, more payment.Attempt, now time.Time) payment.Attempt {
	if known.Stage != payment.Announced || more.Safe == nil {
		return known
	}
	x, y := *known.Safe, more.Safe
	if x.Tx == nil && y.Tx != nil {
		// What took its nonce may be in blocks that were searched without knowing that.
		x.Tx, x.Nonce, x.From = y.Tx, y.Nonce, min(x.From, y.From)
		x.Next = x.From
		if !slices.Equal(x.Among, y.Among) { // the transaction proves whose it is
			x.Among, x.Owners, x.Threshold, x.Current, x.Signed, known.Payer = y.Among, nil, 0, nil, nil, more.Payer
		}
	}
	if x.Tx == nil && more.Decides && more.Payer != "" && more.Payer != known.Payer && (known.Payer == "" || !known.Decides) {
		// Who was first to say whose it is may have been a stranger.
		x.Among, x.Owners, x.Threshold, x.Current, x.Signed, known.Payer = y.Among, nil, 0, nil, nil, more.Payer
		x.From = min(x.From, y.From)
		x.Next = x.From
	}
	if slices.Equal(x.Among, y.Among) {
		if y.Owners != nil {
			x.Owners, x.Threshold, x.Current = y.Owners, y.Threshold, y.Current
		}
		x.Signed = signedBy(x.Owners, x.Signed, y.Signed)
	}
	switch sure := reliable(more); {
	case sure && !reliable(known):
		x.Deadline, known.Until = y.Deadline, cmp.Or(y.Deadline, p.Terms.ExpiresAt)
	case sure && x.Deadline.IsZero() && y.Deadline.After(now):
		x.Deadline, known.Until = y.Deadline, y.Deadline
	}
	x.Guessed, x.Vouched = x.Guessed && (y.Guessed || !more.Decides), x.Vouched || more.Decides
	known.Safe = &x
	if more.Decides && now.Before(known.Until) && !made(p) && p.MayHold(known) {
		known.Decides = true
	}
	return known
}

// reliable reports whether an attempt's deadline is the merchant's own word, or what
// the contracts say of the transaction. What a stranger says of another's hash frees
// no payment that its Safe may still make.
func reliable(a payment.Attempt) bool { return a.Decides || a.Safe.Tx != nil }

// signedBy is the owners who are in one of some lists.
func signedBy(owners []string, lists ...[]string) []string {
	all := slices.Concat(lists...)
	var out []string
	for _, o := range owners {
		if slices.Contains(all, o) {
			out = append(out, o)
		}
	}
	return out
}
