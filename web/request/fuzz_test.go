package request_test

import (
	"net/http"
	"strings"
	"testing"

	"quittance/internal/payment"
	"quittance/web/webtest"
)

// FuzzCreate sends bodies to the whole server. Each is refused as the caller's
// fault or becomes a payment that can be shown and whose calldata can be had.
func FuzzCreate(f *testing.F) {
	w := webtest.New(f)
	for _, seed := range []string{
		usdc("10"), usdc("0"), usdc("-1"), usdc("1e5"), usdc("0.0000001"), usdc(strings.Repeat("9", 78)), usdc(strings.Repeat("9", 72) + ".999999"),
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"ETH-base","amount":"0.000000000000000001"}],"feePercentage":"100","feeAddress":"` + w.Chain.Other.Address() + `"}`,
		`{"requests":[{"destinationId":"` + payee + `@eip155:900008453#:` + w.Chain.USDC() + `","amount":"1"}]}`,
		`{"requests":[{"amount":"1"}]}`, `{"requests":[{},{}]}`, `{"requests":[null]}`, `{"requests":null}`, `{"accessPolicy":{},"requests":[{}]}`, `{"accessPolicy":null,"requests":[{}]}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"redirectUrl":"https://a.example/?q=%00#x","redirectLabel":"é"}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"redirectUrl":"javascript:alert(1)"}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"expiresAt":"9999-12-31T23:59:59Z"}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"feePercentage":"0.01","feeAddress":"` + payee + `"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := w.For(t)
		got := w.API(http.MethodPost, route, body, "Content-Type: application/json")
		switch got.Status {
		case http.StatusCreated:
			token, _ := got.JSON()["token"].(string)
			p := w.Load(token)
			if r := p.Terms.Requests[0]; r.Due.Sign() <= 0 || r.Payee.IsZero() || p.Standing.State != payment.Open {
				t.Fatalf("made %+v", r)
			}
			w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK)
			w.API(http.MethodGet, route+"/"+token+"/pay", "").Want(http.StatusOK)
			w.Get("/?token=" + token).Want(http.StatusOK)
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if v := got.JSON(); v["message"] == "" || v["code"] == "" || len(got.Body) > 2048 {
				t.Fatalf("refused with %.500s", got.Body)
			}
		default:
			t.Fatalf("status %d: %.500s", got.Status, got.Body)
		}
	})
}
