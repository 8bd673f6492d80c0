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
	// To are the URLs it goes to, and no others: endpoints of the dialect's own. Nil for
	// the merchant's endpoints.
	To []Target
	// Quiet keeps it out of the merchant's feed.
	Quiet bool
}

// Target is where a message of a dialect with endpoints of its own goes.
type Target struct {
	// Endpoint is the URL that the merchant has named.
	Endpoint string
	// Get is the URL that is asked for, without a body, in place of a POST to Endpoint; "" for
	// that.
	Get string
}

// Encoder words an event in a dialect: none, one or several messages. It is
// called once per event; later deliveries repeat the same bytes.
type Encoder interface {
	// Tells reports whether the merchant is told of this kind of event.
	Tells(k payment.EventKind) bool
	// Encode returns what is told of an event, none if nothing is. An error is one of
	// ours: the relay is tried again.
	Encode(ctx context.Context, e payment.Event, p *payment.Payment) ([]Message, error)
	// Disabled words that the server switched an endpoint off: when and why is in
	// DisabledAt and DisabledWhy. A message without Event is none: nobody is told.
	Disabled(e merchant.Endpoint) (Message, error)
	// Headers returns the dialect's own headers for one attempt at a POST. secrets are
	// those that sign now: one, or while a rotation's overlap lasts the new one and the
	// one it replaces.
	Headers(d Delivery, secrets []string, now time.Time) map[string]string
}

// DeliveryState says who acts next.
type DeliveryState string

// The states of a delivery.
const (
	Queued    DeliveryState = "queued"    // we will try
	Delivered DeliveryState = "delivered" // the receiver answered 2xx, or 3xx to a GET
	Exhausted DeliveryState = "exhausted" // all attempts failed: the merchant may replay it
)

