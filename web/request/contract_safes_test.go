package request_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"quittance/internal/payment"
	"quittance/internal/safe"
	"quittance/web/webtest"
)

// safes looks at payments that Safes make, on their own chain and from another.
func (x *exchange) safes() {
	x.t.Helper()
	here, there := x.Safe(safe.V141, 100_000_000)
	wallet := here.Address.String()
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"12.25"}`, payee)
	for _, body := range []string{`{"requests":[` + item + `],"reference":"order-1002"}`, `{"requests":[` + item + `,` + item + `]}`} {
		token := x.api(http.StatusCreated, http.MethodPost, route, body).text("token")
		at := route + "/" + token
		for _, bad := range []string{"", "&wallet=" + wallet + "&eoaWallet=" + payee, "&wallet=" + x.Chain.Wallet.Address(), "&wallet=" + x.Chain.USDC()} {
			x.api(http.StatusBadRequest, http.MethodGet, at+"?isSafe=true"+bad, "")
			x.api(http.StatusBadRequest, http.MethodGet, at+"/pay?isSafe=true"+bad, "")
		}
		x.api(http.StatusOK, http.MethodGet, at+"?isSafe=true&wallet="+wallet, "")
		calls := x.api(http.StatusOK, http.MethodGet, at+"/pay?isSafe=true&wallet="+wallet, "").JSON()
		p := propose(x.t, here, calls, nil)
		x.api(http.StatusBadRequest, http.MethodPost, at+"/intent", p.intent(x.t, "BASE", "USDC", map[string]any{"safePaymentDeadline": 1749760800}))
		intent := p.intent(x.t, "BASE", "USDC", with(p.proven(), "safePaymentDeadline", time.Now().Add(24*time.Hour).Unix()))
		x.api(http.StatusBadRequest, http.MethodPost, at+"/intent", strings.Replace(intent, `"operation":1`, `"operation":0`, 1))
		x.once(http.StatusOK, http.MethodPost, at+"/intent", intent, p.intent(x.t, "BASE", "USDC", nil), "", "", x.key())
		x.api(http.StatusLocked, http.MethodGet, at, "")
		x.api(http.StatusLocked, http.MethodGet, at+"/pay", "")
		other := propose(x.t, here, calls, func(tx *safe.Tx) { tx.Nonce++ })
		x.api(http.StatusConflict, http.MethodPost, at+"/intent", other.intent(x.t, "BASE", "USDC", other.proven()))
		x.api(http.StatusOK, http.MethodGet, route+"?requestId="+x.Load(token).Terms.Requests[0].ID, "")
		here.Execute(p.tx)
		x.Chain.Mine(webtest.Confirmations + 1)
		x.AwaitState(token, payment.Paid)
		x.api(http.StatusConflict, http.MethodGet, at, "")
	}

	at := route + "/" + x.CreatePayment("5")
	calls := x.api(http.StatusOK, http.MethodGet, at+"/pay?isSafe=true&chain=ARBITRUM&token=USDC&wallet="+wallet, "").JSON()
	p := propose(x.t, there, calls, nil)
	x.api(http.StatusOK, http.MethodPost, at+"/intent", p.intent(x.t, "ARBITRUM", "USDC", with(p.proven(), "safePaymentDeadline", object(calls["metadata"])["safePaymentDeadline"])))
	x.api(http.StatusLocked, http.MethodGet, at, "")
}
