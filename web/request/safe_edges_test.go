package request_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/web/webtest"
)

// An address that is no Safe on the chain where it would sign is refused by name,
// whether somebody looks, asks for calldata or tells of a transaction.
func TestNotASafe(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Safes: true})
	s, _ := w.Safe(safe.V141, 30_000_000)
	here := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V141}).Address.String() // on one chain only
	w.Chain.Mine(1)
	at := route + "/" + w.CreatePayment("10")
	nobody, contract := w.Chain.Wallet.Address(), w.Chain.USDC()
	for _, c := range []struct{ query, code string }{
		{"wallet=" + nobody, "no_contract"},
		{"wallet=" + contract, "not_a_safe"},
		{"wallet=" + nobody + "&chain=BASE&token=USDC", "no_contract"},
		{"wallet=" + contract + "&chain=BASE&token=USDC", "not_a_safe"},
		{"wallet=" + nobody + "&chain=ARBITRUM&token=USDC", "no_contract"},
		{"wallet=" + here + "&chain=ARBITRUM&token=USDC", "no_contract"},
		{"wallet=" + here + "&chain=ARBITRUM&token=USDC", ""}, // asked again: what was found out is remembered
	} {
		got := w.API(http.MethodGet, at+"/pay?isSafe=true&"+c.query, "")
		refuses(t, c.query, got, http.StatusBadRequest, "", "wallet")
		if code := got.JSON()["code"]; c.code != "" && code != c.code {
			t.Errorf("%s: got %v, want %s", c.query, code, c.code)
		}
		refuses(t, "looking: "+c.query, w.API(http.MethodGet, at+"?isSafe=true&"+c.query, ""), http.StatusBadRequest, "", "wallet")
	}
	for _, wallet := range []string{nobody, contract} {
		body := fmt.Sprintf(`{"safeTxHash":"0x%s","chain":"BASE","token":"USDC","payerAddress":%q}`, strings.Repeat("ab", 32), wallet)
		refuses(t, "intent of "+wallet, w.API(http.MethodPost, at+"/intent", body), http.StatusBadRequest, "", "payerAddress")
	}
	if n := len(w.Load(strings.TrimPrefix(at, route+"/")).Attempts); n != 0 {
		t.Errorf("%d attempts of no Safe", n)
	}
	asSafe(w, at, s, "")
	// Without isSafe it is a wallet like any other: on its own chain a contract may pay.
	w.API(http.MethodGet, at+"/pay?wallet="+s.Address.String(), "").Want(http.StatusOK)
	refuses(t, "a contract over a bridge", w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDC&wallet="+s.Address.String(), ""), http.StatusBadRequest, "", "wallet")
}

