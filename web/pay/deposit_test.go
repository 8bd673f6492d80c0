package pay_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/ratelimit"
	"quittance/templates"
	"quittance/web"
	"quittance/web/webtest"
)

// deposit is a payment of the SpacePay dialect, as its merchant made it.
type deposit struct {
	w       *webtest.World
	t       *testing.T
	alias   string
	path    string // of its page
	address string
}

const secretKeyPayments = "/v1/external/secretkey-auth/payments"

func newDeposit(t *testing.T, w *webtest.World, body string) deposit {
	t.Helper()
	w.AwaitAddresses()
	made := w.SpacePay(http.MethodPost, secretKeyPayments, body).Want(http.StatusCreated).JSON()
	p, _ := made["payment"].(map[string]any)
	at, _ := p["depositAddress"].(map[string]any)
	d := deposit{w: w, t: t}
	d.alias, _ = made["paymentId"].(string)
	d.address, _ = at["address"].(string)
	link, _ := made["paymentUrl"].(string)
	d.path = strings.TrimPrefix(link, webtest.BaseURL)
	if d.path != "/payment/"+d.alias || d.address == "" {
		t.Fatalf("made %v", made)
	}
	return d
}

const dollars25 = `{"orderId":"order_123","amount":2500,"currency":"USD","redirectUrl":"https://shop.example/done?x=1","customMetadata":"{\"cart\":\"a&b\"}"}`

func (d deposit) page(status int, query ...string) *goquery.Document {
	d.t.Helper()
	return page(d.t, d.w.Get(d.path+strings.Join(query, "")).Want(status))
}

func (d deposit) status(query ...string) templates.DepositStatus {
	d.t.Helper()
	return statusIn(d.t, d.w.Get(d.path+"/status"+strings.Join(query, "")).Want(http.StatusOK))
}

