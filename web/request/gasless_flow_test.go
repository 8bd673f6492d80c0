package request_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/gasless"
	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/web/webtest"
)

// sponsored is the operation that makes a saver's payment, paid for and signed, and
// not sent.
func sponsored(t testing.TB, s *webtest.Saver) (webtest.Facts, userop.Op) {
	t.Helper()
	f, op := s.Due()
	op, no := s.Manager(op)
	if no != nil {
		t.Fatalf("the sponsor: %+v", no)
	}
	return f, s.Signed(op)
}

func hand(t testing.TB, s *webtest.Saver, op userop.Op) string {
	t.Helper()
	hash, no := s.Send(op)
	if no != nil {
		t.Fatalf("the bundler: %+v", no)
	}
	return hash
}

// A payer without a coin pays: 423 while the operation waits, both accounts in every
// webhook, and wherever else a payer is named.
func TestAccountPays(t *testing.T) {
	for _, kind := range []string{userop.KindLight, userop.KindSafe} {
		t.Run(kind, func(t *testing.T) {
			w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Provider: gasless.ProviderAlchemy, Kind: kind}})
			hooks := receiver(t, w)
			token := w.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}],"feePercentage":"1","feeAddress":%q}`, payee, otherPayee))
			at, r := route+"/"+token, w.Load(token).Terms.Requests[0]
			s := w.Saver("saver", token, usdcWay, w.Chain.USDC(), 10_100_000)
			f, op := sponsored(t, s)
			both := map[string]any{"payerAddress": f.Account, "payerEoaAddress": s.Address()}
			query := "?wallet=" + f.Account + "&eoaWallet=" + s.Address().String()
			// What the page has made of the calls that the API hands out.
			calls := items(w.API(http.MethodGet, at+"/pay"+query, "").Want(http.StatusOK).JSON()["transactions"])
			for i, c := range f.Calls.Transactions {
				holds(t, "a call", object(calls[i]), map[string]any{"to": c.To, "data": c.Data, "value": c.Value})
			}

			w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
			hash := hand(t, s, op)
			for _, more := range []string{"", query, "?wallet=" + s.Address().String()} {
				got := w.API(http.MethodGet, at+"/pay"+more, "").Want(http.StatusLocked).JSON()
				holds(t, "423", got, map[string]any{"code": "op_pending", "status": "pending", "message": "Secure payment is in progress"})
				if entry := object(items(got["requestStatuses"])[0]); fmt.Sprint(entry) != fmt.Sprint(map[string]any{"requestId": r.ID, "hasBeenPaid": false, "chainId": float64(asset.SandboxBase)}) {
					t.Errorf("423: %v", entry)
				}
			}
			shown := w.API(http.MethodGet, at+query, "").Want(http.StatusOK).JSON()
			if _, choice := shown["paymentOptions"]; shown["status"] != "pending" || choice {
				t.Errorf("meanwhile: %v", shown)
			}

			w.Gas.Gateway.Behave(gateway.Behaviour{})
			if again := hand(t, s, op); again != hash {
				t.Errorf("handed in again: %s, %s", again, hash)
			}
			w.AwaitState(token, payment.Seen)
			busy := w.API(http.MethodGet, at+"/pay", "").Want(http.StatusLocked).JSON()
			tx := str(object(items(busy["requestStatuses"])[0])["txHash"])
			w.Chain.Mine(webtest.Confirmations)
			w.AwaitState(token, payment.Paid)
			for _, event := range []string{"payment.confirmed", "payment.confirmed.checkout"} {
				body := delivered(t, w, hooks, event)
				holds(t, event, body, both)
				holds(t, event, body, map[string]any{"txHash": tx, "amount": "10", "network": "base", "currency": "USDC", "subStatus": "", "paymentProcessor": "request-network"})
			}
			holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON(), both)
			holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON(), map[string]any{"status": "completed", "executionKind": "evm_same_chain"})
			for _, wallet := range []string{f.Account, s.Address().String(), payee} {
				rows := items(w.API(http.MethodGet, "/v2/payments?walletAddress="+wallet, "").Want(http.StatusOK).JSON()["payments"])
				if len(rows) != 1 {
					t.Errorf("of %s: %v", wallet, rows)
					continue
				}
				holds(t, "row", object(rows[0]), both)
				holds(t, "row", object(rows[0]), map[string]any{"sourceTxHash": tx, "type": "direct", "amount": "10"})
			}
			w.API(http.MethodGet, at+"/pay"+query, "").Want(http.StatusConflict)
			if held := w.Chain.Balance(w.Chain.USDC(), f.Account); held.Sign() != 0 {
				t.Errorf("the account kept %v", held)
			}
			for _, d := range hooks.Received() {
				if strings.Contains(string(d.Body), "payment.failed") {
					t.Errorf("heard %s", d.Body)
				}
			}
		})
	}
}

// An operation that comes to nothing fails its attempt and not the payment: the
// merchant is told why, and the payer pays in another way.
func TestOperationsThatComeToNothing(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Provider: gasless.ProviderAlchemy}})
	for _, c := range []struct {
		reason, words string
		// comes has an operation come to nothing, and tells whether the chain has a
		// transaction that did.
		comes func(t *testing.T, w *webtest.World, s *webtest.Saver) (hash string, shown bool)
	}{
		{payment.ReasonOpRefused, "refused", func(t *testing.T, w *webtest.World, s *webtest.Saver) (string, bool) {
			_, op := sponsored(t, s)
			w.Gas.Gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodSend: {Code: -32500, Message: "AA23 reverted"}}})
			if hash, no := s.Send(op); no == nil {
				t.Errorf("the bundler took %s", hash)
			}
			h, err := op.Hash(asset.SandboxBase)
			if err != nil {
				t.Fatal(err)
			}
			return h.String(), false
		}},
		{payment.ReasonOpReplaced, "Another operation", func(t *testing.T, w *webtest.World, s *webtest.Saver) (string, bool) {
			_, op := sponsored(t, s)
			another := s.For(w.CreatePayment("7"), usdcWay)
			_, instead := sponsored(t, another) // of the same nonce
			w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
			hash := hand(t, s, op)
			w.Gas.Gateway.Behave(gateway.Behaviour{})
			hand(t, another, instead)
			w.Chain.Mine(webtest.Confirmations)
			return hash, true
		}},
		{payment.ReasonOpFailed, "its calls failed", func(t *testing.T, w *webtest.World, s *webtest.Saver) (string, bool) {
			f, op := sponsored(t, s)
			permit, err := s.Permit(f, address(t, f.Account), big.NewInt(10_000_000)).Encode()
			if err != nil {
				t.Fatal(err)
			}
			w.Chain.Wallet.Send(f.Token.Address, nil, permit) // a stranger has read it, and uses it up
			w.Chain.Mine(1)
			hash := hand(t, s, op)
			w.Chain.Mine(webtest.Confirmations)
			return hash, true
		}},
		{payment.ReasonOpExpired, "not executed in time", func(t *testing.T, w *webtest.World, s *webtest.Saver) (string, bool) {
			_, op := sponsored(t, s)
			w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
			hash := hand(t, s, op)
			w.Chain.SetClock(func() time.Time { return time.Now().Add(20 * time.Minute) })
			w.Chain.Mine(webtest.Confirmations + 1)
			return hash, false
		}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w := w.For(t)
			hooks := receiver(t, w)
			token := w.CreatePayment("10")
			at, r := route+"/"+token, w.Load(token).Terms.Requests[0]
			s := w.Saver(c.reason, token, usdcWay, w.Chain.USDC(), 50_000_000)
			account := accountOf(s.Address())
			hash, shown := c.comes(t, w, s)
			body := delivered(t, w, hooks, "payment.failed")
			holds(t, "webhook", body, map[string]any{
				"requestId": r.ID, "requestID": r.ID, "subStatus": c.reason, "status": "pending", "paymentProcessor": "request-network", "userOpHash": hash,
				"payerAddress": account, "payerEoaAddress": s.Address(), "sourceNetwork": "base", "securePaymentToken": token, "totalAmountPaid": "0", "expectedAmount": "10",
			})
			tx, told := body["sourceTxHash"]
			if told != shown || shown && w.Chain.Receipt(str(tx)) == nil || !strings.Contains(str(body["failureReason"]), c.words) {
				t.Errorf("webhook: %v, with a transaction: %t", body, shown)
			}
			if got := w.API(http.MethodGet, at, "").Want(http.StatusOK).JSON(); got["status"] != "pending" {
				t.Errorf("afterwards: %v", got)
			}
			w.API(http.MethodGet, at+"/pay?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK)
			w.API(http.MethodGet, at+"/pay?wallet="+account+"&eoaWallet="+s.Address().String(), "").Want(http.StatusOK)
			w.Gas.Gateway.Behave(gateway.Behaviour{})
			w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
			w.Chain.Mine(webtest.Confirmations + 1)
			w.AwaitState(token, payment.Paid)
			holds(t, "paid by another", w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON(), map[string]any{
				"payerAddress": w.Chain.Wallet.Address(), "payerEoaAddress": w.Chain.Wallet.Address(),
			})
		})
	}
}

// From another chain it is the same: the account signs there, and whoever is told of the
// money here is told of both. A payment that fails on arrival gives it to the wallet.
func TestAccountPaysFromAnotherChain(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Routing: true, Gasless: &webtest.Gasless{Provider: gasless.ProviderAlchemy}})
	hooks := receiver(t, w)
	for _, fails := range []bool{true, false} {
		token := w.CreatePayment("10")
		at, r := route+"/"+token, w.Load(token).Terms.Requests[0]
		s := w.SaverOfSecond(fmt.Sprint("saver", fails), token, "crosschain:arbitrum-one:USDC-arbitrum-one", w.Second.USDC(), 50_000_000)
		account := accountOf(s.Address())
		query := "wallet=" + account + "&eoaWallet=" + s.Address().String() + "&chain=ARBITRUM&token=USDC"
		meta := object(w.API(http.MethodGet, at+"/pay?"+query, "").Want(http.StatusOK).JSON()["metadata"])
		holds(t, "metadata", meta, map[string]any{"routeType": "crosschain", "bridgeTool": "across", "balanceUnits": "50000000", "hasEnoughGas": true, "hasEnoughAllowance": false})

		_, op := sponsored(t, s)
		w.GasSecond.Gateway.Behave(gateway.Behaviour{Hold: true})
		hash := hand(t, s, op)
		got := w.API(http.MethodGet, at+"/pay?"+query, "").Want(http.StatusLocked).JSON()
		if entry := object(items(got["requestStatuses"])[0]); got["code"] != "op_pending" || entry["chainId"] != float64(asset.SandboxArbitrum) || entry["txHash"] != nil {
			t.Errorf("423: %v", got)
		}
		holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON(), map[string]any{"executionKind": "evm_cross_chain", "status": "pending"})

		w.GasSecond.Gateway.Behave(gateway.Behaviour{})
		hand(t, s, op)
		w.Second.Mine(webtest.Confirmations)
		w.Await("the bridge", func() bool {
			got = w.API(http.MethodGet, at+"/pay?"+query, "").Want(http.StatusLocked).JSON() // and never payable in between
			return got["code"] == "bridging"
		})
		sent := str(object(items(got["requestStatuses"])[0])["txHash"])
		arrived := w.Chain.Other.Bridge(w.Second, sent, fails)
		w.Chain.Mine(webtest.Confirmations + 1)
		if fails {
			body := delivered(t, w, hooks, "payment.failed")
			holds(t, "webhook", body, map[string]any{"subStatus": "destination_call_failed", "status": "pending", "sourceTxHash": sent, "sourceNetwork": "arbitrum-one"})
			if body["userOpHash"] == hash {
				t.Errorf("the operation did what it should: %v", body)
			}
			if got := w.Chain.Balance(w.Chain.USDC(), s.Address().String()); got.Cmp(big.NewInt(10_000_000)) < 0 {
				t.Errorf("the wallet has %v of what was not paid", got)
			}
			// What became of the operation itself is looked up apart from what became of the money.
			w.Await("payable again", func() bool { return w.API(http.MethodGet, at+"/pay?"+query, "").Status == http.StatusOK })
			continue
		}
		w.AwaitState(token, payment.Paid)
		both := map[string]any{"payerAddress": account, "payerEoaAddress": s.Address()}
		body := delivered(t, w, hooks, "payment.confirmed")
		holds(t, "webhook", body, both)
		holds(t, "webhook", body, map[string]any{"sourceNetwork": "arbitrum-one", "sourceTxHash": sent, "txHash": arrived, "network": "base"})
		holds(t, "look-up", w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON(), both)
		rows := items(w.API(http.MethodGet, "/v2/payments?type=crosschain&walletAddress="+s.Address().String(), "").Want(http.StatusOK).JSON()["payments"])
		if len(rows) != 1 {
			t.Fatalf("what arrived: %v", rows)
		}
		holds(t, "row", object(rows[0]), both)
	}
}

// Another page may have the account pay, with a bundler of its own: what its intent says
// of the wallet behind the account is believed where it is true, and only there.
func TestAccountOfAnotherPage(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Provider: gasless.ProviderAlchemy}})
	hooks := receiver(t, w)
	stranger := otherPayee
	for i, c := range []struct {
		members func(account, owner string) string
		holder  func(account, owner string) string
	}{
		{func(account, owner string) string {
			return fmt.Sprintf(`,"payerAddress":%q,"payerEoaAddress":%q`, account, owner)
		}, func(_, owner string) string { return owner }},
		{func(account, _ string) string {
			return fmt.Sprintf(`,"payerAddress":%q,"payerEoaAddress":%q`, account, stranger)
		}, func(account, _ string) string { return account }},
		{func(account, _ string) string { return fmt.Sprintf(`,"payerAddress":%q`, account) }, func(account, _ string) string { return account }},
		{func(_, owner string) string { return fmt.Sprintf(`,"payerEoaAddress":%q`, owner) }, func(account, _ string) string { return account }},
		{func(_, owner string) string {
			return fmt.Sprintf(`,"payerAddress":%q,"payerEoaAddress":%q`, stranger, owner)
		}, func(account, _ string) string { return account }},
	} {
		token := w.CreatePayment("10")
		s := w.Saver(fmt.Sprint("page", i), token, usdcWay, w.Chain.USDC(), 50_000_000)
		account, owner := accountOf(s.Address()), s.Address().String()
		_, op := sponsored(t, s)
		tx := bundled(t, w, op)
		intent := fmt.Sprintf(`{"txHash":%q,"chain":"BASE","token":"USDC"%s}`, tx, c.members(account, owner))
		w.API(http.MethodPost, route+"/"+token+"/intent", intent).Want(http.StatusOK)
		w.Chain.Mine(webtest.Confirmations)
		w.AwaitState(token, payment.Paid)
		want := map[string]any{"payerAddress": account, "payerEoaAddress": c.holder(account, owner), "txHash": tx, "securePaymentToken": token}
		w.Await("the webhook", func() bool {
			for _, d := range hooks.Received() {
				if body := webtest.Answer(t, 0, d.Header, d.Body).JSON(); body["event"] == "payment.confirmed" && body["securePaymentToken"] == token {
					holds(t, intent, body, want)
					return true
				}
			}
			return false
		})
		rows := items(w.API(http.MethodGet, "/v2/payments?walletAddress="+owner, "").Want(http.StatusOK).JSON()["payments"])
		if found := len(rows) == 1; found != (want["payerEoaAddress"] == owner) {
			t.Errorf("%s: found by its owner: %v", intent, rows)
		}
	}
}

// bundled hands an operation to a bundler that is not the server's, and returns the
// transaction that executed it.
func bundled(t *testing.T, w *webtest.World, op userop.Op) string {
	t.Helper()
	ask := func(method string, params ...any) (result json.RawMessage) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Gas.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		var out struct{ Result, Error json.RawMessage }
		if err := json.NewDecoder(got.Body).Decode(&out); err != nil || out.Error != nil {
			t.Fatalf("%s: %s, %v", method, out.Error, err)
		}
		return out.Result
	}
	var hash string
	if err := json.Unmarshal(ask(userop.MethodSend, op, userop.EntryPoint.String()), &hash); err != nil {
		t.Fatal(err)
	}
	var made struct {
		Receipt struct {
			TransactionHash string `json:"transactionHash"`
		} `json:"receipt"`
	}
	if err := json.Unmarshal(ask(userop.MethodReceipt, hash), &made); err != nil || made.Receipt.TransactionHash == "" {
		t.Fatalf("no transaction of %s: %v", hash, err)
	}
	return made.Receipt.TransactionHash
}
