package request_test

import (
	"net/http"
	"net/url"
	"testing"

	"quittance/web/webtest"
)

// FuzzDestinationID: whatever is in the path, the answer is 200, 400 or 404.
func FuzzDestinationID(f *testing.F) {
	w := webtest.New(f)
	for _, seed := range []string{"0x742d35Cc6634C0532925a3b844Bc454e4438f44e@eip155:900008453#4CA88C9C:0x5a4db000000000000000000000000000000005dc",
		"01ARZ3NDEKTSV4RRFFQ69G5FAV", "base:0x742d35Cc6634C0532925a3b844Bc454e4438f44e:0x0000000000000000000000000000000000000000", "T@eip155:728126428#5F89A3B2:T", "%", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if id == "" || id == "signing-data" || id == "." || id == ".." {
			t.Skip()
		}
		for _, path := range []string{destinationsV2 + "/" + url.PathEscape(id), clientIDs + "/" + url.PathEscape(id)} {
			switch r := w.For(t).API(http.MethodGet, path, ""); r.Status {
			case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusTooManyRequests:
			default:
				t.Errorf("%q: status %d: %s", id, r.Status, r.Body)
			}
		}
	})
}
