package secpaid_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/ratelimit"
	"quittance/internal/webhook/webhooktest"
	"quittance/web"
	"quittance/web/webtest"
)

// operations are all of this API's, each with a body that succeeds or is refused for what it
// says alone.
var operations = map[string]string{
	"createLink": `{"amount":25}`, "createSplitLink": `{"amount":25,"recipients":[]}`, "getMyUnusedLinks": `{}`, "getMyUsedLinks": `{}`,
	"deleteLink": `{"link_id":1}`, "getPayInTransactions": `{}`, "confirmBankTransfer": `{"link_id":1,"amount":1}`,
}

// Token, user, amount present, amount positive, then the rest: whoever has several errors is
// told of the first.
func TestTheOrderOfErrors(t *testing.T) {
	d := open(t, webtest.Options{})
	const wrong = `"callback_url":"x","cancellable":"maybe","recipient_note":"\u0000"`
	for _, operation := range []string{"createLink", "createSplitLink"} {
		for name, c := range map[string]struct {
			body    string
			headers []string
			want    string
		}{
			"no token":              {`{`, nil, "Please enter token"},
			"an empty one":          {`{}`, []string{"token: "}, "Please enter token"},
			"nobody's":              {`{"amount":-1}`, []string{"token: sp_live_nobody"}, "No user found with the provided API key."},
			"an API key":            {`{}`, []string{"token: " + d.APIKey}, "No user found with the provided API key."},
			"two":                   {`{}`, []string{"token: " + d.token, "token: " + d.token}, "No user found with the provided API key."},
			"no amount":             {`{` + wrong + `}`, []string{"token: " + d.token}, "Please enter amount"},
			"no body":               {``, []string{"token: " + d.token}, "Please enter amount"},
			"an empty amount":       {`{"amount":"",` + wrong + `}`, []string{"token: " + d.token}, "Please enter amount"},
			"nothing":               {`{"amount":0,` + wrong + `}`, []string{"token: " + d.token}, "Amount should not be zero or negative number"},
			"less":                  {`{"amount":"-5.001",` + wrong + `}`, []string{"token: " + d.token}, "Amount should not be zero or negative number"},
			"no number":             {`{"amount":"five",` + wrong + `}`, []string{"token: " + d.token}, "Invalid amount"},
			"three decimals":        {`{"amount":1.005,` + wrong + `}`, []string{"token: " + d.token}, "Amount should have at most 2 decimals"},
			"a cent above the most": {`{"amount":1000000.01,` + wrong + `}`, []string{"token: " + d.token}, "Amount should not be more than 1000000.00"},
			"then the fields":       {`{"amount":1,` + wrong + `}`, []string{"token: " + d.token}, "Invalid recipient_note"},
			"in their order":        {`{"amount":1,"callback_url":"x","cancellable":"maybe"}`, []string{"token: " + d.token}, "Invalid callback_url"},
			"one by one":            {`{"amount":1,"cancellable":"maybe","is_qr_link":"maybe"}`, []string{"token: " + d.token}, "Invalid cancellable"},
		} {
			refuses(t, operation+", "+name, d.send(operation, c.body, c.headers...), http.StatusOK, c.want)
		}
	}
	if total := unused(d, `{}`); len(total) != 0 {
		t.Errorf("what was refused left %+v", total)
	}
}

