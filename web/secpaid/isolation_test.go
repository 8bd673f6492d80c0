package secpaid_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/web/secpaid"
	"quittance/web/spacepay"
	"quittance/web/webtest"
)

// Links are found in no other dialect, and payments of the others are no links, though one
// merchant has made them all; a credential of one opens no other.
func TestDialectsKeepToThemselves(t *testing.T) {
	d := open(t, webtest.Options{Deposits: &webtest.Deposits{}})
	m := d.create(`{"amount":25,"recipient_note":"isolated"}`)
	link := d.stored(m.ID)
	request := d.CreatePayment("5")
	var dollars struct{ PaymentID string }
	decode(t, d.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", `{"orderId":"isolated","amount":2500,"currency":"USD"}`).Want(http.StatusCreated).Body, &dollars)

	// Neither by the link's names nor by the payment's.
	for _, name := range []string{string(link.ID), fmt.Sprint(m.ID), link.Terms.Requests[0].ID, strings.TrimPrefix(m.PayLink, webtest.BaseURL+"/payment?link_id=")} {
		for _, path := range []string{"", "/pay", "/routes"} {
			d.API(http.MethodGet, "/v2/secure-payments/"+name+path, "").Want(http.StatusNotFound)
		}
		if r := d.API(http.MethodGet, "/v2/secure-payments?requestId="+name, ""); r.Status < 400 {
			t.Errorf("found by %s: %s", name, r.Body)
		}
		d.SpacePay(http.MethodGet, "/v1/external/secretkey-auth/payments/"+name, "").Want(http.StatusNotFound)
		d.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments/"+name+"/cancel", "").Want(http.StatusNotFound)
	}
	for _, dialect := range []string{spacepay.Name, "request"} {
		if p, err := d.App.Store.PaymentByAlias(t.Context(), dialect, fmt.Sprint(m.ID)); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %+v, %v", dialect, p, err)
		}
	}
	for _, id := range []string{request, dollars.PaymentID, string(link.ID)} {
		refuses(t, id, d.call("deleteLink", `{"link_id":`+quote(id)+`}`), http.StatusOK, "Invalid link ID")
		refuses(t, id, d.call("confirmBankTransfer", `{"link_id":`+quote(id)+`,"amount":1}`), http.StatusOK, "Invalid link ID")
	}
	d.pay(m)
	d.PayOnChain(d.Chain.Wallet, request, 5_000_000)
	d.Chain.Mine(webtest.Confirmations + 1)
	d.AwaitState(request, payment.Paid)
	for operation, want := range map[string]int{"getMyUnusedLinks": 0, "getMyUsedLinks": 1, "getPayInTransactions": 1} {
		if got := fine[[]any](t, d.call(operation, `{"limit":100}`)); len(got) != want {
			t.Errorf("%s: %v", operation, got)
		}
	}
	if r := d.SpacePay(http.MethodGet, "/v1/external/secretkey-auth/payments?search=isolated", ""); !strings.Contains(string(r.Body), `"total":1,`) || strings.Contains(string(r.Body), "EUR") {
		t.Errorf("%s", r.Body)
	}
	for _, path := range []string{"/v2/payments?type=direct", "/v2/events?after=0", "/v2/events?token=" + string(link.ID)} {
		if r := d.API(http.MethodGet, path, "").Want(http.StatusOK); strings.Contains(string(r.Body), string(link.ID)) || strings.Contains(string(r.Body), fmt.Sprint(m.ID)) {
			t.Errorf("%s tells of a link: %s", path, r.Body)
		}
	}

	refuses(t, "an API key", d.send("getMyUsedLinks", ``, "token: "+d.APIKey), http.StatusOK, "No user found with the provided API key.")
	refuses(t, "a SpacePay key", d.send("getMyUsedLinks", ``, "token: "+d.SpacePayKey), http.StatusOK, "No user found with the provided API key.")
	d.Get("/v2/currencies", "X-Api-Key: "+d.token).Want(http.StatusUnauthorized)
	d.Get("/v1/external/secretkey-auth/payments", spacepay.HeaderSecretKey+": "+d.token).Want(http.StatusUnauthorized)
	if to := secpaid.Link(dollars.PaymentID); to != "/payment?link_id=" {
		t.Errorf("%s", to)
	}
}
