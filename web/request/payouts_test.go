package request_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

const creator = "0x2e2E5C79F571ef1658d4C2d3684a1FE97DD30570"

func payoutWith(more string) string {
	return fmt.Sprintf(`{"recipient":%q,"creatorWalletAddress":%q,"network":"base","currency":"USDC-base","amount":"250"%s}`, otherPayee, creator, more)
}

func address(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPayout(t *testing.T) {
	w := webtest.New(t)
	path := route + "/payouts"
	made := w.API(http.MethodPost, path, payoutWith(`,"reference":"INVOICE-2026-042","recipientIdentifier":"supplier-7","redirectUrl":"https://merchant.example.com/done",
		"feePercentage":"1","feeAddress":"`+payee+`","accessPolicy":{"allowedPayerAddresses":["`+creator+`"],"hidePayeeAddress":true},"somethingNew":1`)).Want(http.StatusCreated).JSON()
	token, _ := made["token"].(string)
	if got := keysOf(made); got != "feePlan requestIds securePaymentUrl token" {
		t.Errorf("answer: %s", got)
	}
	plan, _ := made["feePlan"].(map[string]any)
	if plan["flow"] != "pay" || plan["payerTotalAmountUsd"] != "252.5" || plan["netRecipientAmountUsd"] != "250" {
		t.Errorf("feePlan: %v", plan)
	}
	p := w.Load(token)
	r := p.Terms.Requests[0]
	if p.Terms.Flow != payment.PayOut || p.Terms.RecipientIdentifier != "supplier-7" || p.Terms.Creator != address(t, creator) ||
		r.Payee != address(t, otherPayee) || r.Asset != "USDC-base" || r.Due.Int64() != 250_000_000 || !p.Terms.Access.Open() || !p.Terms.Access.HidePayee {
		t.Errorf("terms: %+v", p.Terms)
	}
	// Whoever has the link may pay it.
	w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+w.Chain.Other.Address(), "").Want(http.StatusOK)
	found := w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON()
	if found["flow"] != "pay" || found["childExecutable"] != true || found["blockReason"] != nil || found["recipientIdentifier"] != "supplier-7" {
		t.Errorf("look-up: %v", found)
	}
	w.PayOnChain(w.Chain.Other, token, 250_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	found = w.API(http.MethodGet, route+"?requestId="+r.ID, "").Want(http.StatusOK).JSON()
	if found["childExecutable"] != false || found["blockReason"] != "already_paid" || found["status"] != "completed" {
		t.Errorf("look-up: %v", found)
	}
}

// The documented example is accepted as it stands.
func TestPayoutExample(t *testing.T) {
	w := webtest.New(t)
	example, err := os.ReadFile(filepath.Join("testdata", "payout-example.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.API(http.MethodPost, route+"/payouts", string(example)).Want(http.StatusCreated)
}

func TestPayoutIsIdempotent(t *testing.T) {
	w := webtest.New(t)
	path := route + "/payouts"
	first := w.API(http.MethodPost, path, payoutWith(""), "Idempotency-Key: p1").Want(http.StatusCreated)
	again := w.API(http.MethodPost, path, payoutWith(""), "Idempotency-Key: p1").Want(http.StatusCreated)
	if string(first.Body) != string(again.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay: %s\n%s", first.Body, again.Body)
	}
	w.API(http.MethodPost, path, payoutWith(`,"reference":"other"`), "Idempotency-Key: p1").Want(http.StatusUnprocessableEntity)
	// The same key on another route is another key.
	w.API(http.MethodPost, route, usdc("1"), "Idempotency-Key: p1").Want(http.StatusCreated)
}

func TestPayoutRefusals(t *testing.T) {
	w := webtest.New(t)
	swap := func(from, to string) string { return strings.Replace(payoutWith(""), from, to, 1) }
	for name, c := range map[string]struct{ body, want string }{
		"no recipient":        {swap(`"recipient"`, `"recipients"`), "recipient missing_address"},
		"bad recipient":       {swap(otherPayee, "0x12"), "recipient invalid_address"},
		"nobody":              {swap(otherPayee, "0x0000000000000000000000000000000000000000"), "recipient invalid_address"},
		"the token":           {swap(otherPayee, w.Chain.USDC()), "recipient invalid_payee"},
		"Tron recipient":      {swap(otherPayee, "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"), "recipient tron_unsupported"},
		"no creator":          {swap(`"creatorWalletAddress"`, `"creator"`), "creatorWalletAddress missing_address"},
		"bad creator":         {swap(creator, "x"), "creatorWalletAddress invalid_address"},
		"no network":          {swap(`"network"`, `"net"`), "network missing_network"},
		"unknown network":     {swap(`"base"`, `"solana"`), "network unsupported_network"},
		"Tron":                {swap(`"base"`, `"tron"`), "network tron_unsupported"},
		"no currency":         {swap(`"currency"`, `"cur"`), "currency missing_currency"},
		"unknown currency":    {swap(`"USDC-base"`, `"DOGE-base"`), "currency unsupported_currency"},
		"no amount":           {swap(`"amount"`, `"sum"`), "amount missing_amount"},
		"nothing":             {swap(`"250"`, `"0"`), "amount invalid_amount"},
		"more than fits":      {swap(`"250"`, `"115792089237316195423570985008687907853269984665640564039457584007913129"`+`,"feePercentage":"1","feeAddress":"`+payee+`"`), "amount amount_too_large"},
		"too precise":         {swap(`"250"`, `"0.0000001"`), "amount too_precise"},
		"a number":            {swap(`"250"`, `250`), "amount wrong_type"},
		"identifier too long": {payoutWith(`,"recipientIdentifier":"` + strings.Repeat("x", 256) + `"`), "recipientIdentifier invalid_length"},
		"identifier reorders": {payoutWith(`,"recipientIdentifier":"a\u202eb"`), "recipientIdentifier invalid_characters"},
		"reference reorders":  {payoutWith(`,"reference":"a\u202eb"`), "reference invalid_characters"},
		"half a fee":          {payoutWith(`,"feePercentage":"1"`), "feeAddress missing_fee_address"},
		"unsafe link":         {payoutWith(`,"redirectUrl":"javascript:1"`), "redirectUrl unsafe_url"},
		"policy":              {payoutWith(`,"accessPolicy":{"mode":"kyt_all_wallets"}`), "accessPolicy.screeningProvider unknown_provider"},
	} {
		got := w.API(http.MethodPost, route+"/payouts", c.body).Want(http.StatusBadRequest).JSON()
		if s := fmt.Sprint(got["field"], " ", got["code"]); s != c.want {
			t.Errorf("%s: got %s, want %s", name, s, c.want)
		}
	}
	w.Do(http.MethodPost, route+"/payouts", payoutWith("")).Want(http.StatusUnauthorized)
	for name, headers := range map[string][]string{
		"page": {addClientID(t, w, shop), "Origin: " + shop}, "backend": {clientIDWith(t, w, merchant.Credential{})},
	} {
		got := w.Do(http.MethodPost, route+"/payouts", payoutWith(""), headers...).Want(http.StatusForbidden).JSON()
		if got["message"] != "Platform is not allowed to create payouts" {
			t.Errorf("a %s's client id: %v", name, got)
		}
	}
}
