package pay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/qr"
	"quittance/templates"
	"quittance/web"
)

// mountLinks adds what pages of links have beside those of deposits.
func (p *hosted) mountLinks(s *deposits, at string, page []echo.MiddlewareFunc) {
	e := p.Server.Echo
	e.Match(see, "/payment/qr", s.picture, p.costly(page)...)
	e.Match(see, at+"/return", s.away, page...)
	question := append(page[:len(page):len(page)], p.Server.Leaving)
	e.Match(see, at+"/cancel", s.ask, question...)
	e.POST(at+"/cancel", s.cancel, p.Server.Framable, p.Server.Leaving, p.Server.Faults(p.plain), p.Server.SameOrigin, p.Server.Bounded)
}

// deleted reports whether nobody is to see a payment any more.
func deleted(pm *payment.Payment) bool { return pm.Terms.CanceledBy == payment.ByDeletion }

// unknownTakes is what looking a link up does not take. Answers for links that are nobody's
// are held back to a multiple of it: how long one takes tells nothing of whether there is
// a row, or was one.
const unknownTakes = 40 * time.Millisecond

// unguessed is a look-up by which nobody finds links by trying names: those that are not
// there and those that were deleted are alike, and whoever asks for many of them is no
// longer answered.
func (s *deposits) unguessed(c echo.Context, find func() (*payment.Payment, error)) func() (*payment.Payment, error) {
	return func() (*payment.Payment, error) {
		if err := s.Limits.Seeking(c); err != nil {
			return nil, err
		}
		start := time.Now()
		pm, err := find()
		switch {
		case err == nil && !deleted(pm):
			return pm, nil
		case err != nil && !fault.Is(err, fault.NotFound):
			return nil, err
		}
		s.Limits.Sought(c)
		hold(c.Request().Context(), unknownTakes-time.Since(start)%unknownTakes)
		return nil, errUnknown
	}
}

// hold waits, unless nobody waits for the answer any more.
func hold(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// called finds the payment that a parameter of a link's address names.
func (s *deposits) called(c echo.Context, value string) (*payment.Payment, error) {
	alias, ok := s.Alias(value)
	if !ok {
		alias = nobody
	}
	return s.lookUp(c, alias)
}

// open answers with the page of a link.
func (s *deposits) open(c echo.Context, value string) error {
	pm, err := s.called(c, value)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, pm, s.look(c, pm), "")
}

// pictureSize is how wide the picture of a link's code is, in pixels, where nobody says.
const pictureSize = 300

var errPicture = fault.Field("size", "invalid_size", fmt.Sprintf("size must be a whole number of pixels from %d to %d.", qr.MinPixels, qr.MaxPixels))

// picture answers with the code of a link's address. It is shown on merchants' pages and in
// their letters.
func (s *deposits) picture(c echo.Context) error {
	query := c.QueryParams()
	if len(query[s.Param]) != 1 || len(query["size"]) > 1 {
		return errUnknown
	}
	pixels := pictureSize
	if text := query.Get("size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(n) != text || n < qr.MinPixels || n > qr.MaxPixels {
			return errPicture
		}
		pixels = n
	}
	pm, err := s.called(c, query.Get(s.Param))
	if err != nil {
		return err
	}
	code, err := qr.Encode(s.BaseURL + s.Link(pm.Terms.Alias))
	if err != nil {
		return fmt.Errorf("make the code of a link: %w", err)
	}
	png, err := code.Picture(pixels)
	if errors.Is(err, qr.ErrPixels) {
		return errPicture
	}
	if err != nil {
		return fmt.Errorf("draw the code of a link: %w", err)
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "private, max-age=86400")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return c.Blob(http.StatusOK, "image/png", png)
}

// away takes the payer back to the merchant once there is an outcome, and to the
// link's page while there is none or the merchant has named no place.
func (s *deposits) away(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	to, err := s.Return(pm)
	if err != nil {
		return fmt.Errorf("where the payer goes: %w", err)
	}
	if to == "" || !outcome(pm) {
		return c.Redirect(http.StatusSeeOther, s.Link(pm.Terms.Alias))
	}
	return c.Redirect(http.StatusFound, to)
}

// outcome reports whether a payment has ended in a way that its payer brings to the
// merchant.
func outcome(pm *payment.Payment) bool {
	return pm.Standing.State == payment.Paid || pm.Standing.State == payment.Canceled && pm.Terms.CanceledBy == payment.ByPayer
}

// cancellable reports whether the way to call a payment off is shown.
func cancellable(pm *payment.Payment, announced string) bool {
	return pm.Terms.PayerCancels && pm.Standing.State == payment.Open && !pm.Part() && announced == ""
}

// ask answers with the question whether a link is to be called off; where that cannot be,
// with the link's page.
func (s *deposits) ask(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	if !cancellable(pm, "") {
		return c.Redirect(http.StatusSeeOther, s.Link(pm.Terms.Alias))
	}
	return s.question(c, http.StatusOK, pm, "")
}

func (s *deposits) question(c echo.Context, status int, pm *payment.Payment, trouble string) error {
	m, err := s.Directory.Merchant(c.Request().Context(), pm.Terms.Merchant)
	if err != nil {
		return err
	}
	return web.Page(c, status, templates.LinkCancel(&templates.CancelPage{
		Assets: s.Assets, Page: s.Link(pm.Terms.Alias), Path: s.path(pm.Terms.Alias), Sandbox: s.sandbox(pm), Merchant: m.Name,
		Amount: fiat(tally(pm).due) + " " + string(pm.Terms.Requests[0].Asset), Trouble: trouble,
	}))
}

// cancel calls a link off, and leads to where its payer goes then. Why it cannot be is said
// where that is not the link's page to say.
func (s *deposits) cancel(c echo.Context) error {
	pm, err := s.load(c)
	if err != nil {
		return err
	}
	err = s.Limits.Take(c, s.Limits.Page, "page", "")
	if err == nil {
		err = s.Checkout.CancelByPayer(c.Request().Context(), pm.ID)
	}
	if err == nil {
		return c.Redirect(http.StatusSeeOther, s.path(pm.Terms.Alias)+"/return")
	}
	switch f := fault.From(err); {
	case f.Kind == fault.Forbidden:
		return s.question(c, http.StatusForbidden, pm, templates.CancelNever)
	case f.Kind == fault.Conflict && f.Code == checkout.CodeInProgress:
		return s.question(c, http.StatusConflict, pm, templates.CancelComing)
	case f.Kind == fault.Conflict:
		return c.Redirect(http.StatusSeeOther, s.Link(pm.Terms.Alias))
	}
	return err
}
