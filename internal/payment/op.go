package payment

import (
	"strings"
	"time"
)

// The fates of Op.Fate.
const (
	FateSucceeded = "succeeded"
	FateFailed    = "failed"   // its calls failed, and its nonce is used up
	FateReplaced  = "replaced" // another operation used its nonce
)

// Reasons why a user operation came to nothing. They go over wires.
const (
	ReasonOpFailed   = "op_failed"   // it was executed, and its calls failed
	ReasonOpReplaced = "op_replaced" // another operation of the account used its nonce
	ReasonOpExpired  = "op_expired"  // its permit's deadline has passed
	ReasonOpRefused  = "op_refused"  // the bundler did not take it
)

// OpStage says in one word how a user operation stands. The words go over wires.
type OpStage string

// The stages of a user operation.
const (
	OpWaiting  OpStage = "waiting"
	OpExecuted OpStage = "executed" // its calls were made; the transfer is what counts
	OpFailed   OpStage = "failed"
	OpReplaced OpStage = "replaced"
	OpExpired  OpStage = "expired"
	OpRefused  OpStage = "refused"
)

// OpStage is how the attempt's user operation stands, by what its chain shows, final or
// not: "" for attempts of other kinds. One whose end is not final yet is still
// Announced, and holds the payment.
func (a Attempt) OpStage() OpStage {
	switch {
	case a.Op == nil:
		return ""
	case a.Stage == Executed, a.Op.Fate == FateSucceeded:
		return OpExecuted
	case a.Stage == Abandoned:
		return OpStage(strings.TrimPrefix(a.Reason, "op_"))
	case a.Op.Fate != "":
		return OpStage(a.Op.Fate)
	}
	return OpWaiting
}

// NewestOp returns the user operation that was announced last.
func (p *Payment) NewestOp() (Attempt, bool) {
	var newest Attempt
	for _, a := range p.Attempts {
		if a.Op != nil && (newest.Key == "" || inTurn(a, newest) > 0) {
			newest = a
		}
	}
	return newest, newest.Key != ""
}

// OpLock returns the user operation that keeps the payment from being paid otherwise:
// it may be executed, or was and what it sent is not seen yet. There is one at a time.
func (p *Payment) OpLock(now time.Time) (Attempt, bool) {
	for _, a := range p.Attempts {
		if a.Op != nil && (p.unseen(a) || a.Stage == Announced && (a.Op.Fate != "" || now.Before(OpHeldUntil(a)))) {
			return a, true
		}
	}
	return Attempt{}, false
}

const (
	// opHeldFor is how long a user operation without a permit holds a payment: it can be
	// executed for ever, unless its owner takes back what the account may take.
	opHeldFor = 10 * time.Minute
	// opDarkFor is how long after its permit's deadline an operation holds a payment if
	// its chain does not say that the deadline has passed there, too.
	opDarkFor = time.Hour
)

// OpHeldUntil is how long a user operation that is pending holds the payment at the
// most. One with a permit ends when its chain's time has passed the permit's deadline.
func OpHeldUntil(a Attempt) time.Time {
	if a.Until.IsZero() {
		return a.At.Add(opHeldFor)
	}
	return a.Until.Add(opDarkFor)
}

// OpsLeft is how many more user operations may be announced for the payment: each may
// hold it, and those that fail cost whoever pays for the gas. Ones that the bundler
// did not take do not count.
func (p *Payment) OpsLeft() int {
	left := maxHolds
	for _, a := range p.Attempts {
		if a.Op != nil && a.Reason != ReasonOpRefused {
			left--
		}
	}
	return max(left, 0)
}

// Undone returns the user operations of a wallet that hold the payment no longer and
// can be executed all the same: those without a permit of which no end is known.
func (p *Payment) Undone(owner Address20, now time.Time) (undone []Attempt) {
	for _, a := range p.Attempts {
		if a.Op != nil && a.Op.Owner == owner.String() && a.Stage == Announced && a.Until.IsZero() && a.Op.Fate == "" && !now.Before(OpHeldUntil(a)) {
			undone = append(undone, a)
		}
	}
	return undone
}

// Holder is the wallet that somebody holds and whose money a transfer is, EIP-55: the
// owner of the smart account that paid, if an attempt of the payment tells of that
// account, else the transfer's payer. "" if not known. Whose an account is was derived
// from the owner when it was announced, so whatever the account pays is the owner's.
func (p *Payment) Holder(x Transfer) string {
	for _, a := range p.Attempts {
		if owner := a.OwnedBy(); owner != "" && a.Payer == x.Evidence.Payer {
			return owner
		}
	}
	return x.Evidence.Payer
}

// OwnedBy is whose smart account the attempt's payer is, EIP-55, "" if it is nobody's.
func (a Attempt) OwnedBy() string {
	if a.Op != nil {
		return a.Op.Owner
	}
	return a.Owner
}
