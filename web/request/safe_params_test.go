package request_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"quittance/web/webtest"
)

const tronWallet = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"

// What goes with no Safe is refused by its name, for display and calldata alike.
func TestSafeParameters(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Safes: true})
	token := w.CreatePayment("10")
	const zero = "0x0000000000000000000000000000000000000000"
	for _, c := range []struct{ query, want string }{
		{"isSafe=yes&wallet=" + payee, "isSafe invalid_is_safe"},
		{"isSafe=1", "isSafe invalid_is_safe"},
		{"isSafe=true", "wallet missing_wallet"},
		{"isSafe=true&wallet=", "wallet missing_wallet"},
		{"isSafe=true&chain=ARBITRUM&token=USDC", "wallet missing_wallet"},
		{"isSafe=true&wallet=" + payee + "&eoaWallet=" + otherPayee, "eoaWallet safe_with_eoa_wallet"},
		{"isSafe=TRUE&eoaWallet=" + otherPayee, "eoaWallet safe_with_eoa_wallet"},
		{"isSafe=false&eoaWallet=" + otherPayee, "wallet missing_wallet"},
		{"isSafe=true&wallet=" + payee + "&chain=TRON&token=USDT", "chain tron_unsupported"},
		{"isSafe=true&wallet=" + payee + "&chain=tron", "chain tron_unsupported"},
		{"isSafe=True&wallet=" + tronWallet, "wallet tron_unsupported"},
		{"isSafe=true&wallet=" + zero, "wallet invalid_wallet"},
		{"isSafe=true&wallet=0x12", "wallet invalid_wallet"},
		{"isSafe=true&wallet=" + strings.Replace(payee, "C", "c", 1), "wallet invalid_wallet"},
		{"isSafe=true&wallet=" + payee + "&chain=ARBITRUM", "token missing_token"},
		{"isSafe=true&wallet=" + payee + "&token=USDC", "chain missing_chain"},
		{"isSafe=true&wallet=" + payee + "&chain=MARS&token=USDC", "chain unknown_chain"},
	} {
		for _, path := range []string{"", "/pay"} {
			got := w.API(http.MethodGet, route+"/"+token+path+"?"+c.query, "").Want(http.StatusBadRequest).JSON()
			if s := fmt.Sprint(got["field"], " ", got["code"]); s != c.want || str(got["message"]) == "" {
				t.Errorf("%s?%s: got %s, want %s", path, c.query, s, c.want)
			}
		}
	}
}

// A server that knows no Safes says so, whatever else is asked.
func TestSafesSwitchedOff(t *testing.T) {
	w := webtest.New(t)
	at := route + "/" + w.CreatePayment("10")
	for _, path := range []string{"", "/pay"} {
		refuses(t, path, w.API(http.MethodGet, at+path+"?isSafe=true&wallet="+payee, ""), http.StatusBadRequest, "Paying from a Safe is not supported here.", "isSafe")
	}
	refuses(t, "intent", w.API(http.MethodPost, at+"/intent", `{"safeTxHash":"0x`+strings.Repeat("ab", 32)+`","chain":"BASE","token":"USDC","payerAddress":"`+payee+`"}`),
		http.StatusBadRequest, "Paying from a Safe is not supported here.", "safeTxHash")
}

