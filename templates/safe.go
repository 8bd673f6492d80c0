package templates

import "strconv"

// How a Safe transaction stands that should make the payment.
const (
	SafeWaiting  = "waiting"  // for its owners' signatures, or for somebody to execute it
	SafeExecuted = "executed" // and its chain is confirming that
	SafeFailed   = "failed"   // executed, and the payment in it failed
	SafeReplaced = "replaced" // the Safe executed another one in its place
	SafeLate     = "late"     // its deadline has passed
	SafeForeign  = "foreign"  // it pays something else
)

// Safe is a Safe multisig transaction that should make the payment. What its
// reader may not know, or nobody knows, is empty.
type Safe struct {
	Stage   string // one of SafeWaiting to SafeForeign, "" if there is none
	Address string // of the Safe, EIP-55
	URL     string // the same in an explorer
	Chain   string // where it signs, if that is not the payment's own chain

	Threshold int // how many owners must sign, 0 if not known
	Owners    []SafeOwner
	Told      bool // that some of them have signed is known

	Nonce string // its number in the Safe's queue: "7"
	Ahead string // how many come before it there: "2"

	Deadline Moment // after which it pays nothing any more
	Until    Moment // how long the payment is kept for it, where that ends before the deadline
	Own      bool   // this browser announced it
	Executed bool   // something was executed: it, or another one in its place
	TxURL    string // that in an explorer
}

// SafeOwner is one of a Safe's owners.
type SafeOwner struct {
	Address string // EIP-55
	Signed  bool   // a signature of theirs was seen
}

// Short is an address by its ends: 0x6923…C7D7.
func Short(address string) string {
	if len(address) < 12 {
		return address
	}
	return address[:6] + "…" + address[len(address)-4:]
}

// under says that the Safe transaction is what the payment waits for.
func (s Safe) under() bool { return s.Stage == SafeWaiting || s.Stage == SafeExecuted }

// over says that it will not pay any more.
func (s Safe) over() bool {
	return s.Stage == SafeFailed || s.Stage == SafeReplaced || s.Stage == SafeLate || s.Stage == SafeForeign
}

// nameless says that nothing is told of it but that there is one.
func (s Safe) nameless() bool { return s.Address == "" && !s.Own }

func (s Safe) signed() int {
	n := 0
	for _, o := range s.Owners {
		if o.Signed {
			n++
		}
	}
	return n
}

// enough says that all signatures that are needed were seen.
func (s Safe) enough() bool { return s.Told && s.Threshold > 0 && s.signed() >= s.Threshold }

// of is "2 of 3", "" if it is not known.
func (s Safe) of() string {
	if s.Threshold == 0 || len(s.Owners) == 0 {
		return ""
	}
	return strconv.Itoa(s.Threshold) + " of " + strconv.Itoa(len(s.Owners))
}

// title is the heading of a payment that a Safe is about to make.
func (s Safe) title() string {
	switch {
	case s.Stage == SafeExecuted:
		return "The Safe has sent the payment"
	case s.nameless():
		return "A payment from a Safe is waiting"
	case s.enough():
		return "Signed, and waiting to be executed"
	}
	return "Waiting for signatures"
}

// text says what that means.
func (s Safe) text() string {
	switch {
	case s.Stage == SafeExecuted:
		return "Its transaction was executed, and the network is confirming it. This page updates by itself, and you can also close it. Do not pay again."
	case s.nameless():
		return "Somebody who has this link says that a Safe, an account with several owners, is about to pay. It cannot be paid in another way meanwhile, so that nobody pays twice."
	case s.enough():
		return "Enough owners have signed. One of them now has to execute the transaction in their Safe app. Nothing has left the Safe yet."
	}
	if s.of() != "" {
		return "The payment was proposed to a Safe. " + s.of() + " owners must sign it, and then one of them executes it. Nothing leaves the Safe before that."
	}
	return "The payment was proposed to a Safe. Its owners must sign it, and then one of them executes it. Nothing leaves the Safe before that."
}

// signatures is the line beneath the bar: "1 of 2 signatures", "" where nobody
// told who has signed.
func (s Safe) signatures() string {
	if s.Told && s.Threshold > 0 {
		return strconv.Itoa(s.signed()) + " of " + strconv.Itoa(s.Threshold) + " signatures"
	}
	return ""
}

// queue is its place among the Safe's transactions, "" if it is not known.
func (s Safe) queue() string {
	if s.Nonce == "" {
		return ""
	}
	number := "Number " + s.Nonce + " (nonce)"
	switch s.Ahead {
	case "":
		return number
	case "0":
		return number + ", the next one"
	case "1":
		return number + ", 1 comes before it"
	}
	return number + ", " + s.Ahead + " come before it"
}

// dated says that its deadline is shown: who knows nothing of it is told only
// how long to wait.
func (s Safe) dated() bool {
	return s.Deadline.Machine != "" && s.Stage == SafeWaiting && (!s.nameless() || s.Until.Machine == "")
}

// unsigned is what is said of an owner whose signature was not seen.
func (s Safe) unsigned() string {
	if s.Told && !s.enough() {
		return "No signature seen yet"
	}
	return ""
}

// ending is what is said once it will not pay any more; open tells that the
// payment can still be made.
func (s Safe) ending(open bool) (title, text string) {
	again := " Please contact the recipient: they decide how to go on, and can send you a new payment link."
	if open {
		again = " You can pay now, from a Safe or from any other wallet."
	}
	switch s.Stage {
	case SafeFailed:
		return "The Safe's transaction failed", "The Safe executed it, but the payment in it did not go through. No money has left the Safe; only a network fee was spent. It cannot be executed a second time." + again
	case SafeLate:
		if s.Executed {
			return "The Safe's transaction came too late", "It was executed only after its time had passed. If it has sent money, that came too late for this payment." + again
		}
		return "The Safe's transaction came too late", "It was not executed in time, and nothing has left the Safe. Please do not execute it any more, and reject it in your Safe app: money that it sends now comes too late." + again
	case SafeForeign:
		return "The Safe's transaction does not pay this", "What was proposed to the Safe is something else, and makes no part of this payment. Please look at it in your Safe app before you sign it." + again
	case SafeReplaced:
		return "The Safe used another transaction instead", "Its owners executed another one with the same number, so the proposed payment can never be executed. Nothing was paid." + again
	}
	switch {
	case !open || s.Stage == "":
		return "", ""
	case s.Stage == SafeExecuted:
		return "The Safe has sent the payment", "Its transaction was executed, and the network is about to show the money. Please wait, and do not pay again."
	}
	return "Your Safe can still make this payment", "A transaction for it was proposed to your Safe earlier, and its owners can still execute it. Reject it in your Safe app before you pay in another way: else you may pay twice."
}