func statusIn(t *testing.T, r webtest.Response) (s templates.DepositStatus) {
	t.Helper()
	if err := json.Unmarshal(r.Body, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// form sends a form as a browser without script does.
func (d deposit) form(values url.Values, headers ...string) webtest.Response {
	d.t.Helper()
	return d.w.Do(http.MethodPost, d.path+"/quote", values.Encode(), append([]string{"Content-Type: application/x-www-form-urlencoded"}, headers...)...)
}

func (d deposit) load() *payment.Payment {
	d.t.Helper()
	p, err := d.w.App.Checkout.PaymentByAlias(d.t.Context(), "spacepay", d.alias)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// send sends a part of what a status' quote asks for, in thousandths, and returns the hash.
func (d deposit) send(q *templates.DepositQuote, thousandths int64) string {
	d.t.Helper()
	units, ok := new(big.Int).SetString(q.Units, 10)
	if !ok {
		d.t.Fatalf("units %q", q.Units)
	}
	units = money.CeilQuo(units.Mul(units, big.NewInt(thousandths)), big.NewInt(1000))
	if q.Native {
		return d.w.Chain.Send(d.address, units, nil)
	}
	return d.w.Chain.Transfer(q.Token, d.address, units)
}

func (d deposit) await(what string, ok func(templates.DepositStatus) bool) (s templates.DepositStatus) {
	d.t.Helper()
	d.w.Await(what, func() bool {
		s = d.status()
		return ok(s)
	})
	return s
}

// shown tells whether a payer sees an element.
func shown(doc *goquery.Document, id string) bool {
	el := doc.Find("#" + id)
	return el.Length() == 1 && el.Closest("[hidden]").Length() == 0
}

func TestDepositPage(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	doc := d.page(http.StatusOK)
	q := d.load().Quotes[0]
	amount := money.Format(asked(q), 18)
	for id, want := range map[string]string{
		"payee-name": "Test <Store> & Sons", "amount": "25.00 USD", "order-note": "order_123", "send-title": "Send ETH on Base (sandbox)",
		"send-amount": amount + " ETH", "send-network": "Base (sandbox)", "sandbox-banner": "Sandbox: no real money", "safety-title": "This address is for this payment only",
	} {
		if got := text(doc, id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	payee := d.load().Terms.Requests[0].Payee
	if got := doc.Find("#address").Text(); got != payee.String() || !strings.EqualFold(got, d.address) {
		t.Errorf("address %s, want %s", got, payee)
	}
	if got, want := doc.Find("#open-wallet").AttrOr("href", ""), "ethereum:"+payee.String()+"@900008453?value="+asked(q).String(); got != want {
		t.Errorf("a wallet is opened with %q, want %q", got, want)
	}
	if label := doc.Find("#qr svg").AttrOr("aria-label", ""); !strings.Contains(label, amount+" ETH on Base (sandbox)") {
		t.Errorf("the code is called %q", label)
	}
	if got := doc.Find("#choose input[name=asset]").Length(); got != 3 {
		t.Errorf("%d assets to choose from", got)
	}
	var data templates.DepositData
	if err := json.Unmarshal([]byte(doc.Find("script#payment").Text()), &data); err != nil {
		t.Fatal(err)
	}
	if data.Path != d.path || data.Asset != "ETH-base" || data.Address != payee.String() || len(data.Assets) != 3 || len(data.Chains) != 1 || data.Status.Quote == nil || data.Status.Quote.QR != "" {
		t.Errorf("data block: %+v", data)
	}
	if s := d.status(); s.Quote == nil || s.Quote.Amount != amount || s.Quote.Rate != webtest.ETHPrice || s.State != "open" || !s.Payable || s.Part || s.ReturnURL != "" || !strings.HasPrefix(string(s.Quote.QR), "<svg") {
		t.Errorf("status: %+v", s)
	}
	h := w.Get(d.path).Header
	if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "script-src 'self'") || strings.Contains(p, "unsafe") || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers: %v", h)
	}
	if w.Do(http.MethodHead, d.path, "").Status != http.StatusOK || w.Get("/payment/"+d.alias[:8]).Status != http.StatusNotFound {
		t.Error("a preview of the link is refused, or nonsense is not")
	}
}

func TestDepositLinks(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	id, other := string(d.load().ID), w.CreatePayment("1")
	for from, to := range map[string]string{
		"/?token=" + id: d.path, "/" + id: d.path, "/" + strings.ToLower(id): d.path,
		"/payment?paymentId=" + d.alias + "&secret=psk_very_secret": d.path, "/payment?paymentId=a%2Fb%3Fc": "/payment/a%2Fb%3Fc",
		d.path + "/quote": d.path,
	} {
		r := w.Get(from).Want(http.StatusSeeOther)
		if got := r.Header.Get("Location"); got != to {
			t.Errorf("%s leads to %s, want %s", from, got, to)
		}
	}
	if got := w.Get("/payment/" + strings.ToUpper(d.alias)).Status; got != http.StatusOK {
		t.Errorf("an id in capitals: %d", got)
	}
	for _, path := range []string{"/payment", "/payment?paymentId=", "/payment/" + other, "/payment/" + id, "/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96", "/payment/%00", "/payment/" + strings.Repeat("a", 500)} {
		r := w.Get(path).Want(http.StatusNotFound)
		if got := text(page(t, r), "plain-title"); got != "Payment not found" {
			t.Errorf("%.60s: %q", path, got)
		}
	}
	// What is of the other page says so, and never breaks.
	for _, call := range []string{"GET status", "GET events", "GET options?wallet=" + webtest.Payee, "GET pay?wallet=" + webtest.Payee, "GET gasless?wallet=" + webtest.Payee,
		"POST access", "POST intent", "POST event", "POST telemetry", "POST bundler", "POST paymaster"} {
		method, rest, _ := strings.Cut(call, " ")
		body := ""
		if method == http.MethodPost {
			body = `{}`
		}
		r := w.Do(method, "/checkout/"+id+"/"+rest, body)
		if r.Status >= 500 || r.Status < 400 || r.Status == http.StatusConflict && r.JSON()["code"] != "other_page" {
			t.Errorf("%s: %d %s", call, r.Status, r.Body)
		}
	}
	if r := w.Get("/checkout/" + id + "/status").Want(http.StatusConflict).JSON(); r["code"] != "other_page" {
		t.Errorf("status: %v", r)
	}
	for _, rest := range []string{"/status", "/events", "/pay"} {
		w.Get("/payment/" + other + rest).Want(http.StatusNotFound)
	}
}

func TestDepositQuotesWithoutScript(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{Two: true}})
	d := newDeposit(t, w, dollars25)
	// Looking asks for no price.
	doc := d.page(http.StatusOK, "?asset=USDC-base")
	if shown(doc, "quote") || text(doc, "refresh-go") != "Get the price" || len(d.load().Quotes) != 1 {
		t.Errorf("a page made a quote, or shows another asset's")
	}
	r := d.form(url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	if got := r.Header.Get("Location"); got != d.path+"?asset=USDC-base" {
		t.Errorf("leads to %s", got)
	}
	doc = d.page(http.StatusOK, "?asset=USDC-base")
	if got := text(doc, "send-amount"); got != "25.003751 USDC" { // 25 / 0.99985, rounded up
		t.Errorf("amount %q", got)
	}
	if got := doc.Find(".choice[data-asset=ETH-base] .choice-amount").Text(); got != money.Format(asked(d.load().Quotes[0]), 18) {
		t.Errorf("the other quote is shown as %q", got)
	}
	if got := d.page(http.StatusOK); text(got, "send-symbol") != "USDC" {
		t.Error("what was asked for last is not what is shown")
	}
	// Both networks are there.
	if got := doc.Find("#choose legend").Length(); got != 2 {
		t.Errorf("%d networks", got)
	}
	d.form(url.Values{"asset": {"usdt-ARBITRUM-one"}}).Want(http.StatusSeeOther)
	if got := text(d.page(http.StatusOK), "send-title"); got != "Send USDT on Arbitrum One (sandbox)" {
		t.Errorf("chosen: %q", got)
	}
	for _, asset := range []string{"", "USD", "nonsense", "DAI-mainnet", `"><script>`} {
		if got := d.form(url.Values{"asset": {asset}}); got.Status != http.StatusBadRequest || shown(page(t, got), "quote") {
			t.Errorf("asset %q: %d", asset, got.Status)
		}
	}
	if n := len(d.load().Quotes); n != 3 {
		t.Errorf("%d quotes, want 3", n)
	}
	d.form(url.Values{"asset": {"ETH-base"}}, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example").Want(http.StatusForbidden)
	d.form(url.Values{"asset": {strings.Repeat("x", 10_000)}}).Want(http.StatusNotFound)
	if d.page(http.StatusOK, "?asset=nonsense").Find("#choose-more[open]").Length() != 1 {
		t.Error("with nonsense chosen, nothing can be chosen")
	}
}

func TestDepositQuotesForTheScript(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	const asks = "Accept: application/json"
	s := statusIn(t, d.form(url.Values{"asset": {"USDT-base"}}, asks).Want(http.StatusOK))
	if q := s.Quote; q == nil || q.Asset != "USDT-base" || q.Units != "24994752" || q.Amount != "24.994752" || q.Native || q.Decimals != 6 || q.ChainID != 900008453 || !strings.HasSuffix(q.URI, "&uint256=24994752") {
		t.Errorf("quote: %+v", s.Quote)
	}
	// A fresh one so soon is the same one.
	again := statusIn(t, d.form(url.Values{"asset": {"USDT-base"}, "fresh": {"1"}}, asks).Want(http.StatusOK))
	if again.Quote == nil || again.Quote.ExpiresAt != s.Quote.ExpiresAt || len(d.load().Quotes) != 2 {
		t.Errorf("fresh: %+v", again.Quote)
	}
	if r := d.form(url.Values{"asset": {"nonsense"}}, asks).Want(http.StatusBadRequest).JSON(); r["code"] != "unknown_asset" || r["field"] != "asset" {
		t.Errorf("nonsense: %v", r)
	}
	if r := d.form(url.Values{"asset": {"USDT-base"}}, asks, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example").Want(http.StatusForbidden).JSON(); r["code"] != "cross_origin" {
		t.Errorf("another site: %v", r)
	}
}

func TestDepositSaysThatThereIsNoPrice(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	w.SilentFeed("USDC", true)
	w.Market.Set("usd-coin", "0.5")
	var r webtest.Response
	w.Await("the kept price to be forgotten", func() bool {
		r = d.form(url.Values{"asset": {"USDC-base"}})
		return r.Status == http.StatusServiceUnavailable
	})
	doc := page(t, r)
	if !shown(doc, "quote-missing") || shown(doc, "quote") || !shown(doc, "choose") || doc.Find("#choose input:not([value=USDC-base])").Length() != 2 {
		t.Errorf("without a price: %s", text(doc, "send"))
	}
	j := d.form(url.Values{"asset": {"USDC-base"}}, "Accept: application/json").Want(http.StatusServiceUnavailable).JSON()
	if j["code"] != "price_unavailable" {
		t.Errorf("for the script: %v", j)
	}
	d.form(url.Values{"asset": {"USDT-base"}}).Want(http.StatusSeeOther)
}

func TestDepositLimits(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}, Limits: web.Limits{Page: ratelimit.Rate{PerMinute: 1, Burst: 2}}})
	d := newDeposit(t, w, dollars25)
	d.form(url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	d.form(url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	r := d.form(url.Values{"asset": {"USDT-base"}}).Want(http.StatusTooManyRequests)
	if doc := page(t, r); !shown(doc, "quote-limited") || r.Header.Get("Retry-After") == "" {
		t.Errorf("too many: %s", text(doc, "send"))
	}
	if j := d.form(url.Values{"asset": {"USDT-base"}}, "Accept: application/json").Want(http.StatusTooManyRequests).JSON(); j["code"] != "rate_limited" {
		t.Errorf("for the script: %v", j)
	}
	if doc := d.page(http.StatusOK); !shown(doc, "quote") {
		t.Error("who asked too often sees no price that is there")
	}
}

// asked is what a quote of ether asks people to send for all of it.
func asked(q payment.Quote) *big.Int { return q.Ask(q.Due, 18) }
