package request_test

import (
	"net/http"
	"testing"

	"quittance/web/webtest"
)

// FuzzWebhookBodies sends bodies to everything that manages webhooks. Each is
// refused as the caller's fault or answered; nothing is the server's fault.
func FuzzWebhookBodies(f *testing.F) {
	w := webtest.New(f)
	id, _ := w.API(http.MethodPost, "/v1/webhook", `{"url":"https://shop.example.com/hooks"}`).Want(http.StatusCreated).JSON()["id"].(string)
	paths := []string{"/v1/webhook", "/v1/webhook/test", "/v1/webhook/" + id + "/rotate", "/v1/webhook/" + id + "/replay"}
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"url":"https://shop.example.com/hooks"}`, `{"url":"https://[::1]/"}`, `{"url":"https://a.example.com/\u0000"}`,
		`{"url":"https://a.example.com/","clientId":"cli_x"}`, `{"eventType":"payment.confirmed"}`, `{"eventType":{"a":["b"]}}`, `{"eventType":"é\u2028"}`,
		`{"overlapHours":0}`, `{"overlapHours":1e3}`, `{"overlapHours":-9223372036854775808}`, `{"onlyFailed":true}`, `{"deliveryId":"01KE0000000000000000000000"}`,
		`{"from":"2026-01-02T15:04:05+14:00","to":"9999-12-31T23:59:59.999999999Z"}`, `{"from":"0000-01-01T00:00:00Z"}`, `{"after":"7ZZZZZZZZZZZZZZZZZZZZZZZZZ","onlyFailed":true}`,
	} {
		for i := range paths {
			f.Add(byte(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, body string) {
		w := w.For(t)
		got := w.API(http.MethodPost, paths[int(which)%len(paths)], body, "Content-Type: application/json")
		switch got.Status {
		case http.StatusOK, http.StatusCreated:
		case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge:
			if v := got.JSON(); v["message"] == "" || v["code"] == "" || len(got.Body) > 4096 {
				t.Fatalf("refused with %.500s", got.Body)
			}
		default:
			t.Fatalf("status %d: %.500s", got.Status, got.Body)
		}
	})
}