// What is said to be behind a hash must be, and must make this payment and nothing
// else: whatever else is sent is refused, by its member and the check's name.
func TestSafeTxRefused(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V141, 30_000_000)
	token, other := w.CreatePayment("10"), w.CreatePayment("10")
	at := route + "/" + token
	calls := asSafe(w, at, s, "")
	good := propose(t, s, calls, nil)
	asText := func(p proposal) string { return p.intent(t, "BASE", "USDC", p.proven()) }
	changed := func(change func(*safe.Tx)) string { return asText(propose(t, s, calls, change)) }
	member := func(name string, value any) string { // of safeTx
		tx := map[string]any{}
		b, err := json.Marshal(good.tx)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &tx); err != nil {
			t.Fatal(err)
		}
		if tx[name] = value; value == nil {
			delete(tx, name)
		}
		return good.intent(t, "BASE", "USDC", with(good.proven(), "safeTx", tx))
	}
	huge := strings.Repeat("9", 80)
	for name, c := range map[string]struct{ body, want string }{
		"another payment's":      {asText(propose(t, s, asSafe(w, route+"/"+other, s, ""), nil)), "safeTx safe_tx_foreign"},
		"another hash":           {strings.Replace(asText(good), good.hash, "0x"+strings.Repeat("ab", 32), 1), "safeTx safe_hash"},
		"no hash":                {strings.Replace(asText(good), good.hash, good.hash[:64], 1), "safeTxHash invalid_safe_tx_hash"},
		"no hexadecimal hash":    {strings.Replace(asText(good), good.hash, "0x"+strings.Repeat("gg", 32), 1), "safeTxHash invalid_safe_tx_hash"},
		"another Safe's":         {strings.Replace(asText(good), s.Address.String(), safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V150}).Address.String(), 1), "safeTx safe_hash"},
		"a rejection":            {asText(proposal{s, s.Reject(0), s.Hash(s.Reject(0)).String()}), "safeTx safe_target"},
		"pays for gas":           {changed(func(tx *safe.Tx) { tx.GasPrice = big.NewInt(1) }), "safeTx safe_refund"},
		"to somebody for gas":    {changed(func(tx *safe.Tx) { tx.RefundReceiver = address(t, payee) }), "safeTx safe_refund"},
		"runs anybody's code":    {changed(func(tx *safe.Tx) { tx.To = address(t, payee) }), "safeTx safe_target"},
		"calls the batch":        {changed(func(tx *safe.Tx) { tx.Operation = safe.OpCall }), "safeTx safe_tx_foreign"},
		"a byte more":            {changed(func(tx *safe.Tx) { tx.Data = append(tx.Data, 0) }), "safeTx safe_calls"},
		"the approval alone":     {changed(func(tx *safe.Tx) { *tx = only(t, calls, 0) }), "safeTx safe_tx_foreign"},
		"operation 2":            {member("operation", 2), "safeTx safe_tx_invalid"},
		"no operation":           {member("operation", nil), "safeTx safe_tx_invalid"},
		"a huge value":           {member("value", huge), "safeTx safe_tx_invalid"},
		"a huge number":          {strings.Replace(member("value", "VALUE"), `"VALUE"`, huge, 1), "safeTx safe_tx_invalid"},
		"an absurd number":       {strings.Replace(member("value", "VALUE"), `"VALUE"`, "1e400", 1), "safeTx safe_tx_invalid"},
		"less than nothing":      {member("value", "-1"), "safeTx safe_tx_invalid"},
		"half a wei":             {member("value", 0.5), "safeTx safe_tx_invalid"},
		"a huge nonce":           {member("nonce", huge), "safeTx safe_tx_invalid"},
		"a nonce too far":        {member("nonce", "18446744073709551616"), "safeTx safe_tx_invalid"},
		"another nonce":          {member("nonce", 1), "safeTx safe_hash"},
		"no nonce":               {member("nonce", nil), "safeTx safe_tx_invalid"},
		"no data":                {member("data", "0xzz"), "safeTx safe_tx_invalid"},
		"half a byte":            {member("data", "0x1"), "safeTx safe_tx_invalid"},
		"data of another kind":   {member("data", []int{1}), "safeTx safe_tx_invalid"},
		"no target":              {member("to", "0x12"), "safeTx safe_tx_invalid"},
		"an empty transaction":   {good.intent(t, "BASE", "USDC", with(good.proven(), "safeTx", map[string]any{})), "safeTx safe_tx_invalid"},
		"larger than any":        {member("data", "0x"+strings.Repeat("00", 40<<10)), "safeTx safe_tx_invalid"},
		"control characters":     {member("data", "0x\x00"), "safeTx safe_tx_invalid"},
		"a chain it is not on":   {strings.Replace(asText(good), `"chain":"BASE"`, `"chain":"POLYGON"`, 1), "chain unknown_chain"},
		"not what is due":        {strings.Replace(asText(good), `"token":"USDC"`, `"token":"ETH"`, 1), "token unsupported_execution"},
		"by another kind of way": {strings.Replace(asText(good), `{`, `{"routeKind":"crosschain",`, 1), "routeKind unsupported_execution"},
	} {
		got := w.API(http.MethodPost, at+"/intent", c.body)
		if s := fmt.Sprint(got.JSON()["field"], " ", got.JSON()["code"]); got.Status != http.StatusBadRequest || s != c.want {
			t.Errorf("%s: got %d %s, want %s", name, got.Status, s, c.want)
		}
	}
	if n := len(w.Load(token).Attempts); n != 0 {
		t.Errorf("%d attempts were recorded", n)
	}
	// What tools add is ignored, however deep it is.
	nested := strings.Replace(member("extra", "EXTRA"), `"EXTRA"`, strings.Repeat(`[`, 9000)+strings.Repeat(`]`, 9000), 1)
	w.API(http.MethodPost, at+"/intent", nested).Want(http.StatusOK)
	if tx := string(w.Load(token).Attempts[0].Safe.Tx); strings.Contains(tx, "extra") {
		t.Errorf("kept: %.200s", tx)
	}
}

