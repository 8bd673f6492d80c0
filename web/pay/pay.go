package pay

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
	"quittance/web"
)

// Config is what the page is made of.
type Config struct {
	Server    *web.Server
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Sessions  *web.Sessions
	Chains    web.Chains
	Assets    templates.Assets
	// HashKey hashes payers' wallets where merchants are told of them, and payees
	// where payers are not.
	HashKey []byte
	// Watch calls wake when a payment may have changed, until it is cancelled.
	Watch func(id payment.ID, wake func()) (cancel func())
	// Streams bounds the pages that follow payments.
	Streams Bounds
	// Marks tells how far payments have come, MarkOf how far one was that was read: a
	// mark is another one once anything has changed.
	Marks  func(context.Context, []payment.ID) (map[payment.ID]int64, error)
	MarkOf func(*payment.Payment) int64
	// PublicRPC are endpoints a wallet may be told of when it adds a chain; the
	// server's own endpoints carry keys and are never shown.
	PublicRPC map[asset.ChainID][]string
	// BaseURL is the public origin, no trailing slash: wallets ask there by themselves.
	BaseURL string
	Limits  *web.Limiter
	// Dialects are those that the server speaks: payments of some have links of their own.
	Dialects []web.Dialect
	Log      *slog.Logger
	Now      func() time.Time
}

// hosted is the hosted page's handlers.
type hosted struct {
	Config
	streams *Streams
	own     map[string]web.Pages // by dialect, where payments have links of their own
}

// Mount adds the page's routes. What it returns is to be run while they are served.
func Mount(cfg Config) *Streams {
	p := &hosted{Config: cfg, streams: newStreams(cfg), own: map[string]web.Pages{}}
	if len(cfg.Server.FrameAncestors()) > 0 {
		p.Sessions = cfg.Sessions.Framed()
		cfg.Server.SafeApp(cfg.Assets.Icon)
	}
	e := cfg.Server.Echo

	page := []echo.MiddlewareFunc{cfg.Server.Framable, cfg.Server.Faults(p.plain), cfg.Server.Bounded}
	e.Match(see, "/", p.show, page...)
	e.Match(see, "/:token", p.show, page...)

	stream := []echo.MiddlewareFunc{cfg.Server.Faults(envelope), cfg.Server.SameOrigin}
	call := append(stream, cfg.Server.Bounded)
	costly := p.costly(call)
	api := e.Group("/checkout/:token")
	api.GET("/options", p.options, costly...)
	api.GET("/pay", p.prepare, costly...)
	api.GET("/gasless", p.gasless, costly...)
	api.GET("/status", p.status, call...)
	api.GET("/events", p.events, stream...)
	api.POST("/access", p.access, costly...)
	api.POST("/intent", p.intent, costly...)
	api.POST("/event", p.userEvent, costly...)
	api.POST("/telemetry", p.telemetry, costly...)
	api.POST("/bundler", p.bundler, costly...)
	api.POST("/paymaster", p.paymaster, anyOrigin, cfg.Server.Faults(envelope), cfg.Server.Bounded)
	api.OPTIONS("/paymaster", preflight, anyOrigin)
	var named []*deposits
	for _, d := range cfg.Dialects {
		if d.Pages == nil {
			continue
		}
		p.own[d.Name] = *d.Pages
		s := &deposits{hosted: p, Pages: *d.Pages, name: d.Name}
		p.mountDeposits(s)
		if s.Param != "" {
			named = append(named, s)
		}
	}
	if len(named) > 0 {
		e.Match(see, "/payment", p.named(named), page...)
	}
	return p.streams
}

// costly is what calls go through that write, that ask chains or that draw pictures: they are
// counted before all else. Calls that tell of the limit in words of their own count themselves.
func (p *hosted) costly(through []echo.MiddlewareFunc) []echo.MiddlewareFunc {
	return append([]echo.MiddlewareFunc{p.Limits.LimitPage}, through...)
}

