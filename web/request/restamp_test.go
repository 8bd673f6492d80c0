package request_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// refreshPath is the end of the path that has a route stamped anew; refreshStep
// is as much of a step as there must be.
const (
	refreshPath = "/refresh-step-transaction"
	refreshStep = `{"step":{"id":"x:0","type":"lifi","tool":"across","action":{"toChainId":8453,"toAddress":"0x742d35Cc6634C0532925a3b844Bc454e4438f44e"}}}`
)

// stepOf is the body that has a route stamped anew that was handed out.
func stepOf(t testing.TB, calldata map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"step": object(calldata["metadata"])["rawStep"]})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRefreshStep(t *testing.T) {
	w := routed(t)
	at := route + "/" + w.CreatePayment("10")
	arbitrum, _ := lifi.Sandbox().Network(asset.SandboxArbitrum)
	given := w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDC&wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	got := w.API(http.MethodPost, at+refreshPath, stepOf(t, given)).Want(http.StatusOK).JSON()
	tx := object(got["transactionRequest"])
	holds(t, "transaction", tx, map[string]any{
		"to": arbitrum.Diamond.String(), "from": w.Chain.Wallet.Address(), "chainId": float64(asset.SandboxArbitrum), "value": "0x0",
	})
	holds(t, "answer", got, map[string]any{"sourceCurrency": "USDC-arbitrum-one", "sourceUnits": object(given["metadata"])["sourceUnits"]})
	carries(t, "answer", got, "quoteExpiresAt", "executionDeadline", "rawStep", "sourceAmount")
	txs := items(given["transactions"])
	if len(str(tx["data"])) != len(str(object(txs[len(txs)-1])["data"])) {
		t.Errorf("another call: %v", tx["data"])
	}
	// What came back can be sent back.
	again, err := json.Marshal(map[string]any{"step": got["rawStep"]})
	if err != nil {
		t.Fatal(err)
	}
	w.API(http.MethodPost, at+refreshPath, string(again)).Want(http.StatusOK)

	// Somebody else's payment: the route pays another reference.
	other := route + "/" + w.CreatePayment("10")
	refused := w.API(http.MethodPost, other+refreshPath, stepOf(t, given)).Want(http.StatusForbidden).JSON()
	if refused["code"] != "unsafe" || refused["field"] != lifi.CheckPayment {
		t.Errorf("for another payment: %v", refused)
	}
	// The step is its sender's: what it leads to must not pass for a lie that was
	// told to this server, nor hush up the first of those.
	events, err := w.App.Store.Events(t.Context(), payment.ID(strings.TrimPrefix(other, route+"/")))
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Kind != payment.EventUnsafe || !strings.HasPrefix(last.Detail, "step: "+lifi.CheckPayment) {
		t.Errorf("told the merchant %s %q", last.Kind, last.Detail)
	}
	w.Do(http.MethodPost, at+refreshPath, stepOf(t, given)).Want(http.StatusUnauthorized)
	w.Do(http.MethodPost, at+refreshPath, stepOf(t, given), "X-Api-Key: "+w.AddMerchant("Another")).Want(http.StatusNotFound)
}

func TestRefreshStepRefusals(t *testing.T) {
	w := routed(t)
	at := route + "/" + w.CreatePayment("10")
	const gone = "Route no longer available or invalid step"
	step := func(change string) string { return strings.Replace(refreshStep, `"id":"x:0",`, change, 1) }
	for body, field := range map[string]string{
		`{}`:              "step",
		`{"step":null}`:   "step",
		`{"step":"text"}`: "step",
		`{"step":[]}`:     "step",
		`{"step":{}}`:     "step.id",
		step(``):          "step.id",
		step(`"id":7,`):   "step.id",
		step(`"id":"",`):  "step.id",
		strings.Replace(refreshStep, `"type":"lifi",`, ``, 1):                                "step.type",
		strings.Replace(refreshStep, `"tool":"across",`, ``, 1):                              "step.tool",
		strings.Replace(refreshStep, `"toChainId":8453,`, ``, 1):                             "step.action.toChainId",
		strings.Replace(refreshStep, `8453`, `"8453"`, 1):                                    "step.action.toChainId",
		strings.Replace(refreshStep, `8453`, `-1`, 1):                                        "step.action.toChainId",
		strings.Replace(refreshStep, `"toAddress":"0x742d`, `"toAddress":"0x`, 1):            "step.action.toAddress",
		strings.Replace(refreshStep, `"toChainId":`, `"fromAddress":"0x12","toChainId":`, 1): "step.action.fromAddress",
		refreshStep: "step", // says not even who pays
		strings.Replace(refreshStep, `"toChainId":`, fmt.Sprintf(`"fromAddress":%q,"fromChainId":1,"fromAmount":"1","fromToken":{"address":%q},"toChainId":`, payee, payee), 1): "step",
	} {
		refuses(t, body, w.API(http.MethodPost, at+refreshPath, body), http.StatusBadRequest, gone, field)
	}
	for _, body := range []string{`[`, ``, `{"step":{"id":"1","id":"2"}}`} {
		w.API(http.MethodPost, at+refreshPath, body, "Content-Type: application/json").Want(http.StatusBadRequest)
	}
	long := strings.Replace(refreshStep, `"x:0"`, `"`+strings.Repeat("x", 64<<10)+`"`, 1)
	w.API(http.MethodPost, at+refreshPath, long).Want(http.StatusRequestEntityTooLarge)

	picky := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}],"accessPolicy":{"allowedPayerAddresses":[%q]}}`, payee, w.Chain.Wallet.Address()))
	named := func(wallet string) string {
		return strings.Replace(refreshStep, `"toChainId":`, fmt.Sprintf(`"fromAddress":%q,"toChainId":`, wallet), 1)
	}
	refuses(t, "a stranger", w.API(http.MethodPost, route+"/"+picky+refreshPath, named(w.Chain.Other.Address())), http.StatusForbidden, "This wallet may not make this payment.", "wallet")
	refuses(t, "nobody", w.API(http.MethodPost, route+"/"+picky+refreshPath, refreshStep), http.StatusForbidden, "", "wallet")
	refuses(t, "a friend", w.API(http.MethodPost, route+"/"+picky+refreshPath, named(w.Chain.Wallet.Address())), http.StatusBadRequest, gone, "step")

	off := webtest.New(t)
	refuses(t, "a server without routes", off.API(http.MethodPost, route+"/"+off.CreatePayment("10")+refreshPath, refreshStep), http.StatusServiceUnavailable, "", "")
}
