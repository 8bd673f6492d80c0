package request_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/lifi"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// send sends all transactions of an answer and returns the last one's hash.
func send(from *chaintest.Wallet, calldata map[string]any) (hash string) {
	for _, tx := range items(calldata["transactions"]) {
		data, _ := hex.DecodeString(strings.TrimPrefix(str(object(tx)["data"]), "0x"))
		value, _ := new(big.Int).SetString(strings.TrimPrefix(str(object(tx)["value"]), "0x"), 16)
		hash = from.Send(str(object(tx)["to"]), value, data)
	}
	return hash
}

// intentOf is what a careful client tells of a transaction over a bridge.
func intentOf(hash string, calldata map[string]any, wallet string) string {
	m := object(calldata["metadata"])
	symbol, _, _ := strings.Cut(str(m["sourceCurrency"]), "-")
	b, _ := json.Marshal(map[string]any{
		"txHash": hash, "chain": "ARBITRUM", "token": symbol, "payerAddress": wallet, "payerEoaAddress": wallet, "executionKind": "evm_cross_chain",
		"sourceNetwork": "arbitrum-one", "sourceToken": symbol, "sourceAmount": m["sourceAmount"], "routeKind": "crosschain", "bridgeTool": m["bridgeTool"],
	})
	return string(b)
}

