package checkout

import (
	"context"
	"slices"
	"time"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

// What a payer's page may tell of.
const (
	UserConnected = "connected" // a wallet to the page
	UserSent      = "sent"      // the payment to the wallet
	UserApproved  = "approved"  // the payment in the wallet
)

const (
	maxUserEvents = 60 // of one payment: whoever has the link may tell us things
	maxHash       = 128
	maxClockSkew  = 24 * time.Hour // a page's time further from ours is not worth repeating
)

// UserEvent records what the payer did on the page, as the page tells it: once
// for each payment, action and hash. hash stands for the payer's wallet, which
// must not be told itself; "" if there is none. occurred is the page's time,
// zero if it did not say. It is for the merchant's statistics and changes nothing.
//
// Faults: NotFound; Invalid; Limited after too many different ones.
func (s *Service) UserEvent(ctx context.Context, id payment.ID, action, hash string, occurred time.Time) error {
	switch action {
	case UserConnected, UserSent, UserApproved:
	default:
		return fault.Field("event", "unknown_event", "This event is not known.")
	}
	if len(hash) > maxHash || slices.ContainsFunc([]byte(hash), func(b byte) bool { return b <= ' ' || b > '~' }) {
		return fault.Field("hash", "invalid_hash", "hash must be at most 128 visible ASCII characters.")
	}
	known, err := s.store.Events(ctx, id)
	if err != nil {
		return err
	}
	name, told := payment.NamedULID(string(id), "user", action, hash), 0
	for _, e := range known {
		if e.ID == name {
			return nil
		}
		if e.Kind == payment.EventUser {
			told++
		}
	}
	if told >= maxUserEvents {
		return fault.New(fault.Limited, "too_many_events", "Too much was told about this payment.")
	}
	now := s.now().UTC()
	if d := now.Sub(occurred); d > maxClockSkew || d < -maxClockSkew {
		occurred = now
	}
	return s.logOnce(ctx, id, now, payment.Event{
		ID: name, Kind: payment.EventUser, Request: -1, Detail: action,
		Fields: map[string]string{
			payment.FieldAction: action, payment.FieldHash: hash,
			payment.FieldOccurred: occurred.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		},
	})
}
