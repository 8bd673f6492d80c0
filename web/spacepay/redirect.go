package spacepay

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"quittance/internal/payment"
)

// Return is where the merchant wants the payer of a payment that was assessed to go, with
// the payment's id and status and the merchant's own metadata; "" if nowhere.
func Return(p *payment.Payment) (string, error) {
	if p.Terms.RedirectURL == "" {
		return "", nil
	}
	return redirectTo(p.Terms.RedirectURL, p.Terms.Alias, statusOf(p), p.Terms.Metadata)
}

// Link is the path of a payment's page, below the public origin.
func Link(alias string) string { return "/payment/" + alias }

// maxMetadata bounds customMetadata, in bytes.
const maxMetadata = 2048

// field is one member of customMetadata that is a plain value.
type field struct{ name, value string }

var errMetadata = errors.New("customMetadata is not a JSON object of at most 2048 bytes")

// metadata reads customMetadata and returns its top-level members that are texts,
// numbers or truth values, in their order. Others are the merchant's own and go nowhere.
func metadata(text string) ([]field, error) {
	if len(text) > maxMetadata {
		return nil, errMetadata
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errMetadata
	}
	var out []field
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[name] {
			return nil, errMetadata // twice the same name: nobody could tell which one counts
		}
		seen[name] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, errMetadata
		}
		if v, plain := scalar(raw); plain {
			out = append(out, field{name, v})
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, errMetadata
	}
	if _, err := d.Token(); err == nil || !isEnd(d, text) {
		return nil, errMetadata
	}
	return out, nil
}

// isEnd reports whether nothing but blanks is behind what was read.
func isEnd(d *json.Decoder, text string) bool {
	return strings.Trim(text[d.InputOffset():], " \t\r\n") == ""
}

// scalar is a JSON value as text, if it is a text, a number or a truth value.
func scalar(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0, raw[0] == '{', raw[0] == '[', string(raw) == "null":
		return "", false
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	}
	return string(raw), true
}

// redirectTo is where a payer goes after a payment: the merchant's URL with the
// payment's id and status, and each plain member of customMetadata, as parameters. What
// the URL has already is kept; a member that has the name of something that is there is
// left out, so that nobody's metadata can make a payment look paid.
func redirectTo(to, payment, status, customMetadata string) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", errors.New("the redirect's URL cannot be read")
	}
	taken, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		taken = url.Values{} // it is kept as it is
	}
	query := u.RawQuery
	add := func(name, value string) {
		if query != "" {
			query += "&"
		}
		query += url.QueryEscape(name) + "=" + url.QueryEscape(value)
		taken.Set(name, value)
	}
	add("paymentId", payment)
	add("status", status)
	if customMetadata != "" {
		fields, err := metadata(customMetadata)
		if err != nil {
			return "", err
		}
		for _, f := range fields {
			if f.name != "" && !taken.Has(f.name) {
				add(f.name, f.value)
			}
		}
	}
	u.RawQuery = query
	return u.String(), nil
}
