package request_test

import (
	"net/http"
	"slices"
	"strings"

	"quittance/web/apidoc/apidoctest"
)

// call is a request that an operation takes.
type call struct {
	method, path, body string
}

// nothing is the end of a path to what does not exist.
const nothing = "/01ARZ3NDEKTSV4RRFFQ69G5FAV"

// sampleCalls is one request for each operation, with things that need not exist.
func (x *exchange) sampleCalls() []call {
	unknown := route + nothing
	label := `{"label":"Shop","allowedDomains":["https://shop.example.com"]}`
	intent := `{"txHash":"0x` + strings.Repeat("ab", 32) + `","chain":"BASE","token":"USDC"}`
	return []call{
		{http.MethodPost, route, usdc("5")},
		{http.MethodPost, route + "/payouts", payoutBody},
		{http.MethodGet, route + "?requestId=01" + strings.Repeat("0", 64), ""},
		{http.MethodGet, unknown, ""},
		{http.MethodGet, unknown + "/pay", ""},
		{http.MethodPost, unknown + "/intent", intent},
		{http.MethodPost, unknown + refreshPath, refreshStep},
		{http.MethodGet, "/v2/currencies", ""},
		{http.MethodPost, hookRoute, `{"url":"https://shop.example.com/hooks"}`},
		{http.MethodGet, hookRoute, ""},
		{http.MethodPost, hookRoute + "/test", `{"eventType":"payment.confirmed"}`},
		{http.MethodPut, hookRoute + nothing, ""},
		{http.MethodDelete, hookRoute + nothing, ""},
		{http.MethodPost, hookRoute + nothing + "/rotate", `{"overlapHours":1}`},
		{http.MethodGet, hookRoute + nothing + "/deliveries", ""},
		{http.MethodPost, hookRoute + nothing + "/replay", `{"onlyFailed":true}`},
		{http.MethodGet, "/v2/events", ""},
		{http.MethodGet, "/v2/payments?type=direct", ""},
		{http.MethodGet, "/v2/currencies/USDC-base/conversion-routes", ""},
		{http.MethodPost, "/v2/client-ids", label},
		{http.MethodGet, "/v2/client-ids", ""},
		{http.MethodGet, "/v2/client-ids" + nothing, ""},
		{http.MethodPut, "/v2/client-ids" + nothing, label},
		{http.MethodDelete, "/v2/client-ids" + nothing, `{}`},
		{http.MethodPost, "/v1/client-ids", label},
		{http.MethodGet, "/v1/client-ids", ""},
		{http.MethodGet, "/v1/client-ids" + nothing, ""},
		{http.MethodPut, "/v1/client-ids" + nothing, label},
		{http.MethodDelete, "/v1/client-ids" + nothing, `{}`},
		{http.MethodGet, destinationsV2 + "/signing-data", ""},
		{http.MethodPost, destinationsV2, `{}`},
		{http.MethodGet, destinationsV2, ""},
		{http.MethodGet, destinationsV2 + nothing, ""},
		{http.MethodDelete, destinationsV2 + nothing, `{}`},
		{http.MethodPost, destinationsV1, `{}`},
		{http.MethodPut, destinationsV1, `{}`},
		{http.MethodGet, destinationsV1, ""},
		{http.MethodGet, destinationsV1 + "/lookup", ""},
		{http.MethodGet, destinationsV1 + "/payout-lookup", ""},
		{http.MethodPatch, destinationsV1 + "/deactivate", `{}`},
		{http.MethodPatch, destinationsV1 + "/wallet-change/cancel", `{}`},
		{http.MethodPost, "/v1/auth/nonce", ""},
		{http.MethodPost, "/v1/auth/verify", `{}`},
		{http.MethodGet, "/v1/auth/session", ""},
		{http.MethodPost, "/v1/auth/logout", ""},
	}
}

// refusals makes every operation refuse for the reasons that all have: no
// credential, a credential from elsewhere, no such thing, a body of the wrong
// kind or size, a key that is none, and no time left. as is a session's header.
func (x *exchange) refusals(as string) {
	x.t.Helper()
	id := x.browser()
	for _, c := range x.sampleCalls() {
		bare, _, _ := strings.Cut(c.path, "?")
		operation, who := x.contract.Find(c.method, bare), x.key()
		if strings.HasPrefix(c.path, destinationsV1) {
			who = as
		}
		has := func(status int) bool {
			return slices.Contains(x.contract.Pairs(ownPaths...), apidoctest.Pair{Operation: operation, Status: status})
		}
		if !strings.HasPrefix(c.path, "/v1/auth/") {
			x.send(http.StatusUnauthorized, c.method, c.path, c.body)
			// With a key that nobody has used: others may be known without the database.
			x.send(http.StatusServiceUnavailable, c.method, c.path, c.body, hurried+": true", "X-Api-Key: "+x.AddKey(x.Merchant))
		}
		x.send(http.StatusForbidden, c.method, c.path, c.body, id, "Origin: https://elsewhere.example.com")
		if has(http.StatusNotFound) && strings.Contains(c.path, "01") {
			x.send(http.StatusNotFound, c.method, c.path, c.body, who)
		}
		if has(http.StatusUnprocessableEntity) {
			x.send(http.StatusBadRequest, c.method, c.path, c.body, who, "Idempotency-Key: two words")
		}
		if c.body == "" {
			continue
		}
		if strings.HasPrefix(c.path, route) { // a payment must be there before its body is read
			c.path = strings.Replace(c.path, nothing, "/"+x.CreatePayment("1"), 1)
		}
		x.send(http.StatusUnsupportedMediaType, c.method, c.path, c.body, who, "Content-Type: text/plain")
		x.send(http.StatusRequestEntityTooLarge, c.method, c.path, `{"reference":"`+strings.Repeat("x", 300<<10)+`"}`, who)
	}
}

// credentials calls every operation with every kind of credential: those that are
// documented open it, and no others.
func (x *exchange) credentials(as string) {
	x.t.Helper()
	backend := x.backend()
	token := x.sessionCookie()
	kinds := map[string][][]string{
		"apiKey":   {{x.key()}},
		"clientId": {{backend}, {x.browser(), "Origin: " + shop}},
		"session":  {{token}},
		"bearer":   {{as}},
	}
	for _, c := range x.sampleCalls() {
		bare, _, _ := strings.Cut(c.path, "?")
		operation := x.contract.Find(c.method, bare)
		open := x.contract.Opens(operation)
		if len(open) == 0 {
			continue
		}
		for kind, all := range kinds {
			opened := false
			for _, headers := range all {
				got := x.sendAny(c.method, c.path, c.body, headers...)
				opened = opened || (got.Status != http.StatusUnauthorized && got.Status != http.StatusForbidden)
			}
			if opened != slices.Contains(open, kind) {
				x.t.Errorf("%s: a credential of kind %s opens it: %t, documented are %v", operation, kind, opened, open)
			}
		}
	}
}
