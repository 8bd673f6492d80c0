package pay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
	"quittance/web"
)

// deposits are the pages of one dialect's payments.
type deposits struct {
	*hosted
	web.Pages
	name string
}

// links reports whether the pages are those of links that are paid once.
func (s *deposits) links() bool { return s.Path != nil }

// path is what the other routes of a payment's page are below.
func (s *deposits) path(alias string) string {
	if s.links() {
		return s.Path(alias)
	}
	return s.Link(url.PathEscape(alias))
}

// see are the methods of what can be looked at: previews of links ask for the head only.
var see = []string{http.MethodGet, http.MethodHead}

// mountDeposits adds the pages of a dialect's payments at the paths of its links.
func (p *hosted) mountDeposits(s *deposits) {
	e, at := p.Server.Echo, s.Path
	if at == nil {
		at = s.Link
	}
	p.mountCalls(s, at(":alias"))
	page := []echo.MiddlewareFunc{p.Server.Framable, p.Server.Faults(p.plain), p.Server.Bounded}
	e.Match(see, at(":alias")+"/quote", s.back, page...) // asked for again after its form was sent
	if s.links() {
		p.mountLinks(s, at(":alias"), page)
	} else {
		e.Match(see, at(":alias"), s.show, page...)
	}
}

// mountCalls adds what the page's script and its forms call.
func (p *hosted) mountCalls(s *deposits, at string) {
	e := p.Server.Echo
	e.POST(at+"/quote", s.quote, p.Server.Framable, p.Server.Faults(s.either), p.Server.SameOrigin, p.Server.Bounded)

	stream := []echo.MiddlewareFunc{p.Server.Faults(envelope), p.Server.SameOrigin}
	call := append(stream, p.Server.Bounded)
	e.GET(at+"/status", s.status, call...)
	e.GET(at+"/events", s.events, stream...)
	costly := p.costly(call)
	e.GET(at+"/pay", s.prepare, costly...)
	e.POST(at+"/intent", s.intent, costly...)
	e.POST(at+"/telemetry", s.telemetry, costly...)
}

var (
	errElsewhere = fault.New(fault.Conflict, "other_page", "This payment has a page of its own.")
	errNotHere   = fault.New(fault.Conflict, "not_a_deposit", "This payment is not paid to an address of its own.")
)

// elsewhere is the path of a payment's page where it has one of its own, "" for others.
func (p *hosted) elsewhere(pm *payment.Payment) string {
	if d, ok := p.own[pm.Terms.Dialect]; ok && pm.Terms.Fiat() {
		return d.Link(url.PathEscape(pm.Terms.Alias))
	}
	return ""
}

// maxAlias is longer than any public id, in bytes.
const maxAlias = 64

// load finds the payment that a request's path names.
func (s *deposits) load(c echo.Context) (*payment.Payment, error) {
	return s.lookUp(c, strings.ToLower(c.Param("alias")))
}

// lookUp finds a payment by its public id.
func (s *deposits) lookUp(c echo.Context, alias string) (*payment.Payment, error) {
	find := func() (*payment.Payment, error) {
		if alias == "" || len(alias) > maxAlias {
			alias = nobody
		}
		return s.Checkout.PaymentByAlias(c.Request().Context(), s.name, alias)
	}
	if s.links() {
		find = s.unguessed(c, find)
	}
	pm, err := find()
	if err != nil {
		return nil, err
	}
	if !pm.Terms.Fiat() || len(pm.Terms.Requests) != 1 && !pm.Terms.Quoted() {
		return nil, errNotHere
	}
	return pm, nil
}

// nobody is no payment's public id: what is none is looked up all the same.
const nobody = "0"

// named answers where a link has the public id in its query, and the parameter's name says
// of which dialect. More than one is none.
func (p *hosted) named(dialects []*deposits) echo.HandlerFunc {
	return func(c echo.Context) error {
		query := c.QueryParams()
		var of *deposits
		for _, s := range dialects {
			switch values := query[s.Param]; {
			case len(values) > 1, len(values) == 1 && of != nil:
				return errUnknown
			case len(values) == 1:
				of = s
			}
		}
		switch {
		case of == nil:
			return errUnknown
		case of.links():
			return of.open(c, query.Get(of.Param))
		}
		return of.lead(c, query.Get(of.Param))
	}
}

// lead goes to the page of a public id. Whatever else was in the query, a secret above all,
// is left behind.
func (s *deposits) lead(c echo.Context, alias string) error {
	if alias == "" || len(alias) > maxAlias {
		return errUnknown
	}
	return c.Redirect(http.StatusSeeOther, s.Link(url.PathEscape(alias)))
}

// back leads to the page from the address of its form.
func (s *deposits) back(c echo.Context) error {
	return c.Redirect(http.StatusSeeOther, s.Link(url.PathEscape(c.Param("alias"))))
}

// show answers with the page of a payment.
func (s *deposits) show(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, pm, s.look(c, pm), "")
}

// page answers with a payment's page. trouble is why there is no quote of what is chosen,
// "" where the quotes say that themselves.
func (s *deposits) page(c echo.Context, status int, pm *payment.Payment, l look, trouble string) error {
	ctx := c.Request().Context()
	v, err := s.view(ctx, pm, l)
	if err != nil {
		return err
	}
	if trouble != "" && v.Status.Quote == nil {
		v.Trouble = trouble
	}
	if v.Status.State == templates.StateUnsafe {
		s.refused(ctx, pm, v.Safety)
	}
	if status == http.StatusOK && (s.links() || v.Status.State == templates.StateUnsafe) {
		status = pageStatus(v.Status.State)
	}
	return web.Page(c, status, templates.Deposit(v))
}

