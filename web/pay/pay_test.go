package pay_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

func page(t *testing.T, r webtest.Response) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(string(r.Body)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func text(d *goquery.Document, id string) string {
	return strings.Join(strings.Fields(d.Find("#"+id).Text()), " ")
}

func TestOpenPage(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDC-base","amount":"1234.5"}],"reference":"<b>ORDER</b>","feePercentage":"1","feeAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"}`)
	for _, path := range []string{"/?token=" + token, "/" + token, "/?token=" + strings.ToLower(token)} {
		d := page(t, w.Get(path).Want(http.StatusOK))
		for id, want := range map[string]string{
			"amount": "1,234.50 USDC", "network": "Base (sandbox)", "payee": webtest.Payee, "payee-name": "Test <Store> & Sons", "order-note": "<b>ORDER</b>",
			"fee": "12.345 USDC", "total": "1,246.845 USDC", "safety-title": "This is a safe smart contract",
			"safety-text": "The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid.",
			"reference":   w.Load(token).Terms.Requests[0].Reference,
		} {
			if got := text(d, id); got != want {
				t.Errorf("%s on %s: got %q, want %q", id, path, got, want)
			}
		}
		if state, _ := d.Find("#qt").Attr("data-state"); state != "open" {
			t.Errorf("state: %s", state)
		}
		var data map[string]any
		if err := json.Unmarshal([]byte(d.Find("#payment").Text()), &data); err != nil {
			t.Fatalf("data block: %v", err)
		}
		items, _ := data["items"].([]any)
		if len(items) != 1 || data["token"] != token || data["payable"] != true || data["batch"] != false || data["restricted"] != false {
			t.Fatalf("data block: %v", data)
		}
		if item, _ := items[0].(map[string]any); item["amount"] != "1234500000" || item["payee"] != webtest.Payee {
			t.Errorf("data block: %v", item)
		}
		chain, _ := data["chain"].(map[string]any)
		if urls, _ := chain["rpcUrls"].([]any); len(urls) != 1 || urls[0] != "https://rpc.example.com" {
			t.Errorf("rpcUrls show more than the public ones: %v", chain["rpcUrls"])
		}
	}
}

func TestHeaders(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("1")
	h := w.Get("/?token=" + token).Header
	policy := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %s", policy)
	}
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Strict-Transport-Security": "max-age=63072000; includeSubDomains",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if h.Get("Set-Cookie") != "" {
		t.Error("looking at a page sets a cookie")
	}
}

// Whoever opens an address that is nobody's sees a page, however deep it is.
func TestUnknownAddressesArePages(t *testing.T) {
	w := webtest.New(t)
	for _, path := range []string{"/nothing", "/nothing/else/at/all", "/payment/x/y", "/link/1/else", "/docs/x", "/v1/externals", "/api"} {
		r := w.Get(path, "Accept: text/html,application/xhtml+xml,*/*;q=0.8").Want(http.StatusNotFound)
		if kind := r.Header.Get("Content-Type"); kind != "text/html; charset=UTF-8" || text(page(t, r), "plain-title") != "Payment not found" {
			t.Errorf("%s: %s\n%s", path, kind, r.Body)
		}
	}
}

func TestPagesThatCannotBePaid(t *testing.T) {
	w := webtest.New(t)
	unknown := page(t, w.Get("/?token=01ARZ3NDEKTSV4RRFFQ69G5FAV").Want(http.StatusNotFound))
	if got := text(unknown, "plain-text"); got != "This URL is invalid. Please check the link and try again, or contact the recipient of this payment." {
		t.Errorf("unknown: %q", got)
	}
	w.Get("/?token=%00").Want(http.StatusNotFound)
	w.Get("/").Want(http.StatusNotFound)

	token := w.CreateEnding(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDC-base","amount":"1"}],"expiresAt":%q}`)
	w.AwaitState(token, payment.Expired)
	expired := page(t, w.Get("/?token="+token).Want(http.StatusForbidden))
	if got := text(expired, "over"); !strings.Contains(got, "You are coming too late. Please contact the recipient to send you a new payment link.") {
		t.Errorf("expired: %q", got)
	}
	got := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusForbidden).JSON()
	if got["code"] != "expired" {
		t.Errorf("calldata of an expired payment: %v", got)
	}

	paid := w.CreatePayment("10")
	tx := w.PayOnChain(w.Chain.Wallet, paid, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(paid, payment.Paid)
	d := page(t, w.Get("/?token="+paid).Want(http.StatusConflict))
	if got := text(d, "success-tx"); got != tx {
		t.Errorf("hash: got %q, want %s", got, tx)
	}
	if body := string(w.Get("/?token=" + paid).Body); !strings.Contains(body, "This payment has already been made.") {
		t.Error("a paid link does not say so")
	}
	w.Get("/checkout/" + paid + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusConflict)
}

// TestChangedContractCode pins another code than the chain has: the server must
// refuse, on the page and for calldata, and tell the merchant.
func TestChangedContractCode(t *testing.T) {
	pins := official.Pins{}
	for _, c := range official.Default().Contracts(900008453) {
		if pins[c.Chain] == nil {
			pins[c.Chain] = map[official.Kind]official.Hash{}
		}
		pins[c.Chain][c.Kind] = c.CodeHash
	}
	w := webtest.NewWith(t, webtest.Options{Pins: pins, Code: []byte{0x60, 0x00, 0x60, 0x00, 0xfd}})
	token := w.CreatePayment("1")
	w.Await("the code to be read", func() bool { return w.Get("/?token="+token).Status == http.StatusForbidden })
	d := page(t, w.Get("/?token="+token).Want(http.StatusForbidden))
	if state, _ := d.Find("#qt").Attr("data-state"); state != "unsafe" {
		t.Errorf("state: %s", state)
	}
	if text(d, "unsafe-text") != "There is an issue with this payment call data. Please contact the recipient to send you a new payment link." || text(d, "unsafe-check") == "" {
		t.Errorf("unsafe page: %q, %q", text(d, "unsafe-text"), text(d, "unsafe-check"))
	}
	if strings.Contains(string(w.Get("/?token="+token).Body), "This is a safe smart contract") {
		t.Error("the page calls it safe")
	}
	got := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusForbidden).JSON()
	if got["code"] != "unsafe" || got["field"] != "code_pinned" || got["transactions"] != nil {
		t.Errorf("calldata: %v", got)
	}
	events, err := w.App.Store.Events(t.Context(), payment.ID(token))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Kind == payment.EventUnsafe {
			n++
		}
	}
	if n != 1 {
		t.Errorf("got %d unsafe events, want 1 for many refusals of one check", n)
	}
}

