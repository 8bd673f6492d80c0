package pay_test

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
	"quittance/internal/chain/chaintest"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/web/webtest"
)

// safeWorld is a server, and a Safe on its chain that holds so many units of USDC.
func safeWorld(t *testing.T, v safe.Version, units int64) (*webtest.World, *safetest.Safe) {
	t.Helper()
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	s, _ := w.Safe(v, units)
	return w, s
}

// callsFor asks for the calls of a Safe.
func callsFor(w *webtest.World, token string, s *safetest.Safe) map[string]any {
	return w.Get("/checkout/" + token + "/pay?isSafe=true&wallet=" + s.Address.String()).Want(http.StatusOK).JSON()
}

// proposal makes one transaction of calls, as a Safe's app does.
func proposal(t *testing.T, s *safetest.Safe, calls map[string]any) safe.Tx {
	t.Helper()
	multiSend, err := asset.ParseAddress(object(calls["safe"])["multiSend"].(string))
	if err != nil {
		t.Fatal(err)
	}
	var steps []rail.Call
	for _, x := range items(calls["transactions"]) {
		to, err := asset.ParseAddress(object(x)["to"].(string))
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(strings.TrimPrefix(object(x)["data"].(string), "0x"))
		if err != nil {
			t.Fatal(err)
		}
		value, _ := new(big.Int).SetString(strings.TrimPrefix(object(x)["value"].(string), "0x"), 16)
		steps = append(steps, rail.Call{To: to, Data: data, Value: value})
	}
	account := safe.Account{Chain: asset.ChainID(object(calls["metadata"])["chainId"].(float64)), Address: s.Address, Version: s.Version, MultiSend: multiSend}
	tx, err := account.Batch(steps, uint64(object(calls["safe"])["nonce"].(float64)))
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// word is a payer's word that a Safe transaction was proposed.
func word(t *testing.T, s *safetest.Safe, hash string, more map[string]any) string {
	t.Helper()
	body := map[string]any{"safeTxHash": hash, "wallet": s.Address.String(), "chain": asset.SandboxBase}
	for k, v := range more {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func say(w *webtest.World, token, body string) webtest.Response {
	return w.Do(http.MethodPost, "/checkout/"+token+"/intent", body, here)
}

func cookie(r webtest.Response) string {
	return "Cookie: " + strings.Split(r.Header.Get("Set-Cookie"), ";")[0]
}

func statusOf(w *webtest.World, token string, headers ...string) map[string]any {
	return w.Get("/checkout/"+token+"/status", headers...).Want(http.StatusOK).JSON()
}

func signature(s *safetest.Safe, tx safe.Tx, owner *chaintest.Wallet) string {
	return "0x" + hex.EncodeToString(s.Sign(tx, owner))
}

func TestPayingFromASafe(t *testing.T) {
	w, s := safeWorld(t, safe.V141, 50_000_000)
	token := w.CreatePayment("10")
	if v := data(t, page(t, w.Get("/?token="+token))); v["safe"] == "" || w.Get(v["safe"].(string)).Status != http.StatusOK {
		t.Errorf("the script for Safes is at %v", v["safe"])
	}
	at := "/checkout/" + token
	found := optionsOf(w.Get(at + "/options?isSafe=true&wallet=" + s.Address.String()).Want(http.StatusOK).JSON())
	holds(t, "the way", found["evmref:base:USDC-base"], map[string]any{"enough": true, "balance": "50000000"})

	calls := callsFor(w, token, s)
	account := object(calls["safe"])
	holds(t, "the account", account, map[string]any{"address": s.Address, "version": "1.4.1", "threshold": 2, "nonce": 0, "warnings": "[]"})
	if len(items(calls["transactions"])) != 2 || len(items(account["owners"])) != 3 {
		t.Fatalf("calls for a Safe: %v", calls)
	}
	tx := proposal(t, s, calls)
	hash := s.Hash(tx).String()
	answer := say(w, token, word(t, s, hash, map[string]any{"safeTx": tx, "signatures": []string{signature(s, tx, w.Chain.Wallet)}})).Want(http.StatusOK)
	if got := answer.JSON(); got["safeTxHash"] != hash || got["isListening"] != true || got["txHash"] != nil {
		t.Errorf("the answer: %v", got)
	}

	// It pays this, so everybody may know; nobody can pay otherwise.
	st := statusOf(w, token)
	if st["state"] != "open" || st["payable"] != false {
		t.Errorf("waiting: %v", st)
	}
	waiting := map[string]any{
		"hash": hash, "address": s.Address, "chain": "Base (sandbox)", "chainId": float64(asset.SandboxBase), "stage": "waiting", "proven": true,
		"threshold": 2, "signed": 1, "signers": []string{w.Chain.Wallet.Address()}, "nonce": 0, "ahead": 0, "txHash": "", "own": false, "until": "",
		"deadline": w.Load(token).Terms.ExpiresAt.UTC().Format(time.RFC3339),
	}
	holds(t, "to everybody", object(st["safe"]), waiting)
	holds(t, "to who said it", object(statusOf(w, token, cookie(answer))["safe"]), map[string]any{"own": true, "hash": hash})
	if got := w.Get(at + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusConflict).JSON(); got["code"] != "safe_pending" {
		t.Errorf("calldata meanwhile: %v", got)
	}
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	for id, want := range map[string]string{
		"progress-title": "Waiting for signatures", "safe-signed-text": "1 of 2 signatures", "safe-queue": "Number 0 (nonce), the next one",
		"safe-address": s.Address.String()[:6] + "…" + s.Address.String()[38:],
	} {
		if got := text(d, id); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	if state := d.Find("#qt").AttrOr("data-state", ""); state != "seen" || d.Find("#safe-owners .safe-owner").Length() != 3 || d.Find(`#safe-owners [data-signed="true"]`).Length() != 1 {
		t.Errorf("the page in state %s", state)
	}
	if v := data(t, d); v["payable"] != false || v["safe"] == "" {
		t.Errorf("data block: %v", v)
	}
	if got := d.Find("head noscript").Text(); !strings.Contains(got, `content="30"`) {
		t.Errorf("without script: %q", got)
	}

	// The other owner's signature, by whoever has it.
	say(w, token, word(t, s, hash, map[string]any{"signatures": []string{signature(s, tx, w.Chain.Other)}})).Want(http.StatusOK)
	if got := text(page(t, w.Get("/?token="+token)), "progress-title"); got != "Signed, and waiting to be executed" {
		t.Errorf("with both signatures: %q", got)
	}

	sent := s.Execute(tx)
	w.Chain.Mine(1)
	w.AwaitState(token, payment.Seen)
	if got := text(page(t, w.Get("/?token="+token)), "confirmations-text"); !strings.HasSuffix(got, "of 3 confirmations") {
		t.Errorf("the page counts %q", got)
	}
	w.Chain.Mine(webtest.Confirmations)
	w.AwaitState(token, payment.Paid)
	w.Await("the Safe's own event", func() bool { return object(statusOf(w, token)["safe"])["stage"] == "executed" })
	holds(t, "what paid", object(statusOf(w, token)["safe"]), map[string]any{"hash": hash, "txHash": sent, "address": s.Address, "deadline": ""})
	d = page(t, w.Get("/?token="+token).Want(http.StatusConflict))
	if text(d, "payer") != s.Address.String() || d.Find("#payer-safe:not([hidden])").Length() != 1 {
		t.Errorf("the receipt says that %q paid", text(d, "payer"))
	}
}

func TestWhatIsNoSafe(t *testing.T) {
	w, s := safeWorld(t, safe.V130, 50_000_000)
	token := w.CreatePayment("10")
	at := "/checkout/" + token
	for query, field := range map[string]string{
		"/pay?isSafe=true": "wallet",
		"/pay?isSafe=maybe&wallet=" + s.Address.String():          "isSafe",
		"/pay?isSafe=true&wallet=" + w.Chain.Wallet.Address():     "wallet",
		"/pay?isSafe=true&wallet=" + w.Chain.USDC():               "wallet",
		"/options?isSafe=maybe&wallet=" + s.Address.String():      "isSafe",
		"/options?isSafe=true&wallet=" + w.Chain.Wallet.Address(): "wallet",
	} {
		if got := w.Get(at + query).Want(http.StatusBadRequest).JSON(); got["field"] != field || got["transactions"] != nil {
			t.Errorf("%s: %v", query, got)
		}
	}
	w.Get(at + "/pay?isSafe=FALSE&wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK)
}

func TestIntentsOfSafesThatAreRefused(t *testing.T) {
	w, s := safeWorld(t, safe.V150, 50_000_000)
	token := w.CreatePayment("10")
	tx := proposal(t, s, callsFor(w, token, s))
	hash := s.Hash(tx).String()
	elsewhere := proposal(t, s, callsFor(w, w.CreatePayment("10"), s))
	unpaid := tx
	unpaid.RefundReceiver, unpaid.GasPrice = asset.Address{19: 1}, big.NewInt(1)
	for name, c := range map[string]struct {
		hash        string
		more        map[string]any
		status      int
		field, code string
	}{
		"two hashes":              {hash, map[string]any{"txHash": hash}, 400, "safeTxHash", ""},
		"no hash":                 {"0x12", nil, 400, "safeTxHash", "invalid_safe_tx_hash"},
		"no Safe":                 {hash, map[string]any{"wallet": w.Chain.Wallet.Address()}, 400, "wallet", ""},
		"no account":              {hash, map[string]any{"wallet": "x"}, 400, "wallet", "invalid_wallet"},
		"a deadline gone by":      {hash, map[string]any{"deadline": 1}, 400, "deadline", "invalid_deadline"},
		"a deadline far away":     {hash, map[string]any{"deadline": int64(1) << 62}, 400, "deadline", "invalid_deadline"},
		"a signature of nothing":  {hash, map[string]any{"signatures": []string{"0x"}}, 400, "signatures[0]", "invalid_signature"},
		"a signature in words":    {hash, map[string]any{"signatures": []string{"0x12", "signed"}}, 400, "signatures[1]", "invalid_signature"},
		"too many signatures":     {hash, map[string]any{"signatures": make([]string, 101)}, 400, "signatures", "too_many_signatures"},
		"no transaction":          {hash, map[string]any{"safeTx": map[string]any{}}, 400, "safeTx", ""},
		"a list":                  {hash, map[string]any{"safeTx": []string{}}, 400, "safeTx", ""},
		"another transaction":     {hash, map[string]any{"safeTx": elsewhere}, 400, "safeTx", "safe_hash"},
		"another payment's":       {s.Hash(elsewhere).String(), map[string]any{"safeTx": elsewhere}, 400, "safeTx", "safe_tx_foreign"},
		"who is paid for gas":     {s.Hash(unpaid).String(), map[string]any{"safeTx": unpaid}, 400, "safeTx", "safe_refund"},
		"a chain nobody has":      {hash, map[string]any{"chain": 12345}, 400, "chain", ""},
		"more than anybody needs": {hash, map[string]any{"safeTx": strings.Repeat("x", 170_000)}, 413, "", ""},
	} {
		got := say(w, token, word(t, s, c.hash, c.more)).Want(c.status)
		if body := got.JSON(); (c.field != "" && body["field"] != c.field) || (c.code != "" && body["code"] != c.code) {
			t.Errorf("%s: %v", name, body)
		}
		if got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s is remembered", name)
		}
	}
	if st := statusOf(w, token); st["safe"] != nil || st["payable"] != true {
		t.Errorf("what was refused holds the payment: %v", st)
	}
	// As long as the largest route.
	say(w, token, word(t, s, hash, map[string]any{"safeTx": tx, "signatures": []string{"0x" + strings.Repeat("ab", 4096)}})).Want(http.StatusOK)
}

// A stranger's word holds the payment, so everybody is told that it is held; but
// not by whom, which the stranger can have made up.
func TestWhoIsToldOfASafe(t *testing.T) {
	w, s := safeWorld(t, safe.V141, 50_000_000)
	token := w.CreatePayment("10")
	hash := "0x" + strings.Repeat("ab", 32)
	own := cookie(say(w, token, word(t, s, hash, nil)).Want(http.StatusOK))
	secrets := []string{hash[2:], s.Address.String()[2:], w.Chain.Wallet.Address()[2:]}
	st := w.Get("/checkout/" + token + "/status").Want(http.StatusOK)
	leaks(t, "the status", st.Body, secrets)
	holds(t, "to others", object(st.JSON()["safe"]), map[string]any{
		"hash": "", "address": "", "stage": "waiting", "proven": false, "owners": "[]", "signers": "[]", "threshold": 0, "signed": nil, "nonce": nil, "ahead": nil,
		"own": false, "chain": "Base (sandbox)",
	})
	if st.JSON()["payable"] != false {
		t.Error("it does not hold the payment")
	}
	r := w.Get("/?token=" + token).Want(http.StatusOK)
	leaks(t, "the page", r.Body, secrets)
	if got := text(page(t, r), "progress-title"); got != "A payment from a Safe is waiting" {
		t.Errorf("the page says %q", got)
	}
	holds(t, "to who said it", object(statusOf(w, token, own)["safe"]), map[string]any{
		"hash": hash, "address": s.Address, "proven": false, "own": true, "threshold": 2, "signed": nil, "nonce": nil,
	})
	if got := text(page(t, w.Get("/?token="+token, own)), "progress-title"); got != "Waiting for signatures" {
		t.Errorf("the page of who said it says %q", got)
	}
}

// A Safe transaction names the payee: its hash is enough to look it up.
func TestSafeDoesNotTellAHiddenPayee(t *testing.T) {
	w, s := safeWorld(t, safe.V141, 50_000_000)
	token := restrict(w, `{"hidePayeeAddress":true}`)
	tx := proposal(t, s, callsFor(w, token, s))
	hash := s.Hash(tx).String()
	own := cookie(say(w, token, word(t, s, hash, map[string]any{"safeTx": tx})).Want(http.StatusOK))
	news := func(headers ...string) map[string]any { return object(statusOf(w, token, headers...)["safe"]) }
	holds(t, "to others", news(), map[string]any{"hash": "", "address": s.Address, "proven": true, "txHash": ""})
	holds(t, "to who said it", news(own), map[string]any{"hash": hash})
	leaks(t, "the page", w.Get("/?token="+token).Body, []string{hash[2:], webtest.Payee[2:]})
	sent := s.Execute(tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.Await("the Safe's own event", func() bool { return news(own)["stage"] == "executed" })
	holds(t, "to others, executed", news(), map[string]any{"hash": "", "txHash": "", "explorerUrl": ""})
	holds(t, "to who said it, executed", news(own), map[string]any{"txHash": sent})
}

// A veiled payment tells nothing of a Safe either.
func TestSafeOfAVeiledPayment(t *testing.T) {
	w, s := safeWorld(t, safe.V141, 50_000_000)
	token := restrict(w, `{"allowedPayerAddresses":["`+s.Address.String()+`"],"hideUntilApproved":true}`)
	tx := proposal(t, s, callsFor(w, token, s))
	hash := s.Hash(tx).String()
	stranger := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V141, Salt: 4711})
	w.Chain.Mine(1)
	say(w, token, word(t, stranger, hash, nil)).Want(http.StatusForbidden)
	say(w, token, word(t, s, hash, map[string]any{"safeTx": tx})).Want(http.StatusOK)
	if got := string(w.Get("/checkout/" + token + "/status").Want(http.StatusOK).Body); got != `{"state":"open"}` {
		t.Errorf("status %s", got)
	}
	leaks(t, "the page", w.Get("/?token="+token).Want(http.StatusOK).Body, append(told(w, token), s.Address.String()[2:], hash[2:]))
	admitted := cookie(ask(w, token, s.Address.String()).Want(http.StatusOK))
	holds(t, "to who was let in", object(statusOf(w, token, admitted)["safe"]), map[string]any{"address": s.Address, "hash": hash})
}

func TestSafeThatPaysNothing(t *testing.T) {
	w, s := safeWorld(t, safe.V141, 50_000_000)
	expect := func(token, stage, state, title, where string) {
		t.Helper()
		w.Await(stage, func() bool { return object(statusOf(w, token)["safe"])["stage"] == stage })
		st := statusOf(w, token)
		if st["state"] != state || st["payable"] != (state == "open") {
			t.Errorf("%s: %v", stage, st)
		}
		status := http.StatusOK
		if state == "failed" {
			status = http.StatusForbidden
		}
		if got := text(page(t, w.Get("/?token="+token).Want(status)), where); got != title {
			t.Errorf("%s: the page says %q, want %q", stage, got, title)
		}
	}

	replaced := w.CreatePayment("10")
	tx := proposal(t, s, callsFor(w, replaced, s))
	say(w, replaced, word(t, s, s.Hash(tx).String(), map[string]any{"safeTx": tx, "signatures": []string{signature(s, tx, w.Chain.Wallet)}})).Want(http.StatusOK)
	other := s.Execute(s.Reject(0))
	w.Chain.Mine(webtest.Confirmations + 1)
	expect(replaced, "replaced", "open", "The Safe used another transaction instead", "safe-told-title")
	holds(t, "replaced by", object(statusOf(w, replaced)["safe"]), map[string]any{"txHash": other})

	// More than the Safe has, with gas of its own: the Safe goes on and says that it failed.
	failing := w.CreatePayment("1000")
	tx = proposal(t, s, callsFor(w, failing, s))
	tx.SafeTxGas = big.NewInt(500_000)
	say(w, failing, word(t, s, s.Hash(tx).String(), map[string]any{"safeTx": tx, "signatures": []string{signature(s, tx, w.Chain.Wallet)}})).Want(http.StatusOK)
	sent := s.Execute(tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	expect(failing, "failed", "open", "The Safe's transaction failed", "safe-told-title")
	holds(t, "failed in", object(statusOf(w, failing)["safe"]), map[string]any{"txHash": sent, "address": s.Address})

	// Where the merchant's own side has announced it, the payment fails with it.
	merchants := w.CreatePayment("1000")
	tx = proposal(t, s, callsFor(w, merchants, s))
	tx.SafeTxGas = big.NewInt(500_000)
	w.API(http.MethodPost, "/v2/secure-payments/"+merchants+"/intent",
		fmt.Sprintf(`{"safeTxHash":%q,"chain":"BASE","token":"USDC","payerAddress":%q}`, s.Hash(tx), s.Address)).Want(http.StatusOK)
	s.Execute(tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	expect(merchants, "failed", "failed", "The Safe's transaction failed", "failed-title")
}

// A Safe on another chain: the page says where it signs and, once it has executed,
// what became of the money on the bridge, to the browser that announced it as its own.
func TestPayingFromASafeAcrossChains(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true, Routing: true})
	_, s := w.Safe(safe.V141, 50_000_000)
	token := restrict(w, `{"hidePayeeAddress":true}`)
	calls := w.Get("/checkout/" + token + "/pay?isSafe=true&option=crosschain:arbitrum-one:USDC-arbitrum-one&wallet=" + s.Address.String()).Want(http.StatusOK).JSON()
	deadline, _ := object(calls["metadata"])["safePaymentDeadline"].(float64)
	if deadline == 0 {
		t.Fatalf("calls: %v", calls)
	}
	tx := proposal(t, s, calls)
	own := cookie(say(w, token, word(t, s, s.Hash(tx).String(), map[string]any{
		"chain": asset.SandboxArbitrum, "safeTx": tx, "deadline": int64(deadline), "signatures": []string{signature(s, tx, w.Second.Wallet)},
	})).Want(http.StatusOK))
	holds(t, "waiting", object(statusOf(w, token)["safe"]), map[string]any{
		"chain": "Arbitrum One (sandbox)", "chainId": float64(asset.SandboxArbitrum), "stage": "waiting", "proven": true, "address": s.Address,
		"deadline": time.Unix(int64(deadline), 0).UTC().Format(time.RFC3339),
	})
	if got := text(page(t, w.Get("/?token="+token)), "safe-chain"); got != "Arbitrum One (sandbox)" {
		t.Errorf("the page says that it pays from %q", got)
	}

	sent := s.Execute(tx)
	w.Second.Mine(webtest.Confirmations + 1)
	route := func(headers ...string) map[string]any { return object(statusOf(w, token, headers...)["route"]) }
	w.Await("the bridge", func() bool { return route()["progress"] == "bridging" })
	holds(t, "to who announced it", route(own), map[string]any{"txHash": sent})
	holds(t, "to others", route(), map[string]any{"txHash": ""})
	if got := text(page(t, w.Get("/?token="+token)), "progress-title"); got != "Your payment is on its way from Arbitrum One (sandbox)" {
		t.Errorf("the page says %q", got)
	}
	w.Chain.Other.Bridge(w.Second, sent, false)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	holds(t, "paid", object(statusOf(w, token, own)["safe"]), map[string]any{"stage": "executed", "txHash": sent, "address": s.Address})
	if d := page(t, w.Get("/?token="+token).Want(http.StatusConflict)); text(d, "payer") != s.Address.String() || d.Find("#payer-safe:not([hidden])").Length() != 1 {
		t.Errorf("the receipt says that %q paid", text(d, "payer"))
	}
}

func TestPageMayReportEveryCheckOfASafe(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	for _, check := range []string{
		safe.CheckHash, safe.CheckTarget, safe.CheckOperation, safe.CheckCalls, safe.CheckValue, safe.CheckRefund, safe.CheckGas, safe.CheckNonce,
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
