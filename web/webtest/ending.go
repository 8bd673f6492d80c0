package webtest

import (
	"fmt"
	"net/http"
	"time"
)

// CreateEnding makes a payment whose end is near, by a body with %q for that end. Where the
// machine is so busy that the end is over before the payment is made, it gets twice the time.
func (w *World) CreateEnding(body string) (token string) {
	w.t.Helper()
	for in := 500 * time.Millisecond; ; in *= 2 {
		end := time.Now().Add(in).UTC().Format(time.RFC3339Nano)
		r := w.API(http.MethodPost, "/v2/secure-payments", fmt.Sprintf(body, end))
		if r.Status == http.StatusBadRequest && in < time.Minute && r.JSON()["code"] == "invalid_expiry" {
			continue
		}
		token, _ = r.Want(http.StatusCreated).JSON()["token"].(string)
		return token
	}
}
