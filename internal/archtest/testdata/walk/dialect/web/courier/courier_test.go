package courier_test

import (
	"net/http"
	"testing"

	"quittance/internal/webhook/webhooktest"
	"quittance/web/apidoc/apidoctest"
	"quittance/web/webtest"
)

const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// A server with one more dialect speaks it: its routes, its webhooks and its part of the API
// document; and it shows pages as before.
func TestServerSpeaksIt(t *testing.T) {
	w := webtest.New(t)
	hook := webhooktest.New(t, secret)
	w.AddEndpoint(hook.URL, secret)
	key := "X-Courier-Key: " + w.APIKey
	made := w.Do(http.MethodPost, "/v3/payments", `{"payee":"`+webtest.Payee+`","asset":"USDC-base","units":10000000}`, key).Want(http.StatusCreated).JSON()
	token, _ := made["token"].(string)
	if shown := w.Get("/v3/payments/"+token, key).Want(http.StatusOK).JSON(); shown["token"] != token || shown["state"] != "open" {
		t.Errorf("got %v", shown)
	}
	w.Get("/" + token).Want(http.StatusOK)
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations)
	if got := hook.Wait(t, 1); string(got[0].Body) != `{"token":"`+token+`","state":"paid"}` {
		t.Errorf("heard %s", got[0].Body)
	}
	if contract, err := apidoctest.Load(); err != nil || contract.Find(http.MethodGet, "/v3/payments/"+token) != "getCourierPayment" {
		t.Errorf("not in the API document: %v", err)
	}
	for path, want := range map[string]struct {
		key, code string
		status    int
	}{
		"/v3/payments/" + token + "x": {w.APIKey, "payment_not_found", http.StatusNotFound},
		"/v3/payments/" + token:       {w.AddMerchant("Another"), "no_payment", http.StatusNotFound},
		"/v3/else":                    {"", "no_such_path", http.StatusNotFound},
		"/v3/payments":                {"", "method_not_allowed", http.StatusMethodNotAllowed},
	} {
		if got := w.Get(path, "X-Courier-Key: "+want.key); got.Status != want.status || got.JSON()["error"] != want.code {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
}