// What is not documented is refused too, in this API's manner, and makes nothing.
func TestHostileBodies(t *testing.T) {
	d := open(t, webtest.Options{})
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for name, c := range map[string]struct {
		body, media, want string
		status            int
	}{
		"twice in JSON":       {`{"amount":1,"amount":2}`, jsonType, "The body must be one JSON object", 200},
		"twice in a form":     {`amount=1&amount=2`, formType, "Invalid amount", 200},
		"huge":                {`{"amount":1,"recipient_note":"` + strings.Repeat("x", 64<<10) + `"}`, jsonType, "The body is larger than 65536 bytes.", 413},
		"deep":                {`{"amount":1,"x":` + deep[:60_000] + `}`, jsonType, "The body must be one JSON object", 200},
		"a huge number":       {`{"amount":1e999999}`, jsonType, "Invalid amount", 200},
		"many digits":         {`{"amount":0.` + strings.Repeat("0", 9_000) + `1}`, jsonType, "Invalid amount", 200},
		"a wrong type":        {`{"amount":{"eur":1}}`, jsonType, "Invalid amount", 200},
		"a text for yes":      {`{"amount":1,"cancellable":["true"]}`, jsonType, "Invalid cancellable", 200},
		"a list":              {`[{"amount":1}]`, jsonType, "The body must be one JSON object", 200},
		"no UTF-8":            {"{\"amount\":1,\"recipient_note\":\"\xff\"}", jsonType, "The body must be one JSON object", 200},
		"half a character":    {`{"amount":1,"recipient_note":"\ud800"}`, jsonType, "The body must be one JSON object", 200},
		"a turned text":       {`{"amount":1,"recipient_note":"a\u202eb"}`, jsonType, "Invalid recipient_note", 200},
		"a long note":         {`{"amount":1,"recipient_note":"` + strings.Repeat("ä", 1001) + `"}`, jsonType, "Invalid recipient_note", 200},
		"other digits":        {`{"amount":"٥"}`, jsonType, "Invalid amount", 200},
		"text":                {`{"amount":1}`, "text/plain", "Content-Type must be application/json, application/x-www-form-urlencoded or multipart/form-data", 200},
		"a broken form":       {`amount=%zz`, formType, "The form is not well encoded", 200},
		"a form that was cut": {"--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n1", "multipart/form-data; boundary=b", "The form is not well encoded", 200},
		"a file":              {"--b\r\nContent-Disposition: form-data; name=\"amount\"; filename=\"a\"\r\n\r\n1\r\n--b--\r\n", "multipart/form-data; boundary=b", "The form must not hold files", 200},
		"a short key":         {`{"amount":1,"encryption_key":"short","is_encryption":"true"}`, jsonType, "Invalid encryption_key", 200},
		"no key":              {`{"amount":1,"is_encryption":"true"}`, jsonType, "Invalid encryption_key", 200},
		"words of no bank":    {`{"amount":1,"bank_statement_description":"日本"}`, jsonType, "Invalid bank_statement_description", 200},
	} {
		refuses(t, name, d.call("createLink", c.body, "Content-Type: "+c.media), c.status, c.want)
	}
	// What is only unusual is taken.
	for name, body := range map[string]string{
		"characters": `{"amount":1,"recipient_note":"<script>&'\"\u00e9\ud83d\ude00 \\"}`, "escapes": `{"\u0061mount":"\u0031"}`, "blanks": " \n{ \"amount\" :\t1 } \r\n", "unknown": `{"amount":1,"__proto__":{"admin":true},"x":` + deep[:25] + `1}}}}}}`,
	} {
		r := d.call("createLink", body)
		if v := read[made](t, r); v.ResponseCode != 1 && name != "unknown" {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
}

func TestHostileURLs(t *testing.T) {
	d := open(t, webtest.Options{})
	d.set(func(s *merchant.LinkSettings) {
		s.Callbacks, s.Endpoints = []string{"https://a.example.com/done"}, []string{"https://a.example.com/hook"}
	})
	for _, url := range []string{
		"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://a.example.com/", "//evil.example.com", "/done", "a.example.com", "https://", "https://:443/", "https://a:b@example.com/",
		"https:\\\\evil.example.com", "https://a.example.com/a b", "https://a.example.com/\u202e", "1", "-1", "99999999999999999999", "0,", ",0", "0,,0", "0,1", strings.Repeat("0,", 10) + "0", "https://a.example.com/" + strings.Repeat("x", 2048),
	} {
		refuses(t, url, d.call("createLink", `{"amount":1,"callback_url":`+quote(url)+`}`), http.StatusOK, "Invalid callback_url")
		refuses(t, url, d.call("createLink", `{"amount":1,"payment_endpoint":`+quote(url)+`}`), http.StatusOK, "Invalid payment_endpoint")
	}
	// What the server itself would call must be public, by what it says.
	for _, url := range []string{
		"http://a.example.com/", "https://10.0.0.1/", "https://192.168.1.1/x", "https://169.254.169.254/latest/meta-data/", "https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://2130706433/", "https://0x7f.1/", "https://intranet/",
		"https://metadata.google.internal/", "https://a.example.com:22/", "https://a.example.com/#part", "https://a.example.com./", "https://bücher.example.com/",
	} {
		refuses(t, url, d.call("createLink", `{"amount":1,"payment_endpoint":`+quote(url)+`}`), http.StatusOK, "Invalid payment_endpoint")
		refuses(t, url, d.call("createLink", `{"amount":1,"payment_endpoint":`+quote("0,"+url)+`}`), http.StatusOK, "Invalid payment_endpoint")
		refuses(t, url, d.call("createLink", `{"amount":1,"callback_url":`+quote("0,"+url)+`}`), http.StatusOK, "Invalid callback_url")
	}
	// A browser may go where the server may not.
	if m := d.create(`{"amount":1,"callback_url":"http://192.168.0.7/back"}`); m.CallbackURL != "http://192.168.0.7/back" {
		t.Errorf("%+v", m)
	}
}

// Paths, methods and what goes wrong outside of handlers are answered in this API's words.
func TestEveryErrorIsInItsEnvelope(t *testing.T) {
	d := open(t, webtest.Options{})
	for operation := range operations {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "NONSENSE"} {
			r := d.ask(method, api+operation, "", "token: "+d.token, "Origin: https://elsewhere.example.com")
			if r.Header.Get("Access-Control-Allow-Origin") != "" || r.Header.Get("Access-Control-Allow-Headers") != "" {
				t.Errorf("%s %s: pages of other origins are let in: %v", method, operation, r.Header)
			}
			if method == http.MethodHead {
				if r.Status != http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %d", method, operation, r.Status)
				}
				continue
			}
			refuses(t, method+" "+operation, r, http.StatusMethodNotAllowed, read[any](t, r).ResponseMsg)
			if r.Header.Get("Allow") != http.MethodPost {
				t.Errorf("%s %s: %v", method, operation, r.Header)
			}
		}
	}
	for _, path := range []string{"/api/v2", "/api/v2/", "/api/v2/createlink", "/api/v2/createLink/", "/api/v2/createLink/x", "/api/v2/refundPayment", "/api/v2/%2e%2e/x"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			refuses(t, method+" "+path, d.ask(method, path, "", "token: "+d.token), http.StatusNotFound, "There is nothing at this address")
		}
	}
	if r := d.Get("/api/v22"); strings.Contains(string(r.Body), "ResponseCode") {
		t.Errorf("another path: %s", r.Body)
	}
}

