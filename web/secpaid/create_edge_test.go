package secpaid_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// The answer to the documentation's example, byte by byte but for what is ours: ids, date and
// the address of the picture.
func TestTheDocumentedRequest(t *testing.T) {
	d := open(t, webtest.Options{})
	d.set(func(s *merchant.LinkSettings) { s.ServiceFee = 100 })
	r := d.call("createLink", `{"amount":25,"recipient_note":"Test regular link","callback_url":"https://google.com","payment_endpoint":"https://google.com"}`)
	m := fine[made](t, r)
	documented, err := os.ReadFile("testdata/created.200.json")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, documented); err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer(
		m.PayLink, "https://app.secpaid.com/payment?link_id=OTkyOTA=", m.UserID, "b44c4429-4a7b-4e27-85af-c1c2f43f4ffe", m.CreatedAt, "2026-05-20 11:19:48", strconv.FormatInt(m.ID, 10), "99290",
		m.QRImg, "https://quickchart.io/chart?chl=https://app.secpaid.com/payment?link_id=OTkyOTA=&chs=300x300&cht=qr", `"CET"`, `"CEST"`,
	).Replace(string(r.Body))
	if got != want.String() {
		t.Errorf("got  %s\nwant %s", got, &want)
	}
	if want := webtest.BaseURL + "/payment/qr?link_id=" + m.PayLink[len(webtest.BaseURL+"/payment?link_id="):] + "&size=300"; m.QRImg != want {
		t.Errorf("qr_img is %s, not %s", m.QRImg, want)
	}
}

// curlBody is the body of the documentation's curl example as a shell hands it on, fetchBody
// what its fetch example makes of its object, and the others what PHP's client makes of its
// array: JSON as the example stands, and a form if it is asked for one.
const (
	curlBody = `{
    "amount": 49.99,
    "recipient_note": "Invoice #1234",
    "callback_url": "https://yoursite.com/payment/done",
    "cancellable": true
  }`
	fetchBody = `{"amount":49.99,"recipient_note":"Invoice #1234","callback_url":"https://yoursite.com/payment/done","cancellable":true}`
	phpBody   = `{"amount":49.99,"recipient_note":"Invoice #1234","callback_url":"https:\/\/yoursite.com\/payment\/done","cancellable":true}`
	phpForm   = `amount=49.99&recipient_note=Invoice+%231234&callback_url=https%3A%2F%2Fyoursite.com%2Fpayment%2Fdone&cancellable=1`
)

