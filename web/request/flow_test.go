package request_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

func TestPayWithoutWallet(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	got := w.API(http.MethodGet, route+"/"+token+"/pay", "").Want(http.StatusOK).JSON()
	txs, _ := got["transactions"].([]any)
	if len(txs) != 2 {
		t.Fatalf("want approve and pay, got %v", txs)
	}
	approve, _ := txs[0].(map[string]any)
	pay, _ := txs[1].(map[string]any)
	if approve["to"] != w.Chain.USDC() || pay["to"] != w.Chain.ERC20FeeProxy() || pay["value"] != "0x0" {
		t.Errorf("targets: %v, %v", approve["to"], pay["to"])
	}
	meta, _ := got["metadata"].(map[string]any)
	if meta["stepsRequired"] != 2.0 || meta["needsApproval"] != true || meta["approvalTransactionIndex"] != 0.0 || meta["paymentTransactionIndex"] != 1.0 {
		t.Errorf("metadata: %v", meta)
	}
}

func TestPayWithWallet(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	path := route + "/" + token + "/pay?wallet="
	got := w.API(http.MethodGet, path+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	if n := w.Chain.Calls("eth_simulateV1"); n != 1 {
		t.Errorf("simulations: got %d, want 1", n)
	}
	meta, _ := got["metadata"].(map[string]any)
	if meta["hasEnoughBalance"] != true || meta["hasEnoughGas"] != true || meta["requiredAmount"] != "10" {
		t.Errorf("metadata: %v", meta)
	}
	poor := w.API(http.MethodGet, path+"0x00000000000000000000000000000000000000aa", "").Want(http.StatusOK).JSON()
	meta, _ = poor["metadata"].(map[string]any)
	if meta["hasEnoughBalance"] != false || meta["hasEnoughGas"] != false {
		t.Errorf("metadata of an empty wallet: %v", meta)
	}
	for query, field := range map[string]string{
		"wallet=0x12": "wallet", "chain=BASE": "token", "token=USDC": "chain", "chain=base&token=USDC": "chain", "chain=BASE&token=EURC": "token",
		"isSafe=true": "wallet", "isSafe=yes": "isSafe", "eoaWallet=0x1": "eoaWallet",
	} {
		bad := w.API(http.MethodGet, route+"/"+token+"/pay?"+query, "").Want(http.StatusBadRequest).JSON()
		if bad["field"] != field {
			t.Errorf("%s: got field %v", query, bad["field"])
		}
	}
	// A server without routes says that there could be one.
	off := w.API(http.MethodGet, route+"/"+token+"/pay?chain=BASE&token=USDT&wallet="+w.Chain.Wallet.Address(), "")
	refuses(t, "a route", off, http.StatusServiceUnavailable, "Paying from another network or with another token is switched off on this server.", "")
}

// receiver starts a webhook receiver and registers it; the test's end fails on
// a delivery that a careful receiver would refuse.
func receiver(t *testing.T, w *webtest.World) *webhooktest.Receiver {
	t.Helper()
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	w.AddEndpoint(r.URL, secret)
	t.Cleanup(func() {
		for _, d := range r.Received() {
			if d.Problem != nil {
				t.Errorf("delivery %s: %v", d.ID, d.Problem)
			}
		}
	})
	return r
}

func TestPaidThroughTheChain(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(1)
	p := w.AwaitState(token, payment.Seen)
	if p.Transfers[0].Evidence.Payer != w.Chain.Wallet.Address() {
		t.Errorf("payer: got %s", p.Transfers[0].Evidence.Payer)
	}
	show := w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK).JSON()
	if show["status"] != "pending" {
		t.Errorf("status while confirming: %v", show["status"])
	}
	busy := w.API(http.MethodGet, route+"/"+token+"/pay", "").Want(http.StatusLocked).JSON()
	if busy["message"] != "Secure payment is in progress" || busy["status"] != "pending" {
		t.Errorf("423 body: %v", busy)
	}
	w.Chain.Mine(webtest.Confirmations)
	w.AwaitState(token, payment.Paid)
	for _, path := range []string{"", "/pay"} {
		done := w.API(http.MethodGet, route+"/"+token+path, "").Want(http.StatusConflict).JSON()
		statuses, _ := done["requestStatuses"].([]any)
		first, _ := statuses[0].(map[string]any)
		if done["message"] != "Secure payment has already been completed" || done["status"] != "completed" || first["hasBeenPaid"] != true || first["txHash"] != tx {
			t.Errorf("409 body: %v", done)
		}
	}
	w.Await("two webhooks", func() bool { return len(hooks.Received()) >= 2 })
	events := map[string]map[string]any{}
	for _, d := range hooks.Received() {
		var body map[string]any
		if err := json.Unmarshal(d.Body, &body); err != nil {
			t.Fatalf("body: %v", err)
		}
		name, _ := body["event"].(string)
		events[name] = body
	}
	base, checkout := events["payment.confirmed"], events["payment.confirmed.checkout"]
	if base == nil || checkout == nil || len(events) != 2 {
		t.Fatalf("events: %v", events)
	}
	for name, want := range map[string]any{
		"amount": "10", "totalAmountPaid": "10", "expectedAmount": "10", "txHash": tx, "network": "base", "currency": "USDC", "paymentCurrency": "USDC",
		"payerAddress": w.Chain.Wallet.Address(), "isCryptoToFiat": false, "subStatus": "", "paymentProcessor": "request-network",
		"requestId": p.Terms.Requests[0].ID, "requestID": p.Terms.Requests[0].ID, "paymentReference": p.Terms.Requests[0].Reference,
	} {
		if base[name] != want {
			t.Errorf("%s: got %v, want %v", name, base[name], want)
		}
	}
}

