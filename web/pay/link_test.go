package pay_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/makiuchi-d/gozxing"
	reader "github.com/makiuchi-d/gozxing/qrcode"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/ratelimit"
	"quittance/templates"
	"quittance/web"
	"quittance/web/secpaid"
	"quittance/web/webtest"
)

// link is a payment of the SecPaid dialect, as its merchant made it.
type link struct {
	w     *webtest.World
	t     *testing.T
	id    payment.ID
	alias string
	page  string // its address
	path  string // of its other routes
}

const euros = `{"amount":49.99,"recipient_note":"Invoice <1234>","callback_url":"https://shop.example/done?x=1&y=%20"}`

func newLink(t *testing.T, w *webtest.World, body string) link {
	t.Helper()
	p := w.CreateLink(body)
	return link{w: w, t: t, id: p.ID, alias: p.Terms.Alias, page: secpaid.Link(p.Terms.Alias), path: "/link/" + p.Terms.Alias}
}

// linkWorld is a server that takes links, by bank and by coin.
func linkWorld(t *testing.T, change ...func(*webtest.Options)) *webtest.World {
	t.Helper()
	o := webtest.Options{Links: &webtest.Links{}, Deposits: &webtest.Deposits{}}
	for _, c := range change {
		c(&o)
	}
	w := webtest.NewWith(t, o)
	if o.Deposits != nil && !o.Deposits.NoKey {
		w.AwaitAddresses()
	}
	return w
}

func banksOnly(o *webtest.Options) { o.Deposits = nil }

func (l link) open(status int, query ...string) *goquery.Document {
	l.t.Helper()
	return page(l.t, l.w.Get(l.page+strings.Join(query, "")).Want(status))
}

func (l link) status(query ...string) templates.DepositStatus {
	l.t.Helper()
	return statusIn(l.t, l.w.Get(l.path+"/status"+strings.Join(query, "")).Want(http.StatusOK))
}

func (l link) load() *payment.Payment {
	l.t.Helper()
	return l.w.Link(l.alias)
}

// post sends a form as a browser without script does.
func (l link) post(rest string, values url.Values, headers ...string) webtest.Response {
	l.t.Helper()
	return l.w.Do(http.MethodPost, l.path+rest, values.Encode(), append([]string{"Content-Type: application/x-www-form-urlencoded"}, headers...)...)
}

func (l link) await(what string, ok func(templates.DepositStatus) bool) (s templates.DepositStatus) {
	l.t.Helper()
	l.w.Await(what, func() bool {
		s = l.status()
		return ok(s)
	})
	return s
}

// leads tells where an answer leads to.
func (l link) leads(r webtest.Response, status int, to string) {
	l.t.Helper()
	if got := r.Want(status).Header.Get("Location"); got != to {
		l.t.Errorf("leads to %s, want %s", got, to)
	}
}

// scan reads a picture by somebody else's code.
func scan(t *testing.T, raw []byte) (text string, wide int) {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	b, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	r, err := reader.NewQRCodeReader().Decode(b, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatalf("nobody can read the code: %v", err)
	}
	return r.GetText(), m.Bounds().Dx()
}

