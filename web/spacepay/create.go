package spacepay

import (
	"math/big"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/fault"
	"quittance/web"
)

// The limits of a payment.
const (
	minCents       = 100
	maxCents       = 100_000_000
	maxOrderID     = 255
	maxRedirectURL = 2048
)

type createBody struct {
	OrderID        *string        `json:"orderId"`
	Amount         jsontext.Value `json:"amount"`
	Currency       *string        `json:"currency"`
	RedirectURL    *string        `json:"redirectUrl"`
	CustomMetadata *string        `json:"customMetadata"`
	Type           *string        `json:"type"`
}

// order is what a creation asks for.
type order struct {
	OrderID        string
	Cents          int64
	RedirectURL    string // "" for none
	CustomMetadata string // "" for none
}

// parseOrder reads the body of a creation.
//
// Faults: Invalid, with the member at fault.
func parseOrder(body []byte) (order, error) {
	var in createBody
	if err := web.Decode(body, &in); err != nil {
		return order{}, err
	}
	var o order
	var err error
	if in.OrderID == nil || *in.OrderID == "" {
		return order{}, fault.Field("orderId", "missing_order_id", "The orderId is required")
	}
	if o.OrderID = *in.OrderID; utf8.RuneCountInString(o.OrderID) > maxOrderID {
		return order{}, fault.Field("orderId", "invalid_order_id", "The orderId must be at most 255 characters long")
	}
	if o.Cents, err = cents(in.Amount); err != nil {
		return order{}, err
	}
	if in.Currency == nil || *in.Currency != "USD" {
		return order{}, fault.Field("currency", "invalid_currency", "The currency must be USD")
	}
	if in.Type != nil && *in.Type != "payment" {
		return order{}, fault.Field("type", "invalid_type", "The type must be payment")
	}
	if in.RedirectURL != nil && *in.RedirectURL != "" {
		if o.RedirectURL = *in.RedirectURL; !canRedirect(o.RedirectURL) {
			return order{}, fault.Field("redirectUrl", "invalid_redirect_url", "The redirectUrl must be an http or https URL of at most 2048 characters")
		}
	}
	if in.CustomMetadata != nil && *in.CustomMetadata != "" {
		if o.CustomMetadata = *in.CustomMetadata; len(o.CustomMetadata) > maxMetadata {
			return order{}, fault.Field("customMetadata", "invalid_custom_metadata", "The customMetadata must be at most 2048 bytes long")
		}
		if _, err := metadata(o.CustomMetadata); err != nil {
			return order{}, fault.Field("customMetadata", "invalid_custom_metadata", "The customMetadata must be a string that holds a JSON object")
		}
	}
	return o, nil
}

// cents reads an amount: a whole number of cents, in whatever form JSON has for it
// ("100", "100.0", "1e2"). A text is none.
func cents(v jsontext.Value) (int64, error) {
	wrong := func(text string) error { return fault.Field("amount", "invalid_amount", text) }
	if v.Kind() != '0' {
		return 0, wrong("The amount is required, as a number of cents")
	}
	n, ok := integer(string(v))
	if !ok {
		return 0, wrong("The amount must be a whole number of cents")
	}
	switch {
	case n <= 0:
		return 0, wrong("The amount must be greater than 0")
	case n < minCents:
		return 0, wrong("The amount must be at least 100 cents")
	case n > maxCents:
		return 0, wrong("The amount must be at most 100000000 cents")
	}
	return n, nil
}

// integer reads a JSON number that is whole, and no longer than any amount.
func integer(text string) (int64, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(mantissa) > 24 || len(exponent) > 3 {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

func canRedirect(text string) bool {
	if len(text) > maxRedirectURL {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Opaque == ""
}

// idempotencyKey checks the header's value, "" for none.
func idempotencyKey(values []string) (string, error) {
	key, _, valid := web.IdempotencyKey(values, true)
	if !valid {
		return "", fault.Field(web.HeaderIdempotencyKey, "invalid_idempotency_key", "The Idempotency-Key must be 1 to 255 printable ASCII characters, given once")
	}
	return key, nil
}