// only is the transaction of one of an answer's calls.
func only(t *testing.T, calldata map[string]any, i int) safe.Tx {
	t.Helper()
	x := object(items(calldata["transactions"])[i])
	data, err := hex.DecodeString(strings.TrimPrefix(str(x["data"]), "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return safe.Tx{To: address(t, str(x["to"])), Data: data}
}

// A payment of several requests is one Safe transaction, and each request says so.
func TestSafePaysSeveral(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V150, 30_000_000)
	item := func(currency, amount string) string {
		return fmt.Sprintf(`{"payee":%q,"paymentCurrency":%q,"amount":%q}`, payee, currency, amount)
	}
	token := w.Create(`{"requests":[` + item("USDC-base", "5") + `,` + item("USDC-base", "7") + `,` + item("ETH-base", "0.000000000001") + `]}`)
	at := route + "/" + token
	calls := asSafe(w, at, s, "")
	holds(t, "metadata", object(calls["metadata"]), map[string]any{"hasEnoughBalance": true, "hasEnoughGas": true, "canMakePayment": true, "needsApproval": true, "hasEnoughAllowance": false})
	p := propose(t, s, calls, nil)
	body := p.intent(t, "BASE", "USDC", p.proven())
	got := w.API(http.MethodPost, at+"/intent", body).Want(http.StatusOK).JSON()
	if n := len(items(got["paymentReferences"])); n != 3 {
		t.Errorf("intent: %v", got)
	}
	entries := items(w.API(http.MethodGet, at, "").Want(http.StatusLocked).JSON()["requestStatuses"])
	for i, r := range w.Load(token).Terms.Requests {
		want := map[string]any{"requestId": r.ID, "hasBeenPaid": false, "safeTxHash": p.hash, "chainId": float64(asset.SandboxBase)}
		if len(entries) != 3 || fmt.Sprint(entries[i]) != fmt.Sprint(want) {
			t.Errorf("request %d: %v", i, entries)
		}
	}
	s.Execute(p.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	for i, x := range items(w.API(http.MethodGet, at, "").Want(http.StatusConflict).JSON()["requestStatuses"]) {
		if e := object(x); e["hasBeenPaid"] != true || e["safeTxHash"] != nil || str(e["txHash"]) == "" {
			t.Errorf("request %d: %v", i, e)
		}
	}
}

// From another chain: what the Safe signs there makes the payment here, and the
// deadline that the calls have is told along.
func TestSafePaysFromAnotherChain(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Safes: true})
	hooks := receiver(t, w)
	_, s := w.Safe(safe.V141, 30_000_000)
	token := w.CreatePayment("10")
	at, request := route+"/"+token, w.Load(token).Terms.Requests[0].ID
	calls := asSafe(w, at, s, "&chain=ARBITRUM&token=USDC")
	meta := object(calls["metadata"])
	holds(t, "metadata", meta, map[string]any{"needsApproval": true, "hasEnoughGas": true, "hasEnoughBalance": true, "hasEnoughAllowance": false, "routeType": "crosschain", "chainId": float64(asset.SandboxArbitrum)})
	deadline, ok := meta["safePaymentDeadline"].(float64)
	if at := time.Unix(int64(deadline), 0); !ok || at.Before(time.Now().Add(time.Minute)) || at.After(time.Now().Add(24*time.Hour)) {
		t.Fatalf("deadline: %v", meta)
	}
	p := propose(t, s, calls, nil)
	more := with(with(p.proven(), "safePaymentDeadline", int64(deadline)), "executionKind", "evm_cross_chain")
	refuses(t, "as if from here", w.API(http.MethodPost, at+"/intent", p.intent(t, "ARBITRUM", "USDC", with(p.proven(), "executionKind", "evm_same_chain"))), http.StatusBadRequest, "", "executionKind")
	w.API(http.MethodPost, at+"/intent", p.intent(t, "ARBITRUM", "USDC", more)).Want(http.StatusOK)
	want := map[string]any{
		"requestStatuses[0].requestId": request, "requestStatuses[0].safeTxHash": p.hash,
		"requestStatuses[0].chainId": uint64(asset.SandboxArbitrum), "requestStatuses[0].safePaymentDeadline": int64(deadline),
	}
	busy(t, w, at, want)
	holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+request, "").Want(http.StatusOK).JSON(), map[string]any{"executionKind": "evm_cross_chain", "status": "pending"})

	executed := s.Execute(p.tx)
	w.Second.Mine(webtest.Confirmations + 1)
	w.Await("the bridge", func() bool {
		return w.API(http.MethodGet, at, "").Want(http.StatusLocked).JSON()["code"] == "bridging" // and never payable in between
	})
	busy(t, w, at, want)
	entry := object(items(w.API(http.MethodGet, at, "").Want(http.StatusLocked).JSON()["requestStatuses"])[0])
	holds(t, "over the bridge", entry, map[string]any{"txHash": executed, "safeTxHash": p.hash})
	arrived := w.Chain.Other.Bridge(w.Second, executed, false)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.API(http.MethodGet, at, "").Want(http.StatusConflict)
	holds(t, "webhook", delivered(t, w, hooks, "payment.confirmed"), map[string]any{
		"txHash": arrived, "sourceTxHash": executed, "sourceNetwork": "arbitrum-one", "payerAddress": s.Address,
	})
}

