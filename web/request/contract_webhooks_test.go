package request_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/request"
	"quittance/web/webtest"
)

const hookRoute = "/v1/webhook"

// webhooks manages webhooks, and holds what they are sent against the document.
func (x *exchange) webhooks() {
	x.t.Helper()
	hooks, second := webhooktest.New(x.t, webhook.NewSecret()), webhooktest.New(x.t, webhook.NewSecret())
	body := func(url string) string { return fmt.Sprintf(`{"url":%q}`, url) }
	made := x.once(http.StatusCreated, http.MethodPost, hookRoute, body(hooks.URL), body(hooks.URL+"/other"), hookRoute, body(second.URL), x.key())
	for _, bad := range []string{`{}`, body(hooks.URL), body("ftp://example.com/"), body("http://169.254.169.254/"), `{"url":"https://example.com/","clientId":"cli_nobody"}`} {
		x.api(http.StatusBadRequest, http.MethodPost, hookRoute, bad)
	}
	x.api(http.StatusOK, http.MethodGet, hookRoute, "")
	x.api(http.StatusBadRequest, http.MethodGet, hookRoute, "", "X-Client-Id: cli_nobody")
	at := hookRoute + "/" + made.text("id")

	backend := x.backend()
	x.api(http.StatusCreated, http.MethodPost, hookRoute, fmt.Sprintf(`{"url":%q,"clientId":%q}`, second.URL+"/own", strings.TrimPrefix(backend, "X-Client-Id: ")))
	x.api(http.StatusOK, http.MethodGet, hookRoute, "", backend)
	x.tests()
	x.happenings(backend)
	x.words(hooks, second)

	list := x.api(http.StatusOK, http.MethodGet, at+"/deliveries?limit=2", "")
	first := list.JSON()["deliveries"].([]any)[0].(map[string]any)["id"].(string)
	x.api(http.StatusOK, http.MethodGet, at+"/deliveries?before="+list.text("nextBefore")+"&state=delivered", "")
	for _, bad := range []string{"?limit=0", "?before=x", "?state=lost"} {
		x.api(http.StatusBadRequest, http.MethodGet, at+"/deliveries"+bad, "")
	}
	one := fmt.Sprintf(`{"deliveryId":%q}`, first)
	x.once(http.StatusOK, http.MethodPost, at+"/replay", one, `{"onlyFailed":true}`, at+"/replay", one, x.key())
	x.api(http.StatusOK, http.MethodPost, at+"/replay", `{"from":"2026-01-01T00:00:00Z"}`)
	for _, bad := range []string{`{}`, `{"deliveryId":"x"}`, `{"from":"yesterday"}`, `{"to":"2026-01-01T00:00:00Z","from":"2026-02-01T00:00:00Z"}`} {
		x.api(http.StatusBadRequest, http.MethodPost, at+"/replay", bad)
	}
	x.once(http.StatusOK, http.MethodPost, at+"/rotate", `{"overlapHours":0}`, "", at+"/rotate", `{"overlapHours":1}`, x.key())
	x.api(http.StatusConflict, http.MethodPost, at+"/rotate", "")
	x.api(http.StatusBadRequest, http.MethodPost, at+"/rotate", `{"overlapHours":1000}`)
	seen := len(hooks.Received())
	x.api(http.StatusCreated, http.MethodPost, hookRoute+"/test", `{"eventType":"payment.confirmed"}`) // signed with both secrets
	for _, d := range hooks.Wait(x.t, seen+1)[seen:] {
		x.delivery(d)
	}

	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		x.api(http.StatusBadRequest, method, at, "", "X-Client-Id: cli_nobody")
	}
	x.api(http.StatusOK, http.MethodPut, at, "")
	x.api(http.StatusConflict, http.MethodPost, at+"/replay", one)
	x.api(http.StatusOK, http.MethodPut, at, "")
	x.api(http.StatusOK, http.MethodDelete, at, "")
	x.feed()
}

// tests has every event sent that can be tested.
func (x *exchange) tests() {
	x.t.Helper()
	for _, bad := range []string{`{}`, `{"eventType":"payment.invented"}`, `{"eventType":7}`, `[]`, `{"eventType":"payment.confirmed","clientId":"cli_nobody"}`} {
		x.api(http.StatusBadRequest, http.MethodPost, hookRoute+"/test", bad)
	}
	for _, event := range []string{
		"payment.processing", "payment.failed", "payment.refunded", "payment.confirmed", "payment.partial", "request.recurring",
		"payment_detail.updated", "compliance.updated", "client_id.linked", "secure_payment.access_rejected", "kyt.screening.completed", "secure_payment.user_event",
	} {
		x.api(http.StatusCreated, http.MethodPost, hookRoute+"/test", fmt.Sprintf(`{"eventType":%q}`, event))
	}
	body := `{"eventType":"payment.confirmed"}`
	x.send(http.StatusNotFound, http.MethodPost, hookRoute+"/test", body, "X-Api-Key: "+x.AddMerchant("Without webhooks"))
	x.once(http.StatusCreated, http.MethodPost, hookRoute+"/test", body, `{"eventType":"payment.partial"}`, hookRoute+"/test", body, x.key())
}