// envelope words faults for the page's script.
func envelope(c echo.Context, f *fault.Error) error {
	return web.Refuse(c, web.StatusOf(f.Kind), f)
}

// plain words faults for a person.
func (p *hosted) plain(c echo.Context, f *fault.Error) error {
	status := web.StatusOf(f.Kind)
	id := web.RequestID(c)
	view := templates.ErrorPage(p.Assets, id)
	switch f.Kind {
	case fault.NotFound, fault.Invalid:
		status, view = http.StatusNotFound, templates.UnknownPage(p.Assets, id)
	case fault.Limited:
		view = templates.RateLimitedPage(p.Assets, id)
	default:
	}
	return web.Page(c, status, templates.Plain(view))
}

var errUnknown = fault.New(fault.NotFound, "not_found", "This URL is invalid.")

// load finds the payment that a request's token names.
//
// Faults: NotFound; Conflict "other_page" if it has a page of another kind.
func (p *hosted) load(c echo.Context) (*payment.Payment, error) {
	pm, _, err := p.find(c)
	if err == nil && pm.Terms.Fiat() {
		return nil, errElsewhere
	}
	return pm, err
}

// find is load for payments of every kind. share is set where the token names an asset
// that a link's payment is shared out in, and the payment is the one that is due in it.
func (p *hosted) find(c echo.Context) (*payment.Payment, *share, error) {
	token := c.Param("token")
	if token == "" {
		token = c.QueryParam("token")
	}
	token, of, shared := strings.Cut(token, tokenMark)
	id, ok := payment.ParseID(token)
	if !ok {
		return nil, nil, errUnknown
	}
	pm, err := p.Checkout.Payment(c.Request().Context(), id)
	if err != nil || !shared {
		return pm, nil, err
	}
	return p.inAsset(pm, of)
}

// show answers with the page of a payment, with the status its API would give.
func (p *hosted) show(c echo.Context) error {
	if c.Param("token") == "" {
		switch token := c.QueryParam("token"); {
		case token == "" && p.Server.Framed(c.Request()):
			return web.Page(c, http.StatusOK, templates.Plain(templates.SafeAppPage(p.Assets)))
		case token == "":
			return errUnknown
		case strings.Contains(token, "/"):
			return p.pasted(c, token)
		}
	}
	pm, part, err := p.find(c)
	if err != nil {
		return err
	}
	if pm.Terms.Fiat() {
		if link := p.elsewhere(pm); link != "" {
			return c.Redirect(http.StatusSeeOther, link)
		}
		return errUnknown
	}
	ctx := c.Request().Context()
	if locked, err := p.locked(ctx, c, pm); err != nil || locked {
		return err
	}
	view, err := p.view(ctx, pm, part, p.Sessions.Announced(c.Request(), string(pm.ID)))
	if err != nil {
		return err
	}
	view.Framed = p.Server.Framed(c.Request())
	if view.State == templates.StateUnsafe {
		p.refused(ctx, pm, view.Safety)
	}
	return web.Page(c, pageStatus(view.State), templates.Pay(view))
}

// pasted leads from a whole link, pasted where a token was asked for, to its
// payment.
func (p *hosted) pasted(c echo.Context, link string) error {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil {
		return errUnknown
	}
	id, ok := payment.ParseID(cmp.Or(u.Query().Get("token"), path.Base(u.Path)))
	if !ok {
		return errUnknown
	}
	return c.Redirect(http.StatusSeeOther, web.PagePath(string(id)))
}

// pageStatus is the HTTP status of a page, the same as its API's.
func pageStatus(state string) int {
	switch state {
	case templates.StateOpen, templates.StateSeen:
		return http.StatusOK
	case templates.StatePaid:
		return http.StatusConflict
	case templates.StateExpired, templates.StateCanceled, templates.StateFailed, templates.StateBlocked, templates.StateUnsafe:
		return http.StatusForbidden
	}
	panic("pay: no status for page state " + state)
}

