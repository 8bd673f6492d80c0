package request_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/web/webtest"
)

// routed is a server with both of the sandbox's chains and a service that routes
// between them.
func routed(t *testing.T) *webtest.World {
	return webtest.NewWith(t, webtest.Options{Routing: true})
}

// poor is a wallet that holds nothing.
const poor = "0x00000000000000000000000000000000000000aa"

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func items(v any) []any {
	l, _ := v.([]any)
	return l
}

// options are the paymentOptions of an answer, flat: "BASE USDC".
func options(got map[string]any) map[string]map[string]any {
	flat := map[string]map[string]any{}
	for chain, tokens := range object(got["paymentOptions"]) {
		for token, o := range object(tokens) {
			flat[chain+" "+token] = object(o)
		}
	}
	return flat
}

func TestPaymentOptions(t *testing.T) {
	w := routed(t)
	token := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}],"feePercentage":"1","feeAddress":%q}`, payee, otherPayee))
	at := route + "/" + token + "?wallet="
	got := w.API(http.MethodGet, at+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	found := options(got)
	if len(found) != 4 || len(items(got["unavailableChains"]))+len(items(got["unavailableRoutes"])) != 0 {
		t.Fatalf("options: %v", got)
	}
	holds(t, "direct", found["BASE USDC"], map[string]any{
		"hasEnoughBalance": true, "neededAmount": "10.1", "neededUnits": "10100000", "decimals": 6, "feeAmount": "0",
		"routeType": "samechain", "estimatedSeconds": 0, "estimated": false,
	})
	for name, kind := range map[string]string{"BASE USDT": "samechain_conversion", "ARBITRUM USDC": "crosschain", "ARBITRUM USDT": "crosschain"} {
		o := found[name]
		holds(t, name, o, map[string]any{"hasEnoughBalance": true, "routeType": kind, "estimated": false, "decimals": 6})
		if str(o["neededUnits"]) <= "10100000" || str(o["feeAmount"]) == "" || str(o["feeAmount"]) == "0" || str(o["balance"]) == "" {
			t.Errorf("%s does not cost more than the payment: %v", name, o)
		}
	}

	// Without money nobody is asked for prices: what it takes at most is told.
	asked := w.Router.Asked("/v1/quote/contractCalls")
	found = options(w.API(http.MethodGet, at+poor, "").Want(http.StatusOK).JSON())
	holds(t, "nothing there", found["ARBITRUM USDT"], map[string]any{"hasEnoughBalance": false, "balance": "0", "balanceUnits": "0", "estimated": true})
	if _, there := found["ARBITRUM USDT"]["feeAmount"]; there || len(found) != 4 || w.Router.Asked("/v1/quote/contractCalls") != asked {
		t.Errorf("an empty wallet: %v", found)
	}
	// Several requests are paid from their own chain, and what takes several assets is no choice.
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"5"}`, payee)
	one, several := w.Create(`{"requests":[`+item+`,`+item+`]}`), w.Create(`{"requests":[`+item+`,`+strings.Replace(item, "USDC", "USDT", 1)+`]}`)
	found = options(w.API(http.MethodGet, route+"/"+one+"?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON())
	if len(found) != 1 || found["BASE USDC"]["neededAmount"] != "10" {
		t.Errorf("two requests in one asset: %v", found)
	}
	both := w.API(http.MethodGet, route+"/"+several+"?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	if o, there := both["paymentOptions"]; !there || len(object(o)) != 0 {
		t.Errorf("two requests in two assets: %v", both)
	}
	if none := w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK).JSON(); none["paymentOptions"] != nil || none["unavailableChains"] != nil {
		t.Errorf("without a wallet: %v", none)
	}
}