func TestPartialThenRest(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	w.PayOnChain(w.Chain.Wallet, token, 4_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("the part to be final", func() bool {
		p := w.Load(token)
		return p.Standing.State == payment.Open && p.Standing.Oddity == payment.Under && p.Standing.Requests[0].Settled.Cmp(big.NewInt(4_000_000)) == 0
	})
	meta, _ := w.API(http.MethodGet, route+"/"+token+"/pay", "").Want(http.StatusOK).JSON()["metadata"].(map[string]any)
	if meta["requiredAmount"] != "6" {
		t.Errorf("the rest: got %v, want 6", meta["requiredAmount"])
	}
	w.PayOnChain(w.Chain.Other, token, 6_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.Await("four webhooks", func() bool { return len(hooks.Received()) == 4 })
	var names []string
	for _, d := range hooks.Received() {
		var body struct {
			Event           string `json:"event"`
			TotalAmountPaid string `json:"totalAmountPaid"`
		}
		if err := json.Unmarshal(d.Body, &body); err != nil {
			t.Fatal(err)
		}
		names = append(names, body.Event+" "+body.TotalAmountPaid)
	}
	slices.Sort(names)
	want := []string{"payment.confirmed 10", "payment.confirmed.checkout 10", "payment.partial 4", "payment.partial.checkout 4"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestPaidTwiceAndOver(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.PayOnChain(w.Chain.Other, token, 12_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	p := w.AwaitState(token, payment.Paid)
	w.Await("both transfers", func() bool {
		p = w.Load(token)
		return len(p.Transfers) == 2 && p.Transfers[0].Stage == payment.Final && p.Transfers[1].Stage == payment.Final
	})
	if p.Standing.Oddity != payment.Over || p.Standing.Requests[0].Excess(p.Terms.Requests[0].Due).Int64() != 12_000_000 {
		t.Errorf("got %s, excess %s", p.Standing.Oddity, p.Standing.Requests[0].Excess(p.Terms.Requests[0].Due))
	}
}

func TestReorgTakesAPaymentBack(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(1)
	w.AwaitState(token, payment.Seen)
	w.Chain.Reorg(1)
	w.Chain.Mine(2)
	w.AwaitState(token, payment.Open)
	events, err := w.App.Store.Events(t.Context(), payment.ID(token))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e payment.Event) bool { return e.Kind == payment.EventReorged }) {
		t.Errorf("no reorged event in %v", events)
	}
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	p := w.AwaitState(token, payment.Paid)
	if p.Standing.Oddity != payment.None {
		t.Errorf("oddity after a reorg and a second payment: %s", p.Standing.Oddity)
	}
}

func TestNativeCurrencyWithFee(t *testing.T) {
	w := webtest.New(t)
	fee := "0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"
	token := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"ETH-base","amount":"0.5"}],"feePercentage":"1","feeAddress":%q}`, payee, fee))
	got := w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	txs, _ := got["transactions"].([]any)
	if len(txs) != 1 {
		t.Fatalf("transactions: %v", txs)
	}
	if tx, _ := txs[0].(map[string]any); tx["value"] != "0x"+new(big.Int).Mul(big.NewInt(505), big.NewInt(1e15)).Text(16) || tx["to"] != w.Chain.EthFeeProxy() {
		t.Errorf("transaction: %v", txs[0])
	}
	w.PayOnChain(w.Chain.Wallet, token, 5e17)
	w.Chain.Mine(webtest.Confirmations + 1)
	p := w.AwaitState(token, payment.Paid)
	if p.Transfers[0].Fee == nil || p.Transfers[0].Fee.Cmp(big.NewInt(5e15)) != 0 {
		t.Errorf("fee: %v", p.Transfers[0].Fee)
	}
}

func TestWrongPayeeOrAssetIsAnOrphan(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	r := w.Load(token).Terms.Requests[0]
	ref := decodeHex(t, r.Reference)
	ten := big.NewInt(10_000_000)
	w.Chain.Wallet.PayERC20(ref, w.Chain.USDC(), w.Chain.Other.Address(), ten, nil, "")
	w.Chain.Wallet.PayERC20(ref, w.Chain.USDT(), payee, ten, nil, "")
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("both orphans", func() bool {
		os, err := w.App.Store.Orphans(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		reasons := map[string]bool{}
		for _, o := range os {
			reasons[o.Reason] = o.Payment == payment.ID(token)
		}
		return reasons["wrong_payee"] && reasons["wrong_asset"]
	})
	if s := w.Load(token).Standing; s.State != payment.Open || s.Oddity != payment.None {
		t.Errorf("got %s/%s", s.State, s.Oddity)
	}
}

func decodeHex(t *testing.T, text string) []byte {
	t.Helper()
	v, ok := new(big.Int).SetString(strings.TrimPrefix(text, "0x"), 16)
	if !ok {
		t.Fatalf("not hex: %s", text)
	}
	return v.FillBytes(make([]byte, (len(text)-2)/2))
}

func TestExpired(t *testing.T) {
	w := webtest.New(t)
	token := w.CreateEnding(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"expiresAt":%q}`)
	w.AwaitState(token, payment.Expired)
	for _, path := range []string{"", "/pay"} {
		got := w.API(http.MethodGet, route+"/"+token+path, "").Want(http.StatusForbidden).JSON()
		if got["message"] != "Secure payment token expired or invalid status" || got["status"] != "expired" {
			t.Errorf("403 body: %v", got)
		}
	}
	got := w.API(http.MethodPost, route+"/"+token+"/intent", `{"txHash":"0x`+strings.Repeat("ab", 32)+`","chain":"BASE","token":"USDC"}`)
	got.Want(http.StatusForbidden)
}

