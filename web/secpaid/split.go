package secpaid

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/web"
)

// maxRecipients is how many a link can be shared among, beside its owner.
const maxRecipients = 50

// The types of splits.
const (
	splitNormal   = "normal"   // shares are percentages
	splitAbsolute = "absolute" // shares are euros
)

// recipient is one share of a link.
type recipient struct {
	Token      string      // as it was sent
	Share      json.Number // likewise
	hundredths int64       // of a percent, or of a euro
}

// split is how a link is shared. The owner gets what is left.
type split struct {
	Type       string
	Recipients []recipient
}

// share is what somebody gets of a link, in cents.
type share struct {
	Merchant payment.MerchantID
	Cents    int64
}

func splitFault(code, text string) error { return fault.Field("recipients", code, text) }

// parseSplit reads the fields that createSplitLink has beside those of createLink.
//
// Faults: Invalid.
func parseSplit(in input) (*split, error) {
	how, err := in.line("split_type", 20)
	if err != nil {
		return nil, err
	}
	s := &split{Type: how}
	switch how {
	case "":
		s.Type = splitNormal
	case splitNormal, splitAbsolute:
	default:
		return nil, invalid("split_type")
	}
	raw, err := in.recipients()
	if err != nil {
		return nil, err
	}
	for i, x := range raw {
		token, err := x.line("token", 200)
		if err != nil || token == "" {
			return nil, errRecipient(i)
		}
		if slices.ContainsFunc(s.Recipients, func(r recipient) bool { return r.Token == token }) {
			return nil, errRecipient(i) // twice the same: nobody can tell whether the shares add up
		}
		v := x["share"]
		n, ok := hundredths(v)
		if !ok {
			return nil, splitFault("invalid_share", "Invalid share at index "+strconv.Itoa(i))
		}
		s.Recipients = append(s.Recipients, recipient{token, shownShare(strings.TrimSpace(v.text)), n})
	}
	return s, nil
}

// recipients reads the list, as JSON, as JSON in a text, or as PHP writes lists into forms:
// recipients[0][token]=x&recipients[0][share]=10.
func (in input) recipients() ([]input, error) {
	missing := splitFault("missing_recipients", "Please enter recipients")
	wrong := invalid("recipients")
	v := in["recipients"]
	var list []input
	switch v.kind {
	case absent:
		list = in.bracketed("recipients")
	case text, other:
		var raw []map[string]jsontext.Value
		if web.Decode([]byte(v.text), &raw) != nil {
			return nil, wrong
		}
		for _, members := range raw {
			one, err := json.Marshal(members)
			if err != nil {
				return nil, wrong
			}
			x, err := fromJSON(one)
			if err != nil {
				return nil, wrong
			}
			list = append(list, x)
		}
	default:
		return nil, wrong
	}
	switch {
	case len(list) == 0:
		return nil, missing
	case len(list) > maxRecipients:
		return nil, splitFault("too_many_recipients", "A link can have at most "+strconv.Itoa(maxRecipients)+" recipients")
	}
	return list, nil
}

// bracketed reads a list of objects out of a form's names.
func (in input) bracketed(list string) []input {
	var out []input
	for i := 0; i <= maxRecipients; i++ {
		prefix, x := list+"["+strconv.Itoa(i)+"][", input{}
		for name, v := range in {
			if member, ok := strings.CutPrefix(name, prefix); ok && strings.HasSuffix(member, "]") {
				x[strings.TrimSuffix(member, "]")] = v
			}
		}
		if len(x) == 0 {
			break
		}
		out = append(out, x)
	}
	return out
}

// hundredths reads a positive number of at most two decimals.
func hundredths(v value) (int64, bool) {
	if v.kind != number && v.kind != text {
		return 0, false
	}
	r, ok := decimal(strings.TrimSpace(v.text))
	if !ok || r.Sign() <= 0 {
		return 0, false
	}
	if r.Mul(r, big.NewRat(100, 1)); !r.IsInt() || !r.Num().IsInt64() || r.Num().Int64() > maxCents {
		return 0, false
	}
	return r.Num().Int64(), true
}

// shownShare is a share as it was sent, but for zeros in front of it: texts and forms may have
// some, and numbers of JSON, which it is told as, must not.
func shownShare(sent string) json.Number {
	shown := strings.TrimLeft(sent, "0")
	if shown == "" || shown[0] < '0' || shown[0] > '9' {
		shown = "0" + shown
	}
	return json.Number(shown)
}

// divide says who gets what of so many cents. find knows the merchant behind a recipient's
// token. Percentages are of the amount, each rounded down to a cent; what is left is the
// owner's, who stands last and is left out if that is nothing. Nobody's share may come to
// nothing.
//
// Faults: Invalid, and those of find.
func (s *split) divide(cents int64, owner payment.MerchantID, find func(token string) (payment.MerchantID, bool, error)) ([]share, error) {
	var out []share
	left, percents := cents, int64(0)
	for i, r := range s.Recipients {
		m, ok, err := find(r.Token)
		if err != nil {
			return nil, err
		}
		if !ok || m == owner || slices.ContainsFunc(out, func(x share) bool { return x.Merchant == m }) {
			return nil, errRecipient(i)
		}
		part := r.hundredths
		if s.Type == splitNormal {
			if percents += r.hundredths; percents > 100_00 {
				return nil, splitFault("shares_too_large", "Sum of shares should not be more than 100")
			}
			part = cents * r.hundredths / 100_00
		}
		if part == 0 {
			return nil, splitFault("share_too_small", "Share at index "+strconv.Itoa(i)+" is less than 0.01")
		}
		if left -= part; left < 0 {
			return nil, splitFault("shares_too_large", "Sum of shares should not be more than amount")
		}
		out = append(out, share{m, part})
	}
	if left > 0 {
		out = append(out, share{owner, left})
	}
	return out, nil
}

// listed writes the recipients as answers have them: JSON in a text.
func (s *split) listed() (string, error) {
	type wire struct {
		Token string      `json:"token"`
		Share json.Number `json:"share"`
	}
	out := []wire{}
	for _, r := range s.Recipients {
		out = append(out, wire{r.Token, r.Share})
	}
	b, err := encode(out)
	return string(b), err
}
