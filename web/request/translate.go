package request

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// draft turns a creation body into what the checkout needs.
func (d *Dialect) draft(ctx context.Context, who caller, in createBody) (checkout.Draft, error) {
	var none checkout.Draft
	switch {
	case len(in.Requests) == 0:
		return none, fault.Field("requests", "invalid_requests", "requests must hold at least one item.")
	case len(in.Requests) > 1:
		return none, fault.Field("requests", "batch_unsupported", "requests must hold one item: payments of several requests are not supported.")
	case in.AccessPolicy != nil:
		return none, fault.Field("accessPolicy", "access_policy_unsupported", "accessPolicy is not supported.")
	}
	out := checkout.Draft{Merchant: who.Merchant, Dialect: Name, ClientID: who.clientID, Origin: who.origin}
	var err error
	if out.Reference, err = text("reference", in.Reference); err != nil {
		return none, err
	}
	if out.PayerIdentifier, err = text("payerIdentifier", in.PayerIdentifier); err != nil {
		return none, err
	}
	if out.RedirectURL, out.RedirectLabel, err = redirect(in.RedirectURL, in.RedirectLabel); err != nil {
		return none, err
	}
	if out.ExpiresAt, err = expiry(in.ExpiresAt); err != nil {
		return none, err
	}
	if out.Window, err = d.window(ctx, who); err != nil {
		return none, err
	}
	fee, err := parseFee(in.FeePercentage, in.FeeAddress)
	if err != nil {
		return none, err
	}
	if fee != nil && who.clientID != "" {
		return none, fault.New(fault.Forbidden, "fee_not_allowed", "A client id cannot set a fee.").At("feePercentage")
	}
	for i, r := range in.Requests {
		made, err := d.request(ctx, who, fmt.Sprintf("requests[%d]", i), r)
		if err != nil {
			return none, err
		}
		made.Fee = fee
		out.Requests = append(out.Requests, made)
	}
	return out, nil
}

// window is how long the merchant's payments may be paid, 0 for the server's default.
func (d *Dialect) window(ctx context.Context, who caller) (time.Duration, error) {
	m, err := d.Directory.Merchant(ctx, who.Merchant)
	return m.Window, err
}

// request finds payee, asset and amount of one item.
func (d *Dialect) request(ctx context.Context, who caller, path string, in requestBody) (checkout.DraftRequest, error) {
	var out checkout.DraftRequest
	var err error
	switch {
	case in.DestinationID != nil:
		if in.Payee != nil || in.PaymentCurrency != nil || in.InvoiceCurrency != nil {
			return out, fault.Field(path, "ambiguous_destination", "Give destinationId or payee and paymentCurrency, not both.")
		}
		out.Payee, out.Token, err = d.destination(path+".destinationId", *in.DestinationID)
	case in.Payee != nil || in.PaymentCurrency != nil:
		out.Payee, out.Token, err = d.legacy(path, in)
	default:
		out.Payee, out.Token, err = d.ownDestination(ctx, who)
		if who.clientID != "" && fault.Is(err, fault.Invalid) {
			err = errUnbound
		}
	}
	if err == nil && who.clientID != "" {
		err = d.sameDestination(ctx, who, out)
	}
	if err != nil {
		return out, err
	}
	if in.Amount == nil {
		return out, fault.Field(path+".amount", "missing_amount", "amount is required.")
	}
	out.Amount, err = money.Parse(*in.Amount, out.Token.Decimals)
	switch {
	case errors.Is(err, money.ErrPrecision):
		return out, fault.Field(path+".amount", "too_precise", fmt.Sprintf("amount has more than the %d decimal places of %s.", out.Token.Decimals, out.Token.Symbol))
	case errors.Is(err, money.ErrTooLarge):
		return out, fault.Field(path+".amount", "amount_too_large", "amount is too large.")
	case err != nil:
		return out, fault.Field(path+".amount", "invalid_amount", "amount must be a plain decimal number as a string, like \"10.50\".")
	case out.Amount.Sign() == 0:
		return out, fault.Field(path+".amount", "invalid_amount", "amount must be greater than zero.")
	}
	return out, nil
}

