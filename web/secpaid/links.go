package secpaid

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// createLink makes a link for one recipient.
func (d *dialect) createLink(c echo.Context, r call) error { return d.create(c, r, parseOrder) }

// createSplitLink makes a link whose money is shared out by a contract as it is paid.
func (d *dialect) createSplitLink(c echo.Context, r call) error {
	return d.create(c, r, parseSplitOrder)
}

func (d *dialect) create(c echo.Context, r call, parse func(input, account, func(string) bool) (order, error)) error {
	ctx := c.Request().Context()
	once, leave, err := d.once(c, r)
	if err != nil {
		return err
	}
	defer leave()
	if once != nil {
		if first, err := d.Checkout.Replay(ctx, *once); err != nil || first != nil {
			return done(c, first, true, err)
		}
	}
	a, err := d.account(ctx, r.merchant)
	if err != nil {
		return err
	}
	o, err := parse(r.in, a, d.may)
	if err != nil {
		return err
	}
	draft, err := d.draft(ctx, a, o)
	if err != nil {
		return err
	}
	var made checkout.Answer
	replayed := false
	err = named(newLink, func(alias string) (err error) {
		draft.Alias = alias
		made, replayed, err = d.Checkout.Create(ctx, draft, once, func(p *payment.Payment) (checkout.Answer, error) {
			b, err := d.told(a, o, p)
			return checkout.Answer{Status: http.StatusOK, Body: b}, err
		})
		return err
	})
	if fault.CodeOf(err) == errNoWay.Code {
		err = errNoWay.Because(err)
	}
	return done(c, &made, replayed, err)
}

// may reports whether the server itself may call a URL, by what it says: what its host's
// name leads to is judged at each call.
func (d *dialect) may(url string) bool { return d.Guard.Check(url) == nil }

// draft is the payment that a link is.
//
// Faults: those of divide and of wallets.
func (d *dialect) draft(ctx context.Context, a account, o order) (checkout.Draft, error) {
	draft := checkout.Draft{
		Merchant: a.Merchant, Dialect: Name, Reference: strings.Join(strings.Fields(o.Note), " "), RedirectURL: o.Redirect,
		Exact: true, Endless: true, PayerCancels: o.Cancellable, Secret: o.Key,
	}
	var shares []share
	if o.Split == nil {
		one := checkout.DraftRequest{Fiat: asset.EUR, Amount: money.Cents(o.Cents)}
		if o.Transfer {
			one.Bank = &payment.BankTransfer{Holder: a.Bank.Holder, Account: a.Bank.IBAN, BIC: a.Bank.BIC, Words: o.Statement}
		}
		draft.Requests = []checkout.DraftRequest{one}
	} else {
		var err error
		if shares, err = o.Split.divide(o.Cents, a.Merchant, func(token string) (payment.MerchantID, bool, error) { return d.recipient(ctx, token) }); err != nil {
			return draft, err
		}
		if draft.Requests, err = d.shared(ctx, shares, len(o.Split.Recipients)); err != nil {
			return draft, err
		}
	}
	var err error
	draft.Metadata, err = o.keep(shares)
	return draft, err
}

// tries is how many ids are drawn for one link. That one is taken happens once in 10^10 links
// where there are a million.
const tries = 3

// named makes something under an id that is drawn for it, and under another one if make says
// that it is taken.
func named(draw func() int64, make func(alias string) error) (err error) {
	for range tries {
		if err = make(strconv.FormatInt(draw(), 10)); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return err
}

// told is the answer to a creation. It alone has recipients as they were sent, with their
// tokens; it is kept sealed for repeats.
func (d *dialect) told(a account, o order, p *payment.Payment) ([]byte, error) {
	l, err := linkOf(p)
	if err != nil {
		return nil, err
	}
	l.Owner = a
	if o.Split != nil {
		if l.Recipients, err = o.Split.listed(); err != nil {
			return nil, err
		}
	}
	return encode(succeeded(l.created(d.BaseURL), saidCreated, p.Terms.CreatedAt))
}

// deleteLink takes a link away that nobody has paid, for good: its page is gone.
func (d *dialect) deleteLink(c echo.Context, r call) error {
	return d.change(c, r, func(ctx context.Context) (any, error) {
		id, err := parseDeletion(r.in)
		if err != nil {
			return nil, err
		}
		p, err := d.owned(ctx, r.merchant, id)
		if err != nil {
			return nil, err
		}
		if err := d.Checkout.Delete(ctx, r.merchant, p.ID); err != nil {
			return nil, settled(err)
		}
		return said(saidDeleted, d.Now()), nil
	})
}

// settled puts the faults of links that are over, or nobody's, into this API's words.
func settled(err error) error {
	var f *fault.Error
	switch {
	case !errors.As(err, &f):
		return err
	case f.Kind == fault.NotFound:
		return errLink.Because(err)
	case f.Kind == fault.Conflict && f.Code == checkout.CodeCanceled:
		return errLinkCancelled.Because(err)
	case f.Kind == fault.Conflict:
		return errLinkUsed.Because(err)
	case f.Code == checkout.CodeNoBank:
		return errNoTransfer.Because(err)
	case f.Code == checkout.CodeMoreThanMissing:
		return errMoreThanMissing.Because(err)
	}
	return err
}

// owned finds a merchant's link by its id. Another merchant's is none, and so is one that was
// deleted.
//
// Fault: NotFound "unknown_link".
func (d *dialect) owned(ctx context.Context, m payment.MerchantID, id int64) (*payment.Payment, error) {
	p, err := d.Checkout.PaymentByAlias(ctx, Name, strconv.FormatInt(id, 10))
	if fault.Is(err, fault.NotFound) {
		return nil, errLink
	}
	if err != nil {
		return nil, err
	}
	if p.Terms.Merchant != m || p.Terms.CanceledBy == payment.ByDeletion {
		return nil, errLink
	}
	return p, nil
}

// confirm records that the merchant has seen a bank transfer for a link on the own account.
func (d *dialect) confirm(c echo.Context, r call) error {
	return d.change(c, r, func(ctx context.Context) (any, error) {
		id, err := parseDeletion(r.in)
		if err != nil {
			return nil, err
		}
		cents, err := r.in.amount()
		if err != nil {
			return nil, err
		}
		p, err := d.owned(ctx, r.merchant, id)
		if err != nil {
			return nil, err
		}
		if _, err := d.Checkout.Confirm(ctx, r.merchant, p.ID, cents, d.Now()); err != nil {
			return nil, settled(err)
		}
		if p, err = d.owned(ctx, r.merchant, id); err != nil {
			return nil, err
		}
		return succeeded(confirmedWire{ID: id, Status: linkStatus(p.Standing.State, false, false)}, saidConfirmed, d.Now()), nil
	})
}
