package payment

import "time"

// EventKind names what happened to a payment.
type EventKind string

// The kinds of events. They are stored: a name never changes its meaning.
const (
	EventCreated   EventKind = "created"
	EventAnnounced EventKind = "announced" // the payer's side told us of a transaction
	EventSeen      EventKind = "seen"      // value is on the chain, not final
	EventPartial   EventKind = "partial"   // final value, not enough
	EventPaid      EventKind = "paid"      // a request is paid for good
	EventSurplus   EventKind = "surplus"   // final value beyond what was due, after the request was paid
	EventLate      EventKind = "late"      // final value after the deadline
	EventReorged   EventKind = "reorged"   // value that had been seen went away
	EventExpired   EventKind = "expired"
	EventCanceled  EventKind = "canceled"
	EventFailed    EventKind = "failed"
	EventBridging  EventKind = "bridging" // a transfer over a bridge has left the payer
	EventBroken    EventKind = "broken"   // an attempt came to nothing, the payment goes on: FieldReason says why
	EventUnsafe    EventKind = "unsafe"   // a safety check refused
	EventRefunded  EventKind = "refunded" // value went back to the payer
	EventUser      EventKind = "user"     // the payer's page told what the payer did
	EventRejected  EventKind = "rejected" // a wallet was not let in
)

// Event is one entry of a payment's log and, for those the merchant must hear
// of, the source of its webhooks. It carries the numbers of its own moment, so
// that a delayed delivery still tells what happened then.
type Event struct {
	ID       string // ULID
	Seq      int64  // position in the payment's log, from 1; the store gives it
	Payment  ID
	Merchant MerchantID
	Dialect  string
	Kind     EventKind
	Request  int       // index of the request concerned, -1 for the payment as a whole
	Transfer *Transfer // the fact that caused it, nil if none
	Standing RequestStanding
	Detail   string // plain words: a check's name, a reason
	// Fields are further facts by name, for the encoders; see the Field constants.
	Fields map[string]string
	At     time.Time
}

// The names of further facts in Event.Fields.
const (
	FieldWallet   = "wallet"   // EIP-55: of a rejected payer, or where a refund went
	FieldReason   = "reason"   // why a wallet was rejected: "wallet_not_allowed", "screening_rejected"; why an attempt came to nothing: "destination_call_failed", "source_transaction_failed"
	FieldAsset    = "asset"    // asset.ID of a refund where it is not the request's
	FieldAction   = "action"   // what the payer did: "connected", "sent", "approved"
	FieldHash     = "hash"     // a wallet's account, hashed, where it must not be told
	FieldOccurred = "occurred" // the page's own time, RFC 3339
	FieldAmount   = "amount"   // base units of the request's asset that were refunded
	FieldTx       = "tx"       // transaction of a refund, or one that the payer's page told of; of a refund by a bank the merchant's own words, "" for none
	FieldFull     = "full"     // "1" of a refund after which nothing is left to give back, as the merchant says
	FieldProvider = "provider" // the payer's wallet software, as the page told
	FieldState    = "state"    // the payment's State after what happened
	FieldPart     = "part"     // "1" if value had arrived in time by then
)

// Announced reports whether the merchant is told of this kind of event.
func (k EventKind) Announced() bool {
	switch k {
	case EventPartial, EventPaid, EventSurplus, EventLate, EventFailed, EventBroken, EventUnsafe, EventRefunded, EventUser, EventRejected:
		return true
	case EventCreated, EventAnnounced, EventBridging, EventSeen, EventReorged, EventExpired, EventCanceled:
		return false
	}
	panic("payment: unknown event kind " + k)
}
