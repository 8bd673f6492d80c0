package spacepay

import (
	"context"
	"fmt"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

// The events that webhooks tell of.
const (
	eventCreated  = "payment.created"
	eventUpdated  = "payment.updated"           // any change of status, and money that came late
	eventDisabled = "webhook_endpoint.disabled" // not documented: an endpoint was switched off
)

type eventWire struct {
	Type      string    `json:"type"`
	Data      eventData `json:"data"`
	Timestamp string    `json:"timestamp"`
}

type eventData struct {
	Payment paymentWire `json:"payment"`
	// Transfer is not documented: the transfer that the event is about.
	Transfer *transferWire `json:"transfer,omitempty"`
}

// transferWire is one transfer, and what it was to the payment.
type transferWire struct {
	Kind            string    `json:"kind"` // "seen", "partial", "paid", "surplus", "late", "reorged"
	Token           tokenWire `json:"token"`
	ChainID         uint64    `json:"chainId"`
	AmountAsset     string    `json:"amountAsset"` // base units
	AmountUSD       *string   `json:"amountUsd"`   // "100.00", null while there is no price
	TxHash          *string   `json:"txHash"`
	TxBlockNumber   uint64    `json:"txBlockNumber"`
	TxTimestamp     string    `json:"txTimestamp"`
	TxSenderAddress *string   `json:"txSenderAddress"`
}

type disabledWire struct {
	Type      string       `json:"type"`
	Data      disabledData `json:"data"`
	Timestamp string       `json:"timestamp"`
}

type disabledData struct {
	Webhook disabledWebhook `json:"webhook"`
}

type disabledWebhook struct {
	ID           string `json:"id"`
	URL          string `json:"url"`
	Reason       string `json:"reason"`
	FailingSince string `json:"failingSince"`
	DisabledAt   string `json:"disabledAt"`
}

// Names knows merchants; *merchant.Directory does.
type Names interface {
	Merchant(ctx context.Context, id payment.MerchantID) (merchant.Merchant, error)
}

// Encoder words events as this API's webhooks. Chains may be nil: then receipts tell of
// no confirmations.
type Encoder struct {
	Book   *asset.Book
	Names  Names
	Chains web.Chains
}

func (e Encoder) words() words { return words{book: e.Book, chains: e.Chains} }

// Tells implements webhook.Encoder: whatever changes a payment's status, and whatever
// money does.
func (Encoder) Tells(k payment.EventKind) bool {
	switch k {
	case payment.EventCreated, payment.EventSeen, payment.EventPartial, payment.EventPaid, payment.EventSurplus, payment.EventLate,
		payment.EventReorged, payment.EventExpired, payment.EventCanceled, payment.EventFailed:
		return true
	case payment.EventAnnounced, payment.EventBridging, payment.EventBroken, payment.EventUnsafe, payment.EventRefunded, payment.EventUser, payment.EventRejected:
		return false
	}
	panic("spacepay: unknown event kind " + k)
}

// Encode implements webhook.Encoder: one message with all of the payment, as it was at
// the event's moment.
func (e Encoder) Encode(ctx context.Context, ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	if !e.Tells(ev.Kind) {
		return nil, nil
	}
	name := eventUpdated
	if ev.Kind == payment.EventCreated {
		name = eventCreated
	}
	m, err := e.Names.Merchant(ctx, p.Terms.Merchant)
	if err != nil {
		return nil, fmt.Errorf("look up merchant %s: %w", p.Terms.Merchant, err)
	}
	w := e.words()
	was := then(ev, p)
	status := statusOf(was)
	if s := ev.Fields[payment.FieldState]; s != "" {
		status = word(payment.State(s), ev.Fields[payment.FieldPart] == "1")
	}
	told, err := w.payment(was, m.Name, status, ev.At)
	if err != nil {
		return nil, fmt.Errorf("word payment %s: %w", p.ID.Short(), err)
	}
	data := eventData{Payment: told.withLater(ev.At)}
	if data.Transfer, err = w.transfer(ev); err != nil {
		return nil, fmt.Errorf("word the transfer of event %s: %w", ev.ID, err)
	}
	body, err := webhook.Marshal(eventWire{Type: name, Data: data, Timestamp: millis(ev.At)})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return []webhook.Message{{Event: name, Body: body}}, nil
}

// then is a payment as it was when something happened to it, as far as the event and the
// facts tell: without the quotes and transfers that came later, and with the event's own
// numbers.
func then(ev payment.Event, p *payment.Payment) *payment.Payment {
	was := *p
	was.Transfers, was.Quotes = nil, nil
	for _, x := range p.Transfers {
		switch {
		case ev.Transfer != nil && x.Key == ev.Transfer.Key:
			was.Transfers = append(was.Transfers, *ev.Transfer)
		case !x.At.After(ev.At) || ev.Transfer != nil && !x.At.After(ev.Transfer.At): // a chain's clock may be ahead
			was.Transfers = append(was.Transfers, x)
		}
	}
	for _, q := range p.Quotes {
		if !q.CreatedAt.After(ev.At) {
			was.Quotes = append(was.Quotes, q)
		}
	}
	if was.Terms.CanceledAt.After(ev.At) {
		was.Terms.CanceledAt = time.Time{}
	}
	was.Standing = was.StandingAt(ev.At)
	if s := ev.Fields[payment.FieldState]; s != "" {
		was.Standing.State = payment.State(s)
	}
	if was.Standing.State == payment.Paid && was.Standing.SettledAt.IsZero() {
		was.Standing.SettledAt = ev.At
	}
	if s := ev.Standing; ev.Transfer != nil && s.Received != nil && s.Settled != nil && s.Late != nil {
		was.Standing.Requests[0] = s
	}
	return &was
}

// transfer words the transfer of an event, nil if it is about none.
func (w words) transfer(ev payment.Event) (*transferWire, error) {
	x := ev.Transfer
	if x == nil {
		return nil, nil
	}
	of, err := w.asset(x.Asset)
	if err != nil {
		return nil, err
	}
	out := &transferWire{
		Kind: string(ev.Kind), Token: of.wire(), ChainID: uint64(x.Evidence.Chain), AmountAsset: x.Amount.String(),
		TxHash: text(x.Evidence.Tx), TxBlockNumber: x.Evidence.Block, TxTimestamp: millis(x.At), TxSenderAddress: text(strings.ToLower(x.Evidence.Payer)),
	}
	if x.Quote != "" {
		worth := dollars(x.Credit)
		out.AmountUSD = &worth
	}
	return out, nil
}

// Disabled implements webhook.Encoder. What follows the path of the endpoint's URL is left
// out: it may be a secret that another endpoint must not learn.
func (Encoder) Disabled(at merchant.Endpoint) (webhook.Message, error) {
	shown, _, _ := strings.Cut(at.URL, "?")
	body, err := webhook.Marshal(disabledWire{Type: eventDisabled, Timestamp: millis(at.DisabledAt), Data: disabledData{disabledWebhook{
		ID: at.ID, URL: shown, Reason: at.DisabledWhy, FailingSince: millis(at.FailingSince), DisabledAt: millis(at.DisabledAt),
	}}})
	if err != nil {
		return webhook.Message{}, fmt.Errorf("encode %s: %w", eventDisabled, err)
	}
	return webhook.Message{Event: eventDisabled, Body: body}, nil
}

// Headers implements webhook.Encoder.
func (Encoder) Headers(d webhook.Delivery, secrets []string, now time.Time) map[string]string {
	return Headers(d, secrets, now)
}
