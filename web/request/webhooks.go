package request

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

// webhookRoutes adds what manages webhooks and reads the feed of messages.
func (d *dialect) webhookRoutes() {
	d.route(http.MethodPost, "/v1/webhook", d.once(d.keeper, d.createWebhook))
	d.route(http.MethodGet, "/v1/webhook", d.listWebhooks)
	d.route(http.MethodPost, "/v1/webhook/test", d.once(d.keeper, d.testWebhook))
	d.route(http.MethodPut, "/v1/webhook/:id", d.toggleWebhook)
	d.route(http.MethodDelete, "/v1/webhook/:id", d.deleteWebhook)
	d.route(http.MethodPost, "/v1/webhook/:id/rotate", d.once(d.keeper, d.rotateWebhook))
	d.route(http.MethodGet, "/v1/webhook/:id/deliveries", d.webhookDeliveries)
	d.route(http.MethodPost, "/v1/webhook/:id/replay", d.once(d.keeper, d.replayWebhook))
	d.route(http.MethodGet, "/v2/events", d.events)
}

// keeper finds who may manage webhooks and read messages: an API key, a session,
// or the client id of a backend. A browser's client id is public: whoever read it
// off a page could have the merchant's messages sent to himself, or no longer sent.
//
// Faults: as authenticate; Forbidden "api_key_required".
func (d *dialect) keeper(c echo.Context) (caller, error) {
	who, err := d.authenticate(c)
	if err == nil && who.clientID != "" && len(who.Origins) > 0 {
		return caller{}, fault.New(fault.Forbidden, "api_key_required", "A browser's client id does not manage webhooks: send your API key as well.")
	}
	return who, err
}

// scope is whose webhooks a request is about.
type scope struct {
	merchant payment.MerchantID
	client   string // the client id they belong to, "" for all of the merchant's
	backend  bool   // the caller is that client id, and sees nothing of the merchant's own
}

// scopeOf is the caller's scope: its own for a client id, otherwise the merchant's
// or that of the client id named in the x-client-id header or in the body.
//
// Faults: Invalid on "clientId"; Forbidden for another one's.
func (d *dialect) scopeOf(c echo.Context, who caller, named string) (scope, error) {
	s := scope{merchant: who.Merchant, client: who.clientID, backend: who.clientID != ""}
	if s.backend {
		if named != "" && named != who.clientID {
			return scope{}, fault.New(fault.Forbidden, "other_client_id", "A client id manages its own webhooks only.").At("clientId")
		}
		return s, nil
	}
	beside := c.Request().Header.Get("x-client-id")
	if beside != "" && named != "" && beside != named {
		return scope{}, fault.Field("clientId", "two_client_ids", "clientId and the x-client-id header name two client ids.")
	}
	if s.client = named; named == "" {
		s.client = beside
	}
	if s.client == "" {
		return s, nil
	}
	client, err := d.Directory.Authenticate(c.Request().Context(), merchant.ClientID, s.client)
	if fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Forbidden) || err == nil && client.Merchant != who.Merchant {
		return scope{}, fault.Field("clientId", "unknown_client_id", "clientId is no working client id of yours.")
	}
	return s, err
}

var errNoWebhook = fault.New(fault.NotFound, "webhook_not_found", "Webhook not found")

// webhook finds the endpoint that the path names, within the scope.
func (d *dialect) webhook(c echo.Context, s scope) (merchant.Endpoint, error) {
	id, ok := payment.ParseID(c.Param("id"))
	if !ok {
		return merchant.Endpoint{}, errNoWebhook
	}
	e, err := d.Webhooks.Endpoint(c.Request().Context(), s.merchant, string(id))
	if fault.Is(err, fault.NotFound) || (err == nil && s.client != "" && e.ClientID != s.client) {
		return merchant.Endpoint{}, errNoWebhook
	}
	return e, err
}

// mine finds caller, scope and endpoint of a request that names an endpoint.
func (d *dialect) mine(c echo.Context) (merchant.Endpoint, error) {
	who, err := d.keeper(c)
	if err != nil {
		return merchant.Endpoint{}, err
	}
	s, err := d.scopeOf(c, who, "")
	if err != nil {
		return merchant.Endpoint{}, err
	}
	return d.webhook(c, s)
}

