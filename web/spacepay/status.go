package spacepay

import (
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// The statuses.
const (
	statusPending    = "pending"
	statusProcessing = "processing"
	statusCompleted  = "completed"
	statusFailed     = "failed"
	statusExpired    = "expired"
	statusCancelled  = "cancelled"
)

// statuses lists every status, for filters.
var statuses = []string{statusPending, statusProcessing, statusCompleted, statusFailed, statusExpired, statusCancelled}

// word is a state in this dialect's words. part tells whether value has arrived in time:
// not enough of it makes a payment processing while it lives and failed when it is over.
// What comes later changes nothing.
func word(s payment.State, part bool) string {
	switch s {
	case payment.Open:
		if part {
			return statusProcessing
		}
		return statusPending
	case payment.Seen:
		return statusProcessing
	case payment.Paid:
		return statusCompleted
	case payment.Expired:
		if part {
			return statusFailed
		}
		return statusExpired
	case payment.Failed:
		return statusFailed
	case payment.Canceled:
		return statusCancelled
	}
	panic("spacepay: no status for state " + s)
}

// statusOf is where a payment that was assessed stands in this dialect's words.
func statusOf(p *payment.Payment) string { return word(p.Standing.State, p.Part()) }

// withStatus are the stored states that have a status, all of them for none.
func withStatus(status string) []checkout.StatePart {
	yes, no := true, false
	switch status {
	case statusPending:
		return []checkout.StatePart{{State: payment.Open, Part: &no}}
	case statusProcessing:
		return []checkout.StatePart{{State: payment.Open, Part: &yes}, {State: payment.Seen}}
	case statusCompleted:
		return []checkout.StatePart{{State: payment.Paid}}
	case statusFailed:
		return []checkout.StatePart{{State: payment.Expired, Part: &yes}, {State: payment.Failed}}
	case statusExpired:
		return []checkout.StatePart{{State: payment.Expired, Part: &no}}
	case statusCancelled:
		return []checkout.StatePart{{State: payment.Canceled}}
	}
	return nil
}
