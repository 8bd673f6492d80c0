package secpaid

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// unusedLinks lists a merchant's links that are not paid, the newest first.
func (d *dialect) unusedLinks(c echo.Context, r call) error {
	q := checkout.Listing{States: in(payment.Open, payment.Seen, payment.Failed, payment.Expired, payment.Canceled)}
	return list(d, c, r, q, func(l link) unusedWire { return l.unused(d.BaseURL) })
}

// usedLinks lists a merchant's links that were paid, the one that was paid last first.
func (d *dialect) usedLinks(c echo.Context, r call) error {
	return list(d, c, r, checkout.Listing{States: in(payment.Paid), ByPaid: true}, link.used)
}

func in(states ...payment.State) (out []checkout.StatePart) {
	for _, s := range states {
		out = append(out, checkout.StatePart{State: s})
	}
	return out
}

func list[T any](d *dialect, c echo.Context, r call, q checkout.Listing, word func(link) T) error {
	asked, err := parseLinkQuery(r.in)
	if err != nil {
		return err
	}
	q.Merchant, q.Dialect, q.Search, q.Limit = r.merchant, Name, asked.Search, asked.Limit
	found, _, err := d.Payments.List(c.Request().Context(), q)
	if err != nil {
		return err
	}
	out := []T{}
	for _, p := range found {
		l, err := linkOf(p)
		if err != nil {
			return err
		}
		if p.Standing.State == payment.Paid {
			if l.Status, err = d.afterPaid(c.Request().Context(), p); err != nil {
				return err
			}
		}
		out = append(out, word(l))
	}
	return answer(c, http.StatusOK, succeeded(out, saidListed, d.Now()))
}

// afterPaid is the status of a link that was paid: what its log tells of refunds decides.
func (d *dialect) afterPaid(ctx context.Context, p *payment.Payment) (string, error) {
	log, err := d.Payments.Events(ctx, p.ID)
	if err != nil {
		return "", err
	}
	return linkStatus(payment.Paid, false, p.GivenBack(log)), nil
}

// transactions lists the money that came in for a merchant's links, and what went back of
// it, the newest first. Of a split link the owner sees everybody's shares.
func (d *dialect) transactions(c echo.Context, r call) error {
	now := d.Now()
	asked, err := parseTransactionQuery(r.in, now)
	if err != nil {
		return err
	}
	q := checkout.IncomeQuery{
		Merchant: r.merchant, Dialect: Name, From: asked.From, To: asked.To, Search: asked.Search, Limit: asked.Limit, Offset: (asked.Page - 1) * asked.Limit,
	}
	if asked.Link != 0 {
		q.Alias = strconv.FormatInt(asked.Link, 10)
	}
	found, total, err := d.Payments.Income(c.Request().Context(), q)
	if err != nil {
		return err
	}
	out := []transactionWire{}
	for _, x := range found {
		w, err := row(x)
		if err != nil {
			return err
		}
		out = append(out, w)
	}
	return answer(c, http.StatusOK, countedWire[transactionWire]{Data: out, envelope: said(saidListed, now), TotalRecords: total})
}

// row words money that came, or went back.
func row(x checkout.Income) (transactionWire, error) {
	l, err := linkOf(x.Payment)
	if err != nil {
		return transactionWire{}, err
	}
	if t := x.Transfer; t != nil {
		status := "Success"
		if t.Stage != payment.Final {
			status = "Pending"
		}
		return l.transaction(l.whose(t.Request), money.WholeCents(t.Credit).Int64(), methodOf(t.Asset), status, x.At), nil
	}
	method := methodOf(asset.ID(x.Refund.Fields[payment.FieldAsset]))
	return l.refund(l.whose(x.Refund.Request), money.WholeCents(x.Payment.Back(*x.Refund)).Int64(), method, x.At), nil
}

// methodOf is how money moved, by what it was: banks move euros, and chains tokens.
func methodOf(moved asset.ID) string {
	if moved == asset.EUR {
		return methodBank
	}
	return methodCrypto
}
