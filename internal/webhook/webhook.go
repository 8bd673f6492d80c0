// Package webhook turns what happened to payments into signed deliveries to the
// merchant's endpoints, until they arrive. It knows no dialect: bodies come from
// encoders, addresses and secrets from its store.
package webhook

import (
	"context"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// Message is one webhook as a dialect words it.
type Message struct {
	Event string // "payment.confirmed"
	Body  []byte // exactly what is sent and signed
	// ClientID limits the message to endpoints of that client id, "" for all.
	ClientID string
}

// Encoder words an event in a dialect: none, one or several messages. It is
// called once per event; later deliveries repeat the same bytes.
type Encoder interface {
	Encode(ctx context.Context, e payment.Event, p *payment.Payment) ([]Message, error)
	// Headers returns the dialect's own headers for one attempt.
	Headers(d Delivery, secret string, now time.Time) map[string]string
}

// DeliveryState says who acts next.
type DeliveryState string

// The states of a delivery.
const (
	Queued    DeliveryState = "queued"    // we will try
	Delivered DeliveryState = "delivered" // the receiver answered 2xx
	Exhausted DeliveryState = "exhausted" // all attempts failed: the merchant may replay it
)

// Delivery is one message on its way to one endpoint.
type Delivery struct {
	ID        string // ULID, the same over all attempts and replays
	EventID   string // the payment event it tells of, "" for a test
	Payment   payment.ID
	Merchant  payment.MerchantID
	Endpoint  string
	Dialect   string
	Event     string
	Body      []byte
	Test      bool
	State     DeliveryState
	Attempts  int // made so far
	NextAt    time.Time
	CreatedAt time.Time
	Last      Attempt
}

// Attempt is the outcome of one try.
type Attempt struct {
	At     time.Time
	Status int    // the receiver's HTTP status, 0 if there was none
	Error  string // in plain words, "" on success
	Took   time.Duration
}

// Filter selects deliveries for listing, newest first.
type Filter struct {
	Merchant payment.MerchantID // "" for all
	Payment  payment.ID         // "" for all
	State    DeliveryState      // "" for all
	Before   string             // delivery id to continue below, "" for the start
	Limit    int
}

// Store is what the package needs kept.
type Store interface {
	// Event loads an event and its payment. Fault: NotFound.
	Event(ctx context.Context, id string) (payment.Event, *payment.Payment, error)
	// Endpoints returns a merchant's endpoints with their secrets opened.
	Endpoints(ctx context.Context, m payment.MerchantID) ([]merchant.Endpoint, error)
	// SaveDeliveries stores deliveries and enqueues a DeliverKind job for each,
	// in one transaction. A delivery for the same event, endpoint and event name
	// that is there already is left alone; tests (EventID "") are never the same.
	SaveDeliveries(ctx context.Context, ds []Delivery) error
	// Delivery loads one delivery and its endpoint, secret opened. Fault:
	// NotFound if either is gone; the delivery is returned if it is there.
	Delivery(ctx context.Context, id string) (Delivery, merchant.Endpoint, error)
	// Attempted counts a try and records its outcome and the state it leaves;
	// next is zero unless that is Queued.
	Attempted(ctx context.Context, id string, a Attempt, s DeliveryState, next time.Time) error
	// Deliveries lists, newest first.
	Deliveries(ctx context.Context, f Filter) ([]Delivery, error)
	// Replay makes a delivery due now, whatever its state, and enqueues its job.
	// Fault: NotFound.
	Replay(ctx context.Context, id string, now time.Time) error
}