// refused records that the server's own checks refused while showing a page.
func (p *hosted) refused(ctx context.Context, pm *payment.Payment, s templates.Safety) {
	for _, check := range s.Checks {
		if check.Outcome != templates.OutcomeRefused {
			continue
		}
		if err := p.Checkout.Refused(ctx, pm.ID, check.Name, "server", check.Detail); err != nil {
			p.Log.ErrorContext(ctx, "refused safety check not recorded", "payment", pm.ID, "err", err)
		}
	}
}

// prepare hands out what the wallet is to sign.
func (p *hosted) prepare(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	payer, err := payerOf(c)
	if err != nil {
		return err
	}
	option := c.QueryParam("option")
	pm, in, err := p.Checkout.Prepare(c.Request().Context(), pm.ID, option, payer)
	if err != nil {
		return err
	}
	calls, ok := in.(*rail.Calls)
	if !ok {
		return fault.New(fault.Invalid, "not_calls", "This way to pay needs no wallet.")
	}
	answer := p.pageCalls(pm, calls)
	if calls.Gasless && payer.Owner.IsZero() {
		answer.Gasless, answer.PaymasterURL = true, p.BaseURL+asking(pm, "paymaster", option, payer.Wallet)
	}
	return c.JSON(http.StatusOK, answer)
}

// pageCalls is calldata as the page's script gets it.
type pageCalls struct {
	web.Calls
	// PayeeSecret opens the hashes of payees that the page shows shortened.
	PayeeSecret string `json:"payeeSecret,omitempty"`
	// Gasless tells that somebody would pay for the gas of a user operation that
	// makes these calls.
	Gasless bool `json:"gasless"`
	// PaymasterURL is where a wallet that is a smart account itself asks for that
	// (ERC-7677), absent where nobody would.
	PaymasterURL string `json:"paymasterUrl,omitempty"`
}

func (p *hosted) pageCalls(pm *payment.Payment, calls *rail.Calls) pageCalls {
	out := pageCalls{Calls: web.NewCalls(calls, p.Checkout.Book())}
	if pm.Terms.Access.HidePayee {
		out.PayeeSecret = p.payeeSecret(pm.ID)
	}
	return out
}

// intentBody has one of TxHash and SafeTxHash.
type intentBody struct {
	TxHash string `json:"txHash"`
	Wallet string `json:"wallet"`
	// Chain is where the transaction is, 0 for the payment's own chain.
	Chain asset.ChainID `json:"chain"`

	SafeTxHash string         `json:"safeTxHash"` // Wallet is the Safe then
	Deadline   *int64         `json:"deadline"`   // of its calls, Unix seconds
	SafeTx     jsontext.Value `json:"safeTx"`     // the transaction as Safe's tools have it
	Signatures []string       `json:"signatures"` // of owners, 0x and hexadecimal digits
}

// maxIntent bounds an intent, in bytes: a Safe transaction has all its calls in
// it, in hexadecimal digits.
const maxIntent = 160 << 10

// intent takes the payer's word that they sent a transaction, or proposed one to a
// Safe.
func (p *hosted) intent(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	in, err := web.Read[intentBody](c, maxIntent)
	if err != nil {
		return err
	}
	if in.TxHash != "" && in.SafeTxHash != "" {
		return fault.Field("safeTxHash", "two_hashes", "Exactly one of txHash and safeTxHash is needed.")
	}
	wallet, err := asset.ParseAddress(in.Wallet)
	if err != nil {
		return fault.Field("wallet", "invalid_wallet", "wallet must be an EVM address.").Because(err)
	}
	if in.Chain == 0 {
		chain, err := p.chainOf(pm)
		if err != nil {
			return err
		}
		in.Chain = chain.ID
	}
	if in.SafeTxHash != "" {
		return p.propose(c, pm, in, rail.Payer{Wallet: wallet, Safe: true})
	}
	return p.report(c, pm, in.Chain, in.TxHash, wallet)
}

