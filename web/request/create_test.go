package request_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/web/webtest"
)

const (
	payee = webtest.Payee
	route = "/v2/secure-payments"
)

func usdc(amount string) string {
	return fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":%q}]}`, payee, amount)
}

func TestCreate(t *testing.T) {
	w := webtest.New(t)
	got := w.API(http.MethodPost, route, `{"requests":[{"payee":"`+payee+`","paymentCurrency":"USDC-base","invoiceCurrency":"USDC-base","amount":"10.50"}],
		"feePercentage":"2.5","feeAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7","reference":"ORDER-1","redirectUrl":"https://shop.example.com/thanks?o=1","redirectLabel":"Back to shop",
		"somethingNew":{"x":1}}`).Want(http.StatusCreated)
	body := got.JSON()
	token, _ := body["token"].(string)
	if !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`).MatchString(token) {
		t.Errorf("token %q is no ULID", token)
	}
	if want := webtest.BaseURL + "/?token=" + token; body["securePaymentUrl"] != want {
		t.Errorf("securePaymentUrl: got %v, want %s", body["securePaymentUrl"], want)
	}
	ids, _ := body["requestIds"].([]any)
	if len(ids) != 1 || !regexp.MustCompile(`^01[0-9a-f]{64}$`).MatchString(ids[0].(string)) {
		t.Errorf("requestIds: %v", body["requestIds"])
	}
	plan, _ := body["feePlan"].(map[string]any)
	if plan["totalFeesUsd"] != "0.2625" || plan["payerTotalAmountUsd"] != "10.7625" {
		t.Errorf("feePlan: %v", plan)
	}

	show := w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK).JSON()
	for name, want := range map[string]any{
		"paymentType": "single", "status": "pending", "payee": payee, "network": "base", "amount": "10500000", "amountHuman": "10.5",
		"paymentCurrency": "USDC-base", "isNativeCurrency": false, "reference": "ORDER-1", "redirectUrl": "https://shop.example.com/thanks?o=1",
		"redirectLabel": "Back to shop", "branding": nil,
	} {
		if show[name] != want {
			t.Errorf("%s: got %v, want %v", name, show[name], want)
		}
	}
	dest, _ := show["destination"].(map[string]any)
	if id, _ := dest["destinationId"].(string); !strings.HasPrefix(id, payee+"@eip155:900008453#") || !strings.HasSuffix(id, ":"+w.Chain.USDC()) {
		t.Errorf("destinationId: %v", dest["destinationId"])
	}
	// The answer's own destination id is accepted back.
	w.API(http.MethodPost, route, fmt.Sprintf(`{"requests":[{"destinationId":%q,"amount":"1"}]}`, dest["destinationId"])).Want(http.StatusCreated)

	found := w.API(http.MethodGet, route+"?requestId="+ids[0].(string), "").Want(http.StatusOK).JSON()
	if found["token"] != token || found["status"] != "pending" {
		t.Errorf("look-up: %v", found)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := webtest.New(t)
	one := func(fields string) string { return `{"requests":[{` + fields + `}]}` }
	good := `"payee":"` + payee + `","paymentCurrency":"USDC-base"`
	cases := []struct {
		name, body, field, code string
	}{
		{"empty body", ``, "", "empty_body"},
		{"not JSON", `{`, "", "invalid_json"},
		{"trailing data", usdc("1") + `{}`, "", "invalid_json"},
		{"duplicate key", `{"requests":[],"requests":[]}`, "requests", "duplicate_key"},
		{"invalid UTF-8", strings.Replace(usdc("1"), "USDC", "US\xffC", 1), "", "invalid_json"},
		{"no requests", `{}`, "requests", "invalid_requests"},
		{"wrong type", `{"requests":{}}`, "requests", "wrong_type"},
		{"amount as a number", one(good + `,"amount":1`), "requests[0].amount", "wrong_type"},
		{"no amount", one(good), "requests[0].amount", "missing_amount"},
		{"zero", one(good + `,"amount":"0.000000"`), "requests[0].amount", "invalid_amount"},
		{"negative", one(good + `,"amount":"-1"`), "requests[0].amount", "invalid_amount"},
		{"exponent", one(good + `,"amount":"1e3"`), "requests[0].amount", "invalid_amount"},
		{"grouped", one(good + `,"amount":"1,000"`), "requests[0].amount", "invalid_amount"},
		{"over-precise", one(good + `,"amount":"1.0000001"`), "requests[0].amount", "too_precise"},
		{"enormous", one(good + `,"amount":"` + strings.Repeat("9", 90) + `"`), "requests[0].amount", "amount_too_large"},
		{"bad payee", one(`"payee":"0x12","paymentCurrency":"USDC-base","amount":"1"`), "requests[0].payee", "invalid_payee"},
		{"payee with a wrong checksum", one(`"payee":"` + strings.Replace(payee, "35Cc", "35cC", 1) + `","paymentCurrency":"USDC-base","amount":"1"`), "requests[0].payee", "invalid_payee"},
		{"zero payee", one(`"payee":"0x0000000000000000000000000000000000000000","paymentCurrency":"USDC-base","amount":"1"`), "requests[0].payee", "invalid_payee"},
		{"token as payee", one(`"payee":"` + w.Chain.USDC() + `","paymentCurrency":"USDC-base","amount":"1"`), "requests[0].payee", "invalid_payee"},
		{"unknown currency", one(`"payee":"` + payee + `","paymentCurrency":"EUR","amount":"1"`), "requests[0].paymentCurrency", "unsupported_currency"},
		{"conversion", one(good + `,"invoiceCurrency":"USD","amount":"1"`), "requests[0].invoiceCurrency", "conversion_unsupported"},
		{"payee without currency", one(`"payee":"` + payee + `","amount":"1"`), "requests[0].paymentCurrency", "missing_currency"},
		{"no destination at all", one(`"amount":"1"`), "requests[0].destinationId", "no_destination"},
		{"both ways", one(good + `,"destinationId":"x","amount":"1"`), "requests[0]", "ambiguous_destination"},
		{"malformed destination", one(`"destinationId":"x","amount":"1"`), "requests[0].destinationId", "invalid_destination"},
		{"wrong destination checksum", one(`"destinationId":"` + payee + `@eip155:900008453#00000000:` + w.Chain.USDC() + `","amount":"1"`), "requests[0].destinationId", "wrong_checksum"},
		{"destination on an unknown chain", one(`"destinationId":"` + payee + `@eip155:5:` + w.Chain.USDC() + `","amount":"1"`), "requests[0].destinationId", "unsupported_chain"},
		{"destination with an unknown token", one(`"destinationId":"` + payee + `@eip155:900008453:` + payee + `","amount":"1"`), "requests[0].destinationId", "unsupported_token"},
		{"destination of nobody", one(`"destinationId":"0x0000000000000000000000000000000000000000@eip155:900008453:` + w.Chain.USDC() + `","amount":"1"`), "requests[0].destinationId", "invalid_destination"},
		{"destination of the token", one(`"destinationId":"` + w.Chain.USDC() + `@eip155:900008453:` + w.Chain.USDC() + `","amount":"1"`), "requests[0].destinationId", "invalid_destination"},
		{"an empty request", `{"requests":[{},{}]}`, "requests[0].destinationId", "no_destination"},
		{"201 requests", `{"requests":[` + strings.Repeat(`{},`, 200) + `{}]}`, "requests", "too_many_requests"},
		{"fee without address", `{"requests":[{` + good + `,"amount":"1"}],"feePercentage":"1"}`, "feeAddress", "missing_fee_address"},
		{"address without fee", `{"requests":[{` + good + `,"amount":"1"}],"feeAddress":"` + payee + `"}`, "feePercentage", "missing_fee_percentage"},
		{"fee over 100", `{"requests":[{` + good + `,"amount":"1"}],"feePercentage":"100.01","feeAddress":"` + payee + `"}`, "feePercentage", "invalid_fee_percentage"},
		{"fee too precise", `{"requests":[{` + good + `,"amount":"1"}],"feePercentage":"1.001","feeAddress":"` + payee + `"}`, "feePercentage", "invalid_fee_percentage"},
		{"label without URL", `{"requests":[{` + good + `,"amount":"1"}],"redirectLabel":"Back"}`, "redirectLabel", "label_without_url"},
		{"script URL", `{"requests":[{` + good + `,"amount":"1"}],"redirectUrl":"javascript:alert(1)"}`, "redirectUrl", "unsafe_url"},
		{"URL with markup", `{"requests":[{` + good + `,"amount":"1"}],"redirectUrl":"https://x.example/<script>"}`, "redirectUrl", "unsafe_url"},
		{"URL with credentials", `{"requests":[{` + good + `,"amount":"1"}],"redirectUrl":"https://bank.example@evil.example/"}`, "redirectUrl", "unsafe_url"},
		{"control character", `{"requests":[{` + good + `,"amount":"1"}],"reference":"a\u0000b"}`, "reference", "invalid_characters"},
		{"text that reorders", `{"requests":[{` + good + `,"amount":"1"}],"reference":"a\u202eb"}`, "reference", "invalid_characters"},
		{"reference too long", `{"requests":[{` + good + `,"amount":"1"}],"reference":"` + strings.Repeat("x", 256) + `"}`, "reference", "invalid_length"},
		{"expiry in the past", `{"requests":[{` + good + `,"amount":"1"}],"expiresAt":"2020-01-01T00:00:00Z"}`, "expiresAt", "invalid_expiry"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"X-Api-Key: " + w.APIKey}
			if c.body == "" {
				headers = append(headers, "Content-Type: application/json")
			}
			got := w.Do(http.MethodPost, route, c.body, headers...).Want(http.StatusBadRequest).JSON()
			if field, _ := got["field"].(string); field != c.field || got["code"] != c.code {
				t.Errorf("got field %q code %v (%v), want %q %q", field, got["code"], got["message"], c.field, c.code)
			}
			if got["statusCode"] != float64(400) || got["error"] != "Bad Request" || got["message"] == "" {
				t.Errorf("envelope: %v", got)
			}
		})
	}
	if n, _ := w.App.Checkout.ExpireOverdue(t.Context()); n != 0 {
		t.Errorf("%d payments were left behind", n)
	}
}

func TestCreateLimits(t *testing.T) {
	w := webtest.New(t)
	w.API(http.MethodPost, route, usdc("1"+strings.Repeat(" ", 300<<10))).Want(http.StatusRequestEntityTooLarge)
	got := w.API(http.MethodPut, route, usdc("1")).Want(http.StatusMethodNotAllowed).JSON()
	if got["code"] != "method_not_allowed" {
		t.Errorf("code: %v", got["code"])
	}
}

func TestAuthentication(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("1")
	other := w.AddMerchant("Other")
	for name, headers := range map[string][]string{
		"no key": nil, "empty key": {"X-Api-Key: "}, "unknown key": {"X-Api-Key: qk_test_nobody"}, "two keys": {"X-Api-Key: " + w.APIKey, "X-Api-Key: " + other},
	} {
		for _, path := range []string{route + "/" + token, route + "/" + token + "/pay", route + "?requestId=01"} {
			if got := w.Do(http.MethodGet, path, "", headers...); got.Status != http.StatusUnauthorized {
				t.Errorf("%s on %s: got %d", name, path, got.Status)
			}
		}
	}
	for _, path := range []string{"/" + token, "/" + token + "/pay", "?requestId=" + w.Load(token).Terms.Requests[0].ID} {
		w.Do(http.MethodGet, route+path, "", "X-Api-Key: "+other).Want(http.StatusNotFound)
	}
	w.API(http.MethodGet, route+"/01ARZ3NDEKTSV4RRFFQ69G5FAV", "").Want(http.StatusNotFound)
	w.API(http.MethodGet, route+"/nonsense", "").Want(http.StatusNotFound)
}

func TestIdempotency(t *testing.T) {
	w := webtest.New(t)
	first := w.API(http.MethodPost, route, usdc("5"), "Idempotency-Key: order-5").Want(http.StatusCreated)
	again := w.API(http.MethodPost, route, usdc("5"), "Idempotency-Key: order-5").Want(http.StatusCreated)
	if string(first.Body) != string(again.Body) {
		t.Errorf("replay differs:\n%s\n%s", first.Body, again.Body)
	}
	if first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("Idempotent-Replayed is wrong")
	}
	got := w.API(http.MethodPost, route, usdc("6"), "Idempotency-Key: order-5").Want(http.StatusUnprocessableEntity).JSON()
	if got["code"] != "idempotency_key_reused" {
		t.Errorf("code: %v", got["code"])
	}
	// Another merchant's same key is another key.
	other := w.AddMerchant("Other")
	w.Do(http.MethodPost, route, usdc("7"), "X-Api-Key: "+other, "Idempotency-Key: order-5").Want(http.StatusCreated)
	// A refused request does not burn its key.
	w.API(http.MethodPost, route, usdc("0"), "Idempotency-Key: order-8").Want(http.StatusBadRequest)
	w.API(http.MethodPost, route, usdc("8"), "Idempotency-Key: order-8").Want(http.StatusCreated)
	for _, bad := range []string{"", strings.Repeat("k", 256), "a b"} {
		w.API(http.MethodPost, route, usdc("1"), "Idempotency-Key: "+bad).Want(http.StatusBadRequest)
	}
}

func TestIdempotencyUnderConcurrency(t *testing.T) {
	w := webtest.New(t)
	var mu sync.Mutex
	tokens := map[string]int{}
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			got := w.API(http.MethodPost, route, usdc("5"), "Idempotency-Key: race")
			mu.Lock()
			defer mu.Unlock()
			tokens[string(got.Body)]++
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Errorf("%d different answers for one key", len(tokens))
	}
}

func TestWindowOfTheMerchant(t *testing.T) {
	w := webtest.New(t)
	p := w.Load(w.CreatePayment("1"))
	if got := p.Terms.ExpiresAt.Sub(p.Terms.CreatedAt); got != 7*24*time.Hour {
		t.Errorf("default window: got %s, want 7 days", got)
	}
	key := w.AddMerchantWith(merchant.Merchant{Name: "Quick", Window: 15 * time.Minute})
	body := w.Do(http.MethodPost, route, usdc("1"), "X-Api-Key: "+key).Want(http.StatusCreated).JSON()
	token, _ := body["token"].(string)
	p = w.Load(token)
	if got := p.Terms.ExpiresAt.Sub(p.Terms.CreatedAt); got != 15*time.Minute {
		t.Errorf("merchant's window: got %s, want 15 minutes", got)
	}
}