// A database that does not answer is 503, with the time to wait.
func TestUnavailable(t *testing.T) {
	d := open(t, webtest.Options{})
	for operation, body := range operations {
		hurried(d, operation, body)
	}
}

// hurried makes a call whose time is up before it begins.
func hurried(d *desk, operation, body string) webtest.Response {
	d.t.Helper()
	ctx, cancel := context.WithDeadline(d.t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, api+operation, strings.NewReader(body))
	r.Header.Set("Content-Type", jsonType)
	r.Header.Set("token", d.AddSecPaidToken(d.Merchant)) // one that nobody has used: others may be known without the database
	rec := httptest.NewRecorder()
	d.App.Server.ServeHTTP(rec, r)
	got := webtest.Answer(d.t, rec.Code, rec.Result().Header, rec.Body.Bytes())
	d.note(http.MethodPost, api+operation, got)
	if v := read[any](d.t, got.Want(http.StatusServiceUnavailable)); v.ResponseCode != 0 || v.Result != "False" || got.Header.Get("Retry-After") == "" {
		d.t.Errorf("%s: %s %v", operation, got.Body, got.Header)
	}
	return got
}

// Calls are counted by token, and by address where tokens are guessed.
func TestRateLimits(t *testing.T) {
	d := open(t, webtest.Options{Limits: web.Limits{Links: ratelimit.Rate{PerMinute: 60, Burst: 60}, Refused: ratelimit.Rate{PerMinute: 1, Burst: 5}}})
	_, other := d.another("Other")
	for i := range 60 {
		r := d.call("getMyUsedLinks", `{}`).Want(http.StatusOK)
		if r.Header.Get("RateLimit-Limit") != "60" {
			t.Fatalf("%d: %v", i, r.Header)
		}
	}
	for operation, body := range operations {
		r := d.call(operation, body)
		refuses(t, operation, r, http.StatusTooManyRequests, read[any](t, r).ResponseMsg)
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", operation, r.Header)
		}
	}
	fine[[]any](t, d.send("getMyUsedLinks", `{}`, "token: "+other))
	for i := range 5 {
		refuses(t, "a guess", d.send("createLink", `{}`, fmt.Sprintf("token: sp_live_%d", i)), http.StatusOK, "No user found with the provided API key.")
	}
	if r := d.send("getMyUsedLinks", `{}`, "token: "+other); r.Status != http.StatusTooManyRequests {
		t.Errorf("after guesses: %d", r.Status)
	}
}