// Delivery is one message on its way to one endpoint.
type Delivery struct {
	ID       string // ULID, the same over all attempts and replays
	EventID  string // the payment event it tells of, "" for a test
	Payment  payment.ID
	Merchant payment.MerchantID
	Endpoint string
	Dialect  string
	Event    string
	Body     []byte
	Get      string // the URL that is asked for without a body, "" for a POST of Body to the endpoint
	// Lane names the deliveries of which only some are made at the same time, "" for those
	// to the endpoint. It is for SaveDeliveries and not stored.
	Lane      string
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

// Health is how an endpoint has done since a delivery last arrived there.
type Health struct {
	FailingSince time.Time // the first failure, zero if there was none
	Failures     int
}

// Outcome is how a delivery stands once a try of it was recorded.
type Outcome struct {
	State  DeliveryState
	NextAt time.Time // of what is queued
	// Health is how its endpoint has done since: nothing unless the try failed, was no test
	// and the endpoint is active.
	Health Health
}

// An endpoint is switched off after so much time of nothing but failures, so
// many of them, without a pause longer than Pause: failures before a longer one
// no longer count, because nobody knows how the endpoint did in between. The
// longest wait between two attempts of one delivery is shorter.
const (
	DisableAfter    = 5 * 24 * time.Hour
	DisableFailures = 10
	Pause           = 48 * time.Hour
)

// Hopeless reports whether the endpoint is to be switched off.
func (h Health) Hopeless(now time.Time) bool {
	return !h.FailingSince.IsZero() && h.Failures >= DisableFailures && now.Sub(h.FailingSince) >= DisableAfter
}

// Entry is a message in a merchant's feed, where it is kept whether or not an
// endpoint heard it.
type Entry struct {
	Merchant payment.MerchantID
	Position int64  // from 1 in each merchant, without gaps, in the order of commits; the store gives it
	ID       string // ULID
	EventID  string // the payment event it tells of
	Payment  payment.ID
	Sequence int64  // the event's place in the payment's log: orders the messages of one payment
	Event    string // the dialect's name for it
	ClientID string // that made the payment, "" if a key did
	Dialect  string // whose words it is in
	Body     []byte
	At       time.Time // when it happened
}

// FeedFilter selects entries, oldest first.
type FeedFilter struct {
	Merchant payment.MerchantID
	ClientID string     // only those of payments it made, "" for all
	Payment  payment.ID // "" for all
	Dialect  string     // "" for all
	After    int64      // position to continue above, 0 for the start
	Limit    int
}

// Range selects deliveries to an endpoint, by when they came into being.
type Range struct {
	Endpoint string
	From, To time.Time // zero for no limit; To is not in the range
	Failed   bool      // only those that were given up
	Dialect  string    // "" for all
	After    string    // delivery id to continue above, "" for the start
}

// Filter selects deliveries for listing, newest first.
type Filter struct {
	Merchant payment.MerchantID // "" for all
	Endpoint string             // "" for all
	Payment  payment.ID         // "" for all
	State    DeliveryState      // "" for all
	Dialect  string             // "" for all
	Before   string             // delivery id to continue below, "" for the start
	Limit    int
}

// Store is what the package needs kept.
type Store interface {
	// Event loads an event and its payment. Fault: NotFound.
	Event(ctx context.Context, id string) (payment.Event, *payment.Payment, error)
	// Endpoints returns a merchant's endpoints with their secrets opened.
	Endpoints(ctx context.Context, m payment.MerchantID) ([]merchant.Endpoint, error)
	// Endpoint is one of a merchant's. Fault: NotFound "webhook_not_found".
	Endpoint(ctx context.Context, m payment.MerchantID, id string) (merchant.Endpoint, error)
	// DialectEndpoint finds the endpoint of a dialect's own for a URL that a merchant has
	// named, or makes it. One that was switched off for failing is on again. Endpoints
	// leaves these out; their secrets are those of the merchant's link settings.
	DialectEndpoint(ctx context.Context, m payment.MerchantID, dialect, url string) (merchant.Endpoint, error)
	// InsertEndpoint registers one. Fault: Conflict "webhook_exists" if the URL has one.
	InsertEndpoint(ctx context.Context, e merchant.Endpoint) error
	// SetEndpointActive switches one of a merchant's on or off. Fault: NotFound.
	SetEndpointActive(ctx context.Context, m payment.MerchantID, id string, active bool) error
	// DeleteEndpoint forgets one of a merchant's; deliveries to it stay listed. Fault: NotFound.
	DeleteEndpoint(ctx context.Context, m payment.MerchantID, id string) error
	// RotateSecret puts a secret in the place of old, which signs beside it until
	// the given time, or no longer if that is zero. Fault: Conflict if the secret
	// is not old any more.
	RotateSecret(ctx context.Context, endpoint, old, secret string, until time.Time) error

	// SaveDeliveries adds messages of one merchant to its feed, stores deliveries
	// and enqueues a DeliverKind job for each, in its lane or else the endpoint's, in one
	// transaction. A message of the same event and name that is there already is
	// left alone, and so is a delivery for the same event, endpoint and name; tests
	// (EventID "") are never the same.
	SaveDeliveries(ctx context.Context, entries []Entry, ds []Delivery) error
	// Delivery loads one delivery and its endpoint, secret opened. Fault:
	// NotFound if either is gone; the delivery is returned if it is there.
	Delivery(ctx context.Context, id string) (Delivery, merchant.Endpoint, error)
	// Attempted counts a try of a delivery that was loaded as d, and records its outcome
	// and the state it leaves; next is zero unless that is Queued. A try that failed changes
	// nothing else if the delivery is not as it was loaded any more: it was replayed or given
	// up, or another worker tried it at the same time; then that worker's try is the one that
	// counts. What arrived has arrived, whatever else happened. Fault: NotFound.
	Attempted(ctx context.Context, d Delivery, a Attempt, s DeliveryState, next time.Time) (Outcome, error)
	// Disable switches an endpoint off for failing, and saves the notice of it and
	// its deliveries in the same transaction. Nothing happens, and false is
	// returned, if it is off or has worked in the meantime.
	Disable(ctx context.Context, endpoint string, at time.Time, why string, notice []Entry, ds []Delivery) (bool, error)
	// GiveUpQueued makes up to limit queued deliveries of an endpoint exhausted and
	// returns how many it were.
	GiveUpQueued(ctx context.Context, endpoint, why string, limit int) (int, error)
	// Deliveries lists, newest first.
	Deliveries(ctx context.Context, f Filter) ([]Delivery, error)
	// Replay makes a delivery due now, whatever its state, and enqueues its job.
	// Fault: NotFound.
	Replay(ctx context.Context, id string, now time.Time) error
	// ReplayRange is Replay for up to limit deliveries, the oldest first. Tests and
	// what is queued are passed over. last continues the range as its next After,
	// "" if there is nothing more.
	ReplayRange(ctx context.Context, r Range, now time.Time, limit int) (replayed int, last string, err error)

	// Feed returns entries, oldest first.
	Feed(ctx context.Context, f FeedFilter) ([]Entry, error)
	// FeedStart is the position of the oldest entry that a merchant's feed still has, or that
	// of the next one if it has none.
	FeedStart(ctx context.Context, m payment.MerchantID) (int64, error)
	// FeedHead is the position of a merchant's newest entry, 0 if there is none.
	FeedHead(ctx context.Context, m payment.MerchantID) (int64, error)
}
