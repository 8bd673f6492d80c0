package request

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

type deliveryWire struct {
	ID                 string  `json:"id"`
	Event              string  `json:"event"`
	SecurePaymentToken *string `json:"securePaymentToken"`
	Test               bool    `json:"test"`
	State              string  `json:"state"`
	Attempts           int     `json:"attempts"`
	Status             *int    `json:"status"` // the receiver's last one
	Error              *string `json:"error"`
	CreatedAt          string  `json:"createdAt"`
	LastAttemptAt      *string `json:"lastAttemptAt"`
	NextAttemptAt      *string `json:"nextAttemptAt"`
	TookMilliseconds   *int64  `json:"tookMilliseconds"`
}

type deliveriesWire struct {
	Deliveries []deliveryWire `json:"deliveries"`
	// NextBefore continues the list, null at its end.
	NextBefore *string `json:"nextBefore"`
}

func deliveryOf(x webhook.Delivery) deliveryWire {
	w := deliveryWire{
		ID: x.ID, Event: x.Event, SecurePaymentToken: optional(string(x.Payment)), Test: x.Test, State: string(x.State), Attempts: x.Attempts,
		Error: optional(x.Last.Error), CreatedAt: timestamp(x.CreatedAt), LastAttemptAt: optionalTime(x.Last.At),
	}
	if x.Last.Status != 0 {
		w.Status = &x.Last.Status
	}
	if !x.Last.At.IsZero() {
		took := x.Last.Took.Milliseconds()
		w.TookMilliseconds = &took
	}
	if x.State == webhook.Queued {
		w.NextAttemptAt = optionalTime(x.NextAt)
	}
	return w
}

// webhookDeliveries lists what was sent to an endpoint, newest first.
func (d *dialect) webhookDeliveries(c echo.Context) error {
	e, err := d.mine(c)
	if err != nil {
		return err
	}
	limit, err := pageOf(c, 50, 200)
	if err != nil {
		return err
	}
	f := webhook.Filter{Merchant: e.Merchant, Endpoint: e.ID, Dialect: Name, State: webhook.DeliveryState(c.QueryParam("state")), Limit: limit}
	if text := c.QueryParam("before"); text != "" {
		before, ok := payment.ParseID(text)
		if !ok {
			return fault.Field("before", "invalid_before", "before must be the id of a delivery.")
		}
		f.Before = string(before)
	}
	all, err := d.Webhooks.List(c.Request().Context(), f)
	if err != nil {
		return err
	}
	out := deliveriesWire{Deliveries: []deliveryWire{}}
	for _, x := range all {
		out.Deliveries = append(out.Deliveries, deliveryOf(x))
	}
	if len(all) == limit {
		out.NextBefore = optional(all[limit-1].ID)
	}
	return c.JSON(http.StatusOK, out)
}

// maxReplay is how many deliveries one request sends again: they are queued in
// the transaction of its answer.
const maxReplay = 1000

type replayBody struct {
	DeliveryID *string `json:"deliveryId"`
	From       *string `json:"from"`
	To         *string `json:"to"`
	OnlyFailed *bool   `json:"onlyFailed"`
	After      *string `json:"after"`
}

type replayedWire struct {
	Replayed int `json:"replayed"`
	// Next continues the range as its after, null if it is done.
	Next *string `json:"next"`
}

// replayWebhook sends one delivery again, or those of a time, or those that were
// given up, with the same ids and bytes.
func (d *dialect) replayWebhook(c echo.Context, who caller, body []byte) (effect, error) {
	var in replayBody
	if err := web.Decode(body, &in); err != nil {
		return nil, err
	}
	r, err := in.selection()
	if err != nil {
		return nil, err
	}
	s, err := d.scopeOf(c, who, "")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (reply, error) {
		e, err := d.webhook(c, s)
		if err != nil {
			return reply{}, err
		}
		if !e.Active {
			return reply{}, fault.New(fault.Conflict, "webhook_inactive", "This webhook is switched off: switch it on first.")
		}
		if in.DeliveryID != nil {
			err := d.Webhooks.ReplayTo(ctx, Name, e.ID, r.After)
			return reply{http.StatusOK, replayedWire{Replayed: 1}}, err
		}
		r.Endpoint, r.Dialect = e.ID, Name
		n, next, err := d.Webhooks.ReplayRange(ctx, r, maxReplay, nil)
		return reply{http.StatusOK, replayedWire{n, optional(next)}}, err
	}, nil
}

// selection reads what is to be sent again. Of a single delivery After is its id.
func (in replayBody) selection() (r webhook.Range, err error) {
	ids := map[string]*string{"deliveryId": in.DeliveryID, "after": in.After}
	for name, text := range ids {
		if text == nil {
			continue
		}
		id, ok := payment.ParseID(*text)
		if !ok {
			return r, fault.Field(name, "invalid_delivery_id", name+" must be the id of a delivery.")
		}
		r.After = string(id)
	}
	if r.From, err = instant("from", in.From); err != nil {
		return r, err
	}
	if r.To, err = instant("to", in.To); err != nil {
		return r, err
	}
	r.Failed = in.OnlyFailed != nil && *in.OnlyFailed
	ranged := in.From != nil || in.To != nil || in.OnlyFailed != nil || in.After != nil
	switch {
	case in.DeliveryID != nil && ranged:
		return r, fault.Field("deliveryId", "two_selections", "deliveryId stands alone, without from, to, onlyFailed and after.")
	case in.DeliveryID == nil && in.From == nil && in.To == nil && !r.Failed:
		return r, fault.Field("deliveryId", "missing_selection", "Name a deliveryId, a range by from and to, or onlyFailed.")
	case !r.To.IsZero() && r.To.Before(r.From):
		return r, fault.Field("to", "invalid_range", "to must not be before from.")
	}
	return r, nil
}

func instant(name string, text *string) (time.Time, error) {
	if text == nil {
		return time.Time{}, nil
	}
	t, ok := parseTime(*text)
	if !ok {
		return time.Time{}, fault.Field(name, "invalid_time", name+" must be a time like 2026-01-02T15:04:05Z.")
	}
	return t, nil
}