// What the policy hides of a payment, a pending Safe transaction does not tell; and
// whoever is not on the list cannot announce one.
func TestSafeOfARestrictedPayment(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V141, 30_000_000)
	stranger, _ := w.Safe(safe.V150, 30_000_000)
	token := w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q],"hideUntilApproved":true}`, s.Address)))
	at := route + "/" + token
	w.API(http.MethodGet, at+"/pay?isSafe=true&wallet="+stranger.Address.String(), "").Want(http.StatusForbidden)
	p := propose(t, s, asSafe(w, at, s, ""), nil)
	theirs := strings.Replace(p.intent(t, "BASE", "USDC", p.proven()), s.Address.String(), stranger.Address.String(), 1)
	w.API(http.MethodPost, at+"/intent", theirs).Want(http.StatusForbidden)
	// As in the documented call, nobody is named: the Safe has asked before.
	w.API(http.MethodPost, at+"/intent", p.intent(t, "BASE", "USDC", nil)).Want(http.StatusOK)
	for _, query := range []string{"", "?wallet=" + stranger.Address.String(), "/pay", "/pay?isSafe=true&wallet=" + stranger.Address.String()} {
		got := w.API(http.MethodGet, at+query, "").Want(http.StatusLocked)
		if strings.Contains(string(got.Body), p.hash) || strings.Contains(string(got.Body), "safe") && !strings.Contains(string(got.Body), `"code":"safe_pending"`) || strings.Contains(strings.ToLower(string(got.Body)), strings.ToLower(payee[2:])) {
			t.Errorf("%s: %s", query, got.Body)
		}
	}
	for _, body := range []string{fmt.Sprintf(`{"safeTxHash":"0x%s","chain":"BASE","token":"USDC"}`, strings.Repeat("ab", 32)), theirs} {
		if got := w.API(http.MethodPost, at+"/intent", strings.Replace(body, p.hash, "0x"+strings.Repeat("ab", 32), 1)); strings.Contains(string(got.Body), p.hash) || got.Status < 400 {
			t.Errorf("another one: %d %s", got.Status, got.Body)
		}
	}
	entry := object(items(w.API(http.MethodGet, at+"?wallet="+s.Address.String(), "").Want(http.StatusLocked).JSON()["requestStatuses"])[0])
	if entry["safeTxHash"] != p.hash {
		t.Errorf("the payer itself: %v", entry)
	}
	s.Execute(p.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
}

// Wallets that are connected to a Safe give the hash of its own transaction out for
// a transaction's.
func TestSafeTxHashAsTxHash(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V141, 30_000_000)
	token := w.CreatePayment("10")
	at := route + "/" + token
	p := propose(t, s, asSafe(w, at, s, ""), nil)
	body := fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"USDC","payerAddress":%q}`, p.hash, s.Address)
	got := w.API(http.MethodPost, at+"/intent", body).Want(http.StatusOK).JSON()
	if got["txHash"] != p.hash || got["safeTxHash"] != nil {
		t.Errorf("intent: %v", got)
	}
	entry := object(items(w.API(http.MethodGet, at, "").Want(http.StatusLocked).JSON()["requestStatuses"])[0])
	holds(t, "423", entry, map[string]any{"safeTxHash": p.hash})
	w.API(http.MethodPost, at+"/intent", body).Want(http.StatusOK)
	s.Execute(p.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)

	// A transaction that was sent from an ordinary wallet stays one.
	token = w.CreatePayment("10")
	body = fmt.Sprintf(`{"txHash":"0x%s","chain":"BASE","token":"USDC","payerAddress":%q}`, strings.Repeat("cd", 32), w.Chain.Wallet.Address())
	w.API(http.MethodPost, route+"/"+token+"/intent", body).Want(http.StatusOK)
	if as := w.Load(token).Attempts; len(as) != 1 || as[0].Kind != "tx" || as[0].Safe != nil {
		t.Errorf("attempts: %+v", as)
	}
}