type webhookBody struct {
	URL      *string `json:"url"`
	ClientID *string `json:"clientId"`
}

type webhookMadeWire struct {
	ID     string `json:"id"`
	Secret string `json:"secret"` // told this once
}

// webhookWire is an endpoint without its secret, which the documented list has
// and the documentation's text says is shown once.
type webhookWire struct {
	ID        string `json:"id"`
	URL       string `json:"url"`
	IsActive  bool   `json:"isActive"`
	CreatedAt string `json:"createdAt"`

	// Additions to the documented shape.
	ClientID              *string `json:"clientId"`
	FailingSince          *string `json:"failingSince"`
	DisabledAt            *string `json:"disabledAt"`
	DisabledReason        *string `json:"disabledReason"`
	PreviousSecretExpires *string `json:"previousSecretExpiresAt"`
}

func webhookOf(e merchant.Endpoint, now time.Time) webhookWire {
	w := webhookWire{
		ID: e.ID, URL: e.URL, IsActive: e.Active, CreatedAt: timestamp(e.CreatedAt), ClientID: optional(e.ClientID),
		FailingSince: optionalTime(e.FailingSince), DisabledAt: optionalTime(e.DisabledAt), DisabledReason: optional(e.DisabledWhy),
	}
	if len(webhook.Secrets(e, now)) > 1 {
		w.PreviousSecretExpires = optionalTime(e.PreviousUntil)
	}
	return w
}

func optionalTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return optional(timestamp(t))
}

func (d *dialect) createWebhook(c echo.Context, who caller, body []byte) (effect, error) {
	var in webhookBody
	if err := web.Decode(body, &in); err != nil {
		return nil, err
	}
	if in.URL == nil || *in.URL == "" {
		return nil, fault.Field("url", "missing_url", "url is required.")
	}
	s, err := d.scopeOf(c, who, given(in.ClientID))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (reply, error) {
		e, err := d.Webhooks.Register(ctx, s.merchant, *in.URL, s.client)
		return reply{http.StatusCreated, webhookMadeWire{e.ID, e.Secret}}, err
	}, nil
}

func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// listWebhooks lists the scope's endpoints; of a client id named beside an API
// key also those that hear of everything.
func (d *dialect) listWebhooks(c echo.Context) error {
	who, err := d.keeper(c)
	if err != nil {
		return err
	}
	s, err := d.scopeOf(c, who, "")
	if err != nil {
		return err
	}
	all, err := d.Webhooks.Endpoints(c.Request().Context(), s.merchant)
	if err != nil {
		return err
	}
	out := []webhookWire{}
	for _, e := range all {
		if s.hears(e) {
			out = append(out, webhookOf(e, time.Now()))
		}
	}
	return c.JSON(http.StatusOK, out)
}

// hears reports whether an endpoint is told of what happens in the scope.
func (s scope) hears(e merchant.Endpoint) bool {
	return s.client == "" || e.ClientID == s.client || (e.ClientID == "" && !s.backend)
}

func (d *dialect) toggleWebhook(c echo.Context) error {
	e, err := d.mine(c)
	if err != nil {
		return err
	}
	if e, err = d.Webhooks.Toggle(c.Request().Context(), e); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, webhookOf(e, time.Now()))
}

func (d *dialect) deleteWebhook(c echo.Context) error {
	e, err := d.mine(c)
	if err != nil {
		return err
	}
	err = d.Webhooks.Delete(c.Request().Context(), e)
	if fault.Is(err, fault.NotFound) {
		return errNoWebhook // somebody was faster
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, struct {
		ID string `json:"id"`
	}{e.ID})
}

type testBody struct {
	EventType any     `json:"eventType"`
	ClientID  *string `json:"clientId"`
}

// enumIssue is the vendor's words for a member that is none of some values.
type enumIssue struct {
	Code     string   `json:"code"`
	Options  []string `json:"options,omitempty"`
	Expected string   `json:"expected,omitempty"`
	Received string   `json:"received,omitempty"`
	Path     []string `json:"path"`
	Message  string   `json:"message"`
}

