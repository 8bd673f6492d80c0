package request

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/siwe"
	"quittance/internal/webhook"
	"quittance/web"
)

// config is what the dialect is made of.
type config struct {
	Server    *web.Server
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Ledger    web.Ledger
	Arrivals  Arrivals
	Accounts  Wallets
	Sessions  *web.Sessions
	Verifier  *siwe.Verifier
	Limits    *web.Limiter
	Webhooks  *webhook.Service
	Restamp   web.Restamper // nil where there are no routes
	BaseURL   string        // public origin, no trailing slash
	// OpenSignup makes a merchant of a wallet that signs in for the first time.
	OpenSignup bool
	// Codes reads the code of accounts, which tells contracts from accounts.
	Codes func(ctx context.Context, chain asset.ChainID, accounts []asset.Address) ([][]byte, error)
	// PlaceholderChecksums accepts the two wrong checksums that the vendor's
	// documentation uses in its examples.
	PlaceholderChecksums bool
}

// dialect is the handlers.
type dialect struct {
	config
	api     *web.API
	running web.Running // requests with an idempotency key
}

// mount adds the dialect's routes.
func mount(cfg config) {
	d := &dialect{config: cfg}
	d.api = d.Server.API(d.fault)
	d.route(http.MethodPost, "/v2/secure-payments", d.create)
	d.route(http.MethodPost, "/v2/secure-payments/payouts", d.payout)
	d.route(http.MethodGet, "/v2/secure-payments", d.find)
	d.route(http.MethodGet, "/v2/secure-payments/:token", d.show)
	d.route(http.MethodGet, "/v2/secure-payments/:token/pay", d.pay)
	d.route(http.MethodPost, "/v2/secure-payments/:token/intent", d.intent)
	d.route(http.MethodPost, "/v2/secure-payments/:token/refresh-step-transaction", d.restamp)
	d.route(http.MethodGet, "/v2/currencies", d.currencies)
	d.route(http.MethodGet, "/v2/currencies/:currencyId/conversion-routes", d.conversionRoutes)
	d.route(http.MethodGet, "/v2/payments", d.payments)
	d.clientIDs()
	d.payeeDestinations()
	d.webhookRoutes()
	d.sessionRoutes()
}

// route adds one operation, which pages of other origins may call.
func (d *dialect) route(method, path string, h echo.HandlerFunc) {
	d.api.Add(method, path, h, cors)
	d.api.Preflight(path, preflight)
}

// create makes a payment and answers with the link to send the payer to.
func (d *dialect) create(c echo.Context) error {
	return d.make(c, func(ctx context.Context, who caller, body []byte) (checkout.Draft, error) {
		var in createBody
		if err := web.Decode(body, &in); err != nil {
			return checkout.Draft{}, err
		}
		return d.draft(ctx, who, in)
	})
}

// make makes a payment of a body, once for each idempotency key.
func (d *dialect) make(c echo.Context, read func(ctx context.Context, who caller, body []byte) (checkout.Draft, error)) error {
	who, err := d.identify(c, true)
	if err != nil {
		return err
	}
	body, err := web.Body(c, web.MaxBody)
	if err != nil {
		return err
	}
	once, err := keyOf(c, who, body)
	if err != nil {
		return err
	}
	draft, err := read(c.Request().Context(), who, body)
	if err != nil {
		return err
	}
	a, replayed, err := d.Checkout.Create(c.Request().Context(), draft, once, d.created)
	if err != nil {
		return err
	}
	return web.Answer(c, a, replayed)
}

// created words the answer to a creation.
func (d *dialect) created(p *payment.Payment) (checkout.Answer, error) {
	w := createdWire{Token: string(p.ID), SecurePaymentURL: d.payURL(p), FeePlan: d.feePlan(p)}
	for _, r := range p.Terms.Requests {
		w.RequestIDs = append(w.RequestIDs, r.ID)
	}
	body, err := json.Marshal(w)
	if err != nil {
		return checkout.Answer{}, fmt.Errorf("encode answer: %w", err)
	}
	return checkout.Answer{Status: http.StatusCreated, Body: body}, nil
}

func (d *dialect) payURL(p *payment.Payment) string { return d.BaseURL + web.PagePath(string(p.ID)) }

