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
	EventUnsafe    EventKind = "unsafe" // a safety check refused
)

// Event is one entry of a payment's log and, for those the merchant must hear
// of, the source of its webhooks. It carries the numbers of its own moment, so
// that a delayed delivery still tells what happened then.
type Event struct {
	ID       string // ULID
	Payment  ID
	Merchant MerchantID
	Dialect  string
	Kind     EventKind
	Request  int       // index of the request concerned, -1 for the payment as a whole
	Transfer *Transfer // the fact that caused it, nil if none
	Standing RequestStanding
	Detail   string // plain words: a check's name, a reason
	At       time.Time
}

// Announced reports whether the merchant is told of this kind of event.
func (k EventKind) Announced() bool {
	switch k {
	case EventPartial, EventPaid, EventSurplus, EventLate, EventFailed, EventUnsafe:
		return true
	case EventCreated, EventAnnounced, EventSeen, EventReorged, EventExpired, EventCanceled:
		return false
	}
	panic("payment: unknown event kind " + k)
}
