package request_test

import (
	"fmt"
	"net/http"
	"strings"

	"quittance/internal/payment"
	"quittance/web/webtest"
)

// payments goes through the life of a payment: looked at, half paid, on its way,
// paid, and expired.
func (x *exchange) payments() {
	x.t.Helper()
	hash := "0x" + strings.Repeat("ab", 32)
	made := x.api(http.StatusCreated, http.MethodPost, route, fmt.Sprintf(
		`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"24.50"}],"reference":"order-1001","redirectUrl":"https://shop.example.com/thanks",`+
			`"redirectLabel":"Back to the shop","feePercentage":"1","feeAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"}`, payee))
	token := made.text("token")
	request := x.Load(token).Terms.Requests[0].ID
	at := route + "/" + token

	x.api(http.StatusOK, http.MethodGet, at+"?wallet="+x.Chain.Wallet.Address(), "")
	x.api(http.StatusOK, http.MethodGet, at, "")
	x.api(http.StatusOK, http.MethodGet, at+"/pay?wallet="+x.Chain.Wallet.Address(), "")
	x.api(http.StatusOK, http.MethodGet, at+"/pay", "")
	x.api(http.StatusOK, http.MethodGet, at+"/pay?chain=BASE&token=USDC", "")
	x.api(http.StatusOK, http.MethodGet, route+"?requestId="+request, "")
	intent := func(hash string) string {
		return fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"USDC","payerAddress":%q}`, hash, x.Chain.Wallet.Address())
	}
	x.once(http.StatusOK, http.MethodPost, at+"/intent", intent(hash), intent("0x"+strings.Repeat("cd", 32)), at+"/intent", intent(hash), x.key())
	for _, bad := range []string{"?isSafe=maybe", "?isSafe=true", "?wallet=0x12", "?chain=BASE", "?token=USDC", "?chain=MARS&token=USDC", "?chain=TRON&token=USDT", "?chain=BASE&token=EURC", "?eoaWallet=0x12"} {
		x.api(http.StatusBadRequest, http.MethodGet, at+bad, "")
		x.api(http.StatusBadRequest, http.MethodGet, at+"/pay"+bad, "")
	}
	for _, bad := range []string{`{}`, `{"txHash":"0x12","chain":"BASE","token":"USDC"}`, `{"txHash":"` + hash + `","chain":"MARS","token":"USDC"}`, `[`} {
		x.api(http.StatusBadRequest, http.MethodPost, at+"/intent", bad)
	}
	x.api(http.StatusBadRequest, http.MethodGet, route, "")

	x.PayOnChain(x.Chain.Wallet, token, 24_500_000)
	x.Chain.Mine(1)
	x.AwaitState(token, payment.Seen)
	x.api(http.StatusOK, http.MethodGet, at, "")
	x.api(http.StatusLocked, http.MethodGet, at+"/pay", "")
	x.api(http.StatusLocked, http.MethodPost, at+refreshPath, refreshStep)
	x.Chain.Mine(webtest.Confirmations)
	x.AwaitState(token, payment.Paid)
	x.api(http.StatusConflict, http.MethodGet, at, "")
	x.api(http.StatusConflict, http.MethodGet, at+"/pay", "")
	x.api(http.StatusConflict, http.MethodPost, at+refreshPath, refreshStep)
	x.api(http.StatusConflict, http.MethodPost, at+"/intent", fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"USDC"}`, hash))
	x.api(http.StatusOK, http.MethodGet, route+"?requestId="+request, "")

	token = x.CreateEnding(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"expiresAt":%q}`)
	request = x.Load(token).Terms.Requests[0].ID
	x.AwaitState(token, payment.Expired)
	at = route + "/" + token
	x.api(http.StatusForbidden, http.MethodGet, at, "")
	x.api(http.StatusForbidden, http.MethodGet, at+"/pay", "")
	x.api(http.StatusForbidden, http.MethodPost, at+refreshPath, refreshStep)
	x.api(http.StatusForbidden, http.MethodPost, at+"/intent", fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"USDC"}`, hash))
	x.api(http.StatusOK, http.MethodGet, route+"?requestId="+request, "")

	x.batch()
}

