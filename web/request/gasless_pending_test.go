package request_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// operates records an operation of a payment as it was announced, and what became of
// it since.
func operates(t *testing.T, w *webtest.World, token string, change func(*payment.Attempt)) {
	t.Helper()
	a := byOp(asset.SandboxBase, "")
	a.Stage, a.At = payment.Announced, time.Now().UTC().Truncate(time.Microsecond)
	if change != nil {
		change(&a)
	}
	if err := w.App.Store.Write(t.Context(), func(tx checkout.Tx) error {
		_, err := tx.PutAttempt(t.Context(), payment.ID(token), a)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// While an operation may be executed, and until the end that a chain shows of it is
// final, nobody is given calldata. Looking stays what it is while a bridge has the money.
func TestOperationPending(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	wallet := w.Chain.Wallet.Address()
	on := func(chain asset.ChainID, fate, tx string) func(*payment.Attempt) {
		return func(a *payment.Attempt) { a.Chain, a.Op.Fate, a.Op.ExecutedBy = chain, fate, tx }
	}
	ended := func(reason string) func(*payment.Attempt) {
		return func(a *payment.Attempt) { a.Stage, a.Reason = payment.Abandoned, reason }
	}
	for name, c := range map[string]struct {
		change func(*payment.Attempt)
		locked bool
		chain  asset.ChainID
		tx     string
		kind   string
	}{
		"waiting":                      {nil, true, asset.SandboxBase, "", "evm_same_chain"},
		"waiting, with a permit":       {func(a *payment.Attempt) { a.Until = time.Now().Add(time.Minute) }, true, asset.SandboxBase, "", "evm_same_chain"},
		"waiting on another chain":     {on(asset.SandboxArbitrum, "", ""), true, asset.SandboxArbitrum, "", "evm_cross_chain"},
		"executed in blocks not final": {on(asset.SandboxBase, payment.FateSucceeded, paidTx), true, asset.SandboxBase, paidTx, "evm_same_chain"},
		"failed in blocks not final":   {on(asset.SandboxBase, payment.FateFailed, paidTx), true, asset.SandboxBase, "", "evm_same_chain"},
		"replaced in blocks not final": {on(asset.SandboxBase, payment.FateReplaced, paidTx), true, asset.SandboxBase, "", "evm_same_chain"},
		"failed":                       {ended(payment.ReasonOpFailed), false, 0, "", "evm_same_chain"},
		"replaced":                     {ended(payment.ReasonOpReplaced), false, 0, "", "evm_same_chain"},
		"expired":                      {ended(payment.ReasonOpExpired), false, 0, "", "evm_same_chain"},
		"refused":                      {ended(payment.ReasonOpRefused), false, 0, "", "evm_same_chain"},
		"waiting for too long":         {func(a *payment.Attempt) { a.At = a.At.Add(-time.Hour) }, false, 0, "", "evm_same_chain"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.For(t)
			token := w.CreatePayment("10")
			at, r := route+"/"+token, w.Load(token).Terms.Requests[0]
			operates(t, w, token, c.change)
			for _, query := range []string{"", "?wallet=" + wallet, "?chain=ARBITRUM&token=USDC&wallet=" + wallet} {
				shown := w.API(http.MethodGet, at+query, "").Want(http.StatusOK).JSON()
				if _, choice := shown["paymentOptions"]; shown["status"] != "pending" || choice != (query != "" && !c.locked) {
					t.Errorf("%s: %v", query, shown)
				}
			}
			found := w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON()
			holds(t, "look-up", found, map[string]any{"status": "pending", "executionKind": c.kind, "payerAddress": nil, "payerEoaAddress": nil})
			if !c.locked {
				w.API(http.MethodGet, at+"/pay?wallet="+wallet, "").Want(http.StatusOK)
				return
			}
			want := map[string]any{"requestId": r.ID, "hasBeenPaid": false, "chainId": float64(c.chain)}
			if c.tx != "" {
				want["txHash"] = c.tx
			}
			for what, got := range map[string]webtest.Response{
				"nobody":           w.API(http.MethodGet, at+"/pay", ""),
				"a wallet":         w.API(http.MethodGet, at+"/pay?wallet="+wallet, ""),
				"a route":          w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDC&wallet="+wallet, ""),
				"a step":           w.API(http.MethodPost, at+refreshPath, refreshStep),
				"the owner":        w.API(http.MethodGet, at+"/pay?wallet="+opOwner, ""),
				"the one that has": w.API(http.MethodGet, at+"/pay?wallet="+opAccount, ""),
			} {
				body := got.Want(http.StatusLocked).JSON()
				holds(t, what, body, map[string]any{"message": "Secure payment is in progress", "error": "Locked", "status": "pending", "code": "op_pending"})
				if entries := items(body["requestStatuses"]); len(entries) != 1 || fmt.Sprint(entries[0]) != fmt.Sprint(want) {
					t.Errorf("%s: %v, want %v", what, body["requestStatuses"], want)
				}
			}
		})
	}
}

// Of several requests each says where it is to be paid, and of a payment that is
// hidden none says anything.
func TestOperationPendingOfSeveralAndHidden(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(batchOf("", payee+" USDC-base 1", otherPayee+" USDC-base 2"))
	executed := func(a *payment.Attempt) { a.Op.Fate, a.Op.ExecutedBy = payment.FateSucceeded, paidTx }
	operates(t, w, token, executed)
	entries := items(w.API(http.MethodGet, route+"/"+token+"/pay", "").Want(http.StatusLocked).JSON()["requestStatuses"])
	for i, r := range w.Load(token).Terms.Requests {
		want := map[string]any{"requestId": r.ID, "hasBeenPaid": false, "chainId": float64(asset.SandboxBase), "txHash": paidTx}
		if len(entries) != 2 || fmt.Sprint(entries[i]) != fmt.Sprint(want) {
			t.Errorf("request %d: %v", i, entries)
		}
	}

	friend := w.Chain.Wallet.Address()
	hidden := w.Create(withPolicy(fmt.Sprintf(`{"allowedPayerAddresses":[%q],"hideUntilApproved":true}`, friend)))
	operates(t, w, hidden, executed)
	for _, query := range []string{"", "?wallet=" + friend, "?wallet=" + payee} { // calldata is refused before anybody is let in
		got := w.API(http.MethodGet, route+"/"+hidden+"/pay"+query, "").Want(http.StatusLocked)
		if strings.Contains(string(got.Body), paidTx) || strings.Contains(string(got.Body), "chainId") || strings.Contains(strings.ToLower(string(got.Body)), strings.ToLower(payee[2:])) {
			t.Errorf("%s: %s", query, got.Body)
		}
	}
	if got := keysOf(w.API(http.MethodGet, route+"/"+hidden+"?wallet="+payee, "").Want(http.StatusOK).JSON()); got != "accessDecision branding paymentType status" {
		t.Errorf("a stranger sees %s", got)
	}
}

// What an account paid is its own on the chain, and its owner's wherever a payer is
// named; the merchant finds it by either.
func TestPaidByASmartAccount(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	account := w.Chain.Wallet.Address()
	token := w.CreatePayment("10")
	operates(t, w, token, func(a *payment.Attempt) { a.Payer = account })
	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	plain := w.CreatePayment("3")
	w.PayOnChain(w.Chain.Wallet, plain, 3_000_000) // the same account, of no operation of this payment
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.AwaitState(plain, payment.Paid)

	both := map[string]any{"payerAddress": account, "payerEoaAddress": opOwner}
	self := map[string]any{"payerAddress": account, "payerEoaAddress": account}
	seen := map[string]int{}
	w.Await("webhooks", func() bool { return len(hooks.Received()) == 4 })
	for _, d := range hooks.Received() {
		body := webtest.Answer(t, 0, d.Header, d.Body).JSON()
		want := self
		if body["securePaymentToken"] == token {
			want = both
		}
		holds(t, str(body["event"]), body, want)
		seen[str(body["event"])]++
	}
	if seen["payment.confirmed"] != 2 || seen["payment.confirmed.checkout"] != 2 {
		t.Errorf("heard %v", seen)
	}
	for at, want := range map[string]map[string]any{token: both, plain: self} {
		holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+w.Load(at).Terms.Requests[0].ID, "").Want(http.StatusOK).JSON(), want)
	}
	done := w.API(http.MethodGet, route+"/"+token+"/pay", "").Want(http.StatusConflict).JSON()
	if entry := object(items(done["requestStatuses"])[0]); entry["txHash"] != tx || entry["chainId"] != nil {
		t.Errorf("409: %v", entry)
	}
	for query, want := range map[string]int{
		"walletAddress=" + account: 2, "walletAddress=" + opOwner: 1, "walletAddress=" + strings.ToLower(opOwner): 1, "walletAddress=" + opAccount: 0,
		"walletAddress=" + payee: 2, "walletAddress=" + opOwner + "&txHash=" + tx: 1, "walletAddress=" + opOwner + "&type=crosschain": 0,
		"walletAddress=" + opOwner + "&paymentCurrency=USDC-base": 1, "txHash=" + tx: 1,
	} {
		found := w.API(http.MethodGet, "/v2/payments?"+query, "").Want(http.StatusOK).JSON()
		rows := items(found["payments"])
		if len(rows) != want || object(found["pagination"])["total"] != float64(want) {
			t.Errorf("%s: %d found, want %d", query, len(rows), want)
		}
		for _, row := range rows {
			want := self
			if object(row)["securePaymentToken"] == token {
				want = both
			}
			holds(t, query, object(row), want)
		}
	}
	if rows := items(w.Do(http.MethodGet, "/v2/payments?walletAddress="+opOwner, "", "X-Api-Key: "+w.AddMerchant("Another")).Want(http.StatusOK).JSON()["payments"]); len(rows) != 0 {
		t.Errorf("another merchant finds %v", rows)
	}
}
