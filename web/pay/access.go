package pay

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/templates"
	"quittance/web"
)

// restricted reports whether only some wallets may pay. A list of accounts binds
// payers of links and not of payouts.
func restricted(t payment.Terms) bool {
	return t.Access.Screen || (len(t.Access.Allowed) > 0 && t.Flow != payment.PayOut)
}

// veils reports whether a payment is to be shown to wallets that were let in only.
func veils(pm *payment.Payment) bool {
	return pm.Terms.Access.HideUntilApproved && restricted(pm.Terms)
}

// veiled reports whether a payment is hidden from this browser, which has shown no wallet
// that was let in.
func (p *hosted) veiled(r *http.Request, pm *payment.Payment) bool {
	return veils(pm) && p.Sessions.Admitted(r, string(pm.ID)) == ""
}

// locked answers with a page that says nothing but where a payment stands, or
// reports that its page may be shown. A wallet that was let in once is looked at
// again: lists of refused accounts grow.
func (p *hosted) locked(ctx context.Context, c echo.Context, pm *payment.Payment) (bool, error) {
	if !p.veiled(c.Request(), pm) {
		if !veils(pm) {
			return false, nil
		}
		wallet, err := asset.ParseAddress(p.Sessions.Admitted(c.Request(), string(pm.ID)))
		if err != nil {
			return false, err
		}
		a, err := p.Checkout.Admit(ctx, pm, wallet)
		if err != nil && !fault.Is(err, fault.Limited) {
			return false, err
		}
		if a.Admitted() {
			return false, nil
		}
	}
	chain, err := p.chainOf(pm)
	if err != nil {
		return false, err
	}
	state := stateOf(pm)
	return true, web.Page(c, pageStatus(state), templates.Locked(&templates.LockedPage{
		Assets: p.Assets, State: state, Sandbox: chain.Sandbox,
		Data: templates.LockedData{Token: string(pm.ID), State: state, Locked: true},
	}))
}

type accessBody struct {
	Wallet string `json:"wallet"`
}

// accessAnswer is the Request dialect's accessDecision without the details that
// are for the merchant.
type accessAnswer struct {
	Status     string `json:"status"`
	ReasonCode string `json:"reasonCode"`
	Provider   string `json:"provider"`
}

// access tells whether a wallet may see and pay a payment, and remembers one
// that was let in where the page is hidden otherwise.
func (p *hosted) access(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	in, err := web.Read[accessBody](c, 1<<10)
	if err != nil {
		return err
	}
	wallet, err := asset.ParseAddress(in.Wallet)
	if err != nil || wallet.IsZero() {
		return fault.Field("wallet", "invalid_wallet", "wallet must be an EVM address.").Because(err)
	}
	a, err := p.Checkout.Admit(c.Request().Context(), pm, wallet)
	if err != nil {
		return err
	}
	if a.Admitted() && pm.Terms.Access.HideUntilApproved && restricted(pm.Terms) {
		if err := p.Sessions.Admit(c.Response(), c.Request(), string(pm.ID), wallet.String()); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, accessAnswer{Status: string(a.Verdict), ReasonCode: a.Reason, Provider: a.Provider})
}
