package request

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
)

// draft turns a creation body into what the checkout needs.
func (d *dialect) draft(ctx context.Context, who caller, in createBody) (checkout.Draft, error) {
	var none checkout.Draft
	switch {
	case len(in.Requests) == 0:
		return none, fault.Field("requests", "invalid_requests", "requests must hold at least one item.")
	case len(in.Requests) > checkout.MaxRequests:
		return none, fault.Field("requests", "too_many_requests", fmt.Sprintf("requests must hold at most %d items.", checkout.MaxRequests))
	}
	if err := noTron(in.Requests); err != nil {
		return none, err
	}
	m, err := d.Directory.Merchant(ctx, who.Merchant)
	if err != nil {
		return none, err
	}
	out, err := d.common(who, m, in.Shared)
	if err != nil {
		return none, err
	}
	if out.PayerIdentifier, err = text("payerIdentifier", in.PayerIdentifier); err != nil {
		return none, err
	}
	fee, err := d.fee(who, in.Shared)
	if err != nil {
		return none, err
	}
	own := d.ownDestination(ctx, who)
	for i, r := range in.Requests {
		made, err := d.request(who, fmt.Sprintf("requests[%d]", i), r, own)
		if err != nil {
			return none, err
		}
		made.Fee = fee
		out.Requests = append(out.Requests, made)
	}
	base, err := d.baseAccess(ctx, m, out.Requests)
	if err != nil {
		return none, err
	}
	if out.Access, err = d.parseAccess("accessPolicy", in.Shared.AccessPolicy, base); err == nil && who.clientID != "" {
		err = noLooser(out.Access, base)
	}
	return out, err
}

// common reads what creations of all kinds have.
func (d *dialect) common(who caller, m merchant.Merchant, in shared) (checkout.Draft, error) {
	out := checkout.Draft{Merchant: who.Merchant, Dialect: Name, ClientID: who.clientID, Origin: who.origin, Window: m.Window}
	var err error
	if out.Reference, err = text("reference", in.Reference); err != nil {
		return out, err
	}
	if out.RedirectURL, out.RedirectLabel, err = redirect(in.RedirectURL, in.RedirectLabel); err != nil {
		return out, err
	}
	out.ExpiresAt, err = expiry(in.ExpiresAt)
	return out, err
}

// tronChain is the CAIP-2 reference of Tron in destination ids.
const tronChain = "eip155:728126428"

func (r requestBody) tron() bool {
	if r.DestinationID != nil {
		wallet, rest, _ := strings.Cut(*r.DestinationID, "@")
		return tronAddress(wallet) || strings.HasPrefix(rest, tronChain+"#") || strings.HasPrefix(rest, tronChain+":")
	}
	return (r.Payee != nil && tronAddress(*r.Payee)) ||
		(r.PaymentCurrency != nil && strings.HasSuffix(strings.ToLower(*r.PaymentCurrency), "-tron"))
}

// noTron refuses what would have to be paid on Tron, with the documented words
// for several requests.
func noTron(requests []requestBody) error {
	for i, r := range requests {
		switch {
		case !r.tron():
		case len(requests) > 1:
			return fault.Field("requests", "tron_batch_unsupported", "Batch payments are not supported for TRON networks. Please submit individual payment requests.")
		default:
			return fault.Field(fmt.Sprintf("requests[%d].destinationId", i), "tron_unsupported", "Payments on Tron are not supported here.")
		}
	}
	return nil
}

// request finds payee, asset and amount of one item.
func (d *dialect) request(who caller, path string, in requestBody, own ownFunc) (checkout.DraftRequest, error) {
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
		out.Payee, out.Token, err = own(path + ".destinationId")
	}
	if err == nil && who.clientID != "" {
		err = sameDestination(path, own, out)
	}
	if err == nil && in.Payee == nil && (out.Payee.IsZero() || out.Payee == out.Token.Address) {
		err = fault.Field(path+".destinationId", "invalid_destination", "The destination's wallet cannot be paid: it is the zero address or the token's own contract.")
	}
	if err != nil {
		return out, err
	}
	if in.Amount == nil {
		return out, fault.Field(path+".amount", "missing_amount", "amount is required.")
	}
	out.Amount, err = amount(path+".amount", *in.Amount, out.Token)
	return out, err
}

