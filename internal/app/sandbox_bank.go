//go:build !nosandbox

package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/checkout"
	"quittance/internal/desk"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/templates"
	"quittance/web"
	"quittance/web/secpaid"
)

// The payers' bank of the demo: a page, where statements are read in, and the statements
// that it writes.
const (
	bankPath      = "/sandbox/bank"
	importPath    = bankPath + "/import"
	statementPath = "/sandbox/statement"
)

// shownBookings is how many the bank's page lists.
const shownBookings = 50

// playedBank is the payers' bank of the demo's merchant.
type playedBank struct {
	app      *App
	assets   templates.Assets
	css      string // a style sheet beside the pages'
	merchant payment.MerchantID
}

// sandboxBank serves the payers' bank for a merchant of the demo.
func sandboxBank(a *App, assets templates.Assets, css string, m payment.MerchantID) {
	b := playedBank{a, assets, css, m}
	e := a.Server.Echo
	with := []echo.MiddlewareFunc{a.Server.Faults(b.fault), ownHost, a.Server.SameOrigin, a.Server.Bounded}
	e.GET(bankPath, func(c echo.Context) error { return b.page(c, http.StatusOK, templates.SandboxBankView{}) }, with...)
	e.GET(statementPath, b.statement, with...)
	e.POST(importPath, b.take, with...)
}

// forPeople reports whether a page is wanted, and no data.
func forPeople(c echo.Context) bool {
	return strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html")
}

func (b playedBank) fault(c echo.Context, f *fault.Error) error {
	if forPeople(c) {
		return b.page(c, web.StatusOf(f.Kind), templates.SandboxBankView{Problem: f.Public})
	}
	return c.JSON(web.StatusOf(f.Kind), map[string]string{"error": f.Code, "field": f.Field, "message": f.Public})
}

// page shows the bank. What was typed stays.
func (b playedBank) page(c echo.Context, status int, v templates.SandboxBankView) error {
	ctx := context.WithoutCancel(c.Request().Context()) // that a request took too long must be shown, too
	account, err := b.app.Store.BankAccount(ctx, b.merchant)
	if err != nil && !fault.Is(err, fault.NotFound) { // it can be closed, as any other
		return err
	}
	all, err := b.app.Store.Bookings(ctx, checkout.BookingQuery{Merchant: b.merchant, Limit: shownBookings})
	if err != nil {
		return err
	}
	v.CSS, v.Account, v.Holder = b.css, cmp.Or(bank.IBAN(account.IBAN).Grouped(), "none"), account.Holder
	v.Import, v.Statement, v.Versions = importPath, statementPath, []string{string(camt.V08), string(camt.V02)}
	v.Link, v.Amount, v.Text = c.FormValue("link_id"), c.FormValue("amount"), c.FormValue("text")
	for _, x := range all {
		if v.Bookings, err = b.shown(ctx, v.Bookings, x); err != nil {
			return err
		}
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return web.Page(c, status, templates.SandboxBank(b.assets, v))
}

// shown appends a booking as the page has it.
func (b playedBank) shown(ctx context.Context, to []templates.SandboxBooking, x checkout.Booking) ([]templates.SandboxBooking, error) {
	s := templates.SandboxBooking{
		Amount: shownEuros(x.Cents), Day: x.Booked.Format(time.DateOnly), Text: x.Text, Outcome: x.Outcome, Sentence: desk.Says(x.Outcome),
	}
	if x.Payment != "" {
		p, err := b.app.Checkout.Payment(ctx, x.Payment)
		if err != nil {
			return to, err
		}
		if p.Terms.Dialect == secpaid.Name {
			s.Link = secpaid.Link(p.Terms.Alias)
		}
	}
	return append(to, s), nil
}

// shownEuros writes cents for people: "1,049.99 EUR".
func shownEuros(cents int64) string { return money.Display(big.NewInt(cents), 2) + " EUR" }

func (b playedBank) statement(c echo.Context) error {
	file, err := playStatement(c.Request().Context(), b.app, b.merchant, playedTransfer{
		LinkID: c.QueryParam("link_id"), Amount: c.QueryParam("amount"), Text: c.QueryParam("text"), Version: c.QueryParam("version"),
	})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentDisposition, `attachment; filename="statement.xml"`)
	h.Set(echo.HeaderCacheControl, "no-store")
	return c.Blob(http.StatusOK, "application/xml", file)
}

