package courier

import (
	"context"
	"encoding/json"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// encoder words events: that a payment is made, and nothing of the way there.
type encoder struct{}

// Tells implements webhook.Encoder.
func (encoder) Tells(k payment.EventKind) bool { return k == payment.EventPaid }

// Encode implements webhook.Encoder.
func (encoder) Encode(_ context.Context, e payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	if e.Kind != payment.EventPaid {
		return nil, nil
	}
	body, err := json.Marshal(paymentWire{string(p.ID), string(p.Standing.State)})
	return []webhook.Message{{Event: "paid", Body: body}}, err
}

// Disabled implements webhook.Encoder. There is no notice of it.
func (encoder) Disabled(merchant.Endpoint) (webhook.Message, error) { return webhook.Message{}, nil }

// Headers implements webhook.Encoder: none beside those of every delivery.
func (encoder) Headers(webhook.Delivery, []string, time.Time) map[string]string { return nil }
