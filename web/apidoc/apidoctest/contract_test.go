package apidoctest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"quittance/web/apidoc/apidoctest"
)

const token = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

func load(t *testing.T) *apidoctest.Contract {
	t.Helper()
	c, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The published examples of requests, with placeholders and all, are requests by
// the document too.
func TestPublishedRequestsAreRequests(t *testing.T) {
	text, err := os.ReadFile("testdata/documented-requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name, Path string
		Body       json.RawMessage
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d requests, %v", len(all), err)
	}
	c := load(t)
	for _, r := range all {
		if err := c.Request(http.MethodPost, r.Path, r.Body); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}

func TestRequestsAreJudged(t *testing.T) {
	c := load(t)
	intent := "/v2/secure-payments/" + token + "/intent"
	for body, ok := range map[string]bool{
		`{"requests":[{"amount":"1"}]}`:                                              true,
		`{"requests":[{"amount":"1"}],"unknown":1}`:                                  true,
		`{"requests":[]}`:                                                            false,
		`{"requests":[{"amount":1}]}`:                                                false,
		`{"requests":[{"amount":"1"}],"accessPolicy":{"allowedPayers":[]}}`:          false,
		`{"requests":[{"amount":"1","payee":"0x12","paymentCurrency":"USDC-base"}]}`: false,
		``:  false,
		`{`: false,
	} {
		if err := c.Request(http.MethodPost, "/v2/secure-payments", []byte(body)); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := c.Request(http.MethodPost, intent, []byte(`{"chain":"BASE","token":"USDC"}`)); err == nil {
		t.Error("an intent without a transaction is no intent")
	}
	if err := c.Request(http.MethodGet, "/v2/currencies", []byte(`{}`)); err == nil {
		t.Error("a GET takes no body")
	}
	if err := c.Request(http.MethodPost, "/v2/elsewhere", []byte(`{}`)); err == nil {
		t.Error("a path that is not documented")
	}
}

func TestQueriesAreJudged(t *testing.T) {
	c := load(t)
	for query, ok := range map[string]bool{"": true, "network=base&firstOnly=true": true, "netwrok=base": false} {
		if err := c.Query(http.MethodGet, &url.URL{Path: "/v2/currencies", RawQuery: query}); (err == nil) != ok {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestCredentialsAreNamed(t *testing.T) {
	c := load(t)
	if got := c.Opens("newNonce"); len(got) != 0 {
		t.Errorf("a nonce needs %v", got)
	}
	if got := c.Opens("showSession"); !slices.Equal(got, []string{"session", "bearer"}) {
		t.Errorf("a session needs %v", got)
	}
}

// The contract must be able to refuse: a wrong status, header, member or type.
func TestAnswersAreJudged(t *testing.T) {
	c := load(t)
	header := func(pairs ...string) http.Header {
		h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {token}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	without := func(name string) http.Header {
		h := header()
		h.Del(name)
		return h
	}
	refused := `{"statusCode":401,"message":"No.","error":"Unauthorized","code":"missing_credential"}`
	for what, x := range map[string]struct {
		path   string
		status int
		header http.Header
		body   string
		ok     bool
	}{
		"as documented":              {"/v2/currencies", 401, header(), refused, true},
		"with an optional header":    {"/v2/currencies", 401, header("RateLimit-Remaining", "3"), refused, true},
		"a header of the wrong type": {"/v2/currencies", 401, header("RateLimit-Remaining", "some"), refused, false},
		"a header out of range":      {"/v2/currencies", 401, header("RateLimit-Remaining", "-1"), refused, false},
		"an undocumented header":     {"/v2/currencies", 401, header("X-Powered-By", "x"), refused, false},
		"no request id":              {"/v2/currencies", 401, without("X-Request-Id"), refused, false},
		"no media type":              {"/v2/currencies", 401, without("Content-Type"), refused, false},
		"another media type":         {"/v2/currencies", 401, header("Content-Type", "text/html"), refused, false},
		"an undocumented member":     {"/v2/currencies", 401, header(), strings.Replace(refused, "{", `{"stack":"x",`, 1), false},
		"a missing member":           {"/v2/currencies", 401, header(), strings.Replace(refused, `,"code":"missing_credential"`, "", 1), false},
		"a member of the wrong type": {"/v2/currencies", 401, header(), strings.Replace(refused, `"No."`, `7`, 1), false},
		"no body":                    {"/v2/currencies", 401, header(), "", false},
		"an undocumented status":     {"/v2/currencies", 402, header(), refused, false},
		"an undocumented path":       {"/v2/elsewhere", 401, header(), refused, false},
		"an unavailable server that does not say when to ask again": {"/v2/currencies", 503, header(), refused, false},
		"one that does": {"/v2/currencies", 503, header("Retry-After", "1"), refused, true},
	} {
		if _, err := c.Response(http.MethodGet, x.path, x.status, x.header, []byte(x.body)); (err == nil) != x.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOperationsAreFound(t *testing.T) {
	c := load(t)
	for call, want := range map[string]string{
		"GET /v2/secure-payments/" + token: "getSecurePayment", "POST /v2/secure-payments/payouts": "createPayout",
		"GET /v2/secure-payments": "findSecurePayment", "GET /v2/secure-payments/" + token + "/pay": "getSecurePaymentCalldata",
		"DELETE /v2/secure-payments": "", "GET /v2/secure-payments/": "", "GET /v2/secure-payments/a/b/c": "",
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := c.Find(method, path); got != want {
			t.Errorf("%s: found %q, want %q", call, got, want)
		}
	}
}

func TestDeliveriesAreJudged(t *testing.T) {
	c := load(t)
	body := `{"event":"secure_payment.unsafe","requestId":"01` + strings.Repeat("ab", 32) + `","securePaymentToken":"` + token +
		`","detail":"code_pinned","timestamp":"2026-01-02T03:04:05Z","sequence":3}`
	good := func() http.Header {
		h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"x"}}
		for name, value := range map[string]string{
			"webhook-id": token, "webhook-timestamp": "1767323045", "webhook-signature": "v1," + strings.Repeat("A", 43) + "=",
			"x-request-network-signature": strings.Repeat("0a", 32), "x-request-network-delivery": token, "x-request-network-retry-count": "0",
		} {
			h.Set(name, value)
		}
		return h
	}
	if err := c.Webhook("secure_payment.unsafe", good(), []byte(body)); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{
		"webhook-timestamp": "now", "webhook-signature": "v1,short", "x-request-network-signature": "", "x-request-network-signature-next": "no", "x-other": "1",
	} {
		h := good()
		if h.Set(name, value); value == "" {
			h.Del(name)
		}
		if err := c.Webhook("secure_payment.unsafe", h, []byte(body)); err == nil {
			t.Errorf("%s: %q was taken", name, value)
		}
	}
	for _, bad := range []string{strings.Replace(body, `"sequence":3`, `"sequence":0`, 1), strings.Replace(body, `"detail"`, `"details"`, 1), `{}`, `x`} {
		if err := c.Webhook("secure_payment.unsafe", good(), []byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if err := c.Webhook("payment.unheard_of", good(), []byte(body)); err == nil {
		t.Error("an undocumented webhook was taken")
	}
}
