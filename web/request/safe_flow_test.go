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
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/apidoc/apidoctest"
	"quittance/web/webtest"
)

// proposal is a transaction that owners have proposed on a Safe.
type proposal struct {
	of   *safetest.Safe
	tx   safe.Tx
	hash string
}

// propose makes one Safe transaction of an answer's transactions, as Safe's tools do.
func propose(t testing.TB, s *safetest.Safe, calldata map[string]any, change func(*safe.Tx)) proposal {
	t.Helper()
	told := object(calldata["safe"])
	account := safe.Account{Chain: asset.ChainID(s.Chain.ID()), Address: address(t, str(told["address"])), Version: s.Version, MultiSend: address(t, str(told["multiSend"]))}
	if account.Address != s.Address {
		t.Fatalf("calldata for %s, want %s", account.Address, s.Address)
	}
	all := items(calldata["transactions"])
	if calldata["paymentType"] == "batch" {
		all = append(items(calldata["ERC20ApprovalTransactions"]), calldata["batchPaymentTransaction"])
	}
	var calls []rail.Call
	for _, x := range all {
		data, err := hex.DecodeString(strings.TrimPrefix(str(object(x)["data"]), "0x"))
		value, ok := new(big.Int).SetString(strings.TrimPrefix(str(object(x)["value"]), "0x"), 16)
		if err != nil || !ok {
			t.Fatalf("transaction %v", x)
		}
		calls = append(calls, rail.Call{To: address(t, str(object(x)["to"])), Data: data, Value: value})
	}
	tx, err := account.Batch(calls, uint64(told["nonce"].(float64)))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&tx)
	}
	return proposal{s, tx, s.Hash(tx).String()}
}