func TestLinkPage(t *testing.T) {
	w := linkWorld(t)
	l := newLink(t, w, euros)
	doc := l.open(http.StatusOK)
	for id, want := range map[string]string{
		"payee-name": "Test <Store> & Sons", "amount": "49.99 EUR", "order-note": "Invoice <1234>", "choose-title": "Choose what to pay with", "sandbox-banner": "Sandbox: no real money",
	} {
		if got := text(doc, id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	if shown(doc, "send") || shown(doc, "bank") || !shown(doc, "bank-choose") || !shown(doc, "cancel") || doc.Find("#time-left, #expires-at").Length() != 0 {
		t.Error("with nothing chosen, something is asked for, or a way is missing, or it ends")
	}
	if got := doc.Find("#choose input[name=asset]").Length(); got != 3 {
		t.Errorf("%d assets to choose from", got)
	}
	if got := doc.Find("#bank-choose").AttrOr("href", ""); got != l.page+"&method=bank" {
		t.Errorf("the bank is at %s", got)
	}
	var data templates.DepositData
	if err := json.Unmarshal([]byte(doc.Find("script#payment").Text()), &data); err != nil {
		t.Fatal(err)
	}
	s := data.Status
	if data.Page != l.page || data.Path != l.path || data.Currency != "EUR" || data.Method != "" || len(data.Assets) != 3 || s.Bank == nil || s.Bank.QR != "" ||
		s.Methods != (templates.DepositMethods{Crypto: true, Bank: true}) || !s.Cancellable || s.ReturnURL != "" || s.ExpiresAt != "2100-01-01T00:00:00Z" {
		t.Errorf("data block: %+v", data)
	}
	if n := len(l.load().Quotes); n != 0 {
		t.Errorf("looking made %d quotes", n)
	}
	h := w.Get(l.page).Header
	if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "form-action 'self'") || strings.Contains(p, "unsafe") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", h)
	}
	if r := w.Do(http.MethodHead, l.page, ""); r.Status != http.StatusOK {
		t.Errorf("a preview of the link: %d", r.Status)
	}
	// A price, as of a deposit.
	l.leads(l.post("/quote", url.Values{"asset": {"USDC-base"}}), http.StatusSeeOther, l.page+"&asset=USDC-base")
	doc = l.open(http.StatusOK, "&asset=USDC-base")
	if got, want := text(doc, "send-worth"), "49.99 EUR at 0.92578703 EUR for 1 USDC"; got != want || !shown(doc, "quote") {
		t.Errorf("worth %q, want %q", got, want)
	}
	if !shown(doc, "bank-choose") || doc.Find("#choose-more[open]").Length() != 0 {
		t.Error("there is no way back to the bank, or it is in the way")
	}
	l.leads(w.Get(l.path+"/quote"), http.StatusSeeOther, l.page)
	for _, at := range []string{"/?token=", "/"} {
		l.leads(w.Get(at+string(l.id)), http.StatusSeeOther, l.page)
	}
}

