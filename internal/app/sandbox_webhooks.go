//go:build !nosandbox

package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/templates"
	"quittance/web"
)

type sentWire struct {
	ID        string          `json:"id"`
	Event     string          `json:"event"`
	State     string          `json:"state"`
	Attempts  int             `json:"attempts"`
	Status    int             `json:"status"`
	Error     string          `json:"error,omitempty"`
	CreatedAt time.Time       `json:"createdAt"`
	Body      json.RawMessage `json:"body"`
}

// sandboxWebhooks shows what was sent to the demo's merchant, newest first: a
// page for people, JSON for programs.
func sandboxWebhooks(c echo.Context, a *App, assets templates.Assets, m payment.MerchantID) error {
	sent, err := a.Webhooks.List(c.Request().Context(), webhook.Filter{Merchant: m, Limit: 100})
	if err != nil {
		return err
	}
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") {
		out := make([]sentWire, len(sent))
		for i, d := range sent {
			out[i] = sentWire{
				ID: d.ID, Event: d.Event, State: string(d.State), Attempts: d.Attempts, Status: d.Last.Status, Error: d.Last.Error,
				CreatedAt: d.CreatedAt, Body: json.RawMessage(d.Body),
			}
		}
		return c.JSON(http.StatusOK, out)
	}
	var view []templates.SentWebhook
	for _, d := range sent {
		view = append(view, templates.SentWebhook{
			Event: d.Event, State: string(d.State), At: templates.At(d.CreatedAt), Status: d.Last.Status, Error: d.Last.Error, Body: pretty(d.Body),
		})
	}
	return web.Page(c, http.StatusOK, templates.SandboxWebhooks(assets, view))
}

func pretty(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return string(body)
	}
	return string(b)
}