type enumIssuesWire struct {
	StatusCode int         `json:"statusCode"`
	Message    []enumIssue `json:"message"`
	Error      string      `json:"error"`
	Code       string      `json:"code"`
	Field      string      `json:"field"`
}

// schemaFault is the cause of a fault whose body is the vendor's and not the usual one.
type schemaFault struct{ body enumIssuesWire }

func (f schemaFault) Error() string { return f.body.Message[0].Message }

// notTestable is the vendor's answer to an event that cannot be tested.
func notTestable(v any) enumIssuesWire {
	expected := "'" + strings.Join(testable, "' | '") + "'"
	i := enumIssue{Path: []string{"eventType"}}
	switch v := v.(type) {
	case string:
		i.Code, i.Options = "invalid_enum_value", testable
		i.Message = fmt.Sprintf("Invalid enum value. Expected %s, received '%s'", expected, clip(v, 100))
	case nil:
		i.Code, i.Expected, i.Received, i.Message = "invalid_type", expected, "undefined", "Required"
	default:
		i.Code, i.Expected, i.Received = "invalid_type", expected, typeName(v)
		i.Message = fmt.Sprintf("Expected %s, received %s", expected, i.Received)
	}
	return enumIssuesWire{
		StatusCode: http.StatusBadRequest, Message: []enumIssue{i}, Error: http.StatusText(http.StatusBadRequest),
		Code: "invalid_event_type", Field: "eventType",
	}
}

func typeName(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case float64, json.Number:
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// testWebhook sends a complete sample of an event to the scope's active endpoints.
func (d *dialect) testWebhook(c echo.Context, who caller, body []byte) (effect, error) {
	var in testBody
	if err := web.Decode(body, &in); err != nil {
		return nil, err
	}
	s, err := d.scopeOf(c, who, given(in.ClientID))
	if err != nil {
		return nil, err
	}
	event, _ := in.EventType.(string)
	if !slices.Contains(testable, event) {
		return nil, fault.Field("eventType", "invalid_event_type", "eventType is none of the events that can be tested.").Because(schemaFault{notTestable(in.EventType)})
	}
	m, err := Encoder{Book: d.Checkout.Book(), BaseURL: d.BaseURL}.Sample(event, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (reply, error) {
		all, err := d.Webhooks.Endpoints(ctx, s.merchant)
		if err != nil {
			return reply{}, err
		}
		all = slices.DeleteFunc(all, func(e merchant.Endpoint) bool { return !s.hears(e) })
		sent, err := d.Webhooks.Test(ctx, Name, m, all...)
		if err != nil {
			return reply{}, err
		}
		ids := make([]string, len(sent))
		for i, x := range sent {
			ids[i] = x.ID
		}
		return reply{http.StatusCreated, struct {
			DeliveryIDs []string `json:"deliveryIds"`
		}{ids}}, nil
	}, nil
}

type rotateBody struct {
	OverlapHours *int `json:"overlapHours"`
}

type rotatedWire struct {
	Secret                string  `json:"secret"` // told this once
	PreviousSecretExpires *string `json:"previousSecretExpiresAt"`
}

const defaultOverlap = 24 // hours

func (d *dialect) rotateWebhook(c echo.Context, who caller, body []byte) (effect, error) {
	hours := defaultOverlap
	if body != nil {
		var in rotateBody
		if err := web.Decode(body, &in); err != nil {
			return nil, err
		}
		if in.OverlapHours != nil {
			hours = *in.OverlapHours
		}
	}
	if most := int(webhook.MaxOverlap.Hours()); hours < 0 || hours > most {
		return nil, fault.Field("overlapHours", "invalid_overlap", fmt.Sprintf("overlapHours must be between 0 and %d.", most))
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
		secret, until, err := d.Webhooks.Rotate(ctx, e, time.Duration(hours)*time.Hour)
		return reply{http.StatusOK, rotatedWire{secret, optionalTime(until)}}, err
	}, nil
}

// pageOf reads the limit of a list.
func pageOf(c echo.Context, usual, most int) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fault.Field("limit", "invalid_limit", fmt.Sprintf("limit must be a number between 1 and %d.", most))
	}
	return n, nil
}