func TestLinkByBank(t *testing.T) {
	w := linkWorld(t)
	l := newLink(t, w, `{"amount":"1250","bank_statement_description":"Order 77"}`)
	doc := l.open(http.StatusOK, "&method=bank")
	b := l.load().Terms.Requests[0].Bank
	for id, want := range map[string]string{
		"bank-holder": webtest.Holder, "bank-iban": webtest.IBAN, "bank-amount": "1250.00", "bank-text": b.Text, "choose-title": "Pay with something else",
	} {
		if got := doc.Find("#" + id).Text(); strings.TrimSpace(got) != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	if !strings.HasPrefix(b.Text, "Order 77 RF") || doc.Find("#bank-bic").Length() != 0 || shown(doc, "send") || shown(doc, "bank-choose") || !shown(doc, "bank") {
		t.Errorf("the transfer says %q, or more is shown than it", b.Text)
	}
	s := l.status("?method=bank")
	want := templates.BankDetails{Holder: webtest.Holder, IBAN: webtest.IBAN, IBANGrouped: "DE89 3704 0044 0532 0130 00", Amount: "1250.00", Text: b.Text, Reference: b.Reference, QR: s.Bank.QR}
	if *s.Bank != want || s.Amount != "1,250.00" || s.Quote != nil {
		t.Errorf("status: %+v", s.Bank)
	}
	code := doc.Find("#bank-qr svg")
	if code.AttrOr("aria-label", "") != "QR code of the bank transfer: 1250.00 EUR to "+webtest.Holder || !strings.HasPrefix(string(s.Bank.QR), "<svg") {
		t.Errorf("the code is called %q", code.AttrOr("aria-label", ""))
	}
	w.PayByBank(l.load(), 125000)
	doc = l.open(http.StatusConflict)
	if s := l.status(); s.State != "paid" || s.Bank != nil || len(s.Transfers) != 1 {
		t.Fatalf("paid: %+v", s)
	} else if x := s.Transfers[0]; !x.Bank || x.Amount != "1250.00" || x.Worth != "1,250.00" || x.Symbol != "EUR" || x.Chain != "Bank transfer" || x.Stage != "final" || x.TxHash != "" || x.Required != 0 {
		t.Errorf("transfer: %+v", x)
	}
	if !shown(doc, "success") || !shown(doc, "used") || shown(doc, "merchant-link") || doc.Find("#bank, #cancel").Length() != 0 {
		t.Error("the receipt is not all there is")
	}
	if r := w.Do(http.MethodHead, l.page, ""); r.Status != http.StatusConflict {
		t.Errorf("a preview of a used link: %d", r.Status)
	}
	l.leads(w.Get(l.path+"/return"), http.StatusSeeOther, l.page) // nowhere to go
}

// Without addresses there is one way, which nobody has to choose.
func TestLinkWithOneWay(t *testing.T) {
	w := linkWorld(t, banksOnly)
	l := newLink(t, w, euros)
	doc := l.open(http.StatusOK)
	if !shown(doc, "bank") || shown(doc, "choose") || doc.Find("#send, #safety").Length() != 0 || text(doc, "bank-amount") != "49.99" || !shown(doc, "sandbox-banner") {
		t.Error("the bank transfer is not shown straight away, or something beside it")
	}
	if s := l.status(); s.Methods != (templates.DepositMethods{Bank: true}) || s.Bank == nil || !s.Payable {
		t.Errorf("status: %+v", s)
	}
	if r := l.post("/quote", url.Values{"asset": {"USDC-base"}}); r.Status != http.StatusBadRequest {
		t.Errorf("a price without a way: %d", r.Status)
	}
	w = linkWorld(t, func(o *webtest.Options) { o.Links.NoAccount = true })
	l = newLink(t, w, euros)
	doc = l.open(http.StatusOK)
	if doc.Find("#bank, #bank-choose").Length() != 0 || doc.Find("#choose-more[open]").Length() != 1 || doc.Find("#choose input").Length() != 3 {
		t.Error("coins alone are not chosen from")
	}
	if doc := l.open(http.StatusOK, "&method=bank"); doc.Find("#bank").Length() != 0 || !shown(doc, "choose") {
		t.Error("a way that is not there was chosen")
	}
}

// What came by coin is worth what it is, and the bank is asked for all of the rest.
func TestLinkInTwoWays(t *testing.T) {
	w := linkWorld(t)
	l := newLink(t, w, `{"amount":25}`)
	l.post("/quote", url.Values{"asset": {"ETH-base"}}).Want(http.StatusSeeOther)
	q := l.status("?asset=ETH-base").Quote
	if q == nil || q.Rate != "3464.86438796" {
		t.Fatalf("quote: %+v", q)
	}
	w.Chain.Send(q.Address, big.NewInt(3_000_000_000_000_000), nil) // 10.394593... euros
	w.Chain.Mine(1)
	s := l.await("a part", func(s templates.DepositStatus) bool { return s.Part })
	if s.Received != "10.39" || s.Missing != "14.61" || s.Transfers[0].Worth != "10.39" || s.Bank == nil || s.Bank.Amount != "14.61" || s.Cancellable {
		t.Errorf("a part: %+v", s)
	}
	doc := l.open(http.StatusOK, "&method=bank")
	if text(doc, "missing") != "14.61" || text(doc, "bank-amount") != "14.61" || shown(doc, "cancel") || doc.Find("noscript meta[http-equiv=refresh]").Length() != 0 {
		t.Error("the rest is not what is asked for")
	}
	w.Chain.Mine(webtest.Confirmations)
	w.PayByBank(l.load(), 1461)
	s = l.await("the end", func(s templates.DepositStatus) bool { return s.State == "paid" })
	if s.Excess != "0.00" || s.Received != "25.00" || len(s.Transfers) != 2 {
		t.Errorf("paid: %+v", s)
	}
}

// requestIDs are all that tells one unknown link's page from another's.
var requestIDs = regexp.MustCompile(`[0-9A-HJKMNP-TV-Z]{26}`)

func TestLinksThatAreNobodys(t *testing.T) {
	w := linkWorld(t, banksOnly)
	l := newLink(t, w, euros)
	gone := newLink(t, w, euros)
	if err := w.App.Checkout.Delete(t.Context(), w.Merchant, gone.id); err != nil {
		t.Fatal(err)
	}
	value := strings.TrimPrefix(l.page, "/payment?link_id=")
	bare := strings.TrimRight(value, "=")
	if r := w.Get("/payment?link_id=" + bare); r.Status != http.StatusOK {
		t.Errorf("without its padding: %d", r.Status)
	}
	if r := w.Get("/payment?link_id=" + url.QueryEscape(value)); r.Status != http.StatusOK {
		t.Errorf("with its padding escaped: %d", r.Status)
	}
	unknown := func(path string) webtest.Response {
		t.Helper()
		start := time.Now()
		r := w.Get(path).Want(http.StatusNotFound)
		if took := time.Since(start); took < 40*time.Millisecond {
			t.Errorf("%.80s: answered after %s", path, took)
		}
		r.Body = requestIDs.ReplaceAll(r.Body, []byte("ID"))
		for _, name := range []string{"X-Request-Id", "Date"} {
			r.Header.Del(name)
		}
		return r
	}
	first := unknown("/payment?link_id=MTIzNDU2Nzg5MDEyMzQ1Ng==")
	if got := text(page(t, first), "plain-title"); got != "Payment not found" {
		t.Errorf("title %q", got)
	}
	for _, value := range []string{
		"", "=", "====", "!", "MTIz", "MTIz=", "LTE=", "MA==", "MDA3", "Kzc=", "NyA=", "MS4w", "OTk5OTk5OTk5OTk5OTk5OTk5OQ==", bare[:len(bare)-1], bare + "A",
		strings.ToLower(bare), "%00", "%ff%fe", "%F0%9F%98%80", "%EF%BC%91", l.alias, string(l.id), "4291f98b-d68c-4eb0-883e-6bc790a41c96", strings.Repeat("A", 5000),
		"%22%3E%3Cscript%3E", "..%2f..%2fetc", strings.TrimPrefix(gone.page, "/payment?link_id="), base64URL(bare) + "-_",
	} {
		if got := unknown("/payment?link_id=" + value); !bytes.Equal(got.Body, first.Body) || !equal(got.Header, first.Header) {
			t.Errorf("%.60q is answered in another way", value)
		}
		w.Do(http.MethodHead, "/payment?link_id="+value, "").Want(http.StatusNotFound)
	}
	for _, query := range []string{"link_id=" + value + "&paymentId=" + l.alias, "link_id=" + value + "&link_id=" + value, "paymentId=&link_id=" + value, "LINK_ID=" + value} {
		w.Get("/payment?" + query).Want(http.StatusNotFound)
	}
	w.Get("/payment/" + l.alias).Want(http.StatusNotFound)
	digits := unknown("/link/1234567890123456/return")
	for _, path := range []string{gone.path + "/return", gone.path + "/cancel", "/link/0" + l.alias + "/return", "/link/-1/return", "/link/%F0%9F%98%80/return", "/link/" + value + "/return",
		"/payment/qr?link_id=MTIz", "/payment/qr?link_id=" + strings.TrimPrefix(gone.page, "/payment?link_id=")} {
		if got := unknown(path); !bytes.Equal(got.Body, digits.Body) {
			t.Errorf("%s is answered in another way", path)
		}
	}
	for _, rest := range []string{"/status", "/events", "/pay?wallet=" + webtest.Payee} {
		for _, at := range []string{gone.path, "/link/1234567890123456"} {
			if r := w.Get(at + rest).Want(http.StatusNotFound).JSON(); r["code"] != "not_found" {
				t.Errorf("%s%s: %v", at, rest, r)
			}
		}
	}
	for _, rest := range []string{"/quote", "/cancel"} {
		gone.post(rest, url.Values{"asset": {"USDC-base"}}).Want(http.StatusNotFound)
	}
}

// base64URL is what somebody makes of a link who takes the other alphabet.
func base64URL(bare string) string { return strings.NewReplacer("+", "-", "/", "_").Replace(bare) }

func equal(a, b http.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if !slices.Equal(v, b[k]) {
			return false
		}
	}
	return true
}