func TestPaymentOptionsWithWhatIsDown(t *testing.T) {
	router := lifitest.New(lifitest.Options{Table: lifi.Sandbox()})
	router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: http.StatusBadGateway}})
	w := webtest.NewWith(t, webtest.Options{Routing: true, Router: router})
	token := w.CreatePayment("10")
	at := route + "/" + token + "?wallet=" + w.Chain.Wallet.Address()
	var got map[string]any
	w.Await("the router to be missed", func() bool {
		got = w.API(http.MethodGet, at, "").Want(http.StatusOK).JSON()
		return len(items(got["unavailableRoutes"])) == 1
	})
	if found := options(got); len(found) != 1 || found["BASE USDC"]["hasEnoughBalance"] != true {
		t.Errorf("without a router: %v", found)
	}
	holds(t, "why", object(items(got["unavailableRoutes"])[0]), map[string]any{"code": "routing_unavailable"})
	for _, path := range []string{"", "/pay"} {
		off := w.API(http.MethodGet, route+"/"+token+path+"?chain=ARBITRUM&token=USDC&wallet="+w.Chain.Wallet.Address(), "")
		if off.Want(http.StatusServiceUnavailable); off.JSON()["code"] != "routing_unavailable" || off.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", path, off.Body)
		}
	}
	w.API(http.MethodGet, route+"/"+token+"/pay?chain=BASE&token=USDC&wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK)

	router.Behave(lifitest.Behaviour{})
	other := webtest.NewWith(t, webtest.Options{Routing: true})
	other.Second.Fail(http.StatusBadGateway)
	got = other.API(http.MethodGet, route+"/"+other.CreatePayment("10")+"?wallet="+other.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	if silent := items(got["unavailableChains"]); len(silent) != 1 || silent[0] != "ARBITRUM" || len(options(got)) != 2 {
		t.Errorf("with a dead chain: %v", got)
	}
}

// Who may not see a payment learns nothing of it by asking what he could pay with.
func TestPaymentOptionsOfRestrictedPayments(t *testing.T) {
	w := routed(t)
	friend, stranger := w.Chain.Wallet.Address(), w.Chain.Other.Address()
	for _, hide := range []bool{false, true} {
		token := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}],"accessPolicy":{"allowedPayerAddresses":[%q],"hideUntilApproved":%t}}`, payee, friend, hide))
		at := route + "/" + token
		if got := w.API(http.MethodGet, at+"?wallet="+friend, "").Want(http.StatusOK).JSON(); len(options(got)) != 4 {
			t.Errorf("the friend: %v", got)
		}
		for _, query := range []string{"?wallet=" + stranger, "", "?chain=ARBITRUM&token=USDT&wallet=" + stranger, "?chain=BASE&token=ETH"} {
			got := w.API(http.MethodGet, at+query, "").Want(http.StatusOK).JSON()
			if got["paymentOptions"] != nil || got["unavailableRoutes"] != nil {
				t.Errorf("hidden %t, %s: %v", hide, query, got)
			}
		}
		// The same refusal whether or not the payment could be made from there.
		for _, query := range []string{"chain=ARBITRUM&token=USDT", "chain=BASE&token=ETH", "chain=BASE&token=USDC"} {
			refuses(t, query, w.API(http.MethodGet, at+"/pay?"+query+"&wallet="+stranger, ""), http.StatusForbidden, "This wallet may not make this payment.", "wallet")
			refuses(t, query, w.API(http.MethodGet, at+"/pay?"+query, ""), http.StatusForbidden, "", "wallet")
		}
	}
}

func TestRouteCalldata(t *testing.T) {
	w := routed(t)
	token := w.CreatePayment("10")
	at := route + "/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()
	pinned := lifi.Sandbox()
	arbitrum, _ := pinned.Network(asset.SandboxArbitrum)
	base, _ := pinned.Network(asset.SandboxBase)

	for symbol, contract := range map[string]string{"USDC": w.Second.USDC(), "USDT": w.Second.USDT()} {
		got := w.API(http.MethodGet, at+"&chain=ARBITRUM&token="+symbol, "").Want(http.StatusOK).JSON()
		m, txs := object(got["metadata"]), items(got["transactions"])
		last := len(txs) - 1
		holds(t, symbol, m, map[string]any{
			"routeType": "crosschain", "bridgeTool": "across", "chainId": float64(asset.SandboxArbitrum), "sourceCurrency": symbol + "-arbitrum-one",
			"needsApproval": true, "approvalTransactionIndex": 0, "paymentTransactionIndex": last, "stepsRequired": len(txs), "hasEnoughBalance": true,
			"requiredUnits": m["sourceUnits"],
		})
		carries(t, symbol, m, "toolName", "quoteFetchedAt", "quoteExpiresAt", "executionDeadline", "executionDeadlineBreakdown", "sourceAmount", "arrivesUnits",
			"estimatedSeconds", "costBreakdown", "rawStep")
		if object(txs[0])["to"] != contract || object(txs[last])["to"] != arbitrum.Diamond.String() || str(m["sourceUnits"]) <= "10000000" {
			t.Errorf("%s: %v", symbol, got)
		}
		if _, there := m["swapTransactionIndex"]; there || got["paymentType"] != "single" {
			t.Errorf("%s: %v", symbol, m)
		}
		again := w.API(http.MethodGet, at+"&chain=ARBITRUM&token="+symbol, "").Want(http.StatusOK).JSON()
		if fmt.Sprint(object(items(again["transactions"])[last])["data"]) != fmt.Sprint(object(txs[last])["data"]) {
			t.Errorf("%s: asked twice, another route", symbol)
		}
	}

	swapped := w.API(http.MethodGet, at+"&chain=BASE&token=USDT", "").Want(http.StatusOK).JSON()
	m, txs := object(swapped["metadata"]), items(swapped["transactions"])
	swap, pay := int(m["swapTransactionIndex"].(float64)), int(m["paymentTransactionIndex"].(float64))
	holds(t, "conversion", m, map[string]any{"routeType": "samechain_conversion", "chainId": float64(asset.SandboxBase), "sourceCurrency": "USDT-base", "paymentTransactionIndex": len(txs) - 1})
	if object(txs[swap])["to"] != base.Diamond.String() || object(txs[pay])["to"] != w.Chain.ERC20FeeProxy() || m["bridgeTool"] != nil || swap >= pay {
		t.Errorf("conversion: %v", m)
	}

	// The payment's own chain and token are the direct way, with a wallet or without.
	for _, wallet := range []string{w.Chain.Wallet.Address(), ""} {
		direct := w.API(http.MethodGet, route+"/"+token+"/pay?chain=BASE&token=USDC&wallet="+wallet, "").Want(http.StatusOK).JSON()
		if m := object(direct["metadata"]); m["routeType"] != "samechain" || m["rawStep"] != nil || m["costBreakdown"] != nil {
			t.Errorf("direct: %v", m)
		}
	}
}

// Every query that asks for what there is not, and why there is not.
func TestRouteRefusals(t *testing.T) {
	w := routed(t)
	wallet := "&wallet=" + w.Chain.Wallet.Address()
	usdc, native := w.CreatePayment("10"), w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"ETH-base","amount":"0.1"}]}`, payee))
	dollar, cent := w.CreatePayment("1"), w.CreatePayment("1.000001")
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"5"}`, payee)
	batch := w.Create(`{"requests":[` + item + `,` + item + `]}`)
	const reason = "Invalid secure payment calldata request: "
	for _, c := range []struct {
		token, query, field, code, message string
	}{
		{usdc, "chain=ARBITRUM" + wallet, "token", "missing_token", reason + "token is missing: chain and token can only be given together."},
		{usdc, "token=USDC" + wallet, "chain", "missing_chain", reason + "chain is missing: chain and token can only be given together."},
		{usdc, "chain=MARS&token=USDC" + wallet, "chain", "unknown_chain", ""},
		{usdc, "chain=arbitrum-one&token=USDC" + wallet, "chain", "unknown_chain", ""},
		{usdc, "chain=POLYGON&token=USDC" + wallet, "chain", "unknown_chain", ""}, // no chain of this server
		{usdc, "chain=TRON&token=USDT" + wallet, "chain", "tron_unsupported", reason + "payments from Tron are not supported here."},
		{usdc, "chain=ARBITRUM&token=EURC" + wallet, "token", "unsupported_token", reason + "EURC on Arbitrum One (sandbox) is not supported here."},
		{usdc, "chain=ARBITRUM&token=USDT0" + wallet, "token", "unsupported_token", ""}, // the sandbox has no other name for it
		{usdc, "chain=ARBITRUM&token=" + strings.Repeat("x", 500) + wallet, "token", "unsupported_token", ""},
		{usdc, "chain=ARBITRUM&token=ETH" + wallet, "token", "unsupported_route", reason + "this payment cannot be made with ETH on Arbitrum One (sandbox)."},
		{usdc, "chain=BASE&token=ETH" + wallet, "token", "unsupported_route", ""},
		{native, "chain=ARBITRUM&token=USDC" + wallet, "token", "unsupported_route", ""},
		{native, "chain=BASE&token=USDC" + wallet, "token", "unsupported_route", ""},
		{batch, "chain=ARBITRUM&token=USDC" + wallet, "token", "unsupported_route", reason + "several requests are paid from their own chain, with their own assets."},
		{batch, "chain=BASE&token=USDT" + wallet, "token", "unsupported_route", ""},
		{dollar, "chain=ARBITRUM&token=USDC" + wallet, "chain", "amount_too_small", reason + "Payments of 1 USD or less cannot be made from another network."},
		{usdc, "wallet=0x12&chain=ARBITRUM&token=USDC", "wallet", "invalid_wallet", ""},
		{usdc, "isSafe=true&chain=ARBITRUM&token=USDC" + wallet, "isSafe", "safe_unsupported", ""},
		{usdc, "isSafe=maybe" + wallet, "isSafe", "invalid_is_safe", ""},
		{usdc, "eoaWallet=" + payee + wallet, "eoaWallet", "gasless_unsupported", ""},
	} {
		for _, path := range []string{"?", "/pay?"} {
			got := w.API(http.MethodGet, route+"/"+c.token+path+c.query, "")
			refuses(t, path+c.query, got, http.StatusBadRequest, c.message, c.field)
			if got.Status == http.StatusBadRequest && got.JSON()["code"] != c.code {
				t.Errorf("%s%s: got code %v, want %s", path, c.query, got.JSON()["code"], c.code)
			}
		}
	}
	for _, query := range []string{"chain=ARBITRUM&token=USDC", "chain=BASE&token=USDT"} {
		refuses(t, query, w.API(http.MethodGet, route+"/"+usdc+"/pay?"+query, ""), http.StatusBadRequest, reason+"wallet is required to pay from another chain or with another token.", "wallet")
		w.API(http.MethodGet, route+"/"+usdc+"?"+query, "").Want(http.StatusOK) // nothing is signed by looking
	}
	w.API(http.MethodGet, route+"/"+cent+"/pay?chain=ARBITRUM&token=USDC"+wallet, "").Want(http.StatusOK)
	w.API(http.MethodGet, route+"/"+dollar+"/pay?chain=BASE&token=USDT"+wallet, "").Want(http.StatusOK) // no bridge on the way

	// A contract may be somebody else's on another chain.
	contract := "&wallet=" + w.Second.USDC()
	refuses(t, "a contract", w.API(http.MethodGet, route+"/"+usdc+"/pay?chain=ARBITRUM&token=USDC"+contract, ""), http.StatusBadRequest, "", "wallet")
}

// What the routing service has nothing to say to.
func TestRouteFailures(t *testing.T) {
	w := routed(t)
	query := "/pay?chain=ARBITRUM&token=USDC&wallet=" + w.Chain.Wallet.Address()
	for _, c := range []struct {
		name   string
		how    lifitest.Behaviour
		status int
		code   string
		field  string
	}{
		{"no route", lifitest.Behaviour{NoQuote: true}, http.StatusBadRequest, "no_route", "token"},
		{"too dear", lifitest.Behaviour{Cost: 2000}, http.StatusBadRequest, "no_route", "token"},
		{"limited", lifitest.Behaviour{Limit: lifitest.Limit{Requests: 1, Window: 3_600_000_000_000}}, http.StatusTooManyRequests, "routing_limited", ""},
		{"down", lifitest.Behaviour{Fail: lifitest.Failure{Status: http.StatusBadGateway}}, http.StatusServiceUnavailable, "routing_unavailable", ""},
	} {
		w.Router.Behave(c.how)
		if c.name == "limited" {
			w.API(http.MethodGet, route+"/"+w.CreatePayment("10")+query, "").Want(http.StatusOK)
		}
		got := w.API(http.MethodGet, route+"/"+w.CreatePayment("10")+query, "")
		refuses(t, c.name, got, c.status, "", c.field)
		if got.JSON()["code"] != c.code || (c.status >= 429) != (got.Header.Get("Retry-After") != "") {
			t.Errorf("%s: %v %s", c.name, got.Header, got.Body)
		}
		if c.name == "limited" {
			w = routed(t) // the client keeps to the limit it was told of
			query = "/pay?chain=ARBITRUM&token=USDC&wallet=" + w.Chain.Wallet.Address()
		}
	}
}

// A route that costs payer or merchant money never goes out, neither as calldata
// nor stamped anew.
func TestHostileRoutes(t *testing.T) {
	w := routed(t)
	wallet := w.Chain.Wallet.Address()
	const bridged, exchanged, swapped = "chain=ARBITRUM&token=USDC", "chain=ARBITRUM&token=USDT", "chain=BASE&token=USDT"
	about := map[lifitest.Trait]string{
		lifitest.AnyRoute: bridged, lifitest.Bridges: bridged, lifitest.Across: bridged, lifitest.AcrossSwap: exchanged, lifitest.AcrossFee: bridged,
		lifitest.AcrossStart: bridged, lifitest.FeeLegs: bridged, lifitest.DEXLegs: exchanged, lifitest.FeeAndDEX: exchanged, lifitest.Swaps: swapped,
	}
	const at = route + "/"
	type routeOf struct{ token, step string }
	given, refused := map[string]routeOf{}, 0
	for _, lie := range lifitest.Lies() {
		query, applies := about[lie.About]
		if !applies {
			continue // about a bridge, or decimals, that the sandbox does not have
		}
		how := lifitest.Behaviour{NoFeeLeg: lie.About == lifitest.AcrossStart}
		kind := fmt.Sprint(query, how.NoFeeLeg)
		if _, known := given[kind]; !known { // an honest route of each kind is handed out, and stamped anew
			w.Router.Behave(how)
			token := w.CreatePayment("10")
			good := w.API(http.MethodGet, at+token+"/pay?wallet="+wallet+"&"+query, "").Want(http.StatusOK).JSON()
			given[kind] = routeOf{token, stepOf(t, good)}
			w.API(http.MethodPost, at+token+refreshPath, given[kind].step).Want(http.StatusOK)
		}
		how.Lie = lie.Name
		w.Router.Behave(how)
		for what, got := range map[string]webtest.Response{
			"calldata":  w.API(http.MethodGet, at+w.CreatePayment("10")+"/pay?wallet="+wallet+"&"+query, ""),
			"refreshed": w.API(http.MethodPost, at+given[kind].token+refreshPath, given[kind].step),
		} {
			body := got.JSON()
			honestly := body["code"] == "unsafe" && slices.Contains(lie.Refuses, str(body["field"])) || body["code"] == "no_route" || body["code"] == "route_gone"
			if got.Status == http.StatusOK || body["transactions"] != nil || body["transactionRequest"] != nil || !honestly {
				t.Errorf("%s, %s: %d %.300s", lie.Name, what, got.Status, got.Body)
			}
		}
		refused++
	}
	t.Logf("%d lies of %d", refused, len(lifitest.Lies()))
	if refused < 30 {
		t.Errorf("only %d lies were told", refused)
	}
}