// intent is the body that tells of a proposal. Members without a value are left out.
func (p proposal) intent(t testing.TB, chain, token string, more map[string]any) string {
	t.Helper()
	body := map[string]any{"safeTxHash": p.hash, "chain": chain, "token": token}
	for name, v := range more {
		body[name] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// proven is what makes a proposal known completely: the transaction and an owner's
// signature.
func (p proposal) proven() map[string]any {
	return map[string]any{
		"payerAddress": p.of.Address.String(), "safeTx": p.tx, "safeSignatures": []string{"0x" + hex.EncodeToString(p.of.Sign(p.tx, p.of.Chain.Wallet))},
	}
}

// with adds a member.
func with(of map[string]any, name string, v any) map[string]any {
	of[name] = v
	return of
}

// asSafe asks for a Safe's calldata.
func asSafe(w *webtest.World, at string, s *safetest.Safe, query string) map[string]any {
	return w.API(http.MethodGet, at+"/pay?isSafe=true&wallet="+s.Address.String()+query, "").Want(http.StatusOK).JSON()
}

// delivered waits for a webhook, holds it against the document and returns its body.
func delivered(t *testing.T, w *webtest.World, hooks *webhooktest.Receiver, event string) map[string]any {
	t.Helper()
	contract, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	w.Await(event, func() bool {
		body = heard(t, hooks.Received(), event)
		return body != nil
	})
	for _, d := range hooks.Received() {
		if strings.Contains(string(d.Body), fmt.Sprintf(`"event":%q,`, event)) {
			if err := contract.Webhook(event, d.Header, d.Body); err != nil {
				t.Error(err)
			}
		}
	}
	return body
}

// busy checks that a payment is answered with the documented 423 everywhere.
func busy(t *testing.T, w *webtest.World, at string, want map[string]any) map[string]any {
	t.Helper()
	var first map[string]any
	for _, path := range []string{"", "/pay", "/pay?isSafe=true&wallet=" + payee} {
		got := w.API(http.MethodGet, at+path, "").Want(http.StatusLocked)
		like(t, "423 of "+path, seed(t, "seed-safe-pending-423"), got.Body, want)
		first = got.JSON()
	}
	return first
}

// A Safe of each version pays, as the vendor documents it: calldata, intent, 423
// until it is executed, 409 and a webhook.
func TestSafePays(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	hooks := receiver(t, w)
	for _, version := range []safe.Version{safe.V130, safe.V141, safe.V150} {
		t.Run(string(version), func(t *testing.T) { safePays(t, w.For(t), version) })
	}
	w.Await("three payments", func() bool {
		n := 0
		for _, d := range hooks.Received() {
			if strings.Contains(string(d.Body), `"event":"payment.confirmed",`) {
				n++
			}
		}
		return n == 3
	})
}

func safePays(t *testing.T, w *webtest.World, version safe.Version) {
	s, _ := w.Safe(version, 30_000_000)
	token := w.CreatePayment("10")
	at, request := route+"/"+token, w.Load(token).Terms.Requests[0]

	looked := w.API(http.MethodGet, at+"?isSafe=true&wallet="+s.Address.String(), "").Want(http.StatusOK).JSON()
	if o := object(object(looked["paymentOptions"])["BASE"]); object(o["USDC"])["hasEnoughBalance"] != true {
		t.Errorf("what the Safe can choose among: %v", looked)
	}
	calls := asSafe(w, at, s, "")
	if again := asSafe(w, at, s, "&isSafe=TRUE"); fmt.Sprint(again) != fmt.Sprint(calls) {
		t.Errorf("asked again:\n%v\n%v", calls, again)
	}
	holds(t, "metadata", object(calls["metadata"]), map[string]any{
		"needsApproval": true, "approvalTransactionsCount": 1, "approvalTransactionIndex": 0, "paymentTransactionIndex": 1, "stepsRequired": 2,
		"hasEnoughBalance": true, "hasEnoughGas": true, "hasEnoughAllowance": false, "requiredAmount": "10", "routeType": "samechain",
	})
	if _, there := object(calls["metadata"])["safePaymentDeadline"]; there {
		t.Errorf("a deadline of calls that are good for ever: %v", calls["metadata"])
	}
	holds(t, "safe", object(calls["safe"]), map[string]any{"address": s.Address, "version": version, "threshold": 2, "nonce": 0, "warnings": []any{}})
	if len(items(object(calls["safe"])["owners"])) != 3 || len(items(calls["transactions"])) != 2 {
		t.Errorf("calldata: %v", calls)
	}

	deadline := time.Now().Add(time.Hour).Unix()
	p := propose(t, s, calls, nil)
	body := p.intent(t, "BASE", "USDC", with(p.proven(), "safePaymentDeadline", deadline))
	first := w.API(http.MethodPost, at+"/intent", body).Want(http.StatusOK)
	answered := map[string]any{"intentId": token + ":" + p.hash, "paymentReference": request.Reference, "safeTxHash": p.hash, "safePaymentDeadline": deadline}
	like(t, "intent", seed(t, "seed-safe-intent-200"), first.Body, answered)
	if got := first.JSON(); got["payerAddress"] != s.Address.String() || got["txHash"] != nil {
		t.Errorf("intent: %v", got)
	}
	for _, again := range []string{body, p.intent(t, "BASE", "USDC", nil), strings.Replace(body, p.hash[2:], strings.ToUpper(p.hash[2:]), 1)} {
		like(t, "told again", seed(t, "seed-safe-intent-200"), w.API(http.MethodPost, at+"/intent", again).Want(http.StatusOK).Body, answered)
	}

	want := map[string]any{
		"requestStatuses[0].requestId": request.ID, "requestStatuses[0].safeTxHash": p.hash,
		"requestStatuses[0].chainId": uint64(asset.SandboxBase), "requestStatuses[0].safePaymentDeadline": deadline,
	}
	holds(t, "423", busy(t, w, at, want), map[string]any{"code": "safe_pending", "statusCode": 423.0, "error": "Locked"})
	found := w.API(http.MethodGet, route+"?requestId="+request.ID, "").Want(http.StatusOK).JSON()
	holds(t, "look-up", found, map[string]any{"status": "pending", "executionKind": "evm_same_chain", "completedAt": nil})
	holds(t, "its request", object(items(found["requestStatuses"])[0]), map[string]any{"safeTxHash": p.hash, "hasBeenPaid": false})
	other := propose(t, s, calls, func(tx *safe.Tx) { tx.Nonce = 1 })
	refused := w.API(http.MethodPost, at+"/intent", other.intent(t, "BASE", "USDC", other.proven()))
	refuses(t, "another one", refused, http.StatusConflict, "Another Safe transaction is pending for this payment: "+p.hash+".", "safeTxHash")
	if refused.JSON()["code"] != checkout.CodeSafePending {
		t.Errorf("another one: %s", refused.Body)
	}

	executed := s.Execute(p.tx)
	w.Chain.Mine(1)
	w.AwaitState(token, payment.Seen)
	w.Await("the transaction to be told", func() bool {
		got := w.API(http.MethodGet, at, "").Want(http.StatusLocked).JSON()
		return object(items(got["requestStatuses"])[0])["txHash"] == executed
	})
	busy(t, w, at, want)
	w.Chain.Mine(webtest.Confirmations)
	w.AwaitState(token, payment.Paid)
	done := w.API(http.MethodGet, at, "").Want(http.StatusConflict).JSON()
	holds(t, "409", done, map[string]any{"status": "completed", "message": "Secure payment has already been completed"})
	if entry := object(items(done["requestStatuses"])[0]); fmt.Sprint(entry) != fmt.Sprint(map[string]any{"requestId": request.ID, "hasBeenPaid": true, "txHash": executed}) {
		t.Errorf("409: %v", entry)
	}
	w.API(http.MethodPost, at+"/intent", body).Want(http.StatusConflict)
	holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+request.ID, "").Want(http.StatusOK).JSON(), map[string]any{"status": "completed", "payerAddress": s.Address})
	rows := items(w.API(http.MethodGet, "/v2/payments?walletAddress="+s.Address.String(), "").Want(http.StatusOK).JSON()["payments"])
	if len(rows) != 1 || object(rows[0])["payerAddress"] != s.Address.String() || object(rows[0])["sourceTxHash"] != executed || object(rows[0])["type"] != "direct" {
		t.Errorf("what arrived: %v", rows)
	}
}

