package pay_test

import (
	"net/http"
	"strings"
	"testing"

	"quittance/internal/ratelimit"
	"quittance/web"
	"quittance/web/webtest"
)

// Calls that write, that ask chains or that draw pictures wait once an address has made too
// many, before anything is looked up. What tells how a payment stands goes on.
func TestCostlyCalls(t *testing.T) {
	w := linkWorld(t, func(o *webtest.Options) { o.Limits = web.Limits{Page: ratelimit.Rate{PerMinute: 1, Burst: 1}} })
	w.Get("/payment/qr").Want(http.StatusNotFound)
	const id, alias, number = "01KE0000000000000000000001", "4291f98b-2f0a-4a57-9d29-0c5f4b3a1e11", "1234567890123456"
	for call, want := range map[string]bool{
		"GET /checkout/" + id + "/options": true, "GET /checkout/" + id + "/pay": true, "GET /checkout/" + id + "/gasless": true,
		"GET /checkout/" + id + "/status": false, "GET /checkout/" + id + "/events": false, "POST /checkout/" + id + "/access": true,
		"POST /checkout/" + id + "/intent": true, "POST /checkout/" + id + "/event": true, "POST /checkout/" + id + "/telemetry": true,
		"POST /checkout/" + id + "/bundler": true, "GET /?token=" + id: false, "GET /" + id: false,
		"GET /payment/" + alias + "/pay": true, "GET /payment/" + alias + "/status": false, "GET /payment/" + alias + "/events": false,
		"POST /payment/" + alias + "/intent": true, "POST /payment/" + alias + "/telemetry": true, "GET /payment/" + alias: false,
		"GET /link/" + number + "/pay": true, "GET /link/" + number + "/status": false, "GET /link/" + number + "/cancel": false,
		"POST /link/" + number + "/intent": true, "POST /link/" + number + "/telemetry": true, "GET /link/" + number + "/return": false,
		"GET /payment/qr": true, "HEAD /payment/qr": true, "GET /payment": false, "POST /api/v2/createLink": false,
	} {
		method, path, _ := strings.Cut(call, " ")
		r := w.Do(method, path, "", "Sec-Fetch-Site: same-origin")
		if r.Status == http.StatusTooManyRequests != want || want && r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d", call, r.Status)
		}
	}
}
