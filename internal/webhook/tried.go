package webhook

import (
	"errors"
	"time"

	"quittance/internal/payment"
)

// Tried is an attempt at a delivery, as those who count see it.
type Tried struct {
	Dialect string
	Left    DeliveryState // what the attempt left of the delivery: Queued means that it failed and comes again
	First   bool          // nobody had tried before
	Lag     time.Duration // from the event, or else from the order to send, to the attempt's end
}

// longestRelay is how much later than its event a delivery may have been saved for the
// event's id to be believed.
const longestRelay = 30 * 24 * time.Hour

// tell tells of an attempt that was recorded. Tests are nobody's news.
func (s *Service) tell(d Delivery, a Attempt, left DeliveryState) {
	if s.tried == nil || d.Test {
		return
	}
	began := d.CreatedAt
	// Ids that were made of names are of any time, but hardly of just before.
	if at, ok := payment.ULIDTime(d.EventID); ok && at.Before(began) && began.Sub(at) < longestRelay {
		began = at
	}
	s.tried(Tried{Dialect: d.Dialect, Left: left, First: d.Attempts == 0, Lag: a.At.Add(a.Took).Sub(began)})
}

// failure is what an attempt ended with, for traces, which must not hold its text.
func (a Attempt) failure() error {
	if a.Error == "" {
		return nil
	}
	return errors.New("the delivery failed")
}