// report takes the word for a transaction and remembers it for this browser.
func (p *hosted) report(c echo.Context, pm *payment.Payment, chain asset.ChainID, hash string, wallet asset.Address) error {
	a, err := p.Checkout.Report(c.Request().Context(), pm.ID, chain, hash, rail.Payer{Wallet: wallet})
	if fault.Is(err, fault.Limited) {
		// Others may have used up what a payment takes: this browser still knows
		// what it sent.
		return errors.Join(err, p.Sessions.Announce(c.Response(), c.Request(), string(pm.ID), strings.ToLower(hash)))
	}
	if err != nil {
		return ownField(err)
	}
	return p.announced(c, pm, a)
}

// chainOf is the chain the payment's first request is owed on.
func (p *hosted) chainOf(pm *payment.Payment) (asset.Chain, error) {
	token, ok := p.Checkout.Book().Token(pm.Terms.Requests[0].Asset)
	if !ok {
		return asset.Chain{}, fault.New(fault.Unavailable, "asset_unknown", "The asset of this payment is not supported here any more.")
	}
	chain, ok := p.Checkout.Book().Chain(token.Chain)
	if !ok {
		return asset.Chain{}, fault.New(fault.Unavailable, "chain_unknown", "The chain of this payment is not supported here any more.")
	}
	return chain, nil
}

type telemetryBody struct {
	Event  string `json:"event"`
	Check  string `json:"check"`
	Detail string `json:"detail"`
}

// telemetryEvents are what the page may tell us.
var telemetryEvents = map[string]bool{"wallet_rejected": true, "tx_failed": true, "unsafe_refused": true}

// pageChecks are the checks whose refusal a page may report: its own, and the
// server's that it was told of. Other names are one name: whoever has the link
// can say anything, and must not raise alarms without end.
var pageChecks = map[string]bool{
	"page_registry": true, "page_calldata": true, "contract_official": true, "calldata_matches": true,
	"approval_exact": true, "code_pinned": true, "simulation_matches": true,
	"route_target": true, "route_value": true, "route_calldata": true, "route_approval": true, "route_source": true, "route_bridge": true,
	"route_receiver": true, "route_refund": true, "route_output": true, "route_deadline": true, "route_payment": true,
	"safe_hash": true, "safe_target": true, "safe_operation": true, "safe_calls": true, "safe_value": true, "safe_refund": true, "safe_gas": true,
	"safe_nonce": true,
	"op_sender":  true, "op_factory": true, "op_nonce": true, "op_calls": true, "op_permit": true, "op_value": true, "op_gas": true, "op_fees": true,
	"op_paymaster":    true,
	"address_matches": true, "page_address": true, "page_bank": true,
}

// telemetry takes best-effort events of the page. A refusal of the page's own
// safety layer is recorded and told to the merchant.
func (p *hosted) telemetry(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	return p.told(c, pm)
}

// told records what the page tells of itself.
func (p *hosted) told(c echo.Context, pm *payment.Payment) error {
	in, err := web.Read[telemetryBody](c, 4<<10)
	if err != nil {
		return err
	}
	if !telemetryEvents[in.Event] {
		return fault.Field("event", "unknown_event", "This event is not known.")
	}
	ctx := c.Request().Context()
	check := in.Check
	if check != "" && !pageChecks[check] {
		check = "unknown"
	}
	p.Log.InfoContext(ctx, "page event", "payment", pm.ID, "event", in.Event, "check", check)
	if in.Event == "unsafe_refused" {
		if err := p.Checkout.Refused(ctx, pm.ID, cmp.Or(check, "unknown"), "page", clip(in.Detail, 300)); err != nil {
			return err
		}
	}
	return web.NoContent(c)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
