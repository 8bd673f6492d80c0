package request_test

import (
	"fmt"
	"net/http"

	"quittance/internal/payment"
	"quittance/web/webtest"
)

// routes looks at a payment that can be made from another chain, and pays it from
// there.
func (x *exchange) routes() {
	x.t.Helper()
	token := x.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"24.50"}],"reference":"order-1001"}`, payee))
	at, wallet := route+"/"+token, x.Chain.Wallet.Address()
	x.api(http.StatusOK, http.MethodGet, at+"?wallet="+wallet, "")
	x.api(http.StatusServiceUnavailable, http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDT&wallet="+wallet, "", hurried+": true")
	calls := x.api(http.StatusOK, http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDT&wallet="+wallet, "").JSON()
	x.api(http.StatusOK, http.MethodPost, at+refreshPath, stepOf(x.t, calls))
	x.api(http.StatusBadRequest, http.MethodPost, at+refreshPath, refreshStep)
	sent := send(x.Second.Wallet, calls)
	x.Second.Mine(1)
	x.api(http.StatusOK, http.MethodPost, at+"/intent", intentOf(sent, calls, wallet))
	x.Await("the bridge", func() bool { return x.App.Checkout.Payable(x.Load(token)) != nil })
	x.api(http.StatusOK, http.MethodGet, at+"?wallet="+wallet, "")
	x.api(http.StatusLocked, http.MethodGet, at+"/pay", "")
	x.api(http.StatusLocked, http.MethodPost, at+refreshPath, stepOf(x.t, calls))
	x.Chain.Other.Bridge(x.Second, sent, false)
	x.Chain.Mine(webtest.Confirmations + 1)
	x.AwaitState(token, payment.Paid)
	x.api(http.StatusOK, http.MethodGet, route+"?requestId="+x.Load(token).Terms.Requests[0].ID, "")
	x.api(http.StatusOK, http.MethodGet, "/v2/payments?type=crosschain", "")
}