// take imports a statement: one that is sent, or one that is written for a transfer.
func (b playedBank) take(c echo.Context) error {
	file, err := b.file(c)
	if err != nil {
		return err
	}
	s, err := b.app.ImportStatement(c.Request().Context(), b.merchant, file, false)
	if err != nil {
		return err
	}
	if !forPeople(c) {
		return c.JSON(http.StatusOK, importedOf(s))
	}
	v := templates.SandboxBankView{Title: "Read just now"}
	for _, x := range s.Bookings {
		if v.Said, err = b.shown(c.Request().Context(), v.Said, x.Booking); err != nil {
			return err
		}
	}
	for _, x := range s.Skipped {
		v.Said = append(v.Said, templates.SandboxBooking{Amount: x.Amount, Day: x.Place, Outcome: string(x.Why), Sentence: "was passed over: " + string(x.Why)})
	}
	return b.page(c, http.StatusOK, v)
}

// file is the statement that a request brings, or asks for by a link and an amount.
func (b playedBank) file(c echo.Context) (io.Reader, error) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, camt.MaxBytes+maxControlForm)
	kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil {
		return nil, fault.New(fault.Invalid, web.CodeMedia, "Say what is sent: a form, JSON or XML.")
	}
	var w playedTransfer
	switch kind {
	case echo.MIMEMultipartForm:
		if err := r.ParseMultipartForm(maxControlForm); err != nil {
			return nil, unreadForm(err)
		}
		if f, _, err := r.FormFile("file"); err == nil {
			b, err := io.ReadAll(f)
			return bytes.NewReader(b), errors.Join(err, f.Close(), r.MultipartForm.RemoveAll())
		}
		w = formOf(c)
	case echo.MIMEApplicationForm:
		if err := r.ParseForm(); err != nil {
			return nil, unreadForm(err)
		}
		w = formOf(c)
	case echo.MIMEApplicationJSON:
		if w, err = web.Read[playedTransfer](c, maxControlForm); err != nil {
			return nil, err
		}
	default:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, unreadForm(err)
		}
		return bytes.NewReader(b), nil
	}
	written, err := playStatement(r.Context(), b.app, b.merchant, w)
	return bytes.NewReader(written), err
}

// maxControlForm bounds a form without its file, in bytes.
const maxControlForm = 64 << 10

func formOf(c echo.Context) playedTransfer {
	return playedTransfer{LinkID: c.FormValue("link_id"), Amount: c.FormValue("amount"), Text: c.FormValue("text"), Version: c.FormValue("version")}
}

func unreadForm(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return fault.New(fault.TooLarge, "body_too_large", "The file is too large.").At("file")
	}
	return fault.New(fault.Invalid, "unreadable_body", "The form could not be read.").Because(err)
}

// importedWire is what the demo answers programs that import.
type importedWire struct {
	Bookings []importedBooking `json:"bookings"`
	Skipped  []importedSkipped `json:"skipped"`
}

type importedBooking struct {
	Key     string `json:"key"`
	Amount  string `json:"amount"`
	Outcome string `json:"outcome"`
	Counts  bool   `json:"counts"`
	Says    string `json:"says"`
	Payment string `json:"payment,omitempty"`
}

type importedSkipped struct {
	Place string `json:"place"`
	Why   string `json:"why"`
}

func importedOf(s desk.Statement) importedWire {
	w := importedWire{Bookings: []importedBooking{}, Skipped: []importedSkipped{}}
	for _, x := range s.Bookings {
		w.Bookings = append(w.Bookings, importedBooking{x.Key, fmt.Sprintf("%d.%02d", x.Cents/100, x.Cents%100), x.Outcome, x.Counts, x.Says(), string(x.Payment)})
	}
	for _, x := range s.Skipped {
		w.Skipped = append(w.Skipped, importedSkipped{x.Place, string(x.Why)})
	}
	return w
}
