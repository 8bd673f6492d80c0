package app

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
)

// What asks chains, writes or draws is counted once: here, or where it is answered in words.
func TestCostly(t *testing.T) {
	for path, want := range map[string]struct{ get, post bool }{
		"/checkout/:token/pay": {true, true}, "/checkout/:token/status": {false, true}, "/checkout/:token/paymaster": {false, false},
		"/payment/:alias/pay": {true, true}, "/payment/:alias/quote": {false, false}, "/payment/:alias": {false, true}, "/payment/qr": {true, true},
		"/link/:alias/pay": {true, true}, "/link/:alias/quote": {false, false}, "/link/:alias/cancel": {false, false}, "/link/:alias/intent": {false, true},
		"/link/:alias/status": {false, true}, "/payment": {false, false}, "/api/v2/createLink": {false, false}, "/": {false, false},
	} {
		for method, want := range map[string]bool{http.MethodGet: want.get, http.MethodPost: want.post} {
			c := echo.New().NewContext(httptest.NewRequest(method, "/", nil), httptest.NewRecorder())
			c.SetPath(path)
			if got := costly(c); got != want {
				t.Errorf("%s %s: %t", method, path, got)
			}
		}
	}
}
