package pay_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

const fromArbitrum = "crosschain:arbitrum-one:USDT-arbitrum-one"

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func items(v any) []any {
	l, _ := v.([]any)
	return l
}

func holds(t *testing.T, what string, got map[string]any, want map[string]any) {
	t.Helper()
	for key, value := range want {
		if fmt.Sprint(got[key]) != fmt.Sprint(value) {
			t.Errorf("%s: %s is %v, want %v", what, key, got[key], value)
		}
	}
}

func optionsOf(got map[string]any) map[string]map[string]any {
	found := map[string]map[string]any{}
	for _, o := range items(got["options"]) {
		found[object(o)["id"].(string)] = object(o)
	}
	return found
}

func TestOptions(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	token := w.CreatePayment("10")
	at := "/checkout/" + token + "/options?wallet="
	got := w.Get(at + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	found := optionsOf(got)
	if len(found) != 4 || len(items(got["silent"])) != 0 || len(items(got["missing"])) != 0 {
		t.Fatalf("options: %v", got)
	}
	if first := object(items(got["options"])[0]); first["type"] != "samechain" {
		t.Errorf("the cheapest is %v", first["id"])
	}
	holds(t, "direct", found["evmref:base:USDC-base"], map[string]any{
		"type": "samechain", "needed": "10000000", "fee": "0", "least": "10000000", "enough": true, "estimated": false, "seconds": 0, "steps": 2,
	})
	there := found[fromArbitrum]
	holds(t, "over a bridge", there, map[string]any{"type": "crosschain", "enough": true, "estimated": false, "steps": 2})
	holds(t, "its chain", object(there["chain"]), map[string]any{"network": "arbitrum-one", "name": "Arbitrum One (sandbox)", "id": float64(asset.SandboxArbitrum)})
	holds(t, "its token", object(there["token"]), map[string]any{"id": "USDT-arbitrum-one", "symbol": "USDT", "decimals": 6, "resetAllowance": true, "address": w.Second.USDT()})
	needed, _ := new(big.Int).SetString(there["needed"].(string), 10)
	fee, _ := new(big.Int).SetString(there["fee"].(string), 10)
	if sum := new(big.Int).Sub(needed, fee); fee.Sign() <= 0 || sum.Cmp(big.NewInt(10_000_000)) != 0 {
		t.Errorf("needed %v with a fee of %v", needed, fee)
	}
	// An approval and an exchange, then what the payment's own way takes.
	holds(t, "exchanged", found["crosschain:base:USDT-base"], map[string]any{"type": "samechain_conversion", "steps": 4})

	network, _ := lifi.Sandbox().Network(asset.SandboxArbitrum)
	w.Second.Wallet.Approve(w.Second.USDT(), network.Diamond.String(), big.NewInt(1))
	w.Second.Mine(1)
	held := optionsOf(w.Get(at + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON())
	holds(t, "with an old allowance", held[fromArbitrum], map[string]any{"steps": 3})

	poor := optionsOf(w.Get(at + "0x00000000000000000000000000000000000000aa").Want(http.StatusOK).JSON())
	holds(t, "too little", poor[fromArbitrum], map[string]any{"balance": "0", "enough": false, "estimated": true, "fee": "0"})

	w.Second.Fail(http.StatusServiceUnavailable)
	silent := w.Get(at + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	if names := fmt.Sprint(silent["silent"]); names != "[Arbitrum One (sandbox)]" || len(items(silent["options"])) != 2 {
		t.Errorf("a dead chain: %v", silent)
	}
	w.Second.Behave()

	for query, code := range map[string]string{"": "invalid_wallet", "?wallet=x": "invalid_wallet", "?wallet=0x0000000000000000000000000000000000000000": "missing_wallet"} {
		if refused := w.Get("/checkout/" + token + "/options" + query).Want(http.StatusBadRequest).JSON(); refused["code"] != code || refused["field"] != "wallet" {
			t.Errorf("%q: %v", query, refused)
		}
	}
	w.Get("/checkout/01ARZ3NDEKTSV4RRFFQ69G5FAV/options?wallet=" + other).Want(http.StatusNotFound)
	named := restrict(w, `{"allowedPayerAddresses":["`+allowed+`"]}`)
	if refused := w.Get("/checkout/" + named + "/options?wallet=" + other).Want(http.StatusForbidden).JSON(); refused["code"] != "wallet_not_allowed" {
		t.Errorf("another wallet: %v", refused)
	}
}

func TestPageOfAPaymentWithOtherWays(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	d := page(t, w.Get("/?token="+w.CreatePayment("10")).Want(http.StatusOK))
	v := data(t, d)
	for _, name := range []string{"ways", "route"} {
		if url, _ := v[name].(string); !strings.HasPrefix(url, "/static/"+name+"-") || w.Get(url).Status != http.StatusOK {
			t.Errorf("%s is at %q", name, url)
		}
	}
	if v["option"] != "evmref:base:USDC-base" || d.Find("#ways").Length() != 1 {
		t.Errorf("the page: %v", v["option"])
	}
	if got := d.Find("noscript").Text(); !strings.Contains(got, "USDT on Base (sandbox) or USDC and USDT on Arbitrum One (sandbox)") {
		t.Errorf("without script: %q", got)
	}
	batch := page(t, w.Get("/?token="+w.Create(`{"requests":[{"payee":"`+webtest.Payee+`","paymentCurrency":"USDC-base","amount":"1"},{"payee":"`+webtest.Payee+`","paymentCurrency":"USDC-base","amount":"2"}]}`)))
	if data(t, batch)["ways"] != "" || batch.Find("#ways").Length() != 0 {
		t.Error("a batch has no other ways")
	}

	// A server without routes has none of it; one whose routes are down says so.
	plain := webtest.New(t)
	if v := data(t, page(t, plain.Get("/?token="+plain.CreatePayment("10")))); v["ways"] != "" || v["route"] != "" {
		t.Errorf("without routing: %v", v)
	}
	router := lifitest.New(lifitest.Options{Table: lifi.Sandbox()})
	router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: http.StatusBadGateway}})
	down := webtest.NewWith(t, webtest.Options{Routing: true, Router: router})
	token := down.CreatePayment("10")
	if v := data(t, page(t, down.Get("/?token="+token))); v["ways"] == "" || v["option"] != "evmref:base:USDC-base" {
		t.Errorf("with routing down: %v", v)
	}
	got := down.Get("/checkout/" + token + "/options?wallet=" + down.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	if found := optionsOf(got); len(found) != 1 || found["evmref:base:USDC-base"]["enough"] != true {
		t.Errorf("with routing down: %v", found)
	}
	holds(t, "why", object(items(got["missing"])[0]), map[string]any{"code": "routing_unavailable", "chain": nil})
}

// bridged sends a payment's money on its way from the second chain.
func bridged(t *testing.T, w *webtest.World, token string) (hash string) {
	t.Helper()
	calls := w.Get("/checkout/" + token + "/pay?option=" + fromArbitrum + "&wallet=" + w.Second.Wallet.Address()).Want(http.StatusOK).JSON()
	holds(t, "what the route is", object(calls["metadata"]), map[string]any{"routeType": "crosschain", "sourceCurrency": "USDT-arbitrum-one", "bridgeTool": "across", "chainId": float64(asset.SandboxArbitrum)})
	return sendAll(w.Second.Wallet, items(calls["transactions"]))
}

func sendAll(from *chaintest.Wallet, transactions []any) (hash string) {
	for _, tx := range transactions {
		data, _ := hex.DecodeString(strings.TrimPrefix(object(tx)["data"].(string), "0x"))
		value, _ := new(big.Int).SetString(strings.TrimPrefix(object(tx)["value"].(string), "0x"), 16)
		hash = from.Send(object(tx)["to"].(string), value, data)
	}
	return hash
}

func announce(w *webtest.World, token, hash string, chain int) webtest.Response {
	body := fmt.Sprintf(`{"txHash":%q,"wallet":%q,"chain":%d}`, hash, w.Chain.Wallet.Address(), chain)
	return w.Do(http.MethodPost, "/checkout/"+token+"/intent", body, here)
}

func TestMoneyOnABridge(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	token := w.CreatePayment("10")
	status := func(headers ...string) map[string]any {
		return w.Get("/checkout/"+token+"/status", headers...).Want(http.StatusOK).JSON()
	}
	if s := status(); s["route"] != nil || s["payable"] != true {
		t.Errorf("before: %v", s)
	}
	if refused := announce(w, token, strings.Repeat("0", 66), 900042161).Want(http.StatusBadRequest).JSON(); refused["field"] != "txHash" {
		t.Errorf("no hash: %v", refused)
	}
	nobody := "0x" + strings.Repeat("ab", 32)
	for _, chain := range []int{1, 42161, -5} {
		if refused := announce(w, token, nobody, chain).Want(http.StatusBadRequest).JSON(); chain > 0 && refused["field"] != "chain" {
			t.Errorf("chain %d: %v", chain, refused)
		}
	}
	// What is not proven is told to who said it, and keeps nobody from paying.
	own := "Cookie: " + strings.Split(announce(w, token, nobody, 900042161).Want(http.StatusOK).Header.Get("Set-Cookie"), ";")[0]
	holds(t, "to who said it", object(status(own)["route"]), map[string]any{"progress": "sent", "txHash": nobody, "chain": "Arbitrum One (sandbox)", "amount": ""})
	if s := status(); s["route"] != nil || s["payable"] != true {
		t.Errorf("to others: %v", s)
	}

	sent := bridged(t, w, token)
	w.Second.Mine(1)
	announce(w, token, sent, 900042161).Want(http.StatusOK)
	w.Await("the proof", func() bool { return status()["payable"] == false })
	s := status()
	held := object(s["route"])
	if s["state"] != "open" || held["amount"] == "" || held["sentAt"] == "" {
		t.Errorf("under way: %v", s)
	}
	holds(t, "to everybody", held, map[string]any{"progress": "bridging", "symbol": "USDT", "txHash": sent, "tool": "across", "chain": "Arbitrum One (sandbox)", "endTx": ""})
	if refused := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusConflict).JSON(); refused["code"] != "bridging" {
		t.Errorf("calldata meanwhile: %v", refused)
	}
	if refused := w.Get("/checkout/" + token + "/options?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusConflict).JSON(); refused["code"] != "bridging" {
		t.Errorf("options meanwhile: %v", refused)
	}
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	if state, _ := d.Find("#qt").Attr("data-state"); state != "seen" || text(d, "progress-title") != "Your payment is on its way from Arbitrum One (sandbox)" {
		t.Errorf("the page: %s, %q", state, text(d, "progress-title"))
	}
	if v := data(t, d); v["payable"] != false || v["state"] != "seen" || v["ways"] == "" {
		t.Errorf("data block: %v", v)
	}
	if !strings.Contains(d.Find("head noscript").Text(), `http-equiv="refresh"`) {
		t.Error("without script the page does not follow the bridge")
	}

	w.Chain.Other.Bridge(w.Second, sent, false)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	s = status()
	if s["state"] != "paid" {
		t.Errorf("after: %v", s)
	}
	holds(t, "what paid", object(s["route"]), map[string]any{
		"progress": "settled", "symbol": "USDT", "amount": held["amount"], "txHash": sent, "chain": "Arbitrum One (sandbox)",
	})
	receipt := text(page(t, w.Get("/?token="+token).Want(http.StatusConflict)), "success-given")
	if want := fmt.Sprintf("%s USDT on Arbitrum One (sandbox)", held["amount"]); receipt != want {
		t.Errorf("the receipt says %q, want %q", receipt, want)
	}
}

