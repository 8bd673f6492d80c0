package secpaid

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// eventCallback asks for the further callback URLs of a link. It has no body.
const eventCallback = "link.callback"

// Kept knows what webhooks depend on; *store.Store does.
type Kept interface {
	LinkSettings(ctx context.Context, m payment.MerchantID) (merchant.LinkSettings, error)
	// Secret is the key of a link's webhooks, "" for plain ones.
	Secret(ctx context.Context, id payment.ID) (string, error)
}

// Encoder words events as this API's webhooks: a link's end, and nothing of the way there.
type Encoder struct{ Kept Kept }

// Tells implements webhook.Encoder.
func (Encoder) Tells(k payment.EventKind) bool {
	return k == payment.EventPaid || k == payment.EventCanceled
}

// Encode implements webhook.Encoder: a message to the link's own endpoints, and one to the
// further callback URLs. Only the event that completes all of a link tells that it is paid;
// that it was cancelled is told if its payer did it, to the endpoints of merchants who want
// to know.
func (e Encoder) Encode(ctx context.Context, ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	name, came := eventPaid, cameSuccess
	switch {
	case ev.Kind == payment.EventPaid && ev.Fields[payment.FieldState] == string(payment.Paid):
	case ev.Kind == payment.EventCanceled && p.Terms.CanceledBy == payment.ByPayer:
		name, came = eventCancelled, cameCancel
	default:
		return nil, nil
	}
	l, err := linkOf(p)
	if err != nil {
		return nil, err
	}
	var out []webhook.Message
	told, err := e.tells(ctx, name, p.Terms.Merchant)
	if err != nil {
		return nil, err
	}
	if told {
		m, err := e.message(ctx, name, l, p.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	if m, ok := l.callbacks(came); ok {
		out = append(out, m)
	}
	return out, nil
}

// tells reports whether a merchant wants to know of an event.
func (e Encoder) tells(ctx context.Context, name string, m payment.MerchantID) (bool, error) {
	if name == eventPaid {
		return true, nil
	}
	set, err := e.Kept.LinkSettings(ctx, m)
	if err != nil {
		return false, fmt.Errorf("look up link settings of %s: %w", m, err)
	}
	return set.TellCancel, nil
}

func (e Encoder) message(ctx context.Context, name string, l link, id payment.ID) (webhook.Message, error) {
	var err error
	if l.Order.Key, err = e.Kept.Secret(ctx, id); err != nil {
		return webhook.Message{}, fmt.Errorf("look up the key of %s: %w", id.Short(), err)
	}
	body, err := l.eventBody(name)
	if err != nil {
		return webhook.Message{}, fmt.Errorf("word %s of %s: %w", name, id.Short(), err)
	}
	m := webhook.Message{Event: name, Body: body, To: []webhook.Target{}}
	for _, url := range l.Order.Endpoints {
		m.To = append(m.To, webhook.Target{Endpoint: url})
	}
	return m, nil
}

// callbacks asks for the further callback URLs as the payer's browser asks for the first;
// ok is false if there are none.
func (l link) callbacks(came string) (m webhook.Message, ok bool) {
	m = webhook.Message{Event: eventCallback, Body: []byte{}, Quiet: true}
	for _, url := range l.further() {
		if to, ok := redirectTo(url, l.ID, userID(l.Owner.Merchant), came); ok {
			m.To = append(m.To, webhook.Target{Endpoint: url, Get: to})
		}
	}
	return m, len(m.To) > 0
}

// Disabled implements webhook.Encoder. This API has no notice of it.
func (Encoder) Disabled(merchant.Endpoint) (webhook.Message, error) { return webhook.Message{}, nil }

// Headers implements webhook.Encoder.
func (Encoder) Headers(d webhook.Delivery, secrets []string, _ time.Time) map[string]string {
	return headers(d.Body, secrets)
}