// placeholders are the checksums that the vendor's examples put on these
// addresses; the right ones differ (see docs/divergences.md).
var placeholders = map[string]string{
	"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7@11155111": "80B12379",
	"0x742d35Cc6634C0532925a3b844Bc454e4438f44e@1":        "4CA88C9C",
}

func (d *Dialect) destination(field, id string) (asset.Address, asset.Token, error) {
	dest, err := asset.ParseDestination(id)
	if wrong, ok := errors.AsType[*asset.ChecksumError](err); ok {
		known := placeholders[fmt.Sprintf("%s@%d", dest.Wallet, dest.Chain)]
		if !d.PlaceholderChecksums || !strings.EqualFold(known, wrong.Got) {
			return asset.Address{}, asset.Token{}, fault.Field(field, "wrong_checksum", "Invalid destination ID format: "+wrong.Error()+".")
		}
	} else if err != nil {
		return asset.Address{}, asset.Token{}, fault.Field(field, "invalid_destination", "Invalid destination ID format: "+err.Error()+".")
	}
	token, err := d.tokenAt(field, dest.Chain, dest.Token)
	return dest.Wallet, token, err
}

func (d *Dialect) tokenAt(field string, chain asset.ChainID, a asset.Address) (asset.Token, error) {
	book := d.Checkout.Book()
	if _, ok := book.Chain(chain); !ok {
		return asset.Token{}, fault.Field(field, "unsupported_chain", fmt.Sprintf("Chain %d is not supported here.", chain))
	}
	token, ok := book.TokenAt(chain, a)
	if !ok {
		return asset.Token{}, fault.Field(field, "unsupported_token", fmt.Sprintf("Token %s is not supported on chain %d.", a, chain))
	}
	return token, nil
}

func (d *Dialect) legacy(path string, in requestBody) (asset.Address, asset.Token, error) {
	var zero asset.Address
	switch {
	case in.Payee == nil:
		return zero, asset.Token{}, fault.Field(path+".payee", "missing_payee", "payee is required with paymentCurrency.")
	case in.PaymentCurrency == nil:
		return zero, asset.Token{}, fault.Field(path+".paymentCurrency", "missing_currency", "paymentCurrency is required with payee.")
	case in.InvoiceCurrency != nil && !strings.EqualFold(*in.InvoiceCurrency, *in.PaymentCurrency):
		return zero, asset.Token{}, fault.Field(path+".invoiceCurrency", "conversion_unsupported", "invoiceCurrency must equal paymentCurrency.")
	}
	payee, err := asset.ParseAddress(*in.Payee)
	if err != nil {
		return zero, asset.Token{}, fault.Field(path+".payee", "invalid_payee", "payee is "+err.Error()+".")
	}
	token, ok := d.Checkout.Book().Token(asset.ID(*in.PaymentCurrency))
	if !ok {
		return zero, asset.Token{}, fault.Field(path+".paymentCurrency", "unsupported_currency", "paymentCurrency is not supported here.")
	}
	return payee, token, nil
}

// ownDestination is the merchant's one active destination.
func (d *Dialect) ownDestination(ctx context.Context, who caller) (asset.Address, asset.Token, error) {
	active, err := d.Directory.Destinations(ctx, who.Merchant)
	if err != nil {
		return asset.Address{}, asset.Token{}, err
	}
	if len(active) != 1 {
		return asset.Address{}, asset.Token{}, fault.Field("requests[0].destinationId", "no_destination",
			fmt.Sprintf("destinationId is required: there are %d active payment destinations to choose from.", len(active)))
	}
	token, err := d.tokenAt("requests[0].destinationId", active[0].To.Chain, active[0].To.Token)
	return active[0].To.Wallet, token, err
}

var errUnbound = fault.New(fault.Forbidden, "no_destination", "This client id has no payment destination.")

// sameDestination holds a client id to its merchant's destination: the id is
// public, and whoever reads it off a page must not name another payee.
func (d *Dialect) sameDestination(ctx context.Context, who caller, got checkout.DraftRequest) error {
	payee, token, err := d.ownDestination(ctx, who)
	if fault.Is(err, fault.Invalid) {
		return errUnbound
	}
	if err != nil {
		return err
	}
	if payee != got.Payee || token.ID != got.Token.ID {
		return fault.New(fault.Forbidden, "destination_mismatch", "Destination does not match the configured payment destination.")
	}
	return nil
}