// The documentation's clients, as they put it on the wire: over a socket, byte for byte.
func TestTheDocumentedClients(t *testing.T) {
	d := open(t, webtest.Options{})
	s := httptest.NewServer(d.App.Server)
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	for name, c := range map[string]struct{ headers, body string }{
		"curl":            {"User-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: application/json\r\ntoken: " + d.token, curlBody},
		"fetch":           {"connection: keep-alive\r\ncontent-type: application/json\r\ntoken: " + d.token + "\r\naccept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: gzip, deflate", fetchBody},
		"PHP":             {"User-Agent: GuzzleHttp/7\r\nContent-Type: application/json\r\ntoken: " + d.token, phpBody},
		"PHP with a form": {"User-Agent: GuzzleHttp/7\r\nContent-Type: application/x-www-form-urlencoded\r\ntoken: " + d.token, phpForm},
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "POST /api/v2/createLink HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", host, c.headers, len(c.body), c.body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = conn.Close() // it was read whole
		m := fine[made](t, webtest.Answer(t, r.StatusCode, r.Header, body))
		if m.Amount != "49.99" || m.RecipientNote != "Invoice #1234" || m.CallbackURL != "https://yoursite.com/payment/done" || m.IsCancellation != "No" || m.Status != "Unused" {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// The curl example by curl itself, where there is one.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	d := open(t, webtest.Options{})
	s := httptest.NewServer(d.App.Server)
	t.Cleanup(s.Close)
	out, err := exec.CommandContext(t.Context(), curl, "-sS", "--noproxy", "*", "-X", "POST", s.URL+"/api/v2/createLink", "-H", "Content-Type: application/json", "-H", "token: "+d.token, "-d", curlBody).Output()
	if err != nil {
		t.Fatal(err)
	}
	if m := fine[made](t, webtest.Answer(t, http.StatusOK, nil, out)); m.Amount != "49.99" {
		t.Errorf("%s", out)
	}
}

// What a link's payment has of each field, and what the answer tells of it.
func TestEveryField(t *testing.T) {
	d := open(t, webtest.Options{})
	d.set(func(s *merchant.LinkSettings) {
		s.Callbacks, s.Endpoints, s.Default = []string{"https://a.example.com/done", "https://b.example.com/done"}, []string{"https://a.example.com/hook", "https://b.example.com/hook"}, "1"
	})
	const key = "0123456789abcdef0123456789ABCDEF"
	for name, c := range map[string]struct {
		fields string
		right  func(m made, p *payment.Payment) bool
	}{
		"nothing else": {``, func(m made, p *payment.Payment) bool {
			return m.RecipientNote == "" && m.CallbackURL == "" && m.PaymentEndpoint == "https://b.example.com/hook" && m.IsCancellation == "No" && m.BankTransfer == "true" && m.IsQRLink == "false" &&
				m.TransactionType == "Basic" && m.SplitType == "normal" && m.IsSplitLink == "false" && m.Recipients == nil && m.ServiceFee == "0.0" &&
				p.Terms.RedirectURL == "" && p.Terms.PayerCancels && p.Terms.Endless() && p.Terms.Requests[0].Bank != nil && p.Terms.Requests[0].Asset == asset.EUR && p.Terms.Requests[0].Due.Cmp(money.Cents(2500)) == 0
		}},
		"a note": {`"recipient_note":"Rechnung\r\n„Größe“  1"`, func(m made, p *payment.Payment) bool {
			return m.RecipientNote == "Rechnung\r\n„Größe“  1" && p.Terms.Reference == "Rechnung „Größe“ 1"
		}},
		"a callback": {`"callback_url":"https://c.example.com/x?y=1"`, func(m made, p *payment.Payment) bool {
			return m.CallbackURL == "https://c.example.com/x?y=1" && p.Terms.RedirectURL == m.CallbackURL
		}},
		"a place": {`"callback_url":"1"`, func(m made, p *payment.Payment) bool { return p.Terms.RedirectURL == "https://b.example.com/done" }},
		"a list": {`"callback_url":"0, https://c.example.com/x"`, func(m made, p *payment.Payment) bool {
			return m.CallbackURL == "https://a.example.com/done,https://c.example.com/x" && p.Terms.RedirectURL == "https://a.example.com/done"
		}},
		"endpoints": {`"payment_endpoint":"0,https://c.example.com/hook,0"`, func(m made, p *payment.Payment) bool {
			return m.PaymentEndpoint == "https://a.example.com/hook,https://c.example.com/hook"
		}},
		"not cancellable": {`"cancellable":false`, func(m made, p *payment.Payment) bool { return m.IsCancellation == "Yes" && !p.Terms.PayerCancels }},
		"as of old":       {`"is_cancellation":"No"`, func(m made, p *payment.Payment) bool { return m.IsCancellation == "Yes" && !p.Terms.PayerCancels }},
		"a statement": {`"bank_statement_description":"Café Müller"`, func(m made, p *payment.Payment) bool {
			b := p.Terms.Requests[0].Bank
			return m.BankStatementDescription == "Café Müller" && b != nil && b.Words == "Café Müller" && b.Account == webtest.IBAN && strings.Contains(b.Text, b.Reference) && strings.HasPrefix(b.Reference, "RF")
		}},
		"a code": {`"is_qr_link":"true"`, func(m made, p *payment.Payment) bool { return m.IsQRLink == "true" && m.TransactionType == "Basic" }},
		"a key": {`"is_encryption":"true","encryption_key":"` + key + `"`, func(m made, p *payment.Payment) bool {
			kept, err := d.App.Store.Secret(t.Context(), p.ID)
			return err == nil && kept == key && !strings.Contains(p.Terms.Metadata, key)
		}},
		"unknown ones": {`"pay_id":1466,"extra":{"a":[1]}`, func(made, *payment.Payment) bool { return true }},
		"nulls":        {`"recipient_note":null,"callback_url":"","payment_endpoint":null,"cancellable":null`, func(m made, p *payment.Payment) bool { return p.Terms.PayerCancels }},
	} {
		body := `{"amount":25`
		if c.fields != "" {
			body += "," + c.fields
		}
		m := d.create(body + "}")
		if p := d.stored(m.ID); m.Amount != "25" || m.Status != "Unused" || !c.right(m, p) {
			t.Errorf("%s: %+v, %+v", name, m, p.Terms)
		}
	}
	for sent, want := range map[string]string{`25`: "25", `"25"`: "25", `25.00`: "25", `49.9`: "49.9", `"49.99"`: "49.99", `0.01`: "0.01", `1e2`: "100", `1000000.00`: "1000000"} {
		if m := d.create(`{"amount":` + sent + `}`); m.Amount.String() != want {
			t.Errorf("%s: %s", sent, m.Amount)
		}
	}
}

// The forms of a body mean the same, and so do the three of them with an Idempotency-Key.
func TestThreeForms(t *testing.T) {
	d := open(t, webtest.Options{})
	multipartType, parts := multi(t, "amount", "49.99", "recipient_note", "Invoice #1234", "cancellable", "false")
	again, reparted := multi(t, "cancellable", "false", "recipient_note", "Invoice #1234", "amount", "49.99")
	ids := map[int64]bool{}
	for name, c := range map[string][2]string{
		"JSON":            {jsonType, `{"amount":"49.99","recipient_note":"Invoice #1234","cancellable":"false"}`},
		"a form":          {formType, "amount=49.99&recipient_note=Invoice+%231234&cancellable=false"},
		"multipart":       {multipartType, parts},
		"multipart again": {again, reparted},
	} {
		m := d.create(c[1], "Content-Type: "+c[0], "Idempotency-Key: one")
		if m.Amount != "49.99" || m.RecipientNote != "Invoice #1234" || m.IsCancellation != "Yes" {
			t.Errorf("%s: %+v", name, m)
		}
		ids[m.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("one key made %d links", len(ids))
	}
}

// Ids are unguessable, and belong to one link.
func TestIDs(t *testing.T) {
	d := open(t, webtest.Options{})
	seen, sixteen := map[int64]bool{}, regexp.MustCompile(`^[1-9][0-9]{15}$`)
	var last int64
	rising := true
	for range 30 {
		m := d.create(`{"amount":1}`)
		if seen[m.ID] || !sixteen.MatchString(strconv.FormatInt(m.ID, 10)) {
			t.Errorf("%d", m.ID)
		}
		rising = rising && m.ID > last
		seen[m.ID], last = true, m.ID
	}
	if rising {
		t.Error("ids are counted")
	}
}
