package request_test

import (
	"net/http"
	"strings"
	"testing"

	"quittance/web/apidoc/apidoctest"
)

// call is a request that an operation takes.
type call struct {
	method, path, body string
}

// sampleCalls is one request for each operation, with things that need not exist.
func sampleCalls() []call {
	unknown := route + "/01ARZ3NDEKTSV4RRFFQ69G5FAV"
	intent := `{"txHash":"0x` + strings.Repeat("ab", 32) + `","chain":"BASE","token":"USDC"}`
	return []call{
		{http.MethodPost, route, usdc("5")},
		{http.MethodPost, route + "/payouts", payoutBody},
		{http.MethodGet, route + "?requestId=01" + strings.Repeat("0", 64), ""},
		{http.MethodGet, unknown, ""},
		{http.MethodGet, unknown + "/pay", ""},
		{http.MethodPost, unknown + "/intent", intent},
		{http.MethodGet, "/v2/currencies", ""},
	}
}

// refusals makes every operation refuse for the reasons that all have: no
// credential, a credential from elsewhere, no such thing, a body of the wrong
// kind or size, and no time left.
func (x *exchange) refusals() {
	x.t.Helper()
	id := addClientID(x.t.(*testing.T), x.World, shop)
	for _, c := range sampleCalls() {
		bare, _, _ := strings.Cut(c.path, "?")
		operation := x.contract.Find(c.method, bare)
		has := func(status int) bool {
			for _, p := range x.contract.Pairs() {
				if p == (apidoctest.Pair{Operation: operation, Status: status}) {
					return true
				}
			}
			return false
		}
		x.send(http.StatusUnauthorized, c.method, c.path, c.body)
		x.send(http.StatusForbidden, c.method, c.path, c.body, id, "Origin: https://elsewhere.example.com")
		// With a key that nobody has used: others may be known without the database.
		x.send(http.StatusServiceUnavailable, c.method, c.path, c.body, hurried+": true", "X-Api-Key: "+x.AddKey(x.Merchant))
		if has(http.StatusNotFound) && strings.Contains(c.path, "01") {
			x.api(http.StatusNotFound, c.method, c.path, c.body)
		}
		if c.body == "" {
			continue
		}
		// A payment must be there before its body is read.
		c.path = strings.Replace(c.path, "01ARZ3NDEKTSV4RRFFQ69G5FAV", x.CreatePayment("1"), 1)
		x.api(http.StatusUnsupportedMediaType, c.method, c.path, c.body, "Content-Type: text/plain")
		x.api(http.StatusRequestEntityTooLarge, c.method, c.path, `{"reference":"`+strings.Repeat("x", 300<<10)+`"}`)
	}
}
