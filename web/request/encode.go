package request

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// Encoder words events as the vendor's webhooks.
type Encoder struct {
	Book    *asset.Book
	BaseURL string
}

type paymentEvent struct {
	Event            string     `json:"event"`
	RequestID        string     `json:"requestId"`
	RequestIDUpper   string     `json:"requestID"`
	PaymentReference string     `json:"paymentReference"`
	Explorer         string     `json:"explorer"`
	Amount           string     `json:"amount"`
	TotalAmountPaid  string     `json:"totalAmountPaid"`
	ExpectedAmount   string     `json:"expectedAmount"`
	Timestamp        string     `json:"timestamp"`
	TxHash           string     `json:"txHash"`
	PayerAddress     *string    `json:"payerAddress"`
	PayerEOAAddress  *string    `json:"payerEoaAddress"`
	Network          string     `json:"network"`
	Currency         string     `json:"currency"`
	PaymentCurrency  string     `json:"paymentCurrency"`
	IsCryptoToFiat   bool       `json:"isCryptoToFiat"`
	SubStatus        string     `json:"subStatus"`
	PaymentProcessor string     `json:"paymentProcessor"`
	Fees             []eventFee `json:"fees"`

	// Additions to the documented shape.
	SecurePaymentToken string `json:"securePaymentToken"`
	Reference          string `json:"reference,omitempty"`
	PayerIdentifier    string `json:"payerIdentifier,omitempty"`
	ExcessAmount       string `json:"excessAmount,omitempty"`
	ClientID           string `json:"clientId,omitempty"`
	Origin             string `json:"origin,omitempty"`
}

type eventFee struct {
	Type     string `json:"type"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

type failedEvent struct {
	Event              string `json:"event"`
	RequestID          string `json:"requestId"`
	RequestIDUpper     string `json:"requestID"`
	PaymentReference   string `json:"paymentReference"`
	SubStatus          string `json:"subStatus"`
	PaymentProcessor   string `json:"paymentProcessor"`
	SecurePaymentToken string `json:"securePaymentToken"`
	Timestamp          string `json:"timestamp"`
}

type unsafeEvent struct {
	Event              string `json:"event"`
	RequestID          string `json:"requestId"`
	SecurePaymentToken string `json:"securePaymentToken"`
	Detail             string `json:"detail"`
	Timestamp          string `json:"timestamp"`
}

// processor is one of the two values the vendor documents; receivers match on it.
const processor = "request-network"

// Encode implements webhook.Encoder. A payment made over a hosted page tells of
// itself twice, under the plain name and as .checkout, and a third time as
// .client_id if a client id made it.
func (e Encoder) Encode(_ context.Context, ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	switch ev.Kind {
	case payment.EventPaid:
		return e.moved("payment.confirmed", true, ev, p)
	case payment.EventPartial:
		return e.moved("payment.partial", true, ev, p)
	case payment.EventLate:
		return e.moved("payment.late", false, ev, p)
	case payment.EventSurplus:
		return e.moved("payment.overpaid", false, ev, p)
	case payment.EventFailed:
		r := p.Terms.Requests[max(ev.Request, 0)]
		return one("payment.failed", failedEvent{
			Event: "payment.failed", RequestID: r.ID, RequestIDUpper: r.ID, PaymentReference: r.Reference, SubStatus: ev.Detail,
			PaymentProcessor: processor, SecurePaymentToken: string(p.ID), Timestamp: second(ev.At),
		})
	case payment.EventUnsafe:
		return one("secure_payment.unsafe", unsafeEvent{
			Event: "secure_payment.unsafe", RequestID: p.Terms.Requests[0].ID, SecurePaymentToken: string(p.ID),
			Detail: ev.Detail, Timestamp: second(ev.At),
		})
	case payment.EventCreated, payment.EventAnnounced, payment.EventSeen, payment.EventReorged, payment.EventExpired, payment.EventCanceled:
		return nil, nil
	}
	return nil, fmt.Errorf("no webhook for event kind %q", ev.Kind)
}

func one(name string, v any) ([]webhook.Message, error) {
	body, err := webhook.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return []webhook.Message{{Event: name, Body: body}}, nil
}

// moved words an event about money.
func (e Encoder) moved(name string, variants bool, ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	if ev.Transfer == nil || ev.Request < 0 || ev.Request >= len(p.Terms.Requests) {
		return nil, fmt.Errorf("event %s of kind %s carries no transfer", ev.ID, ev.Kind)
	}
	body, err := e.body(ev, p)
	if err != nil {
		return nil, err
	}
	names := []string{name}
	if variants {
		names = append(names, name+".checkout")
		if p.Terms.ClientID != "" {
			names = append(names, name+".client_id")
		}
	}
	var out []webhook.Message
	for _, n := range names {
		b := body
		b.Event = n
		m := webhook.Message{Event: n}
		if n == name+".client_id" {
			b.ClientID, b.Origin, m.ClientID = p.Terms.ClientID, p.Terms.Origin, p.Terms.ClientID
		}
		if m.Body, err = webhook.Marshal(b); err != nil {
			return nil, fmt.Errorf("encode %s: %w", n, err)
		}
		out = append(out, m)
	}
	return out, nil
}

func (e Encoder) body(ev payment.Event, p *payment.Payment) (paymentEvent, error) {
	r, x := p.Terms.Requests[ev.Request], *ev.Transfer
	token, ok := e.Book.Token(r.Asset)
	if !ok {
		return paymentEvent{}, fmt.Errorf("asset %s is not known any more", r.Asset)
	}
	chain, _ := e.Book.Chain(token.Chain)
	human := func(v *big.Int) string { return money.Format(v, token.Decimals) }
	b := paymentEvent{
		RequestID: r.ID, RequestIDUpper: r.ID, PaymentReference: r.Reference, Explorer: chain.TxURL(x.Evidence.Tx),
		Amount: human(x.Amount), TotalAmountPaid: human(new(big.Int).Add(ev.Standing.Settled, ev.Standing.Late)), ExpectedAmount: human(r.Due),
		Timestamp: second(ev.At), TxHash: x.Evidence.Tx, PayerAddress: optional(x.Evidence.Payer), PayerEOAAddress: optional(x.Evidence.Payer),
		Network: token.Network, Currency: token.Symbol, PaymentCurrency: token.Symbol, PaymentProcessor: processor, Fees: []eventFee{},
		SecurePaymentToken: string(p.ID), Reference: p.Terms.Reference, PayerIdentifier: p.Terms.PayerIdentifier,
	}
	if b.Explorer == "" {
		b.Explorer = e.BaseURL + "/?token=" + string(p.ID)
	}
	if x.Fee != nil && x.Fee.Sign() > 0 {
		b.Fees = append(b.Fees, eventFee{Type: "platform", Amount: human(x.Fee), Currency: token.Symbol})
	}
	if excess := ev.Standing.Excess(r.Due); excess.Sign() > 0 {
		b.ExcessAmount = human(excess)
	}
	return b, nil
}

// second is ISO-8601 in UTC without fractions, as in the vendor's webhooks.
func second(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Headers implements webhook.Encoder. The signature is over the body alone, as
// documented; careful receivers use the timestamped one beside it.
func (e Encoder) Headers(d webhook.Delivery, secret string, _ time.Time) map[string]string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(d.Body)
	h := map[string]string{
		"x-request-network-signature":   hex.EncodeToString(mac.Sum(nil)),
		"x-request-network-delivery":    d.ID,
		"x-request-network-retry-count": strconv.Itoa(d.Attempts),
	}
	if d.Test {
		h["x-request-network-test"] = "true"
	}
	return h
}