func TestCheckoutCalls(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	api := "/checkout/" + token
	got := w.Get(api + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	checks, _ := got["checks"].([]any)
	if len(checks) < 5 {
		t.Errorf("checks: %v", checks)
	}
	for _, c := range checks {
		if c, _ := c.(map[string]any); c["outcome"] != "passed" {
			t.Errorf("check: %v", c)
		}
	}
	for query, field := range map[string]string{"": "wallet", "?wallet=x": "wallet", "?wallet=" + w.Chain.Wallet.Address() + "&option=nonsense": "option"} {
		bad := w.Get(api + "/pay" + query).JSON()
		if bad["field"] != field || bad["transactions"] != nil {
			t.Errorf("%q: %v", query, bad)
		}
	}
	hash := "0x" + strings.Repeat("cd", 32)
	intent := fmt.Sprintf(`{"txHash":%q,"wallet":%q}`, hash, w.Chain.Wallet.Address())
	w.Do(http.MethodPost, api+"/intent", intent, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site").Want(http.StatusForbidden)
	w.Do(http.MethodPost, api+"/intent", intent, "Origin: https://evil.example").Want(http.StatusForbidden)
	answer := w.Do(http.MethodPost, api+"/intent", intent, "Sec-Fetch-Site: same-origin").Want(http.StatusOK)
	cookie := answer.Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-quittance=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie lacks %s: %s", part, cookie)
		}
	}
	mine := w.Get(api+"/status", "Cookie: "+strings.Split(cookie, ";")[0]).Want(http.StatusOK).JSON()
	theirs := w.Get(api + "/status").Want(http.StatusOK).JSON()
	if mine["announcedTx"] != hash || theirs["announcedTx"] != "" {
		t.Errorf("announced: mine %v, theirs %v", mine["announcedTx"], theirs["announcedTx"])
	}
	w.Get(api+"/status", "Cookie: __Host-quittance=garbage").Want(http.StatusOK)
	w.Do(http.MethodPost, api+"/telemetry", `{"event":"wallet_rejected","at":"now"}`, "Sec-Fetch-Site: same-origin").Want(http.StatusNoContent)
	w.Do(http.MethodPost, api+"/telemetry", `{"event":"made_up"}`, "Sec-Fetch-Site: same-origin").Want(http.StatusBadRequest)
	w.Do(http.MethodPost, api+"/intent", `{"txHash":"`+strings.Repeat("x", 170_000)+`"}`, "Sec-Fetch-Site: same-origin").Want(http.StatusRequestEntityTooLarge)
	for i := range 30 {
		body := fmt.Sprintf(`{"txHash":"0x%064x","wallet":%q}`, i+1, w.Chain.Wallet.Address())
		if got := w.Do(http.MethodPost, api+"/intent", body, "Sec-Fetch-Site: same-origin"); got.Status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("a payer can announce without end")
}

func TestIndexesAreToldToStayAway(t *testing.T) {
	w := webtest.New(t)
	if got := string(w.Get("/robots.txt").Want(http.StatusOK).Body); !strings.Contains(got, "Disallow: /\n") {
		t.Errorf("robots.txt: %q", got)
	}
}

// follow listens to a payment's stream; what it returns waits for news.
func follow(t *testing.T, w *webtest.World, path string) (next func(what string, ok func(map[string]any) bool)) {
	t.Helper()
	s := httptest.NewServer(w.App.Server)
	t.Cleanup(s.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type: %s", got)
	}
	states := make(chan map[string]any, 100)
	go func() {
		defer close(states)
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var v map[string]any
				if json.Unmarshal([]byte(data), &v) == nil {
					states <- v
				}
			}
		}
	}()
	return func(what string, ok func(map[string]any) bool) {
		t.Helper()
		for v := range states {
			if ok(v) {
				return
			}
		}
		t.Fatalf("the stream ended before %s", what)
	}
}

func TestStream(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	next := follow(t, w, "/checkout/"+token+"/events")
	next("open", func(v map[string]any) bool { return v["state"] == "open" && v["missing"] == "10000000" })
	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(1)
	next("the first confirmation", func(v map[string]any) bool {
		return v["state"] == "seen" && v["confirmations"] == 1.0 && v["required"] == 3.0 && v["txHash"] == tx && v["payable"] == false
	})
	w.Chain.Mine(1)
	next("the second", func(v map[string]any) bool { return v["state"] == "seen" && v["confirmations"] == 2.0 })
	w.Chain.Mine(1)
	next("paid", func(v map[string]any) bool { return v["state"] == "paid" && v["settledAt"] != "" })
}
