package pay_test

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/userop"
	"quittance/web/webtest"
)

const (
	opHash    = "0x5d2ce6f4f1ec4a86e5c0e4d4b7d13c5a0c53d3a1a4f0c1b9bfc8d1c6e0b4f7a2"
	opAccount = "0x41675C099F32341bf84BFc5382aF534df5C7461a"
	opTx      = "0x86dfbccad783599a86dfbccad783599a86dfbccad783599a86dfbccad783599a"
)

// sent has a payment's store hold an operation, as the use case that announces it
// leaves it.
func sent(t *testing.T, w *webtest.World, token string, change func(*payment.Attempt)) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	a := payment.Attempt{
		Key: "op:900008453:" + opHash, Kind: "user_op", Chain: asset.SandboxBase, Handle: opHash, Payer: opAccount, Stage: payment.Announced, At: now,
		Until: now.Add(9 * time.Minute),
		Op:    &payment.Op{Owner: allowed, Nonce: "0", Token: "USDC-base", Amount: big.NewInt(10_000_000)},
	}
	change(&a)
	err := w.App.Store.Write(t.Context(), func(tx checkout.Tx) error {
		_, err := tx.PutAttempt(t.Context(), payment.ID(token), a)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func failed(a *payment.Attempt) {
	a.Op.Fate, a.Op.ExecutedBy, a.Op.Why = payment.FateFailed, opTx, "ERC20: transfer amount exceeds balance"
}

// While an operation can be carried out there is nothing to pay: everybody is told
// so, with and without script.
func TestOperationThatHoldsThePayment(t *testing.T) {
	w := webtest.New(t)
	for name, c := range map[string]struct {
		change             func(*payment.Attempt)
		stage, title, link string
		without            string // what a page without script waits for, in seconds
	}{
		"waiting":  {func(*payment.Attempt) {}, "waiting", "A payment without gas is on its way", "", "5"},
		"open":     {func(a *payment.Attempt) { a.Until = time.Time{} }, "waiting", "A payment without gas is on its way", "", "5"},
		"done":     {func(a *payment.Attempt) { a.Op.Fate, a.Op.ExecutedBy = payment.FateSucceeded, opTx }, "executed", "Your payment was carried out", opTx, "5"},
		"failing":  {failed, "failed", "The payment did not go through", opTx, "5"},
		"replaced": {func(a *payment.Attempt) { a.Op.Fate, a.Op.ExecutedBy = payment.FateReplaced, opTx }, "replaced", "The payment did not go through", opTx, "5"},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.CreatePayment("10")
			sent(t, w, token, c.change)
			st := statusOf(w, token)
			if st["state"] != "open" || st["payable"] != false {
				t.Errorf("status: %v", st)
			}
			op := object(st["op"])
			holds(t, "the operation", op, map[string]any{
				"hash": opHash, "account": opAccount, "owner": allowed, "chain": "Base (sandbox)", "chainId": float64(asset.SandboxBase),
				"stage": c.stage, "txHash": c.link, "own": false,
			})
			if (op["until"] == "") != (name == "open") {
				t.Errorf("until %v", op["until"])
			}
			d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
			if got := text(d, "progress-title"); got != c.title {
				t.Errorf("the page says %q, want %q", got, c.title)
			}
			if d.Find("#qt").AttrOr("data-state", "") != "seen" || d.Find("#op:not([hidden])").AttrOr("data-stage", "") != c.stage {
				t.Error("the page shows no operation")
			}
			if got := d.Find("head noscript").Text(); !strings.Contains(got, `content="`+c.without+`"`) {
				t.Errorf("without script: %q", got)
			}
			if v := data(t, d); v["payable"] != false || v["state"] != "seen" {
				t.Errorf("data block: %v", v)
			}
			if got := w.Get("/checkout/" + token + "/pay?wallet=" + other).Want(http.StatusConflict).JSON(); got["code"] != "op_pending" {
				t.Errorf("calldata meanwhile: %v", got)
			}
		})
	}
}