// The seed's own calls: a hash and nothing else, for a Safe that has asked before.
func TestSafeHashAlone(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	hooks := receiver(t, w)
	s, _ := w.Safe(safe.V141, 30_000_000)
	token := w.CreatePayment("10")
	at := route + "/" + token
	unknown := w.API(http.MethodPost, at+"/intent", `{"safeTxHash":"0x`+strings.Repeat("ab", 32)+`","chain":"BASE","token":"USDC"}`)
	refuses(t, "nobody asked", unknown, http.StatusBadRequest, "", "payerAddress")
	if unknown.JSON()["code"] != "safe_unknown" {
		t.Errorf("nobody asked: %s", unknown.Body)
	}
	p := propose(t, s, asSafe(w, at, s, ""), nil)
	got := w.API(http.MethodPost, at+"/intent", p.intent(t, "BASE", "USDC", nil)).Want(http.StatusOK).JSON()
	if _, there := got["safePaymentDeadline"]; there || got["payerAddress"] != nil || got["safeTxHash"] != p.hash {
		t.Errorf("intent: %v", got)
	}
	entry := object(items(w.API(http.MethodGet, at, "").Want(http.StatusLocked).JSON()["requestStatuses"])[0])
	if _, there := entry["safePaymentDeadline"]; there || entry["safeTxHash"] != p.hash {
		t.Errorf("423 without a deadline: %v", entry)
	}
	executed := s.Execute(p.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	holds(t, "webhook", delivered(t, w, hooks, "payment.confirmed"), map[string]any{
		"txHash": executed, "payerAddress": s.Address, "payerEoaAddress": s.Address, "amount": "10", "network": "base", "subStatus": "", "paymentProcessor": "request-network",
	})
}

// A Safe's transaction that comes to nothing: the payment has failed, where its
// owners or the merchant's own client spoke of it.
func TestSafeFails(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	hooks := receiver(t, w)
	s, _ := w.Safe(safe.V150, 5_000_000) // too little
	token := w.CreatePayment("10")
	at, r := route+"/"+token, w.Load(token).Terms.Requests[0]
	calls := asSafe(w, at, s, "")
	if object(calls["metadata"])["hasEnoughBalance"] != false {
		t.Errorf("metadata: %v", calls["metadata"])
	}
	p := propose(t, s, calls, func(tx *safe.Tx) { tx.SafeTxGas = big.NewInt(500_000) })
	w.API(http.MethodPost, at+"/intent", p.intent(t, "BASE", "USDC", p.proven())).Want(http.StatusOK)
	executed := s.Execute(p.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Failed)
	failedWith(t, w, at, "safe_execution_failed", p.hash)
	holds(t, "webhook", delivered(t, w, hooks, "payment.failed"), map[string]any{
		"requestId": r.ID, "requestID": r.ID, "paymentReference": r.Reference, "subStatus": "safe_execution_failed", "paymentProcessor": "request-network", "status": "failed",
		"safeTxHash": p.hash, "sourceTxHash": executed, "sourceNetwork": "base", "totalAmountPaid": "0", "failureReason": "The Safe's transaction was executed and failed.",
	})
}

// failedWith checks what is answered of a payment that a Safe's transaction ended.
func failedWith(t *testing.T, w *webtest.World, at, why, hash string) {
	t.Helper()
	for _, path := range []string{"", "/pay"} {
		got := w.API(http.MethodGet, at+path, "").Want(http.StatusForbidden).JSON()
		holds(t, "403", got, map[string]any{"message": "Secure payment token expired or invalid status", "status": "failed", "code": "failed", "subStatus": why})
		holds(t, "403", object(items(got["requestStatuses"])[0]), map[string]any{"hasBeenPaid": false, "safeTxHash": hash, "chainId": float64(asset.SandboxBase)})
	}
	w.API(http.MethodPost, at+"/intent", fmt.Sprintf(`{"safeTxHash":%q,"chain":"BASE","token":"USDC"}`, hash)).Want(http.StatusForbidden)
}

// Past its deadline a Safe's payment has failed, and what comes then is late.
func TestSafeTooLate(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	hooks := receiver(t, w)
	s, _ := w.Safe(safe.V130, 30_000_000)
	token := w.CreatePayment("10")
	at := route + "/" + token
	p := propose(t, s, asSafe(w, at, s, ""), nil)
	deadline := time.Now().Add(8 * time.Second).Unix()
	asDocumented := strings.NewReplacer("0xSAFE_TX_HASH", p.hash, "POLYGON", "BASE", "1749760800", fmt.Sprint(deadline)).Replace(string(seed(t, "seed-safe-intent")))
	w.API(http.MethodPost, at+"/intent", asDocumented).Want(http.StatusOK)
	w.Chain.SetClock(func() time.Time { return time.Now().Add(time.Minute) })
	w.Chain.Mine(webtest.Confirmations + 2)
	w.AwaitState(token, payment.Failed)
	failedWith(t, w, at, "safe_deadline_passed", p.hash)
	s.Execute(p.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	holds(t, "late", delivered(t, w, hooks, "payment.late"), map[string]any{"amount": "10", "payerAddress": s.Address})
	holds(t, "failed", delivered(t, w, hooks, "payment.failed"), map[string]any{"subStatus": "safe_deadline_passed", "status": "failed", "safeTxHash": p.hash})
	w.API(http.MethodGet, at, "").Want(http.StatusForbidden)
}

// Another transaction of the Safe in its place: the merchant hears of the attempt,
// and the payment can be made again.
func TestSafeReplaced(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Safes: true})
	hooks := receiver(t, w)
	s, _ := w.Safe(safe.V141, 30_000_000)
	token := w.CreatePayment("10")
	at := route + "/" + token
	p := propose(t, s, asSafe(w, at, s, ""), nil)
	w.API(http.MethodPost, at+"/intent", p.intent(t, "BASE", "USDC", p.proven())).Want(http.StatusOK)
	instead := s.Execute(s.Reject(0))
	w.Chain.Mine(webtest.Confirmations + 1)
	holds(t, "webhook", delivered(t, w, hooks, "payment.failed"), map[string]any{"subStatus": "safe_transaction_replaced", "status": "pending", "safeTxHash": p.hash, "sourceTxHash": instead, "sourceNetwork": "base"})
	if got := w.API(http.MethodGet, at, "").Want(http.StatusOK).JSON(); got["status"] != "pending" {
		t.Errorf("afterwards: %v", got)
	}
	second := propose(t, s, asSafe(w, at, s, ""), nil)
	if second.tx.Nonce != 1 {
		t.Errorf("nonce: %d", second.tx.Nonce)
	}
	w.API(http.MethodPost, at+"/intent", second.intent(t, "BASE", "USDC", second.proven())).Want(http.StatusOK)
	s.Execute(second.tx)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
}