// wantsJSON tells the page's script from a form that was sent without it.
func wantsJSON(c echo.Context) bool {
	return strings.Contains(c.Request().Header.Get(echo.HeaderAccept), echo.MIMEApplicationJSON)
}

// either words faults for whoever asked.
func (s *deposits) either(c echo.Context, f *fault.Error) error {
	if wantsJSON(c) {
		return envelope(c, f)
	}
	return s.plain(c, f)
}

// with is an address below this origin with one more parameter.
func with(at, name, value string) string {
	sign := "?"
	if strings.Contains(at, "?") {
		sign = "&"
	}
	return at + sign + name + "=" + url.QueryEscape(value)
}

// maxForm bounds a form, in bytes.
const maxForm = 4 << 10

// quote makes a quote of an asset. Forms get the page again: with the quote, or with why
// there is none.
func (s *deposits) quote(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "invalid_form", "The form could not be read.").Because(err)
	}
	l := s.look(c, pm)
	l.asset, l.method = s.known(r.PostForm.Get("asset")), ""
	err = s.Limits.Take(c, s.Limits.Page, "page", "")
	if err == nil {
		var changed *payment.Payment
		if changed, _, err = s.Checkout.Quote(r.Context(), pm.ID, asset.ID(r.PostForm.Get("asset")), r.PostForm.Get("fresh") == "1"); err == nil {
			pm = changed
		}
	}
	switch {
	case wantsJSON(c) && err == nil:
		status, err := s.statusOf(r.Context(), pm, l)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, status)
	case wantsJSON(c):
		return err
	case err == nil && pm.Terms.Quoted():
		return c.Redirect(http.StatusSeeOther, web.PagePath(tokenOf(pm, l.asset)))
	case err == nil:
		return c.Redirect(http.StatusSeeOther, with(s.Link(pm.Terms.Alias), "asset", string(l.asset)))
	}
	return s.unquoted(c, pm, l, err)
}

// unquoted shows the page with the reason why it has no new quote. What the page says
// anyway, such as that the payment is over, needs no reason.
func (s *deposits) unquoted(c echo.Context, pm *payment.Payment, l look, err error) error {
	f := fault.From(err)
	switch {
	case f.Code == checkout.CodeNoPrice:
		return s.page(c, web.StatusOf(f.Kind), pm, l, templates.QuoteMissing)
	case f.Kind == fault.Limited:
		return s.page(c, web.StatusOf(f.Kind), pm, l, templates.QuoteTooMany)
	case f.Kind == fault.Conflict, f.Kind == fault.Forbidden:
		return c.Redirect(http.StatusSeeOther, s.Link(pm.Terms.Alias))
	case f.Kind == fault.Invalid:
		l.asset = ""
		return s.page(c, web.StatusOf(f.Kind), pm, l, "")
	}
	return err
}

// status answers with the payment's standing, for pages whose stream broke.
func (s *deposits) status(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	status, err := s.statusOf(c.Request().Context(), pm, s.look(c, pm))
	if err != nil {
		return err
	}
	body, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return web.JSON(c, http.StatusOK, body)
}

// events streams the payment's standing as hosted.events does.
func (s *deposits) events(c echo.Context) error {
	return s.follow(c, func() (*payment.Payment, teller, error) {
		pm, err := s.load(c)
		if err != nil {
			return nil, nil, err
		}
		l := s.look(c, pm)
		return pm, func(ctx context.Context, pm *payment.Payment) (any, error) { return s.statusOf(ctx, pm, l) }, nil
	})
}

// depositCalls is the transfer for the payer's wallet, and what the page compares it with.
type depositCalls struct {
	web.Calls
	Address string `json:"address"`
	Units   string `json:"units"`
}

// prepare hands out the transfer that the wallet is to sign. It makes no quote.
func (s *deposits) prepare(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	wallet, err := walletOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	options, err := s.Checkout.Offers(ctx, pm, rail.Payer{})
	if err != nil {
		return err
	}
	option, chosen := "", s.known(c.QueryParam("asset"))
	for _, o := range options {
		if chosen != "" && o.Asset == chosen {
			option = o.ID
		}
	}
	if option == "" && pm.Standing.State == payment.Open {
		return fault.Field("asset", "unknown_asset", "This payment cannot be made with that currency.")
	}
	_, in, err := s.Checkout.Prepare(ctx, pm.ID, option, rail.Payer{Wallet: wallet})
	if err != nil {
		return ownField(err)
	}
	d, ok := in.(*rail.Deposit)
	if !ok || d.Calls == nil {
		return fault.New(fault.Invalid, "not_calls", "This way to pay needs no wallet.")
	}
	return c.JSON(http.StatusOK, depositCalls{Calls: web.NewCalls(d.Calls, s.Checkout.Book()), Address: d.Address.String(), Units: d.Amount.String()})
}

type depositIntent struct {
	TxHash string        `json:"txHash"`
	Wallet string        `json:"wallet"`
	Chain  asset.ChainID `json:"chain"`
}

// intent takes the payer's word that they sent a transaction.
func (s *deposits) intent(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	in, err := web.Read[depositIntent](c, 1<<10)
	if err != nil {
		return err
	}
	wallet, err := asset.ParseAddress(in.Wallet)
	if err != nil {
		return fault.Field("wallet", "invalid_wallet", "wallet must be an EVM address.").Because(err)
	}
	return s.report(c, pm, in.Chain, in.TxHash, wallet)
}

// telemetry takes what hosted.telemetry does.
func (s *deposits) telemetry(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	return s.told(c, pm)
}