// What came to nothing is told to who sent it, and to nobody else: others have
// nothing to learn from it, and can pay.
func TestOperationThatPaidNothing(t *testing.T) {
	w := webtest.New(t)
	for reason, title := range map[string]string{
		payment.ReasonOpFailed:   "The payment without gas did not go through",
		payment.ReasonOpReplaced: "Your smart account did something else instead",
		payment.ReasonOpExpired:  "The payment without gas was not carried out in time",
		payment.ReasonOpRefused:  "The payment without gas could not be sent",
		"":                       "Your earlier payment may still go through", // its hold is over
	} {
		t.Run(reason, func(t *testing.T) {
			token := w.CreatePayment("10")
			sent(t, w, token, func(a *payment.Attempt) {
				if reason == payment.ReasonOpFailed {
					failed(a)
				}
				if a.Stage, a.Reason = payment.Abandoned, reason; reason == "" {
					a.Stage, a.Until, a.At = payment.Announced, time.Time{}, a.At.Add(-time.Hour)
				}
			})
			own := announcedBy(t, w, token)
			st := statusOf(w, token, own)
			if st["state"] != "open" || st["payable"] != true {
				t.Errorf("status: %v", st)
			}
			stage := strings.TrimPrefix(reason, "op_")
			if reason == "" {
				stage = "waiting"
			}
			holds(t, "to who sent it", object(st["op"]), map[string]any{"stage": stage, "own": true, "hash": opHash})
			d := page(t, w.Get("/?token="+token, own).Want(http.StatusOK))
			if got := text(d, "op-told-title"); got != title || d.Find("#op-told:not([hidden])").Length() != 1 {
				t.Errorf("the page says %q, want %q", got, title)
			}
			if said := text(d, "op-told-why"); (said != "") != (reason == payment.ReasonOpFailed) {
				t.Errorf("the contracts said %q", said)
			}
			if d.Find("#qt").AttrOr("data-state", "") != "open" {
				t.Error("the payment cannot be made")
			}
			if st := statusOf(w, token); st["op"] != nil || st["payable"] != true {
				t.Errorf("to others: %v", st)
			}
			if n := page(t, w.Get("/?token="+token)).Find("#op-told:not([hidden])").Length(); n != 0 {
				t.Error("others are told of it")
			}
		})
	}
}

// announcedBy is the cookie of a browser that has sent the operation: the session
// keeps what is announced, whatever kind it is of.
func announcedBy(t *testing.T, w *webtest.World, token string) string {
	t.Helper()
	r := w.Do(http.MethodPost, "/checkout/"+token+"/intent", `{"txHash":"`+opHash+`","wallet":"`+other+`"}`, here)
	if r.Header.Get("Set-Cookie") == "" {
		t.Fatalf("nothing is remembered: %s", r.Body)
	}
	return cookie(r)
}

// Contracts say what they like.
func TestContractsWordsAreJustWords(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	sent(t, w, token, func(a *payment.Attempt) {
		failed(a)
		a.Op.Why = "</script><img src=x onerror=alert(1)>\u202e\u2066\x00\x1b[31m\nsend your seed" + strings.Repeat(" phrase", 5000)
	})
	for _, path := range []string{"/?token=" + token, "/checkout/" + token + "/status"} {
		r := w.Get(path).Want(http.StatusOK)
		for _, bad := range []string{"<img src", "alert(1)>", "\u202e", "\u2066", "\x1b", "\x00"} {
			if strings.Contains(string(r.Body), bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if strings.Count(string(r.Body), "phrase") > 30 {
			t.Errorf("%s has all of it", path)
		}
	}
	if got := text(page(t, w.Get("/?token="+token)), "op-why"); !strings.HasPrefix(got, "The contracts said: “</script><img src=x") || !strings.HasSuffix(got, "…”") {
		t.Errorf("the page says %q", got)
	}
}

// What an operation has done names the payee, and so does its account's history.
func TestOperationDoesNotTellAHiddenPayee(t *testing.T) {
	w := webtest.New(t)
	token := restrict(w, `{"hidePayeeAddress":true}`)
	sent(t, w, token, failed)
	secrets := []string{opHash[2:], opAccount[2:], allowed[2:], opTx[2:], "exceeds balance"}
	r := w.Get("/checkout/" + token + "/status").Want(http.StatusOK)
	leaks(t, "the status", r.Body, secrets)
	holds(t, "to others", object(r.JSON()["op"]), map[string]any{"stage": "failed", "own": false, "hash": "", "account": "", "owner": "", "why": "", "txHash": "", "explorerUrl": ""})
	leaks(t, "the page", w.Get("/?token="+token).Want(http.StatusOK).Body, secrets)

	veiled := restrict(w, `{"allowedPayerAddresses":["`+allowed+`"],"hideUntilApproved":true}`)
	sent(t, w, veiled, func(a *payment.Attempt) { a.Key += "0" })
	if got := string(w.Get("/checkout/" + veiled + "/status").Want(http.StatusOK).Body); got != `{"state":"open"}` {
		t.Errorf("status of what is hidden: %s", got)
	}
	leaks(t, "the hidden page", w.Get("/?token="+veiled).Want(http.StatusOK).Body, secrets)
}

func TestPageMayReportEveryCheckOfAnOperation(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	for _, check := range []string{
		userop.CheckSender, userop.CheckFactory, userop.CheckNonce, userop.CheckCalls, userop.CheckPermit, userop.CheckValue, userop.CheckGas, userop.CheckFees,
		userop.CheckPaymaster,
	} {
		w.Do(http.MethodPost, "/checkout/"+token+"/telemetry", `{"event":"unsafe_refused","check":"`+check+`","detail":"x"}`, here).Want(http.StatusNoContent)
		events, err := w.App.Store.Events(t.Context(), payment.ID(token))
		if err != nil {
			t.Fatal(err)
		}
		if last := events[len(events)-1]; last.Kind != payment.EventUnsafe || last.Detail != "page: "+check+": x" {
			t.Errorf("%s: %+v", check, last)
		}
	}
}