// happenings has payments go every way that merchants are told of.
func (x *exchange) happenings(backend string) {
	x.t.Helper()
	made := x.send(http.StatusCreated, http.MethodPost, route, `{"requests":[{"amount":"10"}]}`, backend).text("token")
	x.PayOnChain(x.Chain.Wallet, made, 4_000_000)
	x.Chain.Mine(webtest.Confirmations + 1)
	x.Await("a part", func() bool { return x.Load(made).Standing.Oddity == payment.Under })
	x.PayOnChain(x.Chain.Wallet, made, 6_000_000)
	x.Chain.Mine(webtest.Confirmations + 1)
	x.AwaitState(made, payment.Paid)
	x.PayOnChain(x.Chain.Wallet, made, 1_000_000)
	x.Chain.Mine(webtest.Confirmations + 1)

	unsafe := x.CreatePayment("3")
	x.Do(http.MethodPost, "/checkout/"+unsafe+"/telemetry", `{"event":"unsafe_refused","check":"page_calldata","detail":"payee"}`, "Sec-Fetch-Site: same-origin").Want(http.StatusNoContent)

	picky := x.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"1"}],"accessPolicy":{"allowedPayerAddresses":[%q]}}`, payee, x.Chain.Wallet.Address()))
	x.api(http.StatusOK, http.MethodGet, route+"/"+picky+"?wallet="+x.Chain.Other.Address(), "")

	late := x.CreateEnding(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"2"}],"expiresAt":%q}`)
	x.AwaitState(late, payment.Expired)
	x.Chain.SetClock(func() time.Time { return time.Now().Add(time.Hour) }) // past the grace
	x.PayOnChain(x.Chain.Wallet, late, 2_000_000)
	x.Chain.Mine(webtest.Confirmations + 1)
}

// backend is the header of a client id without domains, bound to a destination.
func (x *exchange) backend() string { return x.clientID() }

// browser is the header of a client id of the shop's pages.
func (x *exchange) browser() string { return x.clientID(shop) }

func (x *exchange) clientID(origins ...string) string {
	x.t.Helper()
	wallet, err := asset.ParseAddress(payee)
	if err != nil {
		x.t.Fatal(err)
	}
	usdc, _ := x.App.Checkout.Book().Token("USDC-base")
	now := time.Now().UTC()
	to := merchant.Destination{
		ID: payment.NewULID(now), Merchant: x.Merchant, To: asset.Destination{Wallet: wallet, Chain: usdc.Chain, Token: usdc.Address},
		WalletType: "eoa", Active: true, CreatedAt: now,
	}
	id := merchant.NewSecret(merchant.ClientID, true)
	c := merchant.Credential{
		ID: payment.NewULID(now), Merchant: x.Merchant, Kind: merchant.ClientID, Hash: merchant.HashSecret(id), Public: id, Hint: merchant.Hint(id),
		Origins: origins, Destination: to.ID, CreatedAt: now,
	}
	if err := errors.Join(x.App.Store.InsertDestination(x.t.Context(), to), x.App.Store.InsertCredential(x.t.Context(), c)); err != nil {
		x.t.Fatal(err)
	}
	return "X-Client-Id: " + id
}

// words waits until everything was told that is documented, and holds all of it
// against the document. What takes days to happen is worded without its days.
func (x *exchange) words(receivers ...*webhooktest.Receiver) {
	x.t.Helper()
	const never = "webhook.disabled"
	held := make([]int, len(receivers))
	x.Await("all webhooks", func() bool {
		for i, r := range receivers {
			got := r.Received()
			for _, d := range got[held[i]:] {
				x.delivery(d)
			}
			held[i] = len(got)
		}
		for _, name := range x.contract.Webhooks(signatureHeader) {
			if name != never && !x.heard[name] {
				return false
			}
		}
		return true
	})
	now := time.Now().UTC()
	m, err := request.Encoder{}.Disabled(merchant.Endpoint{
		ID: payment.NewULID(now), URL: receivers[0].URL, FailingSince: now.Add(-webhook.DisableAfter), DisabledAt: now, DisabledWhy: "It only failed.",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	d := receivers[0].Received()[0]
	d.Body = m.Body
	x.delivery(d)
}

func (x *exchange) delivery(d webhooktest.Received) {
	x.t.Helper()
	var body struct {
		Event string `json:"event"`
	}
	if err := json.Unmarshal(d.Body, &body); err != nil {
		x.t.Errorf("a delivery: %v\n%s", err, d.Body)
	}
	x.heard[body.Event] = true
	x.record("webhook-"+body.Event, d.Body, d.Header.Get("x-request-network-test") == "") // what happened rather than a sample
	if err := x.contract.Webhook(body.Event, d.Header, d.Body); err != nil {
		x.t.Error(err)
	}
}

// feed reads the same messages without a webhook.
func (x *exchange) feed() {
	x.t.Helper()
	page := x.api(http.StatusOK, http.MethodGet, "/v2/events?limit=3", "")
	events, _ := page.JSON()["events"].([]any)
	if len(events) != 3 || page.JSON()["hasMore"] != true {
		x.t.Fatalf("%d events: %.600s", len(events), page.Body)
	}
	x.api(http.StatusOK, http.MethodGet, "/v2/events?after="+page.text("nextCursor"), "")
	for _, e := range events {
		e := e.(map[string]any)
		data, err := json.Marshal(e["data"])
		if err != nil {
			x.t.Fatal(err)
		}
		if name, _ := e["event"].(string); !x.heard[name] || len(data) < 10 {
			x.t.Errorf("%s was not heard: %s", name, data)
		}
	}
	for _, bad := range []string{"?after=x", "?limit=0", "?token=x"} {
		x.api(http.StatusBadRequest, http.MethodGet, "/v2/events"+bad, "")
	}
}