// batch looks at a payment of several requests.
func (x *exchange) batch() {
	x.t.Helper()
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"1.5"}`, payee)
	other := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDT-base","amount":"2"}`, payee)
	token := x.api(http.StatusCreated, http.MethodPost, route, `{"requests":[`+item+`,`+item+`,`+other+`]}`).text("token")
	at := route + "/" + token
	x.api(http.StatusOK, http.MethodGet, at, "")
	x.api(http.StatusOK, http.MethodGet, at+"/pay", "")
	x.api(http.StatusOK, http.MethodGet, at+"/pay?wallet="+x.Chain.Wallet.Address(), "")
	x.api(http.StatusOK, http.MethodGet, at+"/pay?wallet=0x00000000000000000000000000000000000000aa", "")
	x.api(http.StatusOK, http.MethodGet, route+"?requestId="+x.Load(token).Terms.Requests[2].ID, "")
	x.api(http.StatusOK, http.MethodPost, at+"/intent", `{"txHash":"0x`+strings.Repeat("cd", 32)+`","chain":"BASE","token":"USDC"}`)
}

const payoutBody = `{"recipient":"0x742d35Cc6634C0532925a3b844Bc454e4438f44e","creatorWalletAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7",` +
	`"network":"base","currency":"USDC-base","amount":"100","recipientIdentifier":"employee-7"}`

// creations makes payments in every way, with and without an idempotency key.
func (x *exchange) creations() {
	x.t.Helper()
	body := usdc("5")
	for path, good := range map[string]string{route: body, route + "/payouts": payoutBody} {
		key := "Idempotency-Key: contract" + path
		first := x.api(http.StatusCreated, http.MethodPost, path, good, key)
		again := x.api(http.StatusCreated, http.MethodPost, path, good, key)
		if again.Header.Get("Idempotent-Replayed") != "true" || again.text("token") != first.text("token") {
			x.t.Errorf("%s: a repeat made something new", path)
		}
		x.api(http.StatusUnprocessableEntity, http.MethodPost, path, strings.Replace(good, `"amount":"`, `"amount":"1`, 1), key)
		for _, bad := range []string{`{}`, `{"requests":7}`, `[]`, `{"requests":[{"amount":"0"}]}`, strings.Replace(good, `"amount":"`, `"amount":"-`, 1)} {
			x.api(http.StatusBadRequest, http.MethodPost, path, bad)
		}
		x.api(http.StatusBadRequest, http.MethodPost, path, good, "Idempotency-Key: two words")
	}
	x.api(http.StatusOK, http.MethodGet, route+"?requestId="+x.Load(x.api(http.StatusCreated, http.MethodPost, route+"/payouts", payoutBody).text("token")).Terms.Requests[0].ID, "")
}

// policies looks at payments that not everybody may see or pay.
func (x *exchange) policies() {
	x.t.Helper()
	wallet, stranger := x.Chain.Wallet.Address(), x.Chain.Other.Address()
	for _, policy := range []string{`"hidePayeeAddress":true`, `"hidePayeeAddress":true,"hideUntilApproved":true`} {
		token := x.api(http.StatusCreated, http.MethodPost, route, strings.TrimSuffix(usdc("5"), "}")+
			fmt.Sprintf(`,"accessPolicy":{%s,"allowedPayerAddresses":[%q]}}`, policy, wallet)).text("token")
		at := route + "/" + token
		x.api(http.StatusOK, http.MethodGet, at, "")
		x.api(http.StatusOK, http.MethodGet, at+"?wallet="+wallet, "")
		x.api(http.StatusOK, http.MethodGet, at+"?wallet="+stranger, "")
		x.api(http.StatusOK, http.MethodGet, at+"/pay?wallet="+wallet, "")
		x.api(http.StatusForbidden, http.MethodGet, at+"/pay?wallet="+stranger, "")
		x.api(http.StatusOK, http.MethodGet, route+"?requestId="+x.Load(token).Terms.Requests[0].ID, "")
	}
	x.api(http.StatusBadRequest, http.MethodPost, route, strings.TrimSuffix(usdc("5"), "}")+`,"accessPolicy":{"mode":"sometimes"}}`)
}

func (x *exchange) currencies() {
	x.t.Helper()
	for _, query := range []string{"?id=USDC-base", "", "?network=base", "?network=base&symbol=USDC&firstOnly=true"} {
		x.api(http.StatusOK, http.MethodGet, "/v2/currencies"+query, "")
	}
	for _, query := range []string{"?firstOnly=1", "?firstOnly=true"} {
		x.api(http.StatusBadRequest, http.MethodGet, "/v2/currencies"+query, "")
	}
	x.api(http.StatusNotFound, http.MethodGet, "/v2/currencies?symbol=NOPE", "")
}