func visible(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// load finds the payment that a request is about.
func (d *dialect) load(c echo.Context) (*payment.Payment, error) {
	who, err := d.authenticate(c)
	if err != nil {
		return nil, err
	}
	return d.owned(c.Request().Context(), who, c.Param("token"))
}

// owned finds the caller's own payment; another merchant's is not found, nor one that
// was made with another dialect.
func (d *dialect) owned(ctx context.Context, who caller, token string) (*payment.Payment, error) {
	id, ok := payment.ParseID(token)
	if !ok {
		return nil, errNotFound
	}
	p, err := d.Checkout.Payment(ctx, id)
	if fault.Is(err, fault.NotFound) || (err == nil && !isOwn(p, who)) {
		return nil, errNotFound
	}
	return p, err
}

// isOwn reports whether a payment is the caller's and this dialect's.
func isOwn(p *payment.Payment, who caller) bool {
	return p.Terms.Merchant == who.Merchant && p.Terms.Dialect == Name
}

var errNotFound = fault.New(fault.NotFound, "not_found", "Secure payment not found")

// find looks a payment up by one of its requests.
func (d *dialect) find(c echo.Context) error {
	who, err := d.authenticate(c)
	if err != nil {
		return err
	}
	if who.clientID != "" {
		return fault.New(fault.Forbidden, "api_key_required", "Looking a payment up by its request needs an API key.")
	}
	id := c.QueryParam("requestId")
	if id == "" {
		return fault.Field("requestId", "missing_request_id", "requestId is required.")
	}
	missing := fault.New(fault.NotFound, "not_found", "No secure payment found for this request ID")
	p, err := d.Checkout.PaymentByRequest(c.Request().Context(), id)
	if fault.Is(err, fault.NotFound) || (err == nil && !isOwn(p, who)) {
		return missing
	}
	if err != nil {
		return err
	}
	screened, err := d.Checkout.Screenings(c.Request().Context(), p)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, d.found(p, screened))
}

// show answers with what a page displays, to a wallet as far as the payment's
// policy lets it; no calldata.
func (d *dialect) show(c echo.Context) error {
	p, err := d.load(c)
	if err != nil {
		return err
	}
	payer, from, err := d.payer(c)
	if err != nil {
		return err
	}
	if err := over(p); err != nil {
		return d.ended(c, p, checkout.Admission{}, err)
	}
	ctx := c.Request().Context()
	admitted, err := d.Checkout.Admit(ctx, p, payer.Person())
	if err != nil {
		return err
	}
	if err := over(p); err != nil { // a refused payee has ended it just now
		return d.ended(c, p, admitted, err)
	}
	if err := d.bySafe(p); err != nil {
		return d.ended(c, p, admitted, err)
	}
	var ways *choice
	if admitted.Admitted() && d.Checkout.Payable(p) == nil {
		if from != nil {
			if _, err := d.way(ctx, p, payer, *from); err != nil {
				return err
			}
		}
		if ways, err = d.choice(ctx, p, payer, from); err != nil {
			return err
		}
	}
	w, err := d.shown(p, admitted, ways)
	if err != nil {
		return err
	}
	body, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode payment: %w", err)
	}
	return web.JSON(c, http.StatusOK, body)
}

// pay answers with the calldata for a wallet, from the payment's own chain or
// from another source.
func (d *dialect) pay(c echo.Context) error {
	p, err := d.load(c)
	if err != nil {
		return err
	}
	payer, from, err := d.payer(c)
	if err != nil {
		return err
	}
	option, err := d.chosen(c.Request().Context(), p, payer, from)
	if err != nil {
		return d.ended(c, p, checkout.Admission{}, ofOwner(payer, err))
	}
	p, in, err := d.Checkout.Prepare(c.Request().Context(), p.ID, option, payer)
	if err != nil {
		return d.ended(c, p, checkout.Admission{}, unrouted(from, ofOwner(payer, err)))
	}
	calls, ok := in.(*rail.Calls)
	if !ok {
		return fault.New(fault.Invalid, "invalid_calldata_request", invalidCalldata)
	}
	var fee *web.PlatformFee
	if f := p.Terms.Requests[0].Fee; f != nil {
		fee = &web.PlatformFee{Percentage: f.Share, Address: f.Payee.String()}
	}
	if typeOf(p) == typeBatch {
		w := batchPayWire{PaymentType: typeBatch, BatchCalls: web.NewBatchCalls(calls, d.Checkout.Book())}
		w.Metadata.PlatformFee = fee
		return c.JSON(http.StatusOK, w)
	}
	w := payWire{PaymentType: typeSingle, Calls: web.NewCalls(calls, d.Checkout.Book())}
	w.Metadata.PlatformFee = fee
	return c.JSON(http.StatusOK, w)
}
