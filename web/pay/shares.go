package pay

import (
	"context"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
)

// tokenMark stands between a payment and the asset that its payer has chosen, in the token
// of the page where a link that goes to several people is paid.
const tokenMark = "~"

// share is a link's payment as it is due in one asset: what is stored, and what was chosen.
type share struct {
	whole  *payment.Payment
	of     asset.ID
	option string // the way to pay it, while it is open
}

// tokenOf is the token of a page where a link is paid in an asset.
func tokenOf(pm *payment.Payment, of asset.ID) string {
	return string(pm.ID) + tokenMark + string(of)
}

// inAsset returns a payment as it is or was due in an asset. One that was never due in that
// asset is returned as it is, without a share: it has a page of its own.
//
// Faults: NotFound if there is no such asset, and for what cannot be due in one.
func (p *hosted) inAsset(whole *payment.Payment, of string) (*payment.Payment, *share, error) {
	token, listed := p.Checkout.Book().Token(asset.ID(of))
	if !listed || !whole.Terms.Quoted() || deleted(whole) || p.own[whole.Terms.Dialect].Path == nil {
		return nil, nil, errUnknown
	}
	in, ok := payment.LastInAsset(whole, token.ID, p.Now())
	if !ok {
		return whole, nil, nil
	}
	return in, &share{whole: whole, of: token.ID}, nil
}

// shared makes the page of a payment that of a share: it is paid by a wallet alone, at a
// price, and led to and away from by the link's own page.
//
// Faults: Unavailable "asset_unknown" if nothing is paid in the asset any more.
func (p *hosted) shared(ctx context.Context, v *templates.PayPage, part *share) error {
	whole := part.whole
	v.Data.Token, v.Again = tokenOf(whole, part.of), p.elsewhere(whole)
	v.Data.Safe, v.Data.Gasless, v.Data.Kits = "", "", map[string]string{}
	if whole.Terms.RedirectURL != "" {
		v.RedirectURL = p.BaseURL + p.own[whole.Terms.Dialect].Path(whole.Terms.Alias) + "/return"
	}
	if v.Data.ExpiresAt == instant(payment.Endless) {
		v.ExpiresAt = templates.Moment{}
	}
	sum := tally(whole)
	worth := fiat(sum.due)
	if sum.missing().Sign() > 0 {
		_, worth = sum.parts()
	}
	v.Worth = worth + " " + string(whole.Terms.Requests[0].Asset)
	if v.State != templates.StateOpen {
		return nil
	}
	options, err := p.Checkout.Offers(ctx, whole, rail.Payer{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(options, func(o rail.Option) bool { return o.Asset == part.of })
	if i < 0 {
		return fault.New(fault.Unavailable, "asset_unknown", "Nothing is paid in this currency here any more.")
	}
	part.option = options[i].ID
	return nil
}