// Nobody sees, deletes or confirms another merchant's links.
func TestMerchantsKeepToThemselves(t *testing.T) {
	d := open(t, webtest.Options{})
	_, other := d.another("Other")
	m := d.create(`{"amount":25}`)
	for _, c := range []struct{ operation, body string }{
		{"deleteLink", fmt.Sprintf(`{"link_id":%d}`, m.ID)}, {"deleteLink", fmt.Sprintf(`{"link_id":"%d"}`, m.ID)}, {"confirmBankTransfer", fmt.Sprintf(`{"link_id":%d,"amount":25}`, m.ID)},
	} {
		refuses(t, c.operation, d.send(c.operation, c.body, "token: "+other), http.StatusOK, "Invalid link ID")
	}
	d.pay(m)
	for _, operation := range []string{"getMyUnusedLinks", "getMyUsedLinks", "getPayInTransactions"} {
		for _, body := range []string{`{}`, fmt.Sprintf(`{"search":"%d","pay_id":%d}`, m.ID, m.ID)} {
			if got := fine[[]any](t, d.send(operation, body, "token: "+other)); len(got) != 0 {
				t.Errorf("%s: %v", operation, got)
			}
		}
	}
	if p := d.stored(m.ID); p.Standing.State != payment.Paid {
		t.Errorf("%s", p.Standing.State)
	}
}

// A merchant without any way to be paid makes no links, and is told so in the envelope; a key
// for addresses, or an account, is enough.
func TestNoWayToBePaid(t *testing.T) {
	d := open(t, webtest.Options{})
	_, other := d.another("Other")
	refuses(t, "nothing set up", d.send("createLink", `{"amount":1}`, "token: "+other), http.StatusOK, "No payment method is set up for this account")
	refuses(t, "not by bank", d.call("createLink", `{"amount":1,"bank_transfer":"false"}`), http.StatusOK, "No payment method is set up for this account")
	if m := d.create(`{"amount":1}`); m.BankTransfer != "true" {
		t.Errorf("%+v", m)
	}
	if got := fine[[]any](t, d.send("getMyUnusedLinks", `{}`, "token: "+other)); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Deleting: what the documentation says, and what it does not.
func TestDeleting(t *testing.T) {
	hook := webhooktest.New(t, secret)
	d := open(t, webtest.Options{})
	d.set(func(s *merchant.LinkSettings) { s.TellCancel = true })
	one := func(m made) string { return fmt.Sprintf(`{"link_id":%d}`, m.ID) }
	m := d.create(`{"amount":25,"payment_endpoint":` + quote(hook.URL) + `}`)
	refuses(t, "no id", d.call("deleteLink", `{}`), http.StatusOK, "Please enter link_id")
	refuses(t, "nobody's", d.call("deleteLink", `{"link_id":99290}`), http.StatusOK, "Invalid link ID")
	refuses(t, "no number", d.call("deleteLink", `{"link_id":[1]}`), http.StatusOK, "Invalid link ID")
	r := d.call("deleteLink", one(m), "Idempotency-Key: gone")
	if v := read[any](t, r.Want(http.StatusOK)); v.ResponseCode != 1 || v.ResponseMsg != "Link has been deleted successfully" || strings.Contains(string(r.Body), `"data"`) {
		t.Errorf("%s", r.Body)
	}
	if again := d.call("deleteLink", one(m), "Idempotency-Key: gone"); string(again.Body) != string(r.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s", again.Body)
	}
	refuses(t, "again", d.call("deleteLink", one(m)), http.StatusOK, "Invalid link ID")
	refuses(t, "confirmed", d.call("confirmBankTransfer", fmt.Sprintf(`{"link_id":%d,"amount":25}`, m.ID)), http.StatusOK, "Invalid link ID")
	if got := unused(d, `{}`); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	paid := d.create(`{"amount":25}`)
	d.pay(paid)
	refuses(t, "used", d.call("deleteLink", one(paid)), http.StatusOK, "This link is already used")
	canceled := d.create(`{"amount":25}`)
	if err := d.App.Checkout.CancelByPayer(t.Context(), d.stored(canceled.ID).ID); err != nil {
		t.Fatal(err)
	}
	refuses(t, "cancelled", d.call("deleteLink", one(canceled)), http.StatusOK, "Link is cancelled")
	part := d.create(`{"amount":25}`)
	fine[any](t, d.call("confirmBankTransfer", fmt.Sprintf(`{"link_id":%d,"amount":"10"}`, part.ID)))
	refuses(t, "partly paid", d.call("deleteLink", one(part)), http.StatusOK, "This link is already used")
	if got := hook.Received(); len(got) != 0 {
		t.Errorf("a deletion is told: %+v", got)
	}
}