func TestWhoGuessesLinksFindsNone(t *testing.T) {
	w := linkWorld(t, banksOnly, func(o *webtest.Options) { o.Limits = web.Limits{Guesses: ratelimit.Rate{PerMinute: 1, Burst: 3}} })
	l := newLink(t, w, euros)
	for range 3 {
		l.open(http.StatusOK)
		w.Get("/payment?link_id=MTIz").Want(http.StatusNotFound)
	}
	for _, path := range []string{"/payment?link_id=MTIz", l.page, l.path + "/return", "/payment/qr" + strings.TrimPrefix(l.page, "/payment")} {
		r := w.Get(path).Want(http.StatusTooManyRequests)
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: nobody says until when", path)
		}
	}
}

func TestLinkCancel(t *testing.T) {
	w := linkWorld(t)
	l := newLink(t, w, euros)
	r := w.Get(l.path + "/cancel").Want(http.StatusOK)
	doc := page(t, r)
	if got := text(doc, "cancel-text"); !strings.HasPrefix(got, "You are about to cancel the payment of 49.99 EUR to Test <Store> & Sons.") {
		t.Errorf("the question: %q", got)
	}
	// Browsers hold the redirect to the merchant against the question's policy.
	if p := r.Header.Get("Content-Security-Policy"); !strings.Contains(p, "form-action *;") || strings.Contains(p, "unsafe") {
		t.Errorf("policy: %s", p)
	}
	if l.load().Terms.CanceledAt != (time.Time{}) {
		t.Fatal("the question was the answer")
	}
	l.post("/cancel", nil, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example").Want(http.StatusForbidden)
	if s := l.status(); s.State != "open" || !s.Cancellable {
		t.Fatalf("another site: %+v", s)
	}
	l.leads(w.Get(l.path+"/return"), http.StatusSeeOther, l.page)
	for range 2 {
		l.leads(l.post("/cancel", nil, "Sec-Fetch-Site: same-origin", "Origin: "+webtest.BaseURL), http.StatusSeeOther, l.path+"/return")
	}
	user := returnedUser(t, w, l)
	l.leads(w.Get(l.path+"/return"), http.StatusFound, "https://shop.example/done?x=1&y=%20&pay_id="+l.alias+"&user_id="+user+"&status=cancel")
	doc = l.open(http.StatusForbidden)
	if !shown(doc, "canceled-by-payer") || shown(doc, "canceled-by-merchant") || doc.Find("#canceled-link").AttrOr("href", "") != webtest.BaseURL+l.path+"/return" || doc.Find("#bank, #choose").Length() != 0 {
		t.Error("the canceled link's page does not say so")
	}
	if s := l.status(); s.State != "canceled" || s.CanceledBy != "payer" || s.Cancellable || s.Bank != nil || s.Methods != (templates.DepositMethods{}) || s.ReturnURL != webtest.BaseURL+l.path+"/return" {
		t.Errorf("status: %+v", s)
	}
	l.leads(w.Get(l.path+"/cancel"), http.StatusSeeOther, l.page)
	l.post("/quote", url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)

	// The merchant's own cancel brings nobody anywhere.
	off := newLink(t, w, euros)
	if err := w.App.Checkout.Cancel(t.Context(), w.Merchant, off.id); err != nil {
		t.Fatal(err)
	}
	if doc := off.open(http.StatusForbidden); !shown(doc, "canceled-by-merchant") || shown(doc, "canceled-by-payer") || shown(doc, "canceled-link") {
		t.Error("a link that the merchant called off does not say so")
	}
	off.leads(w.Get(off.path+"/return"), http.StatusSeeOther, off.page)
	off.leads(off.post("/cancel", nil), http.StatusSeeOther, off.page)
}

// returnedUser is the user_id that merchants are told, as it stands in what the API answers.
func returnedUser(t *testing.T, w *webtest.World, _ link) string {
	t.Helper()
	data, _ := w.SecPaid("createLink", `{"amount":1}`).Want(http.StatusOK).JSON()["data"].(map[string]any)
	user, _ := data["user_id"].(string)
	if len(user) != 36 {
		t.Fatalf("user_id %q", user)
	}
	return user
}

func TestLinkCannotBeCanceled(t *testing.T) {
	w := linkWorld(t)
	fixed := newLink(t, w, `{"amount":5,"cancellable":false}`)
	if doc := fixed.open(http.StatusOK); shown(doc, "cancel") {
		t.Error("a way to cancel is shown that is none")
	}
	fixed.leads(w.Get(fixed.path+"/cancel"), http.StatusSeeOther, fixed.page)
	if got := text(page(t, fixed.post("/cancel", nil).Want(http.StatusForbidden)), "cancel-title"); got != "This payment cannot be canceled" {
		t.Errorf("title %q", got)
	}
	part := newLink(t, w, euros)
	w.PayByBank(part.load(), 1000)
	doc := page(t, part.post("/cancel", nil).Want(http.StatusConflict))
	if doc.Find("#cancel-page").AttrOr("data-kind", "") != "coming" || doc.Find("form").Length() != 0 {
		t.Error("after money, it does not say why it cannot be canceled")
	}
	if s := part.status(); s.State != "open" || s.Received != "10.00" || s.Missing != "39.99" || s.Cancellable {
		t.Errorf("status: %+v", s)
	}
	paid := newLink(t, w, euros)
	w.PayByBank(paid.load(), 4999)
	paid.leads(paid.post("/cancel", nil), http.StatusSeeOther, paid.page)
	if s := paid.status(); s.State != "paid" || s.CanceledBy != "" {
		t.Errorf("status: %+v", s)
	}
	// A bank transfer that was on its way does not un-cancel.
	late := newLink(t, w, euros)
	late.post("/cancel", nil).Want(http.StatusSeeOther)
	w.PayByBank(late.load(), 4999)
	doc = late.open(http.StatusForbidden)
	if got := text(doc, "late-amount"); got != "49.99" || !shown(doc, "late") || !shown(doc, "arrived") {
		t.Errorf("late: %q", got)
	}
}

func TestLinkReturn(t *testing.T) {
	w := linkWorld(t)
	l := newLink(t, w, euros)
	user := returnedUser(t, w, l)
	l.post("/quote", url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	w.PayByBank(l.load(), 2000) // a part is no outcome
	for _, query := range []string{"", "?status=success", "?to=https://evil.example"} {
		l.leads(w.Get(l.path+"/return"+query), http.StatusSeeOther, l.page)
	}
	w.PayByBank(l.load(), 2999)
	want := "https://shop.example/done?x=1&y=%20&pay_id=" + l.alias + "&user_id=" + user + "&status=success"
	l.leads(w.Get(l.path+"/return?status=cancel"), http.StatusFound, want)
	l.leads(w.Do(http.MethodHead, l.path+"/return", ""), http.StatusFound, want)
	doc := l.open(http.StatusConflict) // a look at the link leads nowhere
	if got := doc.Find("#merchant-link").AttrOr("href", ""); got != webtest.BaseURL+l.path+"/return" || !shown(doc, "merchant-link") {
		t.Errorf("the button leads to %q", got)
	}
	if strings.Contains(string(w.Get(l.page).Body), "shop.example") {
		t.Error("the callback is told before anybody goes there")
	}
}

func TestPicturesOfLinks(t *testing.T) {
	w := linkWorld(t, banksOnly)
	l := newLink(t, w, euros)
	at := "/payment/qr" + strings.TrimPrefix(l.page, "/payment")
	for query, want := range map[string]int{"": 300, "&size=300": 300, "&size=100": 100, "&size=1000": 1000, "&size=333": 333, "&size=": 300} {
		r := w.Get(at + query).Want(http.StatusOK)
		if got, wide := scan(t, r.Body); got != webtest.BaseURL+l.page || wide != want {
			t.Errorf("%q: %q, %d wide", query, got, wide)
		}
		h := r.Header
		if h.Get("Content-Type") != "image/png" || h.Get("Cache-Control") != "private, max-age=86400" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %v", query, h)
		}
	}
	w.Do(http.MethodHead, at, "").Want(http.StatusOK)
	for _, query := range []string{"&size=99", "&size=1001", "&size=0", "&size=-300", "&size=3e2", "&size=0300", "&size=%20300", "&size=99999999999999999999", "&size=300&size=300", "&link_id=MTIz"} {
		w.Get(at + query).Want(http.StatusNotFound)
	}
	w.Get("/payment/qr").Want(http.StatusNotFound)
	l.post("/cancel", nil).Want(http.StatusSeeOther)
	w.Get(at).Want(http.StatusOK) // it still leads to the page that says so
}

// Nothing of a page is a secret, nor another server's.
func TestLinkPagesKeepSecrets(t *testing.T) {
	const key = "0123456789abcdef0123456789ABCDEF"
	w := linkWorld(t, func(o *webtest.Options) {
		o.Links.Settings = func(s *merchant.LinkSettings) { s.Secret = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgbWVyY2hhbnQ" }
	})
	l := newLink(t, w, `{"amount":5,"is_encryption":"true","encryption_key":"`+key+`","payment_endpoint":"https://hooks.example/in","callback_url":"https://shop.example/a,https://shop.example/b"}`)
	for _, path := range []string{l.page, l.page + "&method=bank", l.path + "/status", l.path + "/cancel"} {
		body := string(w.Get(path).Want(http.StatusOK).Body)
		for _, secret := range []string{key, w.SecPaidToken, "whsec_", "hooks.example", "shop.example", string(w.Merchant), webtest.XPub} {
			if strings.Contains(body, secret) {
				t.Errorf("%s tells %q", path, secret)
			}
		}
		if strings.Contains(path, "status") {
			continue
		}
		page(t, w.Get(path)).Find("[src], link[href]").Each(func(_ int, el *goquery.Selection) {
			if at := el.AttrOr("src", el.AttrOr("href", "")); !strings.HasPrefix(at, "/static/") {
				t.Errorf("%s loads %s", path, at)
			}
		})
	}
}