func TestPaidOverABridge(t *testing.T) {
	w := routed(t)
	hooks := receiver(t, w)
	fee := fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}],"feePercentage":"1","feeAddress":%q,"reference":"order-7"}`, payee, otherPayee)
	token := w.Create(fee)
	at, wallet := route+"/"+token, w.Chain.Wallet.Address()
	request := w.Load(token).Terms.Requests[0].ID
	calls := w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDT&wallet="+wallet, "").Want(http.StatusOK).JSON()
	sent := send(w.Second.Wallet, calls)
	w.Second.Mine(1)

	body := intentOf(sent, calls, wallet)
	first := w.API(http.MethodPost, at+"/intent", body).Want(http.StatusOK)
	if second := w.API(http.MethodPost, at+"/intent", body).Want(http.StatusOK); string(first.Body) != string(second.Body) {
		t.Errorf("not idempotent:\n%s\n%s", first.Body, second.Body)
	}
	holds(t, "intent", first.JSON(), map[string]any{"txHash": sent, "isListening": true, "payerAddress": wallet, "intentId": token + ":" + sent})
	w.Await("the bridge", func() bool { return w.App.Checkout.Payable(w.Load(token)) != nil })

	looked := w.API(http.MethodGet, at+"?wallet="+wallet, "").Want(http.StatusOK).JSON()
	if looked["status"] != "pending" || looked["paymentOptions"] != nil {
		t.Errorf("while it is under way: %v", looked)
	}
	busy := w.API(http.MethodGet, at+"/pay?wallet="+wallet, "").Want(http.StatusLocked).JSON()
	holds(t, "423", busy, map[string]any{"message": "Secure payment is in progress", "status": "pending", "code": "bridging"})
	holds(t, "its request", object(items(busy["requestStatuses"])[0]), map[string]any{
		"requestId": request, "hasBeenPaid": false, "txHash": sent, "chainId": float64(asset.SandboxArbitrum),
	})
	holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+request, "").Want(http.StatusOK).JSON(), map[string]any{"executionKind": "evm_cross_chain", "status": "pending"})

	arrived := w.Chain.Other.Bridge(w.Second, sent, false)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	confirmed := object(nil)
	w.Await("the webhook", func() bool {
		confirmed = heard(t, hooks.Received(), "payment.confirmed")
		return confirmed != nil
	})
	holds(t, "webhook", confirmed, map[string]any{
		"txHash": arrived, "network": "base", "amount": "10", "payerAddress": wallet, "payerEoaAddress": wallet, "paymentProcessor": "request-network",
		"sourceNetwork": "arbitrum-one", "sourceTxHash": sent, "currency": "USDC",
	})
	holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+request, "").Want(http.StatusOK).JSON(), map[string]any{
		"executionKind": "evm_cross_chain", "status": "completed", "payerAddress": wallet,
	})
	over(t, w, token, request, sent, arrived, calls)
}

// over finds what came over a bridge in every way that a search can find it.
func over(t *testing.T, w *webtest.World, token, request, sent, arrived string, calls map[string]any) {
	t.Helper()
	w.PayOnChain(w.Chain.Other, w.CreatePayment("1"), 1_000_000) // beside it, one that came directly
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("both transfers", func() bool {
		return len(items(w.API(http.MethodGet, "/v2/payments?type=direct", "").Want(http.StatusOK).JSON()["payments"])) == 1
	})
	for _, query := range []string{"type=crosschain", "txHash=" + sent, "txHash=" + arrived, "requestId=" + request, "walletAddress=" + w.Chain.Wallet.Address(), "txHash=" + sent + "&type=crosschain",
		"paymentCurrency=USDT-arbitrum-one", "paymentCurrency=USDT-arbitrum-one&invoiceCurrency=USDC-base&walletAddress=" + payee} {
		found := items(w.API(http.MethodGet, "/v2/payments?"+query, "").Want(http.StatusOK).JSON()["payments"])
		if len(found) != 1 {
			t.Errorf("%s: %d found", query, len(found))
			continue
		}
		row := object(found[0])
		holds(t, query, row, map[string]any{
			"type": "crosschain", "sourceNetwork": "arbitrum-one", "destinationNetwork": "base", "sourceTxHash": sent, "destinationTxHash": arrived,
			"amount": "10", "currency": "USDC-base", "paymentCurrency": "USDT-arbitrum-one", "payerAddress": w.Chain.Wallet.Address(), "securePaymentToken": token,
		})
		fees := items(row["fees"])
		if len(fees) != 2 {
			t.Errorf("%s: fees %v", query, fees)
			continue
		}
		holds(t, "platform fee", object(fees[0]), map[string]any{"type": "platform", "amount": "0.1", "receiverAddress": otherPayee})
		holds(t, "crosschain fee", object(fees[1]), map[string]any{"type": "crosschain", "provider": "lifi", "currency": "USDT-arbitrum-one", "network": "arbitrum-one", "receiverAddress": nil})
		gave, _ := new(big.Int).SetString(str(object(calls["metadata"])["sourceUnits"]), 10)
		took := gave.Sub(gave, big.NewInt(10_100_000)).Int64()
		if want := strings.TrimRight(fmt.Sprintf("0.%06d", took), "0"); object(fees[1])["amount"] != want {
			t.Errorf("%s: the way took %v, want %s", query, object(fees[1])["amount"], want)
		}
	}
	for _, query := range []string{"type=direct&txHash=" + sent, "paymentCurrency=USDC-base&txHash=" + sent, "paymentCurrency=USDT-base"} {
		if found := items(w.API(http.MethodGet, "/v2/payments?"+query, "").Want(http.StatusOK).JSON()["payments"]); len(found) != 0 {
			t.Errorf("%s: %v", query, found)
		}
	}
}

// A payment that fails on arrival leaves the money with the payer: the merchant
// hears that this attempt failed and the payment did not, and the payer may pay.
func TestBridgeThatComesToNothing(t *testing.T) {
	w := routed(t)
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	at, wallet := route+"/"+token, w.Chain.Wallet.Address()
	calls := w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDC&wallet="+wallet, "").Want(http.StatusOK).JSON()
	sent := send(w.Second.Wallet, calls)
	w.Second.Mine(1)
	w.API(http.MethodPost, at+"/intent", intentOf(sent, calls, wallet)).Want(http.StatusOK)
	w.Await("the bridge", func() bool { return w.App.Checkout.Payable(w.Load(token)) != nil })
	w.Chain.Other.Bridge(w.Second, sent, true)
	w.Chain.Mine(webtest.Confirmations + 1)
	failed := object(nil)
	w.Await("the webhook", func() bool {
		failed = heard(t, hooks.Received(), "payment.failed")
		return failed != nil
	})
	r := w.Load(token).Terms.Requests[0]
	holds(t, "webhook", failed, map[string]any{
		"event": "payment.failed", "requestId": r.ID, "requestID": r.ID, "paymentReference": r.Reference, "subStatus": "destination_call_failed",
		"paymentProcessor": "request-network", "status": "pending", "sourceNetwork": "arbitrum-one", "sourceTxHash": sent, "totalAmountPaid": "0", "expectedAmount": "10",
	})
	got := w.API(http.MethodGet, at+"?wallet="+wallet, "").Want(http.StatusOK).JSON()
	if got["status"] != "pending" || len(options(got)) != 4 {
		t.Errorf("afterwards: %v", got)
	}
	w.API(http.MethodGet, at+"/pay?wallet="+wallet, "").Want(http.StatusOK)
	holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON(), map[string]any{"executionKind": "evm_same_chain"})
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
}

// What an intent tells of its route must be about its chain and token, and about
// a way that this payment could have been made in.
func TestIntentsOverRoutes(t *testing.T) {
	w := routed(t)
	token := w.CreatePayment("10")
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"5"}`, payee)
	batch := w.Create(`{"requests":[` + item + `,` + item + `]}`)
	native := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"ETH-base","amount":"0.1"}]}`, payee))
	post := func(token, members string, n int) webtest.Response {
		return w.API(http.MethodPost, route+"/"+token+"/intent", fmt.Sprintf(`{"txHash":"0x%064x",%s}`, n, members))
	}
	for i, members := range []string{
		`"chain":"ARBITRUM","token":"USDT"`,
		`"chain":"ARBITRUM","token":"usdc","executionKind":null,"sourceNetwork":null,"sourceToken":null,"sourceAmount":null,"routeKind":null,"bridgeTool":null`,
		`"chain":"ARBITRUM","token":"USDC","executionKind":"evm_cross_chain","sourceNetwork":"ARBITRUM","sourceToken":"USDC-arbitrum-one","sourceAmount":"10.02","routeKind":"crosschain","bridgeTool":"stargate"`,
		fmt.Sprintf(`"chain":"ARBITRUM","token":"USDC","sourceToken":%q`, w.Second.USDC()),
		`"chain":"BASE","token":"USDT","executionKind":"evm_same_chain","routeKind":"same_chain_conversion"`,
		`"chain":"BASE","token":"USDC","executionKind":"evm_same_chain","routeKind":"same_chain","bridgeTool":null`,
	} {
		got := post(token, members, i+1)
		if got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", members, got.Status, got.Body)
		}
	}
	attempts := map[string]asset.ChainID{}
	for _, a := range w.Load(token).Attempts {
		attempts[a.Kind] = a.Chain
	}
	if len(w.Load(token).Attempts) != 6 || attempts["bridge"] != asset.SandboxArbitrum || attempts["tx"] != asset.SandboxBase {
		t.Errorf("attempts: %+v", w.Load(token).Attempts)
	}

	const unsupported = "Invalid or unsupported crosschain execution payload"
	for _, c := range []struct{ token, members, field, message string }{
		{token, `"chain":"ARBITRUM","token":"USDC","executionKind":"evm_same_chain"`, "executionKind", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","executionKind":"tron_batch"`, "executionKind", unsupported},
		{token, `"chain":"BASE","token":"USDC","executionKind":"evm_cross_chain"`, "executionKind", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","routeKind":"same_chain"`, "routeKind", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","routeKind":"teleport"`, "routeKind", unsupported},
		{token, `"chain":"BASE","token":"USDT","routeKind":"same_chain"`, "routeKind", unsupported},
		{token, `"chain":"BASE","token":"USDC","routeKind":"same_chain_conversion"`, "routeKind", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","bridgeTool":"wormhole"`, "bridgeTool", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","bridgeTool":""`, "bridgeTool", unsupported},
		{token, `"chain":"BASE","token":"USDC","bridgeTool":"across"`, "bridgeTool", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceNetwork":"base"`, "sourceNetwork", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceNetwork":"mars"`, "sourceNetwork", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceToken":"USDT"`, "sourceToken", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceToken":"USDC-base"`, "sourceToken", unsupported},
		{token, fmt.Sprintf(`"chain":"ARBITRUM","token":"USDC","sourceToken":%q`, payee), "sourceToken", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceAmount":"0"`, "sourceAmount", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceAmount":"-1"`, "sourceAmount", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceAmount":"1.0000001"`, "sourceAmount", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","sourceAmount":10`, "sourceAmount", ""},
		{token, `"chain":"ARBITRUM","token":"EURC"`, "token", ""},
		{token, `"chain":"ARBITRUM"`, "token", ""},
		{token, `"chain":"TRON","token":"USDT"`, "chain", ""},
		{token, `"chain":"ARBITRUM","token":"ETH"`, "token", unsupported},
		{token, `"chain":"ARBITRUM","token":"USDC","payerAddress":"0x12"`, "payerAddress", ""},
		{token, `"chain":"ARBITRUM","token":"USDC","safePaymentDeadline":1749760800`, "safePaymentDeadline", ""},
		{native, `"chain":"ARBITRUM","token":"USDC"`, "token", unsupported},
		{batch, `"chain":"ARBITRUM","token":"USDC"`, "token", unsupported},
		{batch, `"chain":"BASE","token":"USDT"`, "token", unsupported},
	} {
		refuses(t, c.members, post(c.token, c.members, 99), http.StatusBadRequest, c.message, c.field)
	}
	if n := len(w.Load(token).Attempts) + len(w.Load(batch).Attempts) + len(w.Load(native).Attempts); n != 6 {
		t.Errorf("refused intents left %d attempts", n-6)
	}

	// A server without routes takes no transaction of one.
	off := webtest.New(t)
	refuses(t, "without routes", off.API(http.MethodPost, route+"/"+off.CreatePayment("10")+"/intent", `{"txHash":"0x`+strings.Repeat("ab", 32)+`","chain":"BASE","token":"USDT"}`),
		http.StatusBadRequest, unsupported, "token")
}

// A bridge that gives the money back: the payer may pay again, and the merchant
// hears what went back where.
func TestBridgeRefunds(t *testing.T) {
	w := routed(t)
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	at, wallet := route+"/"+token, w.Chain.Wallet.Address()
	calls := w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDT&wallet="+wallet, "").Want(http.StatusOK).JSON()
	sent := send(w.Second.Wallet, calls)
	w.Router.Transfer(sent, lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded})
	w.Second.Mine(1)
	w.API(http.MethodPost, at+"/intent", intentOf(sent, calls, wallet)).Want(http.StatusOK)
	w.Second.Mine(webtest.Confirmations)
	refunded := object(nil)
	w.Await("the webhook", func() bool {
		refunded = heard(t, hooks.Received(), "payment.refunded")
		return refunded != nil
	})
	holds(t, "webhook", refunded, map[string]any{
		"currency": "USDT", "network": "arbitrum-one", "refundedTo": wallet, "refundAmount": object(calls["metadata"])["sourceAmount"], "reason": "bridge_refunded",
		"securePaymentToken": token, "paymentProcessor": "request-network",
	})
	w.Await("another try", func() bool { return w.API(http.MethodGet, at+"/pay?wallet="+wallet, "").Status == http.StatusOK })
}

// Made-up hashes do not crowd out the transaction that its chain shows to pay.
func TestIntentAfterJunk(t *testing.T) {
	w := routed(t)
	token := w.CreatePayment("10")
	at, wallet := route+"/"+token, w.Chain.Wallet.Address()
	junk := func(n int) webtest.Response {
		return w.API(http.MethodPost, at+"/intent", fmt.Sprintf(`{"txHash":"0x%064x","chain":"ARBITRUM","token":"USDC"}`, n))
	}
	for n := range 20 {
		junk(n).Want(http.StatusOK)
	}
	refuses(t, "one more", junk(20), http.StatusTooManyRequests, "Too many transactions were announced for this payment.", "")
	calls := w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDT&wallet="+wallet, "").Want(http.StatusOK).JSON()
	sent := send(w.Second.Wallet, calls)
	w.Second.Mine(1)
	for range 2 {
		w.API(http.MethodPost, at+"/intent", intentOf(sent, calls, wallet), "Idempotency-Key: k").Want(http.StatusOK)
	}
	w.Await("the bridge", func() bool { return w.App.Checkout.Payable(w.Load(token)) != nil })
}