// Exactly one hash, and what belongs to a Safe only with its hash: everything
// that can be told wrong is refused by its name, before any chain is asked.
func TestSafeIntentBodies(t *testing.T) {
	w := webtest.New(t)
	at := route + "/" + w.CreatePayment("10") + "/intent"
	hash := "0x" + strings.Repeat("ab", 32)
	safe := func(members string) string {
		return fmt.Sprintf(`{"safeTxHash":%q,"chain":"BASE","token":"USDC","payerAddress":%q%s}`, hash, payee, members)
	}
	plain := func(members string) string {
		return fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"USDC"%s}`, hash, members)
	}
	const far = 300 * 366 * 24 * 3600
	for _, c := range []struct{ body, want string }{
		{`{"chain":"BASE","token":"USDC"}`, "txHash missing_tx_hash"},
		{`{"txHash":"","safeTxHash":"","chain":"BASE","token":"USDC"}`, "txHash missing_tx_hash"},
		{`{"txHash":null,"safeTxHash":null,"chain":"BASE","token":"USDC"}`, "txHash missing_tx_hash"},
		{plain(`,"safeTxHash":"` + hash + `"`), "txHash ambiguous_hash"},
		{safe(`,"txHash":"0x12"`), "txHash ambiguous_hash"},
		{plain(`,"safePaymentDeadline":1999999999`), "safePaymentDeadline deadline_without_safe"},
		{plain(`,"safeTx":{}`), "safeTx safe_tx_without_safe"},
		{plain(`,"safeSignatures":[]`), "safeSignatures signatures_without_safe"},
		{safe(`,"safePaymentDeadline":0`), "safePaymentDeadline invalid_deadline"},
		{safe(`,"safePaymentDeadline":-1`), "safePaymentDeadline invalid_deadline"},
		{safe(`,"safePaymentDeadline":-9223372036854775808`), "safePaymentDeadline invalid_deadline"},
		{safe(`,"safePaymentDeadline":1749760800`), "safePaymentDeadline invalid_deadline"},
		{safe(`,"safePaymentDeadline":1749760800000`), "safePaymentDeadline invalid_deadline"},
		{safe(fmt.Sprintf(`,"safePaymentDeadline":%d`, far)), "safePaymentDeadline invalid_deadline"},
		{safe(`,"safePaymentDeadline":9223372036854775807`), "safePaymentDeadline invalid_deadline"},
		{safe(`,"safePaymentDeadline":9223372036854775808`), "safePaymentDeadline wrong_type"},
		{safe(`,"safePaymentDeadline":1e400`), "safePaymentDeadline wrong_type"},
		{safe(`,"safePaymentDeadline":1999999999.5`), "safePaymentDeadline wrong_type"},
		{safe(`,"safePaymentDeadline":"1999999999"`), "safePaymentDeadline wrong_type"},
		{safe(`,"safePaymentDeadline":true`), "safePaymentDeadline wrong_type"},
		{safe(`,"safeTx":[]`), "safeTx wrong_type"},
		{safe(`,"safeTx":"{}"`), "safeTx wrong_type"},
		{safe(`,"safeTx":7`), "safeTx wrong_type"},
		{safe(`,"safeTx":{"to":1,"to":1}`), "safeTx.to duplicate_key"},
		{safe(`,"safeTx":` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)), "<nil> invalid_json"},
		{safe(`,"safeSignatures":"0x12"`), "safeSignatures wrong_type"},
		{safe(`,"safeSignatures":[7]`), "safeSignatures[0] wrong_type"},
		{safe(`,"safeSignatures":["0x12","12"]`), "safeSignatures[1] invalid_signature"},
		{safe(`,"safeSignatures":["0x"]`), "safeSignatures[0] invalid_signature"},
		{safe(`,"safeSignatures":["0x123"]`), "safeSignatures[0] invalid_signature"},
		{safe(`,"safeSignatures":["0x` + strings.Repeat("ab", 4097) + `"]`), "safeSignatures[0] invalid_signature"},
		{safe(`,"safeSignatures":["0x12"` + strings.Repeat(`,"0x12"`, 100) + `]`), "safeSignatures too_many_signatures"},
		{`{"safeTxHash":7,"chain":"BASE","token":"USDC"}`, "safeTxHash wrong_type"},
		{`{"safeTxHash":"` + hash + `","safeTxHash":"` + hash + `","chain":"BASE","token":"USDC"}`, "safeTxHash duplicate_key"},
		{`{"safeTxHash":"` + hash + `","token":"USDC"}`, "chain unknown_chain"},
		{`{"safeTxHash":"` + hash + `","chain":"TRON","token":"USDC"}`, "chain unknown_chain"},
		{`{"safeTxHash":"` + hash + `","chain":"BASE"}`, "token unsupported_token"},
		{`{"safeTxHash":"` + hash + `","chain":"BASE","token":"EURC"}`, "token unsupported_token"},
		{`{"safeTxHash":"` + hash + `","chain":"BASE","token":"USDC","payerAddress":"0x12"}`, "payerAddress invalid_wallet"},
		{safe(`,"payerEoaAddress":"0x12"`), "payerEoaAddress invalid_wallet"},
		{safe(`,"executionKind":"evm_cross_chain"`), "executionKind unsupported_execution"},
	} {
		got := w.API(http.MethodPost, at, c.body).Want(http.StatusBadRequest).JSON()
		if s := fmt.Sprint(got["field"], " ", got["code"]); s != c.want || str(got["message"]) == "" {
			t.Errorf("%.200s: got %s, want %s", c.body, s, c.want)
		}
	}
	w.API(http.MethodPost, at, safe(`,"safeTx":{"data":"`+strings.Repeat("00", 140<<10)+`"}`)).Want(http.StatusRequestEntityTooLarge)
}
