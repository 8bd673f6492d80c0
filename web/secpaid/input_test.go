package secpaid

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"quittance/internal/fault"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// multi writes a multipart form, as curl and PHP do.
func multi(t *testing.T, fields ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// The same link in each of the forms that clients send.
func TestForms(t *testing.T) {
	multipartType, parts := multi(t, "amount", "49.99", "recipient_note", "Invoice #1234", "callback_url", "https://yoursite.com/payment/done", "cancellable", "true")
	for name, c := range map[string][2]string{
		"curl and fetch": {jsonType, `{"amount": 49.99, "recipient_note": "Invoice #1234", "callback_url": "https://yoursite.com/payment/done", "cancellable": true}`},
		"with a charset": {"application/json; charset=UTF-8", `{"amount":"49.99","recipient_note":"Invoice #1234","callback_url":"https://yoursite.com/payment/done","cancellable":"true"}`},
		"PHP's form":     {formType, "amount=49.99&recipient_note=Invoice+%231234&callback_url=https%3A%2F%2Fyoursite.com%2Fpayment%2Fdone&cancellable=1"},
		"a browser's":    {formType + ";charset=utf-8", "amount=49.99&recipient_note=Invoice%20%231234&callback_url=https://yoursite.com/payment/done&cancellable=true&"},
		"multipart":      {multipartType, parts},
		"more fields":    {jsonType, `{"pay_id":1466,"extra":{"a":[1]},"amount":49.990,"recipient_note":" Invoice #1234 ","callback_url":"https://yoursite.com/payment/done","payment_endpoint":null,"encryption_key":""}`},
	} {
		in, err := parseInput(c[0], []byte(c[1]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		o, err := parseOrder(in, account{}, anyURL)
		if err != nil || o.Cents != 4999 || o.Note != "Invoice #1234" || o.Redirect != "https://yoursite.com/payment/done" || !o.Cancellable {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func TestBodiesRefused(t *testing.T) {
	file := "--b\r\nContent-Disposition: form-data; name=\"amount\"; filename=\"x\"\r\n\r\n1\r\n--b--\r\n"
	nameless := "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n"
	for name, c := range map[string]struct{ media, body, code string }{
		"no media type": {"", `{"amount":1}`, "unsupported_media_type"}, "plain text": {"text/plain", `{"amount":1}`, "unsupported_media_type"},
		"XML": {"application/xml", "<amount/>", "unsupported_media_type"}, "another charset": {jsonType + "; charset=utf-16", `{}`, "unsupported_media_type"},
		"a broken type": {"application/json;;", `{}`, "unsupported_media_type"},
		"no JSON":       {jsonType, `{`, "invalid_body"}, "a list": {jsonType, `[{}]`, "invalid_body"}, "null": {jsonType, `"x"`, "invalid_body"},
		"twice in JSON": {jsonType, `{"amount":1,"amount":2}`, "invalid_body"}, "more behind": {jsonType, `{}{}`, "invalid_body"}, "no UTF-8": {jsonType, "{\"recipient_note\":\"\xff\"}", "invalid_body"},
		"a percent": {formType, "amount=%zz", "invalid_body"}, "a percent in a name": {formType, "%zz=1", "invalid_body"}, "twice in a form": {formType, "amount=1&amount=2", "invalid_amount"},
		"a long name": {formType, strings.Repeat("x", maxName+1) + "=1", "invalid_body"}, "no name": {formType, "=1", "invalid_body"}, "a name of bytes": {formType, "%ff=1", "invalid_body"},
		"many fields": {formType, manyFields(), "invalid_body"},
		"no boundary": {"multipart/form-data", "--b--", "invalid_body"}, "no end": {"multipart/form-data; boundary=b", "--b\r\n", "invalid_body"}, "a file": {"multipart/form-data; boundary=b", file, "invalid_body"},
		"a part of nobody": {"multipart/form-data; boundary=b", nameless, "invalid_body"}, "another boundary": {"multipart/form-data; boundary=c", file, "invalid_body"},
	} {
		in, err := parseInput(c.media, []byte(c.body))
		if f := fault.From(err); f == nil || f.Kind != fault.Invalid || f.Code != c.code || in != nil {
			t.Errorf("%s: %v, %v", name, in, err)
		}
	}
	// JSON's null is as if it were not there, which Go's decoder takes for an empty object, and
	// PHP writes no fields as an empty list.
	for _, c := range [][2]string{{jsonType, "null"}, {jsonType, "[]"}, {jsonType, " [\n]"}, {jsonType, "{}"}, {jsonType, ""}, {"", ""}, {formType, ""}, {"multipart/form-data", ""}, {"text/plain", ""}} {
		if in, err := parseInput(c[0], []byte(c[1])); err != nil || in == nil || len(in) != 0 {
			t.Errorf("%q: %v, %v", c, in, err)
		}
	}
}

func manyFields() string {
	q := url.Values{}
	for i := range maxFields + 1 {
		q.Set(strings.Repeat("f", 1+i/60)+string(rune('A'+i%60)), "1")
	}
	return q.Encode()
}

func TestTruth(t *testing.T) {
	for body, want := range map[string]bool{
		`{"x":true}`: true, `{"x":"true"}`: true, `{"x":"True"}`: true, `{"x":1}`: true, `{"x":"1"}`: true, `{"x":"Yes"}`: true,
		`{"x":false}`: false, `{"x":"false"}`: false, `{"x":0}`: false, `{"x":"0"}`: false, `{"x":"No"}`: false, `{"x":" no "}`: false,
	} {
		in, err := parseInput(jsonType, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.truth("x", !want); err != nil || got != want {
			t.Errorf("%s: %t, %v", body, got, err)
		}
	}
	for _, body := range []string{`{"x":"maybe"}`, `{"x":2}`, `{"x":[true]}`, `{"x":{}}`, `{"x":"tr ue"}`} {
		in, err := parseInput(jsonType, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.truth("x", true); !fault.Is(err, fault.Invalid) || fault.From(err).Public != "Invalid x" {
			t.Errorf("%s: %t, %v", body, got, err)
		}
	}
	for _, otherwise := range []bool{true, false} {
		for _, body := range []string{`{}`, `{"x":null}`, `{"x":""}`} {
			in, err := parseInput(jsonType, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := in.truth("x", otherwise); err != nil || got != otherwise {
				t.Errorf("%s: %t, %v", body, got, err)
			}
		}
	}
}

func TestAmounts(t *testing.T) {
	for raw, want := range map[string]int64{
		"25": 2500, "49.99": 4999, `"49.99"`: 4999, "0.01": 1, "1e2": 10000, "25.000": 2500, "2.5E1": 2500, `" 7 "`: 700, "1000000": maxCents, "1000000.00": maxCents, `"007"`: 700,
	} {
		in, err := parseInput(jsonType, []byte(`{"amount":`+raw+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.amount(); err != nil || got != want {
			t.Errorf("%s: %d, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]error{
		`null`: errNoAmount, `""`: errNoAmount, `"  "`: errNoAmount, `0`: errAmount, `"0"`: errAmount, `-1`: errAmount, `"-0.01"`: errAmount, `-0`: errAmount, `0.00`: errAmount, `-1e-99`: errAmount,
		`1.001`: errDecimals, `"0.001"`: errDecimals, `1000000.01`: errTooMuch, `1e9`: errTooMuch, `1e999`: errTooMuch, `"abc"`: errNotAmount, `"1,00"`: errNotAmount, `"1.000,00"`: errNotAmount, `"€5"`: errNotAmount,
		`true`: errNotAmount, `[5]`: errNotAmount, `{}`: errNotAmount, `"0x10"`: errNotAmount, `"1/2"`: errNotAmount, `"Inf"`: errNotAmount, `"NaN"`: errNotAmount, `"1_0"`: errNotAmount, `"+5"`: errNotAmount,
		`"5."`: errNotAmount, `".5"`: errNotAmount, `"1e"`: errNotAmount, `1e9999`: errNotAmount, `1e-9999`: errNotAmount, `"٥"`: errNotAmount, `1.0000000000000000000000000000001`: errNotAmount,
	} {
		in, err := parseInput(jsonType, []byte(`{"amount":`+raw+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.amount(); !errors.Is(err, want) {
			t.Errorf("%s: %d, %v, want %v", raw, got, err, want)
		}
	}
	if _, err := (input{}).amount(); fault.From(err).Public != "Please enter amount" {
		t.Errorf("no amount: %v", err)
	}
	for cents, want := range map[int64][2]string{1: {"0.01", "0.01"}, 10: {"0.1", "0.10"}, 2500: {"25", "25.00"}, 4999: {"49.99", "49.99"}, 4990: {"49.9", "49.90"}, -350: {"-3.5", "-3.50"}, 0: {"0", "0.00"}} {
		if plainEuros(cents) != want[0] || twoDecimals(cents) != want[1] {
			t.Errorf("%d cents: %s, %s", cents, plainEuros(cents), twoDecimals(cents))
		}
	}
}