func parseFee(percentage, address *string) (*checkout.DraftFee, error) {
	switch {
	case percentage == nil && address == nil:
		return nil, nil
	case percentage == nil:
		return nil, fault.Field("feePercentage", "missing_fee_percentage", "feePercentage is required with feeAddress.")
	case address == nil:
		return nil, fault.Field("feeAddress", "missing_fee_address", "feeAddress is required with feePercentage.")
	}
	share, err := money.ParsePercent(*percentage)
	if err != nil {
		return nil, fault.Field("feePercentage", "invalid_fee_percentage", "feePercentage must be a number from 0 to 100 with at most 2 decimals, as a string.")
	}
	to, err := asset.ParseAddress(*address)
	if err != nil || to.IsZero() {
		return nil, fault.Field("feeAddress", "invalid_fee_address", "feeAddress must be an EVM address other than zero.")
	}
	if share == 0 {
		return nil, nil
	}
	return &checkout.DraftFee{Share: share, Payee: to}, nil
}

func text(field string, v *string) (string, error) {
	if v == nil {
		return "", nil
	}
	if n := utf8.RuneCountInString(*v); n < 1 || n > 255 {
		return "", fault.Field(field, "invalid_length", field+" must have 1 to 255 characters.")
	}
	return *v, nil
}

func redirect(link, label *string) (string, string, error) {
	if link == nil {
		if label != nil {
			return "", "", fault.Field("redirectLabel", "label_without_url", "redirectLabel cannot be provided without redirectUrl")
		}
		return "", "", nil
	}
	u, err := url.Parse(*link)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		strings.ContainsAny(*link, "<>\"'`\\ \t\r\n") || len(*link) > 2048 {
		return "", "", fault.Field("redirectUrl", "unsafe_url", "redirectUrl must be a safe http(s) URL with no script/HTML payload")
	}
	words, err := text("redirectLabel", label)
	if err != nil {
		return "", "", err
	}
	if strings.ContainsAny(words, "<>&\"'`") {
		return "", "", fault.Field("redirectLabel", "unsafe_label", "redirectLabel must not contain any of < > & \" ' `.")
	}
	return *link, words, nil
}

func expiry(v *string) (time.Time, error) {
	if v == nil {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, *v)
	if err != nil {
		return time.Time{}, fault.Field("expiresAt", "invalid_expiry", "expiresAt must be a time like 2026-03-22T10:00:00Z.")
	}
	return at, nil
}

// intended checks the body of an intent.
func (d *Dialect) intended(p *payment.Payment, in intentBody) (asset.ChainID, rail.Payer, error) {
	var payer rail.Payer
	if in.SafeTxHash != "" || in.SafePaymentDeadline != nil {
		return 0, payer, fault.Field("safeTxHash", "unsupported_safe", "Paying from a Safe is not supported.")
	}
	if in.TxHash == "" {
		return 0, payer, fault.Field("txHash", "missing_tx_hash", "txHash is required.")
	}
	chain, ok := d.Checkout.Book().Network(in.Chain)
	if !ok || in.Chain != chain.Selector {
		return 0, payer, fault.Field("chain", "unknown_chain", "chain is required and must be one of the supported chains, like BASE.")
	}
	token, _ := d.Checkout.Book().Token(p.Terms.Requests[0].Asset)
	if chain.ID != token.Chain || !strings.EqualFold(in.Token, token.Symbol) {
		return 0, payer, fault.Field("token", "unsupported_route", "This payment can be made from its own chain and asset only.")
	}
	if in.PayerAddress != nil {
		a, err := asset.ParseAddress(*in.PayerAddress)
		if err != nil {
			return 0, payer, fault.Field("payerAddress", "invalid_wallet", "payerAddress is "+err.Error()+".")
		}
		payer.Wallet = a
	}
	return chain.ID, payer, nil
}