// amount reads an amount of a token, which must be more than nothing.
func amount(field, text string, token asset.Token) (*big.Int, error) {
	units, err := money.Parse(text, token.Decimals)
	switch {
	case errors.Is(err, money.ErrPrecision):
		return nil, fault.Field(field, "too_precise", fmt.Sprintf("amount has more than the %d decimal places of %s.", token.Decimals, token.Symbol))
	case errors.Is(err, money.ErrTooLarge):
		return nil, fault.Field(field, "amount_too_large", "amount is too large.")
	case err != nil:
		return nil, fault.Field(field, "invalid_amount", "amount must be a plain decimal number as a string, like \"10.50\".")
	case units.Sign() == 0:
		return nil, fault.Field(field, "invalid_amount", "amount must be greater than zero.")
	}
	return units, nil
}

// placeholders are the checksums that the vendor's examples put on these
// addresses; the right ones differ (see docs/divergences.md).
var placeholders = map[string]string{
	"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7@11155111": "80B12379",
	"0x742d35Cc6634C0532925a3b844Bc454e4438f44e@1":        "4CA88C9C",
}

func (d *dialect) destination(field, id string) (asset.Address, asset.Token, error) {
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

func (d *dialect) tokenAt(field string, chain asset.ChainID, a asset.Address) (asset.Token, error) {
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

func (d *dialect) legacy(path string, in requestBody) (asset.Address, asset.Token, error) {
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

// ownFunc finds where a caller's payments go that name no destination; field is
// where it could have been named.
type ownFunc func(field string) (asset.Address, asset.Token, error)

// ownDestination looks the caller's destination up at the first call.
func (d *dialect) ownDestination(ctx context.Context, who caller) ownFunc {
	resolve := sync.OnceValues(func() (merchant.Destination, error) { return d.Directory.Resolve(ctx, who.Credential) })
	return func(field string) (asset.Address, asset.Token, error) {
		found, err := resolve()
		missing := errors.Is(err, merchant.ErrNoDestination) || errors.Is(err, merchant.ErrSeveralDestinations) || errors.Is(err, merchant.ErrUnbound)
		switch {
		case missing && who.clientID != "":
			return asset.Address{}, asset.Token{}, fault.New(fault.Forbidden, "no_destination", "This client id has no payment destination.").At(field).Because(err)
		case missing:
			return asset.Address{}, asset.Token{}, fault.Field(field, "no_destination", "destinationId is required: "+err.Error()+".")
		case err != nil:
			return asset.Address{}, asset.Token{}, fmt.Errorf("find the payment destination: %w", err)
		}
		token, err := d.tokenAt(field, found.To.Chain, found.To.Token)
		return found.To.Wallet, token, err
	}
}

// sameDestination holds a client id to its own destination: the id is public,
// and whoever reads it off a page must not name another payee.
func sameDestination(path string, own ownFunc, got checkout.DraftRequest) error {
	field := path + ".destinationId"
	payee, token, err := own(field)
	if err != nil {
		return err
	}
	if payee != got.Payee || token.ID != got.Token.ID {
		return fault.New(fault.Forbidden, "destination_mismatch", "Destination does not match the configured payment destination.").At(field)
	}
	return nil
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

// rfc3339 is what time.Parse is too lenient about: digits are there in pairs, and
// fractions follow a point, and no place is a day away.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// parseTime reads an RFC 3339 time. Years out of reach of the database's
// microseconds are refused.
func parseTime(text string) (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !rfc3339.MatchString(text) || at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{}, false
	}
	return at.UTC(), true
}

func expiry(v *string) (time.Time, error) {
	if v == nil {
		return time.Time{}, nil
	}
	at, ok := parseTime(*v)
	if !ok {
		return time.Time{}, fault.Field("expiresAt", "invalid_expiry", "expiresAt must be a time like 2026-03-22T10:00:00Z.")
	}
	return at, nil
}