func TestLateMoneyIsRecordedAndTold(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	token := w.CreateEnding(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"10"}],"expiresAt":%q}`)
	w.AwaitState(token, payment.Expired)
	w.Chain.SetClock(func() time.Time { return time.Now().Add(time.Hour) }) // past the grace
	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	got := hooks.Wait(t, 1)[0]
	var body map[string]any
	if err := json.Unmarshal(got.Body, &body); err != nil {
		t.Fatal(err)
	}
	if body["event"] != "payment.late" || body["amount"] != "10" || body["txHash"] != tx || body["securePaymentToken"] != token {
		t.Errorf("webhook: %v", body)
	}
	p := w.Load(token)
	if p.Standing.State != payment.Expired || p.Standing.Oddity != payment.Late {
		t.Errorf("got %s/%s, want expired/late", p.Standing.State, p.Standing.Oddity)
	}
	w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusForbidden)
}

func TestIntentIsAHint(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	hash := "0x" + strings.Repeat("ab", 32)
	body := `{"txHash":"` + hash + `","chain":"BASE","token":"USDC","payerAddress":"` + w.Chain.Wallet.Address() + `"}`
	first := w.API(http.MethodPost, route+"/"+token+"/intent", body).Want(http.StatusOK)
	second := w.API(http.MethodPost, route+"/"+token+"/intent", body).Want(http.StatusOK)
	if string(first.Body) != string(second.Body) {
		t.Errorf("not idempotent:\n%s\n%s", first.Body, second.Body)
	}
	if got := first.JSON(); got["txHash"] != hash || got["isListening"] != true || got["paymentReference"] != w.Load(token).Terms.Requests[0].Reference {
		t.Errorf("answer: %v", got)
	}
	if s := w.Load(token).Standing.State; s != payment.Open {
		t.Errorf("an intent made the payment %s", s)
	}
	keyed := w.API(http.MethodPost, route+"/"+token+"/intent", body, "Idempotency-Key: i1").Want(http.StatusOK)
	again := w.API(http.MethodPost, route+"/"+token+"/intent", body, "Idempotency-Key: i1").Want(http.StatusOK)
	if again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(keyed.Body) || string(keyed.Body) != string(first.Body) {
		t.Errorf("with a key: %s\n%s", keyed.Body, again.Body)
	}
	w.API(http.MethodPost, route+"/"+token+"/intent", strings.Replace(body, "ab", "cd", 1), "Idempotency-Key: i1").Want(http.StatusUnprocessableEntity)
	for body, field := range map[string]string{
		`{"chain":"BASE","token":"USDC"}`:                                                                              "txHash",
		`{"txHash":"0x12","chain":"BASE","token":"USDC"}`:                                                              "txHash",
		`{"txHash":"` + hash + `","token":"USDC"}`:                                                                     "chain",
		`{"txHash":"` + hash + `","chain":"BASE","token":"USDT"}`:                                                      "token",
		`{"safeTxHash":"` + hash + `","chain":"BASE","token":"USDC"}`:                                                  "safeTxHash",
		`{"txHash":"` + hash + `","safeTxHash":"` + hash + `","chain":"BASE","token":"USDC"}`:                          "txHash",
		`{"txHash":"` + hash + `","safePaymentDeadline":1749760800,"chain":"BASE","token":"USDC"}`:                     "safePaymentDeadline",
		`{"txHash":"` + hash + `","chain":"BASE","token":"USDC","payerEoaAddress":"0x12"}`:                             "payerEoaAddress",
		`{"chain":"BASE","smartAccountAddress":"` + payee + `","userOpHash":"` + hash + `","transactionIndices":[{}]}`: "txHash",
		`{"txHash":"` + hash + `","chain":"NOWHERE","token":"USDC"}`:                                                   "chain",
	} {
		if got := w.API(http.MethodPost, route+"/"+token+"/intent", body).Want(http.StatusBadRequest).JSON(); got["field"] != field {
			t.Errorf("%s: got field %v", body, got["field"])
		}
	}
}

func TestChainDown(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	w.Chain.Fail(http.StatusBadGateway)
	got := w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusServiceUnavailable)
	if got.Header.Get("Retry-After") == "" || strings.Contains(string(got.Body), "127.0.0.1") {
		t.Errorf("answer: %s", got.Body)
	}
	// Everything that needs no chain goes on.
	w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK)
	w.CreatePayment("11")
}

// heard is the body of the first delivery of an event, nil if there is none.
func heard(t *testing.T, all []webhooktest.Received, event string) map[string]any {
	t.Helper()
	for _, d := range all {
		var body map[string]any
		if err := json.Unmarshal(d.Body, &body); err != nil {
			t.Fatalf("body: %v", err)
		}
		if body["event"] == event {
			return body
		}
	}
	return nil
}
