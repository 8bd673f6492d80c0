package request

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/web"
)

// payout makes a link over which the merchant, or whoever has it, pays a
// recipient. A client id is public and makes none: its holder could ask anybody
// to pay anyone in the merchant's name.
func (d *dialect) payout(c echo.Context) error {
	return payoutField(d.make(c, func(ctx context.Context, who caller, body []byte) (checkout.Draft, error) {
		if who.clientID != "" {
			return checkout.Draft{}, fault.New(fault.Forbidden, "payouts_not_allowed", "Platform is not allowed to create payouts")
		}
		var in payoutBody
		if err := web.Decode(body, &in); err != nil {
			return checkout.Draft{}, err
		}
		return d.payoutDraft(ctx, who, in)
	}))
}

// payoutField names the members of a payout where the checkout names those of
// the request that was made of it.
func payoutField(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	switch f.Field {
	case "requests[0].payee":
		return f.At("recipient")
	case "requests[0].amount":
		return f.At("amount")
	case "requests":
		return f.At("currency")
	}
	return err
}

// payoutDraft turns the body of a payout into what the checkout needs.
func (d *dialect) payoutDraft(ctx context.Context, who caller, in payoutBody) (checkout.Draft, error) {
	m, err := d.Directory.Merchant(ctx, who.Merchant)
	if err != nil {
		return checkout.Draft{}, err
	}
	out, err := d.common(who, m, in.Shared)
	if err != nil {
		return out, err
	}
	out.Flow = payment.PayOut
	if out.RecipientIdentifier, err = text("recipientIdentifier", in.RecipientIdentifier); err != nil {
		return out, err
	}
	made, err := d.payoutRequest(in)
	if err != nil {
		return out, err
	}
	if out.Creator, err = requiredAccount("creatorWalletAddress", in.CreatorWalletAddress); err != nil {
		return out, err
	}
	if made.Fee, err = d.fee(who, in.Shared); err != nil {
		return out, err
	}
	out.Requests = []checkout.DraftRequest{made}
	out.Access, err = d.parseAccess("accessPolicy", in.Shared.AccessPolicy, m.Access)
	// Lists of payers are for links that get the merchant paid.
	out.Access.Allowed = nil
	return out, err
}

func (d *dialect) payoutRequest(in payoutBody) (checkout.DraftRequest, error) {
	var out checkout.DraftRequest
	switch {
	case in.Network == nil:
		return out, fault.Field("network", "missing_network", "network is required.")
	case in.Currency == nil:
		return out, fault.Field("currency", "missing_currency", "currency is required.")
	case in.Amount == nil:
		return out, fault.Field("amount", "missing_amount", "amount is required.")
	case strings.EqualFold(*in.Network, "tron"):
		return out, fault.Field("network", "tron_unsupported", "network: payouts on Tron are not supported here.")
	}
	chain, ok := d.Checkout.Book().Network(*in.Network)
	if !ok {
		return out, fault.Field("network", "unsupported_network", "network is not supported here.")
	}
	if out.Token, ok = d.Checkout.Book().Token(asset.ID(*in.Currency)); !ok {
		return out, fault.Field("currency", "unsupported_currency", "currency is not supported here: it must be a symbol and a network, like USDC-base.")
	}
	if out.Token.Chain != chain.ID {
		return out, fault.Field("currency", "unsupported_currency", fmt.Sprintf("currency %s is not on the network %s.", out.Token.ID, chain.Network))
	}
	var err error
	if out.Payee, err = requiredAccount("recipient", in.Recipient); err != nil {
		return out, err
	}
	out.Amount, err = amount("amount", *in.Amount, out.Token)
	return out, err
}

// requiredAccount reads a required EVM account other than zero.
func requiredAccount(field string, text *string) (asset.Address, error) {
	if text == nil {
		return asset.Address{}, fault.Field(field, "missing_address", field+" is required.")
	}
	if tronAddress(*text) {
		return asset.Address{}, fault.Field(field, "tron_unsupported", field+" is a Tron address: payments on Tron are not supported here.")
	}
	a, err := asset.ParseAddress(*text)
	if err != nil {
		return a, fault.Field(field, "invalid_address", field+" is "+err.Error()+".")
	}
	if a.IsZero() {
		return a, fault.Field(field, "invalid_address", field+" is the zero address, which cannot be paid.")
	}
	return a, nil
}