// The vendor's calls are made with a client id; so are ours, from its page and
// from a backend.
func TestSafeWithClientIDs(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V141, 60_000_000)
	for name, headers := range map[string][]string{"page": {addClientID(t, w, shop), "Origin: " + shop}} {
		at := route + "/" + w.CreatePayment("10")
		calls := w.Do(http.MethodGet, at+"/pay?isSafe=true&wallet="+s.Address.String(), "", headers...).Want(http.StatusOK).JSON()
		p := propose(t, s, calls, nil)
		w.Do(http.MethodPost, at+"/intent", p.intent(t, "BASE", "USDC", nil), headers...).Want(http.StatusOK)
		busy := w.Do(http.MethodGet, at, "", headers...).Want(http.StatusLocked).JSON()
		if object(items(busy["requestStatuses"])[0])["safeTxHash"] != p.hash {
			t.Errorf("%s: %v", name, busy)
		}
		stranger := w.AddMerchant("Other")
		w.Do(http.MethodPost, at+"/intent", p.intent(t, "BASE", "USDC", nil), "X-Api-Key: "+stranger).Want(http.StatusNotFound)
		w.Do(http.MethodGet, at, "", "X-Api-Key: "+stranger).Want(http.StatusNotFound)
	}
}

// A chain that does not answer is nobody's fault, and nothing is recorded.
func TestSafeWhileTheChainIsDown(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V141, 30_000_000)
	token := w.CreatePayment("10")
	at := route + "/" + token
	w.Chain.Fail(http.StatusBadGateway)
	w.API(http.MethodGet, at+"/pay?isSafe=true&wallet="+s.Address.String(), "").Want(http.StatusServiceUnavailable)
	body := fmt.Sprintf(`{"safeTxHash":"0x%s","chain":"BASE","token":"USDC","payerAddress":%q}`, strings.Repeat("ab", 32), s.Address)
	w.API(http.MethodPost, at+"/intent", body).Want(http.StatusServiceUnavailable)
	if n := len(w.Load(token).Attempts); n != 0 {
		t.Errorf("%d attempts", n)
	}
}
