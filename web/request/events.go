package request

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

type messageWire struct {
	ID                 string          `json:"id"`
	Cursor             string          `json:"cursor"`
	Sequence           int64           `json:"sequence"`
	Event              string          `json:"event"`
	SecurePaymentToken *string         `json:"securePaymentToken"`
	CreatedAt          string          `json:"createdAt"`
	Data               json.RawMessage `json:"data"`
}

type messagesWire struct {
	Events     []messageWire `json:"events"`
	NextCursor string        `json:"nextCursor"`
	HasMore    bool          `json:"hasMore"`
}

// events answers with the messages after a cursor, oldest first: the same that
// webhooks carry, for those who would rather ask, or want to know what they
// missed. A client id sees those of its own payments.
func (d *dialect) events(c echo.Context) error {
	who, err := d.keeper(c)
	if err != nil {
		return err
	}
	s, err := d.scopeOf(c, who, "")
	if err != nil {
		return err
	}
	limit, err := pageOf(c, 100, 500)
	if err != nil {
		return err
	}
	f := webhook.FeedFilter{Merchant: s.merchant, ClientID: s.client, Dialect: Name, Limit: limit + 1}
	if text := c.QueryParam("after"); text != "" {
		if f.After, err = strconv.ParseInt(text, 10, 64); err != nil || f.After < 0 {
			return fault.Field("after", "invalid_cursor", "after must be a cursor of this feed, or 0.")
		}
	}
	if text := c.QueryParam("token"); text != "" {
		id, ok := payment.ParseID(text)
		if !ok {
			return fault.Field("token", "invalid_token", "token must be a payment's token.")
		}
		f.Payment = id
	}
	all, err := d.Webhooks.Feed(c.Request().Context(), f)
	if err != nil {
		return err
	}
	out := messagesWire{Events: []messageWire{}, NextCursor: strconv.FormatInt(f.After, 10), HasMore: len(all) > limit}
	for _, m := range all[:min(len(all), limit)] {
		w := messageWire{
			ID: m.ID, Cursor: strconv.FormatInt(m.Position, 10), Sequence: m.Sequence, Event: m.Event,
			SecurePaymentToken: optional(string(m.Payment)), CreatedAt: timestamp(m.At), Data: m.Body,
		}
		out.Events, out.NextCursor = append(out.Events, w), w.Cursor
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // so that data has the bytes that webhooks have
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("encode messages: %w", err)
	}
	return web.JSON(c, http.StatusOK, body.Bytes())
}