// A payment that was made directly tells of no other network.
func TestReceiptOfADirectPayment(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	token := w.CreatePayment("10")
	calls := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	sendAll(w.Chain.Wallet, items(calls["transactions"]))
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	if s := w.Get("/checkout/" + token + "/status").Want(http.StatusOK).JSON(); s["route"] != nil {
		t.Errorf("status: %v", s)
	}
	d := page(t, w.Get("/?token="+token).Want(http.StatusConflict))
	if _, hidden := d.Find("#success-given-row").Attr("hidden"); !hidden {
		t.Errorf("the receipt says %q", text(d, "success-given"))
	}
}

func TestMoneyThatDidNotPay(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	masked := w.Create(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDC-base","amount":"10"}],"accessPolicy":{"hidePayeeAddress":true}}`)
	sent := bridged(t, w, masked)
	w.Second.Mine(1)
	own := "Cookie: " + strings.Split(announce(w, masked, sent, 900042161).Want(http.StatusOK).Header.Get("Set-Cookie"), ";")[0]
	route := func(headers ...string) map[string]any {
		return object(w.Get("/checkout/"+masked+"/status", headers...).Want(http.StatusOK).JSON()["route"])
	}
	w.Await("the proof", func() bool { return route()["progress"] == "bridging" })
	// The transaction names the payee.
	holds(t, "where the payee is masked", route(), map[string]any{"txHash": "", "explorerUrl": ""})
	holds(t, "to who sent it", route(own), map[string]any{"txHash": sent})
	if body := string(w.Get("/?token=" + masked).Body); strings.Contains(body, sent) {
		t.Error("the page names the transaction")
	}

	delivered := w.Chain.Other.Bridge(w.Second, sent, true)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("the recovery", func() bool { return route()["progress"] == "recovered" })
	s := w.Get("/checkout/"+masked+"/status", own).Want(http.StatusOK).JSON()
	if s["payable"] != true || s["state"] != "open" {
		t.Errorf("it can be paid again: %v", s)
	}
	holds(t, "where it is", object(s["route"]), map[string]any{"progress": "recovered", "endTx": delivered, "endChain": "Base (sandbox)"})
	w.PayOnChain(w.Chain.Wallet, masked, 4_000_000)
	w.Chain.Mine(1)
	w.Await("money since then", func() bool { return route(own) == nil })
}

// A bridge's word for failed does not say that the money is still in the wallet,
// where the chain has shown that it left.
func TestBridgeThatFails(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	token := w.CreatePayment("10")
	sent := bridged(t, w, token)
	w.Second.Mine(1)
	announce(w, token, sent, 900042161).Want(http.StatusOK)
	route := func() map[string]any {
		return object(w.Get("/checkout/" + token + "/status").Want(http.StatusOK).JSON()["route"])
	}
	w.Await("the proof", func() bool { return route()["progress"] == "bridging" })
	w.Router.Transfer(sent, lifi.Status{State: lifi.StateFailed})
	w.Await("the end", func() bool { return route()["progress"] == "broken" })
	holds(t, "the end", route(), map[string]any{"left": true, "txHash": sent})
}

func TestPageMayReportEveryCheckOfARoute(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	for _, check := range []string{
		lifi.CheckTarget, lifi.CheckValue, lifi.CheckCalldata, lifi.CheckApproval, lifi.CheckSource, lifi.CheckBridge, lifi.CheckReceiver, lifi.CheckRefund,
		lifi.CheckOutput, lifi.CheckDeadline, lifi.CheckPayment,
	} {
		w.Do(http.MethodPost, "/checkout/"+token+"/telemetry", fmt.Sprintf(`{"event":"unsafe_refused","check":%q,"detail":"x"}`, check), here).Want(http.StatusNoContent)
		events, err := w.App.Store.Events(t.Context(), payment.ID(token))
		if err != nil {
			t.Fatal(err)
		}
		if last := events[len(events)-1]; last.Kind != payment.EventUnsafe || last.Detail != "page: "+check+": x" {
			t.Errorf("%s: %+v", check, last)
		}
	}
}
