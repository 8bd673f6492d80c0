package pay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

const (
	here    = "Sec-Fetch-Site: same-origin"
	allowed = "0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"
	other   = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
)

// restrict makes a payment of 10 USDC with an access policy.
func restrict(w *webtest.World, policy string) string {
	return w.Create(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDC-base","amount":"10"}],"reference":"SECRET-ORDER","accessPolicy":` + policy + `}`)
}

func ask(w *webtest.World, token, wallet string) webtest.Response {
	return w.Do(http.MethodPost, "/checkout/"+token+"/access", fmt.Sprintf(`{"wallet":%q}`, wallet), here)
}

func TestAllowList(t *testing.T) {
	w := webtest.New(t)
	token := restrict(w, `{"allowedPayerAddresses":["`+strings.ToLower(allowed)+`"]}`)
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	if got := d.Find("#access strong").Text(); got != "Only certain wallets can pay this." {
		t.Errorf("before a wallet is connected: %q", got)
	}
	if v := data(t, d); v["restricted"] != true {
		t.Errorf("data block: %v", v)
	}
	if got := ask(w, token, other).Want(http.StatusOK).JSON(); got["status"] != "rejected" || got["reasonCode"] != "wallet_not_allowed" {
		t.Errorf("another wallet: %v", got)
	}
	answer := ask(w, token, allowed).Want(http.StatusOK)
	if got := answer.JSON(); got["status"] != "approved" || got["reasonCode"] != "" {
		t.Errorf("the right wallet: %v", got)
	}
	if answer.Header.Get("Set-Cookie") != "" {
		t.Error("a page that everyone may see needs no cookie")
	}
	if got := w.Get("/checkout/" + token + "/pay?wallet=" + other).Want(http.StatusForbidden).JSON(); got["code"] != "wallet_not_allowed" || got["transactions"] != nil {
		t.Errorf("calldata for another wallet: %v", got)
	}
	w.Get("/checkout/" + token + "/pay?wallet=" + allowed).Want(http.StatusOK)
	for body, status := range map[string]int{`{}`: 400, `{"wallet":"x"}`: 400, `{"wallet":"` + asset.Address{}.String() + `"}`: 400, `{"wallet":"` + strings.Repeat("x", 2000) + `"}`: 413, `[`: 400} {
		w.Do(http.MethodPost, "/checkout/"+token+"/access", body, here).Want(status)
	}
	w.Do(http.MethodPost, "/checkout/"+token+"/access", `{"wallet":"`+allowed+`"}`, "Origin: https://evil.example").Want(http.StatusForbidden)
	// Everyone is let in where nothing restricts.
	if got := ask(w, w.CreatePayment("1"), other).Want(http.StatusOK).JSON(); got["status"] != "approved" {
		t.Errorf("an open payment: %v", got)
	}
}

// told are things that a hidden payment must not give away.
func told(w *webtest.World, token string) []string {
	r := w.Load(token).Terms.Requests[0]
	return []string{
		webtest.Payee, webtest.Payee[2:], "USDC", "10.00", "10000000", "SECRET-ORDER", "Sons", "900008453", r.Reference, r.Reference[2:], r.ID, r.Topic, allowed[2:], "evmref",
	}
}

func leaks(t *testing.T, what string, body []byte, secrets []string) {
	t.Helper()
	text := strings.ToLower(string(body))
	for _, s := range secrets {
		if strings.Contains(text, strings.ToLower(s)) {
			t.Errorf("%s tells %q", what, s)
		}
	}
}

func TestHiddenPaymentTellsNothing(t *testing.T) {
	w := webtest.New(t)
	token := restrict(w, `{"allowedPayerAddresses":["`+allowed+`"],"hideUntilApproved":true}`)
	secrets := told(w, token)
	api := "/checkout/" + token
	hidden := func(when string, cookies ...string) {
		t.Helper()
		for _, path := range []string{"/?token=" + token, "/" + token} {
			r := w.Get(path, cookies...).Want(http.StatusOK)
			leaks(t, when+": "+path, r.Body, secrets)
			for name, values := range r.Header {
				leaks(t, when+": header "+name, []byte(strings.Join(values, " ")), secrets)
			}
			if d := page(t, r); d.Find("#locked").Length() != 1 || d.Find("#details").Length() != 0 {
				t.Errorf("%s: %s is not locked", when, path)
			}
		}
		if got := string(w.Get(api+"/status", cookies...).Want(http.StatusOK).Body); got != `{"state":"open"}` {
			t.Errorf("%s: status %s", when, got)
		}
	}
	hidden("at first")
	for what, r := range map[string]webtest.Response{
		"calldata":       w.Get(api + "/pay?wallet=" + other).Want(http.StatusForbidden),
		"bad calldata":   w.Get(api + "/pay"),
		"access":         ask(w, token, other).Want(http.StatusOK),
		"bad access":     ask(w, token, "x"),
		"intent":         w.Do(http.MethodPost, api+"/intent", `{"txHash":"0x`+strings.Repeat("ab", 32)+`","wallet":"`+other+`"}`, here).Want(http.StatusForbidden),
		"event":          w.Do(http.MethodPost, api+"/event", `{"action":"made_up","wallet":"`+other+`"}`, here).Want(http.StatusBadRequest),
		"telemetry":      w.Do(http.MethodPost, api+"/telemetry", `{"event":"made_up"}`, here).Want(http.StatusBadRequest),
		"another cookie": w.Get("/?token="+token, "Cookie: __Host-quittance=garbage"),
	} {
		leaks(t, what, r.Body, secrets)
		if c := r.Header.Get("Set-Cookie"); c != "" {
			t.Errorf("%s sets a cookie: %s", what, c)
		}
	}
	hidden("after another wallet was tried")

	cookie := "Cookie: " + strings.Split(ask(w, token, allowed).Want(http.StatusOK).Header.Get("Set-Cookie"), ";")[0]
	d := page(t, w.Get("/?token="+token, cookie).Want(http.StatusOK))
	if got := text(d, "amount"); got != "10.00 USDC" {
		t.Errorf("let in: %q", got)
	}
	if got := w.Get(api+"/status", cookie).JSON(); got["missing"] != "10000000" {
		t.Errorf("let in: status %v", got)
	}
	w.Get(api+"/pay?wallet="+allowed, cookie).Want(http.StatusOK)
	hidden("to others, afterwards")
	second := restrict(w, `{"allowedPayerAddresses":["`+allowed+`"],"hideUntilApproved":true}`)
	leaks(t, "a second payment, with the first one's cookie", w.Get("/?token="+second, cookie).Body, told(w, second))

	// Paid, it still tells where it stands and nothing else.
	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	r := w.Get("/?token=" + token).Want(http.StatusConflict)
	leaks(t, "paid", r.Body, append(secrets, tx))
	if got := text(page(t, r), "locked-text"); got != "This payment has already been made." {
		t.Errorf("paid: %q", got)
	}
	if got := string(w.Get(api + "/status").Body); got != `{"state":"paid"}` {
		t.Errorf("paid: status %s", got)
	}
}

func TestShortenedPayee(t *testing.T) {
	w := webtest.New(t)
	token := restrict(w, `{"hidePayeeAddress":true}`)
	r := w.Get("/?token=" + token).Want(http.StatusOK)
	leaks(t, "the page", r.Body, []string{webtest.Payee, webtest.Payee[2:], webtest.Payee[6:36]})
	d := page(t, r)
	if got := text(d, "payee"); got != "0x742d…f44e" {
		t.Errorf("payee: %q", got)
	}
	if d.Find("#payee-copy, #payee-link").Length() != 0 || d.Find("#payee-short").Length() != 1 {
		t.Error("a shortened payee is to be copied or looked up, or not said to be shortened")
	}
	items, _ := data(t, d)["items"].([]any)
	item, _ := items[0].(map[string]any)
	if hash, _ := item["payeeHash"].(string); item["payee"] != "0x742d…f44e" || len(hash) != 66 {
		t.Errorf("item: %v", item)
	}
	calls := w.Get("/checkout/" + token + "/pay?wallet=" + allowed).Want(http.StatusOK).JSON()
	if secret, _ := calls["payeeSecret"].(string); len(secret) != 64 || calls["transactions"] == nil {
		t.Errorf("calls: %v", calls)
	}
	if open := w.Get("/checkout/" + w.CreatePayment("1") + "/pay?wallet=" + allowed).Want(http.StatusOK).JSON(); open["payeeSecret"] != nil {
		t.Errorf("a secret for a payee that everyone sees: %v", open["payeeSecret"])
	}
	several := page(t, w.Get("/?token="+w.Create(batch(2, `,"accessPolicy":{"hidePayeeAddress":true}`))).Want(http.StatusOK))
	if got := several.Find("[data-item='1'] .item-payee").Text(); got != "0xAA00…0001" {
		t.Errorf("payee of a batch: %q", got)
	}
	plain := page(t, w.Get("/?token="+w.CreatePayment("1")).Want(http.StatusOK))
	if got := text(plain, "payee"); got != webtest.Payee {
		t.Errorf("other payments: %q", got)
	}
}

func TestUserEvents(t *testing.T) {
	w := webtest.New(t)
	first, second := w.CreatePayment("1"), w.CreatePayment("1")
	tell := func(token, action, wallet, at string) webtest.Response {
		t.Helper()
		return w.Do(http.MethodPost, "/checkout/"+token+"/event", fmt.Sprintf(`{"action":%q,"wallet":%q,"occurredAt":%q}`, action, wallet, at), here)
	}
	hashes := func(token string) (found []string) {
		t.Helper()
		events, err := w.App.Store.Events(t.Context(), payment.ID(token))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind != payment.EventUser {
				continue
			}
			found = append(found, e.Fields[payment.FieldHash])
			if text := strings.ToLower(fmt.Sprint(e)); strings.Contains(text, strings.ToLower(other[2:])) {
				t.Errorf("the event tells the wallet: %v", e)
			}
		}
		return found
	}
	for range 3 {
		tell(first, "wallet_connected", other, "2026-01-02T12:00:00.123Z").Want(http.StatusNoContent)
		tell(first, "wallet_connected", strings.ToLower(other), "nonsense").Want(http.StatusNoContent)
	}
	tell(first, "payment_sent_to_wallet", other, "").Want(http.StatusNoContent)
	tell(second, "wallet_connected", other, "").Want(http.StatusNoContent)
	mine, theirs := hashes(first), hashes(second)
	if len(mine) != 2 || len(theirs) != 1 {
		t.Fatalf("got %d and %d events, want 2 and 1", len(mine), len(theirs))
	}
	if len(mine[0]) != 64 || mine[0] != mine[1] || mine[0] == theirs[0] {
		t.Errorf("hashes: %v and %v", mine, theirs)
	}
	tell(first, "paid_in_full", other, "").Want(http.StatusBadRequest)
	tell(first, "wallet_connected", "me", "").Want(http.StatusBadRequest)
	w.Do(http.MethodPost, "/checkout/"+first+"/event", `{"action":"wallet_connected","wallet":"`+other+`"}`, "Origin: https://evil.example").Want(http.StatusForbidden)
	for i := range 100 {
		if tell(first, "wallet_connected", numbered(i+1).String(), "").Status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("a page can tell without end")
}

func TestPayoutPage(t *testing.T) {
	w := webtest.New(t)
	body := `{"recipient":"` + webtest.Payee + `","creatorWalletAddress":"` + allowed + `","network":"base","currency":"USDC-base","amount":"12.5","recipientIdentifier":"Freelancer <4711>"}`
	token, _ := w.API(http.MethodPost, "/v2/secure-payments/payouts", body).Want(http.StatusCreated).JSON()["token"].(string)
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	if got := text(d, "heading"); got != "You are paying out to Freelancer <4711>" {
		t.Errorf("heading: %q", got)
	}
	if got := text(d, "payout-for"); got != "Test <Store> & Sons" {
		t.Errorf("paid out for: %q", got)
	}
	if got := d.Find("title").Text(); got != "Pay out 12.50 USDC to Freelancer <4711>" {
		t.Errorf("title: %q", got)
	}
	w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK)
}
